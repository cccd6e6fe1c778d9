// One party of a transfer in a process of its own, to be killed: node crash-child.mjs <role> <folder> [json]
// Uses the compiled programs: FANION_DIST, or dist.
import path from 'node:path';
import { pathToFileURL } from 'node:url';

const [role, folder, json = '{}'] = process.argv.slice(2);
const options = JSON.parse(json);
const dist = path.resolve(process.env.FANION_DIST ?? 'dist');
const load = (file) => import(pathToFileURL(path.join(dist, file)).href);
const say = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const { systemClock: clock, systemRandom: random, silentLogger } = await load('core/index.js');
const logger = { ...silentLogger, error: (fields, message) => console.error(message, fields) };

if (role === 'relay') {
  const { startXftpRelay } = await load('relay/xftp/index.js');
  const relay = await startXftpRelay({ prefix: path.join(folder, 'relay'), port: options.port ?? 0 });
  say({ type: 'ready', address: relay.address, port: relay.port });
} else {
  const { networkConfig } = await load('smp/index.js');
  const { openSqliteStore } = await load('store/index.js');
  const { agentMigrations } = await load('agent/schema.js');
  const { fileMigrations, openFileAgent } = await load('agent/files/index.js');
  const { formatFileDescription, parseFileDescription } = await load('xftp/index.js');
  const store = await openSqliteStore({
    path: path.join(folder, 'agent.db'),
    migrations: [
      ...agentMigrations,
      ...fileMigrations,
      { name: 'test-done', sql: 'CREATE TABLE test_done (kind TEXT NOT NULL, content TEXT NOT NULL);' },
    ],
    clock,
    logger,
  });
  const files = openFileAgent({
    store,
    clock,
    random,
    logger,
    lanes: options.lanes ?? 1,
    workFolder: path.join(folder, 'work'),
    network: networkConfig(),
    handler: {
      // As the chat does it: what DONE brings is stored in the same transaction.
      async fileEvent(tx, e) {
        if (e.type === 'SFDONE') {
          const content = formatFileDescription(e.recipientDescriptions[0]);
          await tx.execute('INSERT INTO test_done (kind, content) VALUES (?, ?)', ['sent', content]);
        }
        if (e.type === 'RFDONE') {
          await tx.execute('INSERT INTO test_done (kind, content) VALUES (?, ?)', ['received', e.path]);
        }
        tx.onCommit(() => say({ type: e.type, sent: e.sent, received: e.received, total: e.total, error: e.error }));
      },
    },
  });
  const userId = await store.transaction(async (tx) => {
    const { rows } = await tx.execute('SELECT id FROM agent_users');
    if (rows.length > 0) return rows[0].id;
    return (await tx.execute('INSERT INTO agent_users (deleted) VALUES (0) RETURNING id')).rows[0].id;
  });
  const servers = (options.servers ?? []).map((server) => ({
    server,
    enabled: true,
    roles: { storage: true, proxy: true },
  }));
  files.setUserServers(userId, servers);
  await files.start();
  const table = role === 'sender' ? 'xftp_snd_files' : 'xftp_rcv_files';
  await store.transaction(async (tx) => {
    if ((await tx.execute(`SELECT id FROM ${table}`)).rows.length > 0) return;
    if (role === 'sender') {
      await files.sendFile(tx, { userId, source: { filePath: options.source }, numRecipients: 4 });
    } else {
      const description = parseFileDescription(options.description, 'recipient');
      await files.receiveFile(tx, { userId, description, target: { filePath: options.target }, approvedRelays: true });
    }
  });
  const { rows } = await store.read((tx) => tx.execute('SELECT kind, content FROM test_done'));
  say({ type: 'ready', done: rows });
  process.on('message', async (message) => {
    if (message !== 'done?') return;
    const found = await store.read((tx) => tx.execute('SELECT kind, content FROM test_done'));
    say({ type: 'done', done: found.rows });
  });
}
