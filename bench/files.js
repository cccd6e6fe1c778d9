// npm run bench -- files [sizes in MB, default 1 50 500]
// A file goes up and comes down through the file agent and a relay in a process of its own, as built: encryption,
// registration, four recipients, decryption and all writing to disk included. Beside it the same bytes over plain
// node:http2 with the same TLS, from disk to disk. Memory is what each process takes above its idle state.
import { fork, spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  createReadStream,
  createWriteStream,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { connect as connectHttp2 } from 'node:http2';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { pipeline } from 'node:stream/promises';
import { connect as connectTls } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { fileMigrations, openFileAgent } from '../dist/agent/files/index.js';
import { agentMigrations } from '../dist/agent/schema.js';
import { silentLogger, systemClock, systemRandom } from '../dist/core/index.js';
import { networkConfig } from '../dist/smp/index.js';
import { openSqliteStore } from '../dist/store/index.js';
import { xftpTlsParameters, xftpWindows } from '../dist/xftp/index.js';
import { against, heading, line, median, ratio } from './lib.js';

const program = fileURLToPath(new URL('../dist/cli/main.js', import.meta.url));
const plainServer = fileURLToPath(new URL('files-plain.js', import.meta.url));
const MB = 1_000_000;

const rss = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024;

/** Runs `fn`; gives its time and the peak of the memory of processes above `idle`, in MB. */
async function watched(processes, fn) {
  const peak = processes.map(() => 0);
  const timer = setInterval(() => {
    processes.forEach((p, i) => {
      peak[i] = Math.max(peak[i], rss(p.pid) - p.idle);
    });
  }, 10);
  const t = performance.now();
  const value = await fn();
  const seconds = (performance.now() - t) / 1000;
  clearInterval(timer);
  return { value, seconds, peak };
}

async function startRelay(prefix) {
  const child = spawn(process.execPath, [program, 'relay', '--port', '0', '--xftp-port', '0', '-d', prefix], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const address = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    child.stdout.on('data', (data) => {
      text += data;
      const found = /^xftp:\/\/\S+$/m.exec(text);
      if (found !== null && text.endsWith('\n')) resolve(found[0]);
    });
  });
  return {
    address,
    pid: child.pid,
    async stop() {
      child.removeAllListeners('exit');
      const exit = once(child, 'exit');
      child.kill('SIGTERM');
      await exit;
    },
  };
}

/** The file agent over a database on disk; `wait` gives the next event that ends a transfer. */
async function startAgent(folder, server) {
  const clock = systemClock;
  const store = await openSqliteStore({
    path: path.join(folder, 'agent.db'),
    migrations: [...agentMigrations, ...fileMigrations],
    clock,
    logger: silentLogger,
  });
  const { rows } = await store.transaction((tx) =>
    tx.execute('INSERT INTO agent_users (deleted) VALUES (0) RETURNING id'),
  );
  const userId = rows[0].id;
  let finish;
  const files = openFileAgent({
    store,
    clock,
    random: systemRandom,
    logger: silentLogger,
    workFolder: path.join(folder, 'work'),
    network: networkConfig(),
    handler: {
      async fileEvent(tx, e) {
        if (/DONE|ERR/.test(e.type)) tx.onCommit(() => finish(e));
      },
    },
  });
  files.setUserServers(userId, [{ server, enabled: true, roles: { storage: true, proxy: true } }]);
  await files.start();
  const run = async (begin) => {
    const done = new Promise((resolve) => {
      finish = resolve;
    });
    await store.transaction((tx) => begin(tx));
    const e = await done;
    if (e.type.endsWith('ERR')) throw new Error(JSON.stringify(e.error));
    return e;
  };
  return {
    up: (source) => run((tx) => files.sendFile(tx, { userId, source: { filePath: source }, numRecipients: 4 })),
    down: (description, target) =>
      run((tx) => files.receiveFile(tx, { userId, description, target: { filePath: target }, approvedRelays: true })),
    remove: (description) => store.transaction((tx) => files.deleteSndFileRemote(tx, userId, description)),
    async close() {
      await files.close();
      await store.close();
    },
  };
}

async function startPlain(folder) {
  const child = fork(plainServer, [folder], { stdio: ['ignore', 'pipe', 'inherit', 'ipc'] });
  const [line] = await once(child.stdout, 'data');
  const socket = connectTls({
    port: Number(String(line)),
    host: '127.0.0.1',
    rejectUnauthorized: false,
    ...xftpTlsParameters,
    ALPNProtocols: ['h2'],
  });
  await once(socket, 'secureConnect');
  socket.setNoDelay(true);
  const session = connectHttp2('https://127.0.0.1', {
    createConnection: () => socket,
    settings: { initialWindowSize: xftpWindows.stream },
  });
  session.setLocalWindowSize(xftpWindows.connection);
  return {
    async up(source) {
      const stream = session.request({ ':method': 'POST', ':path': '/' });
      const ended = once(stream, 'end');
      stream.resume();
      await pipeline(createReadStream(source, { highWaterMark: 262_144 }), stream, { end: true }).catch((e) => {
        // The stream closes with the answer, which may come in the turn in which the file ends.
        if (e.code !== 'ERR_STREAM_PREMATURE_CLOSE') throw e;
      });
      await ended;
    },
    async down(target) {
      await pipeline(session.request({ ':method': 'GET', ':path': '/' }), createWriteStream(target));
    },
    async stop() {
      session.destroy();
      const exit = once(child, 'exit');
      child.disconnect();
      await exit;
    },
  };
}

function makeFile(file, bytes) {
  writeFileSync(file, '');
  for (let left = bytes; left > 0; left -= MB) {
    writeFileSync(file, systemRandom.bytes(Math.min(left, MB)), { flag: 'a' });
  }
}

const targets = { 50: { up: 60, down: 90 } };

export async function run(args) {
  const sizes = args.length > 0 ? args.map(Number) : [1, 50, 500];
  const folder = mkdtempSync(path.join(tmpdir(), 'fanion-bench-'));
  const source = path.join(folder, 'source');
  const target = path.join(folder, 'target');
  const relay = await startRelay(path.join(folder, 'relay'));
  const agent = await startAgent(folder, relay.address);
  const plain = await startPlain(folder);
  try {
    // The first transfer compiles and connects; what follows is what a bot does all day.
    makeFile(source, 5 * MB);
    const warm = await agent.up(source);
    await agent.down(warm.recipientDescriptions[0], target);
    await plain.up(source);
    await plain.down(target);
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 500));
    const self = { pid: process.pid, idle: rss(process.pid) };
    const other = { pid: relay.pid, idle: rss(relay.pid) };
    for (const size of sizes) {
      heading(`files, ${size} MB`);
      makeFile(source, size * MB);
      const rounds = size >= 200 ? 1 : size >= 20 ? 3 : 7;
      const seconds = { up: [], down: [], plainUp: [], plainDown: [] };
      const peak = [0, 0];
      const keep = (measured) => {
        measured.peak.forEach((p, i) => {
          peak[i] = Math.max(peak[i], p);
        });
        return measured;
      };
      for (let i = 0; i < rounds; i++) {
        const up = keep(await watched([self, other], () => agent.up(source)));
        const down = keep(await watched([self, other], () => agent.down(up.value.recipientDescriptions[0], target)));
        if (statSync(target).size !== size * MB) throw new Error('the file did not arrive whole');
        await agent.remove(up.value.senderDescription);
        const plainUp = await watched([], () => plain.up(source));
        const plainDown = await watched([], () => plain.down(target));
        if (statSync(target).size !== size * MB) throw new Error('the plain file did not arrive whole');
        seconds.up.push(up.seconds);
        seconds.down.push(down.seconds);
        seconds.plainUp.push(plainUp.seconds);
        seconds.plainDown.push(plainDown.seconds);
      }
      const speed = (list) => size / median(list);
      const goal = targets[size];
      for (const [name, own, base] of [
        ['up', 'up', 'plainUp'],
        ['down', 'down', 'plainDown'],
      ]) {
        if (goal === undefined) line(name, speed(seconds[own]), 'MB/s');
        else against(name, speed(seconds[own]), 'MB/s', goal[own], 'higher');
        line(`plain node:http2 ${name}`, speed(seconds[base]), 'MB/s');
        ratio(`${name}, part of plain`, speed(seconds[own]), speed(seconds[base]), size >= 50 ? 0.4 : undefined);
      }
      against('memory of both agents above idle', peak[0], 'MB', 100, 'lower');
      against('memory of the relay above idle', peak[1], 'MB', 100, 'lower');
    }
  } finally {
    await plain.stop();
    await agent.close();
    await relay.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}
