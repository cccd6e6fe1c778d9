// The process that bench/agent.js measures: agents in a process of their own, told by messages what to do.
import { readFileSync } from 'node:fs';
import { built } from './chat-parties.js';
import { watchBlocks } from './lib.js';

const { systemClock, systemRandom } = await built('core/index.js');
const { createKemPool } = await built('crypto/index.js');
const { agentMigrations, openAgent } = await built('agent/index.js');
const { networkConfig } = await built('smp/index.js');
const { openSqliteStore, openPostgresStore } = await built('store/index.js');

const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
const kem = await createKemPool();

/** An agent with its store; `on` gets what was committed. */
async function open({ database, relay, receipts = false }) {
  const logger = silent;
  const options = { migrations: agentMigrations, clock: systemClock, logger };
  const store = database.startsWith('postgres')
    ? await openPostgresStore({ ...options, url: database.split('#')[0], schema: database.split('#')[1] })
    : await openSqliteStore({ ...options, path: database });
  const party = { waiting: [], received: 0, sent: 0, onText: undefined };
  const servers = { smp: [{ server: relay, enabled: true, roles: { storage: true, proxy: false } }], xftp: [] };
  const known = await store.read((tx) => tx.db.selectFrom('agent_users').select('id').execute());
  const agent = await openAgent({
    store,
    clock: systemClock,
    random: systemRandom,
    logger,
    kem,
    smp: networkConfig({}),
    users: new Map(known.map(({ id }) => [id, servers])),
    handler: {
      async event(tx, event) {
        if (event.type === 'MSG') {
          const text = Buffer.from(event.body).toString('latin1', 0, 32);
          tx.onCommit(() => {
            party.received++;
            party.onText?.(text);
          });
          return receipts ? { receipt: true } : undefined;
        }
        tx.onCommit(() => {
          if (event.type === 'SENT') party.sent++;
          const i = party.waiting.findIndex((w) => w.type === event.type && w.accept(event));
          if (i >= 0) party.waiting.splice(i, 1)[0].resolve(event);
        });
        return undefined;
      },
      async handlerFailed() {},
    },
  });
  const userId = known[0]?.id ?? (await store.transaction((tx) => agent.createUser(tx, servers)));
  await agent.start();
  const next = (type, accept) => new Promise((resolve) => party.waiting.push({ type, accept, resolve }));
  return Object.assign(party, { agent, store, userId, next });
}

const info = Buffer.from('info');

async function connect(alice, bob, pq) {
  const { connId: a, link } = await alice.agent.createConnection({
    userId: alice.userId,
    mode: 'invitation',
    initialKeys: pq ? 'linkPQOn' : 'linkPQOff',
  });
  const conf = alice.next('CONF', (e) => e.connId === a);
  const aliceCon = alice.next('CON', (e) => e.connId === a);
  const b = await bob.store.transaction((tx) =>
    bob.agent.prepareConnectionToJoin(tx, bob.userId, link.connFullLink, pq),
  );
  const bobCon = bob.next('CON', (e) => e.connId === b);
  await bob.agent.joinConnection({ userId: bob.userId, connId: b, link: link.connFullLink, info, pqSupport: pq });
  const { confId } = await conf;
  await alice.store.transaction((tx) => alice.agent.allowConnection(tx, a, confId, info));
  await Promise.all([aliceCon, bobCon]);
  return { a, b };
}

const body = (text) => Buffer.from(text.padEnd(200, ' '));

async function send(party, connId, text) {
  const [result] = await party.store.transaction((tx) =>
    party.agent.sendMessages(tx, [{ connId, body: body(text), flags: { notification: true } }]),
  );
  if (result instanceof Error) throw result;
}

/** `window` messages out at a time in each direction; until `seconds` are over and all have arrived. */
async function stream(directions, { seconds, window }) {
  let open = true;
  const run = async ({ from, to, connId }) => {
    let out = 0;
    let wake;
    to.onText = () => {
      out--;
      wake?.();
    };
    for (let i = 0; open || out > 0; i++) {
      if (!open || out >= window) {
        await new Promise((resolve) => {
          wake = resolve;
        });
        continue;
      }
      out++;
      void send(from, connId, `message ${i}`);
    }
    to.onText = undefined;
  };
  const all = Promise.all(directions.map(run));
  await new Promise((resolve) => setTimeout(resolve, 1500));
  const received = () => directions.reduce((sum, d) => sum + d.to.received, 0);
  const [count, cpu, t] = [received(), process.cpuUsage(), performance.now()];
  const blocks = watchBlocks();
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const n = received() - count;
  const used = process.cpuUsage(cpu);
  const ms = performance.now() - t;
  const { max, p99 } = blocks.stop();
  open = false;
  await all;
  return {
    perSecond: (n / ms) * 1000,
    cpu: (used.user + used.system) / 1000 / n,
    block: max,
    blockP99: p99,
  };
}

async function latency(alice, bob, { a }, count) {
  const times = [];
  for (let i = 0; i < count + 20; i++) {
    const t = performance.now();
    const arrived = new Promise((resolve) => {
      bob.onText = resolve;
    });
    await send(alice, a, `latency ${i}`);
    await arrived;
    if (i >= 20) times.push(performance.now() - t);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  bob.onText = undefined;
  return times;
}

const rss = () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync('/proc/self/status', 'utf8'))[1]) / 1000;

async function settled() {
  let least = rss();
  for (let i = 0; i < 12; i++) {
    await new Promise((resolve) => setTimeout(resolve, 250));
    least = Math.min(least, rss());
  }
  return least;
}

const tasks = {
  /** Two agents in this process. */
  async traffic({ databases, relay, seconds, pq, receipts }) {
    const [alice, bob] = await Promise.all(databases.map((database) => open({ database, relay, receipts })));
    const first = performance.now();
    const pair = await connect(alice, bob, pq);
    const firstMs = performance.now() - first;
    const count = 40;
    const t = performance.now();
    for (let i = 0; i < count; i += 4) {
      await Promise.all(Array.from({ length: 4 }, () => connect(alice, bob, pq)));
    }
    const connections = count / ((performance.now() - t) / 1000);
    const toBob = { from: alice, to: bob, connId: pair.a };
    const toAlice = { from: bob, to: alice, connId: pair.b };
    const oneWay = await stream([toBob], { seconds, window: 32 });
    const bothWays = await stream([toBob, toAlice], { seconds, window: 32 });
    const times = await latency(alice, bob, pair, 200);
    for (const p of [alice, bob]) {
      await p.agent.close();
      await p.store.close();
    }
    return { firstMs, connections, oneWay, bothWays, times };
  },
  /** Makes `count` connections of a database, to a second agent. */
  async fill({ databases, relay, count, pq }) {
    const [alice, bob] = await Promise.all(databases.map((database) => open({ database, relay })));
    const t = performance.now();
    let next = 0;
    await Promise.all(
      Array.from({ length: 16 }, async () => {
        while (next++ < count) await connect(alice, bob, pq);
      }),
    );
    const perSecond = count / ((performance.now() - t) / 1000);
    for (const p of [alice, bob]) {
      await p.agent.close();
      await p.store.close();
    }
    return { perSecond };
  },
  /** Starts an agent with the connections that its database has. */
  async idle({ database, relay, count }) {
    const before = rss();
    const t = performance.now();
    const blocks = watchBlocks();
    const alice = await open({ database, relay });
    await alice.agent.subscribeAll();
    while (alice.agent.subscriptionCounts().active < count) {
      if (performance.now() - t > 60_000) throw new Error(JSON.stringify(alice.agent.subscriptionCounts()));
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    const ms = performance.now() - t;
    const { max } = blocks.stop();
    const peak = rss();
    const memory = await settled();
    await alice.agent.close();
    await alice.store.close();
    return { before, ms, memory, peak, block: max, cpu: process.cpuUsage().user / 1000 };
  },
};

const [name, json] = process.argv.slice(2);
const result = await tasks[name](JSON.parse(json));
await kem.close();
process.send(result, () => process.exit(0));
