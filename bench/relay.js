// npm run bench -- relay [seconds per part, default 4] [--memory]
// The relay runs in a process of its own, as built; its CPU time is read from the system, without the client's.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { systemRandom } from '../dist/core/index.js';
import { generateKeyPair, sign, verify } from '../dist/crypto/index.js';
import { SqliteSmpStorage } from '../dist/relay/smp/storage-sqlite.js';
import { against, heading, line, measure, percentile } from './lib.js';
import { BenchClient } from './relay-client.js';

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const rcv = generateKeyPair('ed25519');
const snd = generateKeyPair('ed25519');
const body = systemRandom.bytes(1024 * 16 - 384);
const sendCommand = { cmd: 'SEND', flags: { notification: false }, body };

async function spawnRelay(prefix, ...more) {
  const started = performance.now();
  const child = spawn(process.execPath, [program, 'relay', '--port', '0', '-d', prefix, '--quota', '1000', ...more], {
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
    pid: child.pid,
    startMs: performance.now() - started,
    async stop() {
      child.removeAllListeners('exit');
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}

/** CPU time of a process with all its threads, in milliseconds (the system counts in steps of 10). */
function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

function rssBytes(pid) {
  return Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
}

/** Memory when it does not change any more. */
async function settledRss(pid) {
  let least = rssBytes(pid);
  for (let i = 0; i < 10; i++) {
    await new Promise((resolve) => setTimeout(resolve, 200));
    least = Math.min(least, rssBytes(pid));
  }
  return least;
}

/**
 * Messages through queues for `seconds`: every message is sent, delivered and acknowledged. Each connection has its
 * part of the queues and both sends to them and receives; `window` messages are out at a time.
 */
async function throughput(relay, { connections, queues, window, seconds }) {
  const clients = await Promise.all(Array.from({ length: connections }, () => BenchClient.connect(relay.address)));
  const all = [];
  await Promise.all(
    clients.map(async (client) => {
      for (let i = 0; i < queues / connections; i++) all.push({ client, ...(await client.queue(rcv, snd)) });
    }),
  );
  const byId = new Map(all.map((q) => [q.key, q]));
  let acknowledged = 0;
  let next = 0;
  let stopped = false;
  let open = 0;
  let finished;
  const done = new Promise((resolve) => {
    finished = resolve;
  });
  const sendNext = () => {
    if (stopped) {
      if (open === 0) finished();
      return;
    }
    const q = all[next++ % all.length];
    open++;
    q.client.send(q.sndId, sendCommand, snd.privateKey);
  };
  for (const client of clients) {
    client.onAnswer = (_corr, w, tail) => {
      if (w !== 'OK') throw new Error(Buffer.from(tail).toString('latin1'));
    };
    client.onMessage = (id, msgId) => {
      const q = byId.get(id);
      acknowledged++;
      open--;
      client.send(q.rcvId, { cmd: 'ACK', msgId }, rcv.privateKey);
      sendNext();
    };
  }
  for (let i = 0; i < window; i++) sendNext();
  await new Promise((resolve) => setTimeout(resolve, 1000));
  const [count, cpu, t] = [acknowledged, cpuMs(relay.pid), performance.now()];
  await new Promise((resolve) => setTimeout(resolve, seconds * 1000));
  const n = acknowledged - count;
  const result = {
    perSecond: (n / (performance.now() - t)) * 1000,
    cpuPerMessage: (cpuMs(relay.pid) - cpu) / n,
  };
  stopped = true;
  await done;
  await new Promise((resolve) => setTimeout(resolve, 200));
  for (const client of clients) client.close();
  return result;
}

/** One message at a time: from SEND to MSG on another connection, and from SEND to OK. */
async function latency(relay, count) {
  const sender = await BenchClient.connect(relay.address);
  const receiver = await BenchClient.connect(relay.address);
  const q = await receiver.queue(rcv, snd);
  const delivered = [];
  const confirmed = [];
  for (let i = 0; i < count; i++) {
    const t = performance.now();
    const message = new Promise((resolve) => {
      receiver.onMessage = (_id, msgId) => {
        delivered.push(performance.now() - t);
        resolve(msgId);
      };
    });
    const ok = sender.request(q.sndId, sendCommand, snd.privateKey).then(() => confirmed.push(performance.now() - t));
    const msgId = await message;
    await ok;
    await receiver.request(q.rcvId, { cmd: 'ACK', msgId }, rcv.privateKey);
  }
  sender.close();
  receiver.close();
  return { delivered: delivered.slice(count / 10), confirmed: confirmed.slice(count / 10) };
}

async function fill(file, count) {
  const storage = new SqliteSmpStorage(file);
  const ids = [];
  for (let i = 0; i < count; i++) {
    const recipientId = systemRandom.bytes(24);
    ids.push(recipientId);
    storage.createQueue({
      record: {
        recipientId,
        recipientKeys: [rcv.publicKey],
        rcvDhSecret: systemRandom.bytes(32),
        senderId: systemRandom.bytes(24),
        senderKey: snd.publicKey,
        mode: 'M',
        linkId: undefined,
        notifier: undefined,
        status: { kind: 'active' },
        updatedDay: Math.floor(Date.now() / 86_400_000),
      },
      linkData: undefined,
      clientIds: false,
    });
    if (i % 2000 === 0) await storage.durable();
  }
  await storage.durable();
  await storage.close();
  return ids;
}

export async function run(args) {
  const seconds = Number(args.find((a) => /^\d+$/.test(a)) ?? 4);
  const more = args.includes('--memory') ? ['--memory'] : [];
  const directory = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  try {
    heading(`relay, ${more.length > 0 ? 'in memory' : 'durable SQLite'}, bodies of ${body.length} bytes`);
    const signature = sign(snd.privateKey, body);
    const check = measure(() => verify(snd.publicKey, signature, body));
    line(
      'machine: Ed25519 check of one SEND',
      check.cpu,
      'us',
      'about 80 on an idle core: tells how busy the machine is',
    );
    let relay = await spawnRelay(path.join(directory, 'a'), ...more);
    for (const part of [
      { connections: 1, queues: 1, window: 16 },
      { connections: 1, queues: 1000, window: 64 },
      { connections: 100, queues: 1000, window: 100 },
    ]) {
      const name = `${part.queues} queue${part.queues > 1 ? 's' : ''}, ${part.connections} connection${part.connections > 1 ? 's' : ''}`;
      const result = await throughput(relay, { ...part, seconds });
      line(`${name}: messages per second`, result.perSecond, '/s');
      against(`${name}: relay CPU per send+deliver+ack`, result.cpuPerMessage, 'ms', 0.45, 'lower');
    }
    // After the load: the log of the database has its size, as it has after the first minutes of a relay.
    const times = await latency(relay, 1000);
    against('one at a time: SEND to MSG, p50', percentile(times.delivered, 0.5), 'ms', 1, 'lower');
    line('one at a time: SEND to MSG, p99', percentile(times.delivered, 0.99), 'ms');
    line('one at a time: SEND to OK, p50', percentile(times.confirmed, 0.5), 'ms');
    line('one at a time: SEND to OK, p99', percentile(times.confirmed, 0.99), 'ms');
    await relay.stop();

    heading('relay: memory and start');
    const count = 100_000;
    const ids = await fill(path.join(directory, 'b_smp.db'), count);
    const empty = await spawnRelay(path.join(directory, 'c'));
    const emptyRss = await settledRss(empty.pid);
    line('start of an empty relay', empty.startMs, 'ms');
    const idle = await Promise.all(Array.from({ length: 300 }, () => BenchClient.connect(empty.address)));
    line('memory per idle connection', ((await settledRss(empty.pid)) - emptyRss) / idle.length / 1000, 'kB');
    for (const client of idle) client.close();
    await empty.stop();
    relay = await spawnRelay(path.join(directory, 'b'));
    line('start with 100,000 queues', relay.startMs, 'ms');
    const rss = await settledRss(relay.pid);
    line('relay with 100,000 idle queues', rss / 1e6, 'MB', `empty: ${(emptyRss / 1e6).toFixed(0)} MB`);
    against('memory per idle queue', Math.max(0, (rss - emptyRss) / count), 'bytes', 2000, 'lower');
    const client = await BenchClient.connect(relay.address);
    const t = performance.now();
    const [cpu, subscriptions] = [cpuMs(relay.pid), 50_000];
    for (let i = 0; i < subscriptions; i += 1350) {
      const part = ids.slice(i, Math.min(i + 1350, subscriptions));
      await Promise.all(part.map((id) => client.request(id, { cmd: 'SUB' }, rcv.privateKey)));
    }
    line('SUB: queues per second', (subscriptions / (performance.now() - t)) * 1000, '/s');
    line('SUB: relay CPU per queue', (cpuMs(relay.pid) - cpu) / subscriptions, 'ms');
    const after = await settledRss(relay.pid);
    against('memory per subscribed idle queue', (after - rss) / subscriptions, 'bytes', 2000, 'lower');
    client.close();
    await relay.stop();
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}
