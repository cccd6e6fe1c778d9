import { afterAll, describe, expect, it } from 'vitest';
import { type Clock, systemClock, type Timer } from '../../src/core/index.js';
import { connect, dialects, serversOf, World } from './harness.js';

const day = 86_400_000;

/** The clock of the machine, moved forward at will; long timers fire when a test says so. */
class ShiftedClock implements Clock {
  offset = 0;
  readonly #long: { ms: number; fn: () => void }[] = [];

  now(): number {
    return systemClock.now() + this.offset;
  }
  monotonic(): number {
    return systemClock.monotonic();
  }
  after(ms: number, fn: () => void, options?: { readonly unref?: boolean }): Timer {
    if (ms < 20_000) return systemClock.after(Math.min(ms, 100), fn, options);
    const entry = { ms, fn };
    this.#long.push(entry);
    return { cancel: () => this.#long.splice(0, this.#long.length, ...this.#long.filter((e) => e !== entry)) };
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(Math.min(ms, 100), signal);
  }
  /** Waits for a timer of this length, and fires it. */
  async fireWhenSet(ms: number): Promise<void> {
    while (!this.#long.some((e) => e.ms === ms)) await systemClock.sleep(5);
    this.fire(ms);
  }
  /** Fires the timers of this length. */
  fire(ms: number): void {
    for (const e of this.#long.filter((x) => x.ms === ms)) {
      this.#long.splice(this.#long.indexOf(e), 1);
      e.fn();
    }
  }
}

describe.each(dialects)('on %s', (dialect) => {
  const world = new World(dialect);
  afterAll(() => world.close());

  it('gives messages up that could not be sent for two days, with all that are as old', async () => {
    const relay = await world.relay();
    const clock = new ShiftedClock();
    const alice = await world.party(serversOf([relay]), { clock });
    const bob = await world.party(serversOf([relay]));
    const { aliceConn } = await connect(alice, bob);
    await relay.close();
    const ids: number[] = [];
    for (let i = 0; i < 3; i++) ids.push(await alice.send(aliceConn, `old ${i}`));
    clock.offset = 2 * day + 1_000;
    const fresh = await alice.send(aliceConn, 'fresh');
    const first = await alice.next('MERR', (e) => e.connId === aliceConn);
    expect(first).toMatchObject({ msgId: ids[0], error: { type: 'BROKER', brokerErr: { type: 'NETWORK' } } });
    const others = await alice.next('MERRS', (e) => e.connId === aliceConn);
    expect(others.msgIds).toEqual(ids.slice(1));
    const left = await alice.store.read((tx) =>
      tx.db.selectFrom('agent_snd_deliveries').select('internal_id').execute(),
    );
    expect(left.map((d) => d.internal_id)).toEqual([fresh]);
  });

  it('closes while messages wait for their server and the clean-up runs', async () => {
    const relay = await world.relay();
    const clock = new ShiftedClock();
    const alice = await world.party(serversOf([relay]), { clock });
    const bob = await world.party(serversOf([relay]));
    const { aliceConn } = await connect(alice, bob);
    await relay.close();
    for (let i = 0; i < 3; i++) await alice.send(aliceConn, `waits ${i}`);
    clock.fire(30_000);
    await alice.agent.close();
    const left = await alice.store.read((tx) =>
      tx.db.selectFrom('agent_snd_deliveries').select('internal_id').execute(),
    );
    expect(left.length).toBe(3);
  });

  it('gives messages up that a full queue refused for seven days', async () => {
    const relay = await world.relay({ quota: 2 });
    const clock = new ShiftedClock();
    const alice = await world.party(serversOf([relay]), { clock });
    const bob = await world.party(serversOf([relay]));
    const { aliceConn } = await connect(alice, bob);
    await bob.agent.suspend();
    for (let i = 0; i < 2; i++) await alice.send(aliceConn, `m${i}`);
    const refused = await alice.send(aliceConn, 'one too many');
    const warning = await alice.next('MWARN', (e) => e.connId === aliceConn);
    expect(warning).toMatchObject({ msgId: refused, error: { type: 'SMP', smpErr: { type: 'QUOTA' } } });
    clock.offset = 6 * day;
    await clock.fireWhenSet(300_000);
    await alice.next('MWARN', (e) => e.connId === aliceConn);
    expect(alice.recorder.count('MERR')).toBe(0);
    clock.offset = 7 * day + 1_000;
    await clock.fireWhenSet(450_000);
    const error = await alice.next('MERR', (e) => e.connId === aliceConn);
    expect(error).toMatchObject({ msgId: refused, error: { type: 'SMP', smpErr: { type: 'QUOTA' } } });
  });

  it('cleans up what is older than 21 days', async () => {
    const relay = await world.relay();
    const clock = new ShiftedClock();
    const alice = await world.party(serversOf([relay]), { clock });
    const bob = await world.party(serversOf([relay]), { clock });
    const { aliceConn, bobConn } = await connect(alice, bob);
    await alice.send(aliceConn, 'hello');
    await bob.nextText(bobConn);
    await alice.next('SENT');
    const bodies = () => alice.store.read((tx) => tx.db.selectFrom('agent_snd_bodies').select('id').execute());
    // What is left of a deleted user.
    await alice.tx((tx) =>
      tx.db
        .insertInto('agent_snd_bodies')
        .values({ body: new Uint8Array(3) })
        .execute(),
    );
    const counts = async () => ({
      // Without a receipt the sent message waits for one.
      sent: (await alice.store.read((tx) => tx.db.selectFrom('agent_snd_messages').selectAll().execute())).length,
      hashes: (await bob.store.read((tx) => tx.db.selectFrom('agent_msg_hashes').selectAll().execute())).length,
    });
    clock.fire(30_000);
    expect(await counts()).toEqual({ sent: 1, hashes: 1 });
    clock.offset = 21 * day + 60_000;
    clock.fire(30 * 60_000);
    for (let i = 0; i < 200 && (await counts()).sent + (await counts()).hashes > 0; i++) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      clock.fire(30 * 60_000);
    }
    expect(await counts()).toEqual({ sent: 0, hashes: 0 });
    expect(await bodies()).toEqual([]);
  });
});
