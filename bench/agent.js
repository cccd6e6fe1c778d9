// npm run bench -- agent [seconds per part, default 4] [--connections=5000] [--only=traffic|idle]
// Two agents in one process, a relay in another; PostgreSQL too when FANION_TEST_POSTGRES names a server.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { load, startRelay } from './chat-parties.js';
import { against, heading, line, percentile } from './lib.js';

async function inProcess(name, parameters) {
  const child = fork(new URL('./agent-run.js', import.meta.url), [name, JSON.stringify(parameters)]);
  const [result] = await Promise.race([
    once(child, 'message'),
    once(child, 'exit').then(([code]) => {
      throw new Error(`${name} ended with ${code}`);
    }),
  ]);
  return result;
}

function report(title, result, latencyTarget) {
  line(`${title}: first connection`, result.firstMs, 'ms', 'starts the KEM thread');
  line(`${title}: connections per second`, result.connections, '/s', '4 at a time');
  line(`${title}: one way, messages per second`, result.oneWay.perSecond, '/s');
  line(`${title}: one way, CPU of both agents per message`, result.oneWay.cpu, 'ms');
  line(`${title}: both ways, messages per second`, result.bothWays.perSecond, '/s');
  line(`${title}: both ways, CPU of both agents per message`, result.bothWays.cpu, 'ms');
  line(`${title}: longest block of the event loop`, Math.max(result.oneWay.block, result.bothWays.block), 'ms');
  const p50 = percentile(result.times, 0.5);
  if (latencyTarget === undefined) line(`${title}: latency, p50`, p50, 'ms');
  else against(`${title}: latency, p50`, p50, 'ms', latencyTarget, 'lower');
  line(`${title}: latency, p99`, percentile(result.times, 0.99), 'ms', load());
}

export async function run(args) {
  const seconds = Number(args.find((a) => /^\d+$/.test(a)) ?? 4);
  const option = (name) => args.find((a) => a.startsWith(`--${name}=`))?.slice(name.length + 3);
  const count = Number(option('connections') ?? 5000);
  const only = option('only');
  const directory = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  const relay = await startRelay(path.join(directory, 'relay'));
  const file = (name) => path.join(directory, name);
  try {
    heading(`agent (${load()})`);
    if (only !== 'idle') {
      const parameters = { relay: relay.found, seconds };
      const sqlite = (name) => [file(`${name}-a.db`), file(`${name}-b.db`)];
      report('SQLite', await inProcess('traffic', { ...parameters, databases: sqlite('plain'), pq: false }), 8);
      const pq = await inProcess('traffic', { ...parameters, databases: sqlite('pq'), pq: true, receipts: true });
      report('SQLite, PQ, receipts', pq, 8);
      const postgres = process.env.FANION_TEST_POSTGRES;
      if (postgres !== undefined) {
        const databases = ['a', 'b'].map((x) => `${postgres}#bench_${process.pid}_${x}`);
        report('PostgreSQL', await inProcess('traffic', { ...parameters, databases, pq: false }));
      }
    }
    if (only !== 'traffic') {
      heading(`agent: ${count} idle connections`);
      const fill = await inProcess('fill', {
        databases: [file('idle.db'), file('other.db')],
        relay: relay.found,
        count,
        pq: false,
      });
      line('connections per second, 16 at a time', fill.perSecond, '/s', load());
      const idle = await inProcess('idle', { database: file('idle.db'), relay: relay.found, count });
      against('start to all subscribed', idle.ms, 'ms', 3000, 'lower');
      line('CPU of the process until then', idle.cpu, 'ms');
      line('longest block of the event loop meanwhile', idle.block, 'ms');
      against('memory in all', idle.memory, 'MB', 150, 'lower');
      line('memory before the agent was opened', idle.before, 'MB');
      line('memory right after the start', idle.peak, 'MB', load());
    }
  } finally {
    await relay.stop();
    rmSync(directory, { recursive: true, force: true });
  }
}
