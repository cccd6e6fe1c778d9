import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, connect as tcpConnect } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type Clock, ManualClock, silentLogger, systemClock, systemRandom } from '../../src/core/index.js';
import { type SmpRelay, startSmpRelay } from '../../src/relay/index.js';
import {
  type NetworkConfig,
  networkConfig,
  type PoolQueue,
  parseServerWithAuth,
  type SmpClientError,
  type SmpEvent,
  SmpPool,
  type SmpServer,
} from '../../src/smp/index.js';
import {
  closeClients,
  connect,
  createQueue,
  failure,
  Inbox,
  nextMessage,
  noFlags,
  senderKey,
  type TestQueue,
  testNetwork,
  text,
} from './support.js';

interface Watched {
  readonly pool: SmpPool<PoolQueue>;
  readonly events: Inbox<SmpEvent>;
  readonly log: Inbox<{ readonly type: 'up' | 'down' | 'connect' | 'disconnect' | 'refused'; readonly ids: string[] }>;
  readonly refused: Inbox<SmpClientError>;
}

const hex = (b: Uint8Array): string => Buffer.from(b).toString('hex');
const fast: NetworkConfig = networkConfig({
  ...testNetwork,
  errorMemory: 10,
  reconnect: { initial: 20, increaseAfter: 200, max: 100 },
});

let dir: string;
let relay: SmpRelay;
let pools: SmpPool<PoolQueue>[];

beforeEach(async () => {
  dir = mkdtempSync(path.join(tmpdir(), 'fanion-pool-'));
  relay = await startRelay();
  pools = [];
});

afterEach(async () => {
  for (const pool of pools) pool.close();
  closeClients();
  await relay.close();
  rmSync(dir, { recursive: true });
});

function startRelay(port = 0): Promise<SmpRelay> {
  return startSmpRelay({ storage: { kind: 'sqlite', prefix: path.join(dir, 'relay') }, port, eventDelayMs: 20 });
}

function server(): SmpServer {
  return parseServerWithAuth(relay.address, 'smp').server;
}

function makePool(network: NetworkConfig = fast, clock: Clock = systemClock): Watched {
  const events = new Inbox<SmpEvent>();
  const log: Watched['log'] = new Inbox();
  const refused = new Inbox<SmpClientError>();
  const ids = (queues: readonly PoolQueue[]): string[] => queues.map((q) => hex(q.rcvId)).sort();
  const pool = new SmpPool<PoolQueue>({
    network,
    clock,
    random: systemRandom,
    log: silentLogger,
    handler: {
      onEvent: (e) => events.push(e),
      onConnect: () => log.push({ type: 'connect', ids: [] }),
      onDisconnect: () => log.push({ type: 'disconnect', ids: [] }),
      onUp: (_, queues) => log.push({ type: 'up', ids: ids(queues) }),
      onDown: (_, queues) => log.push({ type: 'down', ids: ids(queues) }),
      onRefused: (_, list) => {
        log.push({ type: 'refused', ids: ids(list.map((r) => r.queue)) });
        for (const r of list) refused.push(r.error);
      },
    },
  });
  pools.push(pool);
  return { pool, events, log, refused };
}

async function makeQueues(count: number): Promise<TestQueue[]> {
  const { client } = await connect(relay.address);
  const queues = await Promise.all(Array.from({ length: count }, () => createQueue(client, { subMode: 'create' })));
  client.close();
  return queues;
}

function poolQueue(q: TestQueue, userId = 1, entity?: string): PoolQueue {
  return { rcvId: q.rcvId, authKey: q.authKey, userId, server: server(), entity };
}

describe('the pool', () => {
  it('gives one client to all who ask at once for the same user and server', async () => {
    const { pool, log } = makePool();
    const session = (userId: number) => pool.sessionOf({ userId, server: server() });
    const [a, b, c] = await Promise.all([pool.client(session(1)), pool.client(session(1)), pool.client(session(2))]);
    expect(a).toBe(b);
    expect(a).not.toBe(c);
    expect(await pool.client(session(1))).toBe(a);
    expect(log.all.map((e) => e.type)).toEqual(['connect', 'connect']);
    expect(pool.stats()).toMatchObject({ sessions: 2, connected: 2 });
  });

  it('separates connections of entities in session mode entity only', async () => {
    const { pool } = makePool(networkConfig({ ...fast, sessionMode: 'entity' }));
    const of = (entity: string) => pool.client(pool.sessionOf({ userId: 1, server: server(), entity }));
    expect(await of('a')).not.toBe(await of('b'));
    const shared = makePool().pool;
    const from = (entity: string) => shared.client(shared.sessionOf({ userId: 1, server: server(), entity }));
    expect(await from('a')).toBe(await from('b'));
  });

  it('answers with the failure of the last attempt for a while, then tries again', async () => {
    const clock = new ManualClock(Date.now());
    const { pool } = makePool(networkConfig({ ...fast, errorMemory: 3_000 }), clock);
    const address = server();
    const { port } = relay;
    await relay.close();
    const ask = () => pool.client(pool.sessionOf({ userId: 1, server: address }));
    const first = await failure(ask());
    expect(first).toMatchObject({ type: 'network', error: { type: 'connectError' } });
    relay = await startRelay(port);
    expect(await failure(ask())).toBe(first);
    clock.advance(3_001);
    expect((await ask()).closed).toBe(false);
  });

  it('subscribes many queues, with a result for each, and delivers their messages', async () => {
    const { pool, events, log } = makePool();
    const queues = await makeQueues(200);
    const missing: PoolQueue = { rcvId: systemRandom.bytes(24), authKey: senderKey(), userId: 1, server: server() };
    const results = await pool.subscribe([...queues.map((q) => poolQueue(q)), missing]);
    expect(results.filter((r) => r.ok)).toHaveLength(200);
    const last = results.at(-1);
    expect(last?.ok === false && last.error.failure).toEqual({ type: 'protocol', error: { type: 'AUTH' } });
    expect(pool.stats()).toEqual({ sessions: 1, connected: 1, active: 200, pending: 0 });
    expect(log.all.map((e) => e.type)).toEqual(['connect']);
    const snd = await connect(relay.address);
    const [queue] = queues;
    if (queue === undefined) throw new Error('no queue');
    await snd.client.sendMessage(queue.sndId, undefined, noFlags, text('hello'));
    expect((await nextMessage(events, queue)).text).toBe('hello');
  });

  it('comes back by itself after the relay restarts, with all subscriptions and messages', async () => {
    const { pool, events, log } = makePool();
    const queues = await makeQueues(150);
    await pool.subscribe(queues.map((q) => poolQueue(q)));
    const all = queues.map((q) => hex(q.rcvId)).sort();
    const { port } = relay;
    await relay.close();
    expect(await log.next((e) => e.type === 'down')).toEqual({ type: 'down', ids: all });
    expect(pool.stats()).toMatchObject({ active: 0, pending: 150 });
    await systemClock.sleep(100);
    relay = await startRelay(port);
    expect(await log.next((e) => e.type === 'up')).toEqual({ type: 'up', ids: all });
    expect(pool.stats()).toMatchObject({ active: 150, pending: 0, connected: 1 });
    const snd = await connect(relay.address);
    for (const q of queues.slice(0, 5)) await snd.client.sendMessage(q.sndId, undefined, noFlags, text('back'));
    for (const q of queues.slice(0, 5)) expect((await nextMessage(events, q)).text).toBe('back');
  });

  it('keeps trying what could not be subscribed at first, and reports it as up', async () => {
    const { pool, log } = makePool();
    const queues = await makeQueues(3);
    const wanted = queues.map((q) => poolQueue(q));
    const { port } = relay;
    await relay.close();
    const results = await pool.subscribe(wanted);
    expect(results.map((r) => !r.ok && r.error.failure.type)).toEqual(['network', 'network', 'network']);
    relay = await startRelay(port);
    expect((await log.next((e) => e.type === 'up')).ids).toHaveLength(3);
    expect(wanted.every((q) => pool.isActive(q))).toBe(true);
  });

  it('gives up queues that are gone after a reconnect, and tells why', async () => {
    const { pool, log, refused } = makePool();
    const queues = await makeQueues(2);
    await pool.subscribe(queues.map((q) => poolQueue(q)));
    const [gone, kept] = queues;
    if (gone === undefined || kept === undefined) throw new Error('no queues');
    const { port } = relay;
    await relay.close();
    relay = await startRelay(port);
    const other = await connect(relay.address);
    pool.reconnect();
    await log.next((e) => e.type === 'up' && e.ids.includes(hex(kept.rcvId)));
    await other.client.deleteQueue(gone);
    // Deleted while subscribed, or refused after the next reconnect: in both cases it is not wanted any more.
    pool.reconnect();
    await log.next((e) => e.type === 'up' && e.ids.includes(hex(kept.rcvId)));
    await expect.poll(() => pool.stats().active + pool.stats().pending).toBe(1);
    for (const e of refused.all) expect(e.failure).toEqual({ type: 'protocol', error: { type: 'AUTH' } });
  });

  it('does not fight for a queue that another client took over', async () => {
    const { pool, events, log } = makePool();
    const [queue] = await makeQueues(1);
    if (queue === undefined) throw new Error('no queue');
    await pool.subscribe([poolQueue(queue)]);
    const other = await connect(relay.address);
    await other.client.subscribe(queue);
    expect(await events.next((e) => e.type === 'end')).toMatchObject({ rcvId: queue.rcvId });
    expect(pool.stats()).toMatchObject({ active: 0, pending: 0 });
    pool.reconnect();
    await log.next((e) => e.type === 'disconnect');
    await systemClock.sleep(100);
    expect(pool.stats()).toMatchObject({ connected: 0, active: 0 });
  });

  it('keeps a queue that NEW subscribed, also through a reconnect', async () => {
    const { pool, events, log } = makePool();
    const session = pool.sessionOf({ userId: 1, server: server() });
    const client = await pool.client(session);
    const queue = await createQueue(client);
    pool.addSubscribed(poolQueue(queue), client);
    expect(pool.isActive(poolQueue(queue))).toBe(true);
    pool.reconnect();
    await log.next((e) => e.type === 'up');
    // Made on a connection that is gone: it is subscribed anew.
    const late = await createQueue(await pool.client(session));
    pool.addSubscribed(poolQueue(late), client);
    await log.next((e) => e.type === 'up' && e.ids.includes(hex(late.rcvId)));
    const snd = await connect(relay.address);
    await snd.client.sendMessage(late.sndId, undefined, noFlags, text('x'));
    expect((await nextMessage(events, late)).text).toBe('x');
    pool.unsubscribe(poolQueue(late));
    expect(pool.isActive(poolQueue(late))).toBe(false);
  });

  it('wakes a worker that waits long, and stops them all when it is closed', async () => {
    const { pool, log } = makePool(
      networkConfig({ ...fast, reconnect: { initial: 60_000, increaseAfter: 0, max: 60_000 } }),
    );
    const [queue] = await makeQueues(1);
    if (queue === undefined) throw new Error('no queue');
    const wanted = poolQueue(queue);
    const { port } = relay;
    await relay.close();
    await pool.subscribe([wanted]);
    await systemClock.sleep(100);
    relay = await startRelay(port);
    pool.wake();
    await log.next((e) => e.type === 'up');
    pool.close();
    expect(await failure(pool.client(pool.sessionOf(wanted)))).toMatchObject({ type: 'network' });
    expect(pool.stats()).toEqual({ sessions: 0, connected: 0, active: 0, pending: 0 });
  });
});

describe('SOCKS5', () => {
  /** A SOCKS5 server with user and password, for loopback: it notes who asked for what. */
  function startSocks(): Promise<{ port: number; requests: Inbox<{ user: string; host: string }>; server: Server }> {
    const requests = new Inbox<{ user: string; host: string }>();
    const listener = createServer((socket) => {
      socket.on('error', () => {});
      let user = '';
      let step = 0;
      socket.on('data', function onData(b: Buffer) {
        if (step === 0) {
          step = 1;
          socket.write(b.includes(2, 2) ? Uint8Array.of(5, 2) : Uint8Array.of(5, 0));
          if (!b.includes(2, 2)) step = 2;
        } else if (step === 1) {
          step = 2;
          user = b.subarray(2, 2 + (b[1] ?? 0)).toString();
          socket.write(Uint8Array.of(1, 0));
        } else {
          socket.off('data', onData);
          const isName = b[3] === 3;
          const host = isName ? b.subarray(5, 5 + (b[4] ?? 0)).toString() : [...b.subarray(4, 8)].join('.');
          requests.push({ user, host });
          const upstream = tcpConnect(relay.port, '127.0.0.1', () => {
            socket.write(Uint8Array.of(5, 0, 0, 1, 0, 0, 0, 0, 0, 0));
            socket.pipe(upstream).pipe(socket);
          });
          upstream.on('error', () => socket.destroy());
          socket.on('close', () => upstream.destroy());
        }
      });
    });
    return new Promise((resolve) => {
      listener.listen(0, '127.0.0.1', () => {
        resolve({ port: (listener.address() as AddressInfo).port, requests, server: listener });
      });
    });
  }

  it('gets host names unresolved, and a login of its own for each user and server', async () => {
    const socks = await startSocks();
    const { pool } = makePool(
      networkConfig({
        ...fast,
        sessionMode: 'server',
        socksProxy: { host: '127.0.0.1', port: socks.port, auth: { kind: 'isolate' } },
      }),
    );
    const onion: SmpServer = { ...server(), hosts: ['relay.example.org', 'abcdef.onion'] };
    const open: SmpServer = { ...server(), hosts: ['relay.example.org'] };
    for (const [userId, s] of [
      [1, onion],
      [2, onion],
      [1, open],
    ] as const) {
      const client = await pool.client(pool.sessionOf({ userId, server: s }));
      await client.ping();
    }
    expect(socks.requests.all.map((r) => r.host)).toEqual(['abcdef.onion', 'abcdef.onion', 'relay.example.org']);
    expect(new Set(socks.requests.all.map((r) => r.user)).size).toBe(3);
    pool.close();
    socks.server.close();
  });

  it('failures are network failures', async () => {
    const { pool } = makePool(
      networkConfig({ ...fast, socksProxy: { host: '127.0.0.1', port: 1, auth: { kind: 'none' } } }),
    );
    const f = await failure(pool.client(pool.sessionOf({ userId: 1, server: server() })));
    expect(f).toEqual({ type: 'network', error: { type: 'connectError', connectError: 'SOCKS' } });
  });
});
