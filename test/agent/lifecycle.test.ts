import path from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { startSmpRelay } from '../../src/relay/index.js';
import { bytes, connect, dialects, type Party, serversOf, World } from './harness.js';

describe.each(dialects)('on %s', (dialect) => {
  const world = new World(dialect);
  afterAll(() => world.close());

  type Table =
    | 'agent_connections'
    | 'agent_rcv_queues'
    | 'agent_snd_queues'
    | 'agent_snd_messages'
    | 'agent_snd_deliveries'
    | 'agent_users';
  const rows = (party: Party, table: Table) =>
    party.store.read(async (tx) => (await tx.db.selectFrom(table).selectAll().execute()).length);

  async function twoParties() {
    const relay = await world.relay();
    const alice = await world.party(serversOf([relay]));
    const bob = await world.party(serversOf([relay]));
    return { relay, alice, bob };
  }

  describe('deletion', () => {
    it('deletes the queues on the server, then the record', async () => {
      const { alice, bob } = await twoParties();
      const { aliceConn, bobConn } = await connect(alice, bob);
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn]));
      const queues = await alice.next('DEL_RCVQS');
      expect(queues.queues).toMatchObject([{ connId: aliceConn }]);
      expect(queues.queues[0]?.error).toBeUndefined();
      expect((await alice.next('DEL_CONNS')).connIds).toEqual([aliceConn]);
      for (const t of ['agent_connections', 'agent_rcv_queues', 'agent_snd_queues', 'agent_snd_messages'] as const) {
        expect(await rows(alice, t)).toBe(0);
      }
      await bob.send(bobConn, 'lost');
      await bob.next('MERR', (e) => e.connId === bobConn);
      // A second time there is nothing to do.
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn]));
      expect(alice.recorder.count('DEL_CONNS')).toBe(1);
    });

    it('first delivers what is queued when it is asked to wait', async () => {
      const { alice, bob } = await twoParties();
      const { aliceConn, bobConn } = await connect(alice, bob);
      await alice.agent.suspend(0);
      await alice.send(aliceConn, 'last words');
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn], true));
      await alice.agent.resume();
      expect(await bob.nextText(bobConn)).toBe('last words');
      await alice.next('SENT');
      expect((await alice.next('DEL_CONNS')).connIds).toEqual([aliceConn]);
      expect(await rows(alice, 'agent_connections')).toBe(0);
    });

    it('keeps what is still to be delivered over a restart', async () => {
      const own = await world.relay();
      const other = await world.relay({ publicHosts: ['localhost'] });
      const file = world.newPath();
      const alice = await world.party(serversOf([own]), { path: file });
      const bob = await world.party(serversOf([other]));
      const { aliceConn } = await connect(alice, bob);
      await other.close();
      await alice.send(aliceConn, 'last words');
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn], true));
      await alice.next('DEL_RCVQS');
      await alice.close();
      const again = await world.party(serversOf([own]), { path: file });
      await again.agent.subscribeAll();
      expect(again.recorder.events.filter((e) => e.type === 'ERRS' || e.type === 'DEL_CONNS')).toEqual([]);
      expect(await rows(again, 'agent_snd_deliveries')).toBe(1);
    });

    it('goes on after a restart', async () => {
      const relay = await world.relay();
      const file = world.newPath();
      const alice = await world.party(serversOf([relay]), { path: file });
      const bob = await world.party(serversOf([relay]));
      const { aliceConn, bobConn } = await connect(alice, bob);
      await alice.agent.suspend(0);
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn]));
      await alice.close();
      const again = await world.party(serversOf([relay]), { path: file });
      expect((await again.next('DEL_CONNS')).connIds).toEqual([aliceConn]);
      await bob.send(bobConn, 'lost');
      await bob.next('MERR', (e) => e.connId === bobConn);
    });

    it('deletes a user with its connections', async () => {
      const { relay, alice, bob } = await twoParties();
      const second = await alice.tx((tx) => alice.agent.createUser(tx, serversOf([relay])));
      const mine = await connect(alice, bob);
      const { connId } = await alice.agent.createConnection({
        userId: second,
        mode: 'contact',
        initialKeys: 'linkPQOff',
      });
      await alice.tx((tx) => alice.agent.deleteUser(tx, second, true));
      expect((await alice.next('DEL_CONNS')).connIds).toEqual([connId]);
      expect((await alice.next('DEL_USER')).userId).toBe(second);
      expect(await rows(alice, 'agent_users')).toBe(1);
      expect(await rows(alice, 'agent_connections')).toBe(1);
      await alice.send(mine.aliceConn, 'still here');
      expect(await bob.nextText(mine.bobConn)).toBe('still here');
      await expect(
        alice.agent.createConnection({ userId: second, mode: 'contact', initialKeys: 'linkPQOff' }),
      ).rejects.toMatchObject({ json: { type: 'NO_USER' } });
    });
  });

  describe('subscriptions', () => {
    it('come back with the relay, and what waited is delivered', async () => {
      const prefix = path.join(world.directory, 'restarted');
      const storage = { kind: 'sqlite', prefix } as const;
      let relay = await startSmpRelay({ storage, eventDelayMs: 5 });
      const { port, address } = relay;
      const alice = await world.party(serversOf([relay]));
      const bob = await world.party(serversOf([relay]));
      const { aliceConn, bobConn } = await connect(alice, bob);
      await relay.close();
      expect((await alice.next('DOWN')).connIds).toEqual([aliceConn]);
      await bob.next('DOWN');
      await bob.send(bobConn, 'while it was away');
      relay = await startSmpRelay({ storage, eventDelayMs: 5, port });
      expect(relay.address).toBe(address);
      expect((await alice.next('UP')).connIds).toEqual([aliceConn]);
      expect(await alice.nextText(aliceConn)).toBe('while it was away');
      await alice.send(aliceConn, 'back');
      expect(await bob.nextText(bobConn)).toBe('back');
      await relay.close();
    });

    it('of a restarted agent deliver what came meanwhile; a queue that is gone is reported', async () => {
      const relay = await world.relay();
      const file = world.newPath();
      const alice = await world.party(serversOf([relay]), { path: file });
      const bob = await world.party(serversOf([relay]));
      const first = await connect(alice, bob);
      const second = await connect(alice, bob);
      const { connId: single } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: 'linkPQOff',
      });
      await alice.close();
      await bob.send(first.bobConn, 'one');
      await bob.next('SENT');
      const again = await world.party(serversOf([relay]), { path: file });
      const results = await again.agent.subscribeConnections([
        first.aliceConn,
        second.aliceConn,
        single,
        'AAAAAAAAAAAAAAAA',
      ]);
      expect([...results.values()].map((r) => r.type)).toEqual(expect.arrayContaining(['ok', 'error']));
      expect(results.get(first.aliceConn)).toEqual({ type: 'ok' });
      expect(results.get(single)).toEqual({ type: 'ok' });
      expect(results.get('AAAAAAAAAAAAAAAA')).toMatchObject({ error: { type: 'CONN' } });
      expect(await again.nextText(first.aliceConn)).toBe('one');
      expect(again.agent.subscriptionCounts()).toMatchObject({ active: 3, pending: 0 });
      // No UP for what the call itself subscribed.
      expect(again.recorder.count('UP')).toBe(0);
    });

    it('of all connections are made with one call, the results are events', async () => {
      const relay = await world.relay();
      const file = world.newPath();
      const alice = await world.party(serversOf([relay]), { path: file });
      const bob = await world.party(serversOf([relay]));
      const pairs = [await connect(alice, bob), await connect(alice, bob)];
      await alice.close();
      const again = await world.party(serversOf([relay]), { path: file });
      await again.agent.subscribeAll(again.userId);
      const up = await again.next('UP');
      expect([...up.connIds].sort()).toEqual(pairs.map((p) => p.aliceConn).sort());
    });

    it('that another client takes over end', async () => {
      const relay = await world.relay();
      const alice = await world.party(serversOf([relay]));
      const bob = await world.party(serversOf([relay]));
      const { aliceConn, bobConn } = await connect(alice, bob);
      const rival = await world.party(serversOf([relay]), { store: alice.store });
      await rival.agent.subscribeAll();
      expect((await alice.next('END')).connId).toBe(aliceConn);
      await bob.send(bobConn, 'to whom?');
      expect(await rival.nextText(aliceConn)).toBe('to whom?');
    });

    it('of a blocked queue are refused', async () => {
      const { relay, alice, bob } = await twoParties();
      const { aliceConn } = await connect(alice, bob);
      const id = await alice.store.read((tx) =>
        tx.db.selectFrom('agent_rcv_queues').select('rcv_id').executeTakeFirstOrThrow(),
      );
      await relay.blockQueue(id.rcv_id, 'spam');
      const error = await alice.next('ERR');
      expect(error).toMatchObject({
        connId: aliceConn,
        error: { type: 'SMP', smpErr: { type: 'BLOCKED', blockInfo: { reason: 'spam' } } },
      });
    });
  });

  describe('suspension', () => {
    it('leaves messages with the relay until the agent goes on', async () => {
      const { alice, bob } = await twoParties();
      const { aliceConn, bobConn } = await connect(alice, bob);
      await alice.agent.suspend();
      await alice.next('SUSPENDED');
      for (let i = 0; i < 3; i++) await bob.send(bobConn, `s${i}`);
      for (let i = 0; i < 3; i++) await bob.next('SENT');
      expect(alice.recorder.count('MSG')).toBe(0);
      await alice.agent.start();
      for (let i = 0; i < 3; i++) expect(await alice.nextText(aliceConn)).toBe(`s${i}`);
      expect(alice.recorder.count('MSG')).toBe(3);
    });
  });

  describe('servers', () => {
    it('are tested step by step', async () => {
      const relay = await world.relay({ password: 'secret' });
      const alice = await world.party(serversOf([relay]));
      expect(await alice.agent.testServer(alice.userId, relay.address)).toBeUndefined();
      const withoutPassword = relay.address.replace(':secret@', '@');
      expect(await alice.agent.testServer(alice.userId, withoutPassword)).toMatchObject({
        testStep: 'createQueue',
        testError: { type: 'SMP', smpErr: { type: 'AUTH' } },
      });
      const nobody = relay.address.replace(/:\d+$/, ':1');
      expect(await alice.agent.testServer(alice.userId, nobody)).toMatchObject({
        testStep: 'connect',
        testError: { type: 'BROKER', brokerErr: { type: 'NETWORK' } },
      });
    });

    it('of the next attempt are other ones when a background command fails', async () => {
      const relay = await world.relay();
      const dead = relay.address.replace('127.0.0.1', '127.0.0.2').replace(/:\d+$/, ':1');
      const alice = await world.party(serversOf([dead, relay]));
      const conns: string[] = [];
      for (let i = 0; i < 4; i++) {
        conns.push(
          await alice.tx((tx) =>
            alice.agent.createConnectionAsync(tx, `n${i}`, {
              userId: alice.userId,
              mode: 'invitation',
              initialKeys: 'linkPQOff',
            }),
          ),
        );
      }
      for (const connId of conns) {
        const { link } = await alice.next('INV', (e) => e.connId === connId);
        expect(link.connFullLink).toContain(String(relay.port));
      }
    });
  });

  describe('messages through a proxy', () => {
    async function withProxies(mode: 'always' | 'unknown', fallback: 'allow' | 'prohibit', proxyAllowed = true) {
      const alicesRelay = await world.relay();
      const proxy = await world.relay({ publicHosts: ['localhost'], proxy: proxyAllowed });
      const alice = await world.party(serversOf([alicesRelay]));
      const bob = await world.party(serversOf([proxy]), {
        network: { smpProxyMode: mode, smpProxyFallback: fallback },
      });
      return { alice, bob, proxy };
    }

    it.each(['always', 'unknown'] as const)('carry everything when the mode is %s', async (mode) => {
      const { alice, bob, proxy } = await withProxies(mode, 'prohibit');
      const { aliceConn, bobConn } = await connect(alice, bob);
      for (let i = 0; i < 10; i++) await bob.send(bobConn, `p${i}`);
      for (let i = 0; i < 10; i++) expect(await alice.nextText(aliceConn)).toBe(`p${i}`);
      expect((await bob.next('SENT')).proxyServer).toBe(proxy.address);
      await alice.tx((tx) => alice.agent.deleteConnectionsAsync(tx, [aliceConn]));
      await alice.next('DEL_CONNS');
      const id = await bob.send(bobConn, 'gone');
      const error = await bob.next('MERR');
      // An answer of the destination carries the address of the proxy.
      expect(error).toMatchObject({
        msgId: id,
        error: { type: 'SMP', serverAddress: proxy.address, smpErr: { type: 'AUTH' } },
      });
    });

    it('read short links through it', async () => {
      const { alice, bob } = await withProxies('always', 'prohibit');
      for (const mode of ['contact', 'invitation'] as const) {
        const { link } = await alice.agent.createConnection({
          userId: alice.userId,
          mode,
          initialKeys: 'linkPQOn',
          userLinkData: bytes('data'),
        });
        const read = await bob.agent.getConnShortLink(bob.userId, link.connShortLink ?? '');
        expect(Buffer.from(read.userData).toString()).toBe('data');
      }
    });

    it('are not sent directly when that is prohibited', async () => {
      const { alice, bob } = await withProxies('always', 'prohibit', false);
      const { link } = await alice.agent.createConnection({
        userId: alice.userId,
        mode: 'invitation',
        initialKeys: 'linkPQOff',
      });
      const url = link.connFullLink;
      const connId = await bob.tx((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, false));
      await expect(
        bob.agent.joinConnection({ userId: bob.userId, connId, link: url, info: bytes('b'), pqSupport: false }),
      ).rejects.toMatchObject({ json: { type: 'SMP', smpErr: { type: 'PROXY' } } });
    });
  });
});
