import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AgentError } from '../../src/agent/index.js';
import type { SmpRelay } from '../../src/relay/index.js';
import { bytes, connect, dialects, type Party, serversOf, text, World } from './harness.js';

describe.each(dialects)('on %s', (dialect) => {
  const world = new World(dialect);
  let relay: SmpRelay;
  let alice: Party;
  let bob: Party;

  beforeAll(async () => {
    relay = await world.relay({ quota: 4 });
    alice = await world.party(serversOf([relay]));
    bob = await world.party(serversOf([relay]));
  });
  afterAll(() => world.close());

  const rows = (party: Party, table: 'agent_snd_messages' | 'agent_snd_bodies' | 'agent_snd_deliveries') =>
    party.store.read(async (tx) => (await tx.db.selectFrom(table).selectAll().execute()).length);

  describe('messages', () => {
    it('are confirmed by receipts when the layer above wants it, and leave nothing behind', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      bob.recorder.onEvent = async (_tx, event) => (event.type === 'MSG' ? { receipt: true } : undefined);
      const id = await alice.send(aliceConn, 'received?');
      expect(await bob.nextText(bobConn)).toBe('received?');
      const receipt = await alice.next('RCVD', (e) => e.connId === aliceConn);
      expect(receipt.receipts).toEqual([{ agentMsgId: id, msgRcptStatus: 'ok' }]);
      bob.recorder.onEvent = undefined;
      await alice.next('SENT', (e) => e.connId === aliceConn && e.msgId === id);
      expect(await rows(alice, 'agent_snd_messages')).toBe(0);
      expect(await rows(alice, 'agent_snd_deliveries')).toBe(0);
    });

    it('are confirmed by collected receipts when many come, each once, also by a receiver that was restarted', async () => {
      const path = world.newPath();
      const receipt = async (_tx: unknown, event: { type: string }) =>
        event.type === 'MSG' ? { receipt: true } : undefined;
      const carol = await world.party(serversOf([relay]), { path, onEvent: receipt });
      const { aliceConn, bobConn: carolConn } = await connect(alice, carol);
      const count = 30;
      const sent: number[] = [];
      for (let i = 0; i < count; i++) {
        sent.push(await alice.send(aliceConn, `message ${i}`));
        await carol.nextText(carolConn);
      }
      await carol.close();
      await world.party(serversOf([relay]), { path, onEvent: receipt });
      const confirmed: number[] = [];
      let events = 0;
      while (confirmed.length < count) {
        const { receipts } = await alice.next('RCVD', (e) => e.connId === aliceConn);
        expect(receipts.every((r) => r.msgRcptStatus === 'ok')).toBe(true);
        confirmed.push(...receipts.map((r) => r.agentMsgId));
        events++;
      }
      expect(confirmed).toEqual(sent);
      expect(events).toBeLessThan(count);
    }, 30_000);

    it('share one body when a batch sends the same bytes, and a failed item does not disturb the others', async () => {
      const first = await connect(alice, bob);
      const second = await connect(alice, bob);
      const body = bytes('to all');
      const flags = { notification: false };
      const results = await alice.tx(async (tx) => {
        const r = await alice.agent.sendMessages(tx, [
          { connId: 'AAAAAAAAAAAAAAAA', body, flags },
          { connId: first.aliceConn, body, flags },
          { connId: second.aliceConn, body, flags },
          { connId: second.aliceConn, body: bytes('more'), flags },
        ]);
        const bodies = await tx.db.selectFrom('agent_snd_bodies').selectAll().execute();
        expect(bodies).toHaveLength(1);
        return r;
      });
      expect(results[0]).toBeInstanceOf(AgentError);
      expect(results[0]).toMatchObject({ json: { type: 'CONN', connErr: { type: 'NOT_FOUND' } } });
      expect(results.slice(1).every((r) => !(r instanceof AgentError))).toBe(true);
      expect(await bob.nextText(first.bobConn)).toBe('to all');
      expect(await bob.nextText(second.bobConn)).toBe('to all');
      expect(await bob.nextText(second.bobConn)).toBe('more');
      await alice.next('SENT', (e) => e.connId === first.aliceConn);
      await alice.next('SENT', (e) => e.connId === second.aliceConn);
      expect(await rows(alice, 'agent_snd_bodies')).toBe(0);
    });

    it.each([
      [false, 15_795],
      [true, 13_573],
    ])('may be as large as the padding allows (PQ %s: %i bytes), and a larger one changes nothing', async (pq, max) => {
      const { aliceConn, bobConn } = await connect(alice, bob, pq);
      const flags = { notification: false };
      const [tooLarge, fits] = await alice.tx((tx) =>
        alice.agent.sendMessages(tx, [
          { connId: aliceConn, body: new Uint8Array(max + 1), flags },
          { connId: aliceConn, body: new Uint8Array(max).fill(0x61), flags },
        ]),
      );
      expect(tooLarge).toMatchObject({ json: { type: 'CMD', cmdErr: { type: 'LARGE' } } });
      expect(fits).toMatchObject({ pqEncryption: pq });
      const { meta, body } = await bob.next('MSG', (e) => e.connId === bobConn);
      expect(body).toHaveLength(max);
      expect(meta).toMatchObject({ integrity: { type: 'msgOk' }, sndMsgId: 2 });
    });

    it('turn PQ on for a connection that was made without', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      const flags: boolean[] = [];
      for (let i = 0; i < 5; i++) {
        await alice.send(aliceConn, 'ping', true);
        flags.push((await bob.next('MSG', (e) => e.connId === bobConn)).meta.pqEncryption);
        await bob.send(bobConn, 'pong', true);
        flags.push((await alice.next('MSG', (e) => e.connId === aliceConn)).meta.pqEncryption);
      }
      expect(flags[0]).toBe(false);
      expect(flags.slice(-2)).toEqual([true, true]);
    });

    it('that the handler failed on are reported to it, acknowledged and not repeated', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      bob.recorder.onEvent = async (tx, event) => {
        if (event.type !== 'MSG' || text(event.body) !== 'bad') return undefined;
        await bob.agent.sendMessages(tx, [{ connId: bobConn, body: bytes('undone'), flags: { notification: false } }]);
        throw new Error('cannot');
      };
      await alice.send(aliceConn, 'bad');
      await alice.send(aliceConn, 'good');
      expect(await bob.nextText(bobConn)).toBe('good');
      bob.recorder.onEvent = undefined;
      expect(bob.recorder.failures.map((f) => f.event.type)).toEqual(['MSG']);
      // What the handler sent before it failed was undone with it: numbers and ratchet go on without a gap.
      await bob.send(bobConn, 'answer');
      const answer = await alice.next('MSG', (e) => e.connId === aliceConn);
      expect(text(answer.body)).toBe('answer');
      expect(answer.meta).toMatchObject({ integrity: { type: 'msgOk' }, sndMsgId: 2 });
    });

    it('sent by a handler arrive, in the order of the causes', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      bob.recorder.onEvent = async (tx, event) => {
        if (event.type !== 'MSG') return undefined;
        await bob.agent.sendMessages(tx, [
          { connId: bobConn, body: event.body.slice(), flags: { notification: false } },
        ]);
        return { receipt: true };
      };
      for (let i = 0; i < 30; i++) await alice.send(aliceConn, `echo ${i}`);
      for (let i = 0; i < 30; i++) expect(await alice.nextText(aliceConn)).toBe(`echo ${i}`);
      bob.recorder.onEvent = undefined;
    });

    it('wait when the queue of the recipient is full, and go on when it reads again', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      const path = world.newPath();
      const carol = await world.party(serversOf([relay]), { path });
      const pair = await connect(alice, carol);
      await carol.close();
      for (let i = 0; i < 8; i++) await alice.send(pair.aliceConn, `q${i}`);
      const warning = await alice.next('MWARN', (e) => e.connId === pair.aliceConn);
      expect(warning.error).toMatchObject({ type: 'SMP', smpErr: { type: 'QUOTA' } });
      const again = await world.party(serversOf([relay]), { path });
      await again.agent.subscribeAll();
      await alice.next('QCONT', (e) => e.connId === pair.aliceConn);
      for (let i = 0; i < 8; i++) expect(await again.nextText(pair.bobConn)).toBe(`q${i}`);
      // Other connections are not held up by the wait.
      await alice.send(aliceConn, 'free');
      expect(await bob.nextText(bobConn)).toBe('free');
    });

    it('go on when the queues of both sides were full', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      const texts = Array.from({ length: 40 }, (_, i) => `both ${i}`);
      await Promise.all(texts.flatMap((t) => [alice.send(aliceConn, t), bob.send(bobConn, t)]));
      for (const t of texts) expect(await bob.nextText(bobConn)).toBe(t);
      for (const t of texts) expect(await alice.nextText(aliceConn)).toBe(t);
      for (const party of [alice, bob])
        await party.next('QCONT', (e) => e.connId === aliceConn || e.connId === bobConn);
    });

    it('that were not delivered are sent by the next process, once', async () => {
      const path = world.newPath();
      const carol = await world.party(serversOf([relay]), { path });
      const pair = await connect(alice, carol);
      await carol.agent.suspend(0);
      for (let i = 0; i < 3; i++) await carol.send(pair.bobConn, `p${i}`);
      await carol.close();
      const again = await world.party(serversOf([relay]), { path });
      for (let i = 0; i < 3; i++) expect(await alice.nextText(pair.aliceConn)).toBe(`p${i}`);
      for (let i = 0; i < 3; i++) await again.next('SENT', (e) => e.connId === pair.bobConn);
      expect(alice.recorder.events.filter((e) => e.type === 'MSG' && e.connId === pair.aliceConn)).toHaveLength(3);
    });

    it('fail with MERR when the queue of the peer is gone', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      await bob.tx((tx) => bob.agent.deleteConnectionsAsync(tx, [bobConn]));
      await bob.next('DEL_CONNS', (e) => e.connIds.includes(bobConn));
      const id = await alice.send(aliceConn, 'anybody?');
      const error = await alice.next('MERR', (e) => e.connId === aliceConn);
      expect(error).toMatchObject({ msgId: id, error: { type: 'SMP', smpErr: { type: 'AUTH' } } });
    });
  });
});
