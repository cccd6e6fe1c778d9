import { afterAll, describe, expect, it } from 'vitest';
import { Cutter } from './chaos.js';
import { connect, type Party, serversOf, text, World } from './harness.js';

const names = (count: number): string[] => Array.from({ length: count }, (_, i) => `m${i}`);

/** Takes messages until the one named `last` has come; each must follow the one before it. */
async function receive(party: Party, connId: string, last: string): Promise<string[]> {
  const got: string[] = [];
  while (got.at(-1) !== last) {
    const m = await party.next('MSG', (e) => e.connId === connId);
    expect(m.meta.integrity).toEqual({ type: 'msgOk' });
    got.push(text(m.body));
  }
  return got;
}

describe('messages that are on their way together', () => {
  const world = new World();
  afterAll(() => world.close());

  it('keep their order when the queue is full again and again', async () => {
    const servers = serversOf([await world.relay({ quota: 3 })]);
    const [alice, bob] = [await world.party(servers), await world.party(servers)];
    const { aliceConn, bobConn } = await connect(alice, bob);
    const sent = names(80);
    for (const [i, name] of sent.entries()) {
      await alice.send(aliceConn, name);
      // Now and then the recipient is ahead, so that the window opens.
      if (i % 20 === 19) await new Promise((resolve) => setTimeout(resolve, 100));
    }
    expect(await receive(bob, bobConn, 'm79')).toEqual(sent);
  });

  it('keep their order, and come once, while their connections are cut', async () => {
    const relay = await world.relay();
    const cutter = await Cutter.start(
      () => relay.port,
      () => 2,
    );
    try {
      const servers = serversOf([cutter.addressOf(relay.address)]);
      const [alice, bob] = [await world.party(servers), await world.party(servers)];
      const { aliceConn, bobConn } = await connect(alice, bob);
      const sent = names(120);
      const received = receive(bob, bobConn, 'm119');
      for (const [i, name] of sent.entries()) {
        await alice.send(aliceConn, name);
        if (i % 20 === 10) {
          // In the middle of what the loop before has put on its way.
          await new Promise((resolve) => setTimeout(resolve, 15));
          cutter.cut(1);
        }
      }
      expect(await received).toEqual(sent);
    } finally {
      await cutter.close();
    }
  });
});
