// npm run bench -- agent [messages, default 3000]
// Two agents in this process over a relay in a process of its own; on PostgreSQL too when FANION_TEST_POSTGRES names a
// server (scripts/with-postgres.sh npm run bench -- agent).
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { agentMigrations, openAgent } from '../dist/agent/index.js';
import { silentLogger, systemClock, systemRandom } from '../dist/core/index.js';
import { createKemPool } from '../dist/crypto/index.js';
import { networkConfig } from '../dist/smp/index.js';
import { openPostgresStore, openSqliteStore } from '../dist/store/index.js';
import { against, heading, line, percentile } from './lib.js';

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const common = { migrations: agentMigrations, clock: systemClock, logger: silentLogger };

async function spawnRelay(prefix) {
  const child = spawn(process.execPath, [program, 'relay', '--port', '0', '-d', prefix, '--quota', '10000'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const address = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      if (text.includes('\n')) resolve(text.trim());
    });
  });
  return {
    address,
    async stop() {
      child.removeAllListeners('exit');
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}

/** An agent whose committed events go to `on`. */
async function party(store, address, kem) {
  const self = { store, on: () => {} };
  const handler = {
    async event(tx, event) {
      tx.onCommit(() => self.on(event));
      return undefined;
    },
    async handlerFailed(_tx, _event, error) {
      throw error;
    },
  };
  const options = { ...common, store, handler, kem, random: systemRandom, smp: networkConfig(), users: new Map() };
  self.agent = await openAgent(options);
  const servers = { smp: [{ server: address, enabled: true, roles: { storage: true, proxy: true } }], xftp: [] };
  self.userId = await store.transaction((tx) => self.agent.createUser(tx, servers));
  await self.agent.start();
  return self;
}

const event = (p, type) =>
  new Promise((resolve) => {
    p.on = (e) => e.type === type && resolve(e);
  });

async function connect(alice, bob, pq) {
  const initialKeys = pq ? 'usePQ' : 'linkPQOff';
  const { connId, link } = await alice.agent.createConnection({
    userId: alice.userId,
    mode: 'invitation',
    initialKeys,
  });
  const url = link.connFullLink;
  const joined = await bob.store.transaction((tx) => bob.agent.prepareConnectionToJoin(tx, bob.userId, url, pq));
  const conf = event(alice, 'CONF');
  const info = Buffer.from('info');
  await bob.agent.joinConnection({ userId: bob.userId, connId: joined, link: url, info, pqSupport: pq });
  const { confId } = await conf;
  const connected = Promise.all([event(alice, 'CON'), event(bob, 'CON')]);
  await alice.store.transaction((tx) => alice.agent.allowConnection(tx, connId, confId, info));
  await connected;
  return [connId, joined];
}

const body = Buffer.alloc(200, 'x');
const flags = { notification: false };

/** Sends `total` messages from `from`, as many connections as there are in turn; resolves when `to` has all. */
async function stream(from, to, conns, total) {
  let got = 0;
  const done = new Promise((resolve) => {
    to.on = (e) => {
      if (e.type === 'MSG' && ++got === total) resolve();
    };
  });
  for (let i = 0; i < total; i += 20) {
    const items = Array.from({ length: Math.min(20, total - i) }, (_, k) => ({
      connId: conns[(i + k) % conns.length],
      body: Buffer.from(body),
      flags,
    }));
    await from.store.transaction((tx) => from.agent.sendMessages(tx, items));
  }
  await done;
}

async function timed(fn) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  await fn();
  const ms = performance.now() - start;
  const used = process.cpuUsage(cpu);
  return { ms, cpuMs: (used.user + used.system) / 1000 };
}

async function measure(name, openStore, address, kem, total) {
  const alice = await party(await openStore('a'), address, kem);
  const bob = await party(await openStore('b'), address, kem);
  for (const pq of [false, true]) {
    const label = pq ? `${name}, PQ` : name;
    const pairs = [];
    const made = await timed(async () => {
      for (let i = 0; i < 20; i++) pairs.push(await connect(alice, bob, pq));
    });
    line(`${label}: connections made one after the other`, (20 / made.ms) * 1000, '/s');
    const [as, bs] = [pairs.map((p) => p[0]), pairs.map((p) => p[1])];
    await stream(alice, bob, as, 200);
    const one = await timed(() => stream(alice, bob, as.slice(0, 1), total / 2));
    line(`${label}: one connection, one way`, (total / 2 / one.ms) * 1000, 'msg/s');
    const way = await timed(() => stream(alice, bob, as, total));
    against(`${label}: 20 connections, one way`, (total / way.ms) * 1000, 'msg/s', 500, 'higher');
    line(`${label}: CPU of both agents`, way.cpuMs / total, 'ms/msg');
    const both = await timed(() => Promise.all([stream(alice, bob, as, total), stream(bob, alice, bs, total)]));
    line(`${label}: 20 connections, both ways`, ((total * 2) / both.ms) * 1000, 'msg/s');
    const latencies = [];
    for (let i = 0; i < 300; i++) {
      const { ms } = await timed(() => stream(alice, bob, [as[i % as.length]], 1));
      latencies.push(ms);
    }
    line(`${label}: latency, p50`, percentile(latencies, 0.5), 'ms');
    line(`${label}: latency, p99`, percentile(latencies, 0.99), 'ms');
  }
  for (const p of [alice, bob]) {
    await p.agent.close();
    await p.store.close();
  }
}

/** The benchmark. */
export async function run([count]) {
  heading('agent');
  const total = Number(count ?? 3000);
  const dir = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  const relay = await spawnRelay(path.join(dir, 'relay'));
  const kem = await createKemPool();
  try {
    const sqlite = (n) => openSqliteStore({ ...common, path: path.join(dir, `${n}.db`) });
    await measure('SQLite', sqlite, relay.address, kem, total);
    const url = process.env.FANION_TEST_POSTGRES;
    if (url !== undefined) {
      const postgres = (n) => openPostgresStore({ ...common, url, schema: `bench_${process.pid}_${n}` });
      await measure('PostgreSQL', postgres, relay.address, kem, total);
    }
  } finally {
    await kem.close();
    await relay.stop();
    rmSync(dir, { recursive: true, force: true });
  }
}
