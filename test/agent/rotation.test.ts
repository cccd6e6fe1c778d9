import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { formatServer, parseServerWithAuth } from '../../src/smp/index.js';
import { connect, dialects, type Pair, type Party, serversOf, text, World } from './harness.js';

describe.each(dialects)('on %s', (dialect) => {
  const world = new World(dialect);
  let alice: Party;
  let bob: Party;

  beforeAll(async () => {
    // Servers are told apart by their hosts.
    const relays = [await world.relay(), await world.relay({ publicHosts: ['localhost'] })];
    alice = await world.party(serversOf(relays));
    bob = await world.party(serversOf(relays));
  });
  afterAll(() => world.close());

  const rcvServer = (party: Party, connId: string): Promise<string | undefined> =>
    party.store.read(async (tx) => (await party.agent.getConnectionServers(tx, connId)).rcvQueuesInfo[0]?.rcvServer);

  async function talk({ aliceConn, bobConn }: Pair, tag: string): Promise<void> {
    await alice.send(aliceConn, `a ${tag}`);
    await bob.send(bobConn, `b ${tag}`);
    expect(await bob.nextText(bobConn)).toBe(`a ${tag}`);
    expect(await alice.nextText(aliceConn)).toBe(`b ${tag}`);
  }

  describe('queue rotation', () => {
    it.each([false, true])('moves the receive queue to another server while messages flow, PQ %s', async (pq) => {
      const pair = await connect(alice, bob, pq);
      const { aliceConn, bobConn } = pair;
      const before = await rcvServer(alice, aliceConn);
      const stats = await alice.agent.switchConnection(aliceConn);
      expect(stats.rcvQueuesInfo[0]).toMatchObject({ rcvSwitchStatus: 'sending_qadd', canAbortSwitch: true });
      const sent: string[] = [];
      for (let i = 0; i < 20; i++) {
        sent.push(`during ${i}`);
        await bob.send(bobConn, `during ${i}`);
      }
      const phases = async (party: Party, connId: string, direction: string, count: number): Promise<string[]> => {
        const seen: string[] = [];
        while (seen.length < count) {
          seen.push((await party.next('SWITCH', (e) => e.connId === connId && e.direction === direction)).phase);
        }
        return seen;
      };
      expect(await phases(bob, bobConn, 'snd', 4)).toEqual(['started', 'confirmed', 'secured', 'completed']);
      expect(await phases(alice, aliceConn, 'rcv', 3)).toEqual(['confirmed', 'secured', 'completed']);
      const received: string[] = [];
      for (let i = 0; i < 20; i++) received.push(await alice.nextText(aliceConn));
      // Two queues deliver side by side: nothing is lost or doubled, the order is that of each queue.
      expect(received.toSorted()).toEqual(sent.toSorted());
      // Copies go to both queues for a while; each message is sent once.
      const told = bob.recorder.events.flatMap((e) => (e.type === 'SENT' && e.connId === bobConn ? [e.msgId] : []));
      expect(new Set(told).size).toBe(told.length);
      const after = await rcvServer(alice, aliceConn);
      expect(after).not.toBe(before);
      await talk(pair, 'after');
      const { sndQueuesInfo } = await bob.store.read((tx) => bob.agent.getConnectionServers(tx, bobConn));
      expect(sndQueuesInfo).toEqual([{ sndServer: after }]);
      // And back again, by the worker.
      await alice.tx((tx) => alice.agent.switchConnectionAsync(tx, 'sw', aliceConn));
      await expect(alice.agent.switchConnection(aliceConn)).rejects.toMatchObject({
        json: { type: 'CMD', cmdErr: { type: 'PROHIBITED' } },
      });
      expect(await phases(alice, aliceConn, 'rcv', 4)).toEqual(['started', 'confirmed', 'secured', 'completed']);
      expect(await rcvServer(alice, aliceConn)).toBe(before);
      await talk(pair, 'at the end');
    });

    it('can be aborted before the peer uses the new queue', async () => {
      const pair = await connect(alice, bob);
      await bob.agent.suspend(0);
      const before = await rcvServer(alice, pair.aliceConn);
      await alice.agent.switchConnection(pair.aliceConn);
      const stats = await alice.tx((tx) => alice.agent.abortConnectionSwitch(tx, pair.aliceConn));
      expect(stats.rcvQueuesInfo).toEqual([{ rcvServer: before, canAbortSwitch: false }]);
      await bob.agent.resume();
      await talk(pair, 'after the abort');
      await expect(alice.tx((tx) => alice.agent.abortConnectionSwitch(tx, pair.aliceConn))).rejects.toMatchObject({
        json: { type: 'CMD', cmdErr: { type: 'PROHIBITED' } },
      });
    });
  });

  describe('a rotation that is aborted before it began', () => {
    it('makes no queue and tells no error', async () => {
      const pair = await connect(alice, bob);
      const { aliceConn } = pair;
      const before = await rcvServer(alice, aliceConn);
      await alice.tx(async (tx) => {
        await alice.agent.switchConnectionAsync(tx, 'aborted', aliceConn);
        await alice.agent.abortConnectionSwitch(tx, aliceConn);
      });
      await talk(pair, 'after it');
      await vi.waitFor(async () => expect(await commands(alice, aliceConn)).toBe(0));
      const queues = await alice.store.read((tx) => alice.agent.getConnectionServers(tx, aliceConn));
      expect(queues.rcvQueuesInfo).toEqual([{ rcvServer: before, canAbortSwitch: false }]);
      expect(alice.recorder.events.filter((e) => e.type === 'ERR' && e.connId === aliceConn)).toEqual([]);
    });

    const commands = (party: Party, connId: string): Promise<number> =>
      party.store.read(async (tx) => {
        const rows = await tx.db.selectFrom('agent_commands').select('id').where('conn_id', '=', connId).execute();
        return rows.length;
      });
  });

  describe('choice of servers', () => {
    it('gives the reply queue to another server than the one of the invitation', async () => {
      const { aliceConn, bobConn } = await connect(alice, bob);
      const servers = [await rcvServer(alice, aliceConn), await rcvServer(bob, bobConn)];
      expect(new Set(servers).size).toBe(2);
      for (const s of servers) expect(formatServer(parseServerWithAuth(s ?? '').server)).toBe(s);
    });
  });

  describe('ratchet re-synchronisation', () => {
    const syncState = (party: Party, connId: string) =>
      party.store.read(async (tx) => (await party.agent.getConnectionServers(tx, connId)).ratchetSyncState);

    async function synchronised({ aliceConn, bobConn }: Pair): Promise<void> {
      await alice.next('RSYNC', (e) => e.connId === aliceConn && e.state === 'agreed');
      await bob.next('RSYNC', (e) => e.connId === bobConn && e.state === 'agreed');
      await alice.next('RSYNC', (e) => e.connId === aliceConn && e.state === 'ok');
      await bob.next('RSYNC', (e) => e.connId === bobConn && e.state === 'ok');
    }

    it.each([false, true])('makes a new ratchet when one side asks, PQ %s', async (pq) => {
      // Roles follow the keys: several rounds see both.
      for (let i = 0; i < 4; i++) {
        const pair = await connect(alice, bob, pq);
        const code = (party: Party, connId: string) =>
          party.store.read(async (tx) =>
            Buffer.from(await party.agent.getConnectionRatchetAdHash(tx, connId)).toString('hex'),
          );
        const before = await code(alice, pair.aliceConn);
        expect(await code(bob, pair.bobConn)).toBe(before);
        const [starter, connId] = i % 2 === 0 ? [alice, pair.aliceConn] : [bob, pair.bobConn];
        const stats = await starter.tx((tx) => starter.agent.synchronizeRatchet(tx, connId, pq, true));
        expect(stats.ratchetSyncState).toBe('started');
        const [refused] = await starter.tx((tx) =>
          starter.agent.sendMessages(tx, [{ connId, body: new Uint8Array(1), flags: { notification: false } }]),
        );
        expect(refused).toMatchObject({ json: { type: 'CMD', cmdErr: { type: 'PROHIBITED' } } });
        await synchronised(pair);
        await talk(pair, `round ${i}`);
        expect(await code(alice, pair.aliceConn)).toBe(await code(bob, pair.bobConn));
        expect(await code(alice, pair.aliceConn)).not.toBe(before);
      }
    });

    it('agrees when both sides start at once', async () => {
      const pair = await connect(alice, bob);
      await alice.agent.suspend(0);
      await bob.agent.suspend(0);
      await alice.tx((tx) => alice.agent.synchronizeRatchet(tx, pair.aliceConn, false, true));
      await bob.tx((tx) => bob.agent.synchronizeRatchet(tx, pair.bobConn, false, true));
      await alice.agent.resume();
      await bob.agent.resume();
      await synchronised(pair);
      await talk(pair, 'both');
    });

    it('is offered when messages cannot be decrypted, and repairs the connection', async () => {
      const pair = await connect(alice, bob);
      await talk(pair, 'before');
      // Bob's database is put back to an older copy of the ratchet.
      const old = await bob.store.read(async (tx) => ({
        ...(await tx.db
          .selectFrom('agent_connections')
          .select('ratchet_position')
          .where('conn_id', '=', pair.bobConn)
          .executeTakeFirstOrThrow()),
        ...(await tx.db
          .selectFrom('agent_ratchets')
          .select('state')
          .where('conn_id', '=', pair.bobConn)
          .executeTakeFirstOrThrow()),
      }));
      for (let i = 0; i < 3; i++) await talk(pair, `turn ${i}`);
      await bob.store
        .transaction(async (tx) => {
          // A rollback makes the agent forget what it has in memory.
          await bob.agent.getConnectionServers(tx, pair.bobConn);
          throw new Error('forget');
        })
        .catch(() => {});
      await bob.tx(async (tx) => {
        const { state, ratchet_position } = old;
        const ofBob = tx.db.updateTable('agent_connections').where('conn_id', '=', pair.bobConn);
        await ofBob.set({ ratchet_position }).execute();
        await tx.db.updateTable('agent_ratchets').set({ state }).where('conn_id', '=', pair.bobConn).execute();
      });
      await alice.send(pair.aliceConn, 'lost');
      const sync = await bob.next('RSYNC', (e) => e.connId === pair.bobConn);
      expect(sync).toMatchObject({ state: 'required', error: { type: 'RATCHET_HEADER' } });
      expect(await syncState(bob, pair.bobConn)).toBe('required');
      await bob.tx((tx) => bob.agent.synchronizeRatchet(tx, pair.bobConn, false, false));
      await synchronised(pair);
      await alice.send(pair.aliceConn, 'found');
      const { meta, body } = await bob.next('MSG', (e) => e.connId === pair.bobConn);
      expect(text(body)).toBe('found');
      expect(meta.sndMsgId).toBeGreaterThan(0);
    });
  });
});
