// One agent with its layer above in a process of its own, which kills itself with SIGKILL right before or right after
// a commit. Forked by crash-support.ts; what it is told to do comes as messages. Uses the compiled modules:
// FANION_DIST, or dist.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const dist = path.resolve(process.env.FANION_DIST ?? 'dist');
const load = (file) => import(pathToFileURL(path.join(dist, file)).href);
const [core, store, smp, crypto, agents] = await Promise.all(
  ['core/index.js', 'store/index.js', 'smp/index.js', 'crypto/index.js', 'agent/index.js'].map(load),
);
const { systemClock: clock, systemRandom: random, silentLogger } = core;
const logger = { ...silentLogger, error: (fields, message) => console.error(message, fields) };
// Small: each process makes few pairs, and there are many processes.
const kem = await crypto.createKemPool({ size: 4 });

/** The layer above: what it was told and what it did is stored in the transactions of the agent. */
const layer = {
  name: 'test-layer',
  sql: `CREATE TABLE test_events (id AUTO_ID, json TEXT NOT NULL);
        CREATE TABLE test_done (call_id TEXT NOT NULL PRIMARY KEY, result TEXT NOT NULL);`,
};

/** The process dies when so many points were passed. */
let left = Number.POSITIVE_INFINITY;
let points = [];
function faults(point) {
  points.push(point);
  if (left-- === 0) process.kill(process.pid, 'SIGKILL');
}

let db;
let agent;
let userId;
const waiting = [];

const plain = (event) =>
  JSON.stringify(event, (_, value) => {
    if (value instanceof Uint8Array) return Buffer.from(value).toString();
    return value?.type === 'Buffer' ? Buffer.from(value.data).toString() : value;
  });

async function onEvent(tx, event) {
  await tx.execute('INSERT INTO test_events (json) VALUES (?)', [plain(event)]);
  tx.onCommit(() => {
    for (const wake of waiting.splice(0)) wake();
  });
  // As the chat does it: in the transaction of the event.
  if (event.type === 'CONF') await agent.allowConnection(tx, event.connId, event.confId, Buffer.from('allowed'));
  return event.type === 'MSG' ? { receipt: true } : undefined;
}

const handler = {
  event: onEvent,
  async handlerFailed(_tx, event, error) {
    console.error('the handler failed', event.type, error);
  },
};

const events = async () => {
  const { rows } = await db.read((tx) => tx.execute('SELECT json FROM test_events ORDER BY id'));
  return rows.map((r) => JSON.parse(r.json));
};

/** A transaction of the layer above, done once: with its result a repeated call is answered. */
async function once(callId, body) {
  return commit((tx) => onceIn(tx, callId, () => body(tx)));
}

async function onceIn(tx, callId, body) {
  const known = await tx.execute('SELECT result FROM test_done WHERE call_id = ?', [callId]);
  if (known.rows[0] !== undefined) return JSON.parse(known.rows[0].result);
  const result = (await body()) ?? null;
  await tx.execute('INSERT INTO test_done (call_id, result) VALUES (?, ?)', [callId, JSON.stringify(result)]);
  return result;
}

async function commit(body) {
  const result = await db.transaction(async (tx) => {
    const value = await body(tx);
    faults('layer:before');
    return value;
  });
  faults('layer:after');
  return result;
}

const known = (callId) =>
  db.read(async (tx) => (await tx.execute('SELECT result FROM test_done WHERE call_id = ?', [callId])).rows[0]?.result);

/** What was complete when the process died is refused when it is repeated. */
async function unlessDone(action) {
  try {
    return await action();
  } catch (error) {
    if (error.json?.cmdErr?.type !== 'PROHIBITED') throw error;
  }
}

const calls = {
  async open({ file, url, servers }) {
    const migrations = [...agents.agentMigrations, layer];
    db =
      url === undefined
        ? await store.openSqliteStore({ path: file, migrations, clock, logger })
        : await store.openPostgresStore({ url, schema: path.basename(file), migrations, clock, logger });
    const users = await db.read((tx) => tx.db.selectFrom('agent_users').select('id').execute());
    agent = await agents.openAgent({
      store: db,
      clock,
      random,
      logger,
      handler,
      smp: smp.networkConfig({ reconnect: { initial: 50, increaseAfter: 10_000, max: 500 }, errorMemory: 20 }),
      users: new Map(users.map(({ id }) => [id, servers])),
      kem,
      faults,
    });
    userId = users[0]?.id ?? (await db.transaction((tx) => agent.createUser(tx, servers)));
    await agent.start();
    await agent.subscribeAll();
  },

  async close() {
    left = Number.POSITIVE_INFINITY;
    await agent.close();
    await db.close();
  },

  /** The points from here on are counted; the process dies at number `at`. */
  arm({ at }) {
    points = [];
    left = at ?? Number.POSITIVE_INFINITY;
  },
  points: () => points,
  events,

  async create({ mode, initialKeys, userLinkData }, callId) {
    const done = await known(callId);
    if (done !== undefined) return JSON.parse(done);
    return agent.createConnection({
      userId,
      mode,
      initialKeys,
      ...(userLinkData === undefined ? {} : { userLinkData: Buffer.from(userLinkData) }),
      stored: (tx, created) => onceIn(tx, callId, () => created),
    });
  },
  createAsync: ({ initialKeys }, callId) =>
    once(callId, (tx) => agent.createConnectionAsync(tx, 'create', { userId, mode: 'invitation', initialKeys })),

  prepare: ({ link, pq }, callId) => once(callId, (tx) => agent.prepareConnectionToJoin(tx, userId, link, pq)),
  readLink: ({ link }) => agent.getConnShortLink(userId, link),
  join: ({ connId, link, pq }) =>
    unlessDone(() => agent.joinConnection({ userId, connId, link, info: Buffer.from('joined'), pqSupport: pq })),
  joinAsync: ({ link, pq }, callId) =>
    once(callId, (tx) =>
      agent.joinConnectionAsync(tx, 'join', { userId, link, info: Buffer.from('joined'), pqSupport: pq }),
    ),

  prepareAccept: ({ invId, pq }, callId) =>
    once(callId, (tx) => agent.prepareConnectionToAccept(tx, userId, invId, pq)),
  accept: ({ connId, invId, pq }) =>
    unlessDone(() => agent.acceptContact({ userId, connId, invId, info: Buffer.from('accepted'), pqSupport: pq })),
  acceptAsync: ({ invId, pq }, callId) =>
    once(callId, (tx) =>
      agent.acceptContactAsync(tx, 'accept', { userId, invId, info: Buffer.from('accepted'), pqSupport: pq }),
    ),

  send: ({ connId, text }, callId) =>
    once(callId, async (tx) => {
      const item = { connId, body: Buffer.from(text), flags: { notification: true } };
      const [result] = await agent.sendMessages(tx, [item]);
      if (result instanceof Error) throw result;
      return result;
    }),
  switch: ({ connId }) => unlessDone(() => agent.switchConnection(connId)),
  switchAsync: ({ connId }, callId) => once(callId, (tx) => agent.switchConnectionAsync(tx, 'switch', connId)),
  synchronize: ({ connId, pq }, callId) => once(callId, (tx) => agent.synchronizeRatchet(tx, connId, pq, true)),
  stats: ({ connId }) => db.read((tx) => agent.getConnectionServers(tx, connId)),

  /** Waits until so many events of this kind are stored. */
  async wait({ match, count }) {
    const fits = (e) => Object.entries(match).every(([key, value]) => e[key] === value);
    for (;;) {
      const woken = new Promise((resolve) => waiting.push(resolve));
      const found = (await events()).filter(fits);
      if (found.length >= count) return found;
      await woken;
    }
  },
};

process.on('message', async ({ id, name, args, callId }) => {
  let answer;
  try {
    answer = { id, result: await calls[name](args ?? {}, callId) };
  } catch (error) {
    answer = { id, error: `${name}: ${error.stack} ${JSON.stringify(error.json ?? null)}` };
  }
  process.send(answer);
});
// The parent is gone.
process.on('disconnect', () => process.exit());
process.send({ id: 0 });
