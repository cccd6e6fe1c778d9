// Programs and clients of the benchmarks of the engine: a relay and `fanion serve` as processes of their own.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { WebSocket } from 'ws';

/** The build that is measured: `dist`, or the folder that FANION_DIST names. */
export const dist = path.resolve(process.env.FANION_DIST ?? path.join(import.meta.dirname, '../dist'));

/** A module of the build: `await built('agent/index.js')`. */
export const built = (file) => import(pathToFileURL(path.join(dist, file)).href);

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** CPU time of a process with all its threads, in milliseconds (the system counts in steps of 10). */
export function cpuMs(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}

/** CPU time of the main thread alone: in microseconds, from the scheduler. */
export function mainCpuMs(pid) {
  return Number(readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')[0]) / 1e6;
}

export function rssMb(pid) {
  return (Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024) / 1e6;
}

/** Memory that no file backs: what the process itself needs, without the pages of the node program. */
export function anonMb(pid) {
  return (Number(/RssAnon:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024) / 1e6;
}

/** How busy the machine is with other work: figures say little without it. */
export function load() {
  return `load ${readFileSync('/proc/loadavg', 'utf8').split(' ').slice(0, 2).join(' ')}`;
}

/** Starts a subcommand of the program; resolves with what it printed when `ready` finds its text there. */
export async function program(args, ready, nodeArgs = []) {
  const started = performance.now();
  const child = spawn(process.execPath, [...nodeArgs, path.join(dist, 'cli/main.js'), ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  const found = await new Promise((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}`)));
    child.stdout.on('data', (chunk) => {
      text += chunk;
      const match = ready.exec(text);
      if (match !== null) resolve(match[1]);
    });
  });
  return {
    found,
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

export const startRelay = (prefix, { more = [], nodeArgs = [] } = {}) =>
  program(['relay', '--port', '0', '-d', prefix, '--quota', '1000', ...more], /^(smp:\S+)\s/m, nodeArgs);

/** A client of the bot API: commands by correlation id, events to those who wait for them. */
export class Client {
  #ws;
  #next = 0;
  #answers = new Map();
  #waiting = [];
  /** Called with each event that nobody waited for. */
  onEvent = () => {};

  static async connect(url) {
    const client = new Client();
    client.#ws = new WebSocket(url, { perMessageDeflate: false });
    client.#ws.on('message', (data) => client.#message(JSON.parse(data.toString())));
    await once(client.#ws, 'open');
    return client;
  }

  #message({ corrId, resp }) {
    if (corrId !== undefined) {
      this.#answers.get(corrId)?.(resp);
      this.#answers.delete(corrId);
      return;
    }
    const i = this.#waiting.findIndex((w) => w.matches(resp));
    if (i >= 0) this.#waiting.splice(i, 1)[0].resolve(resp);
    else this.onEvent(resp);
  }

  async command(cmd) {
    const corrId = String(++this.#next);
    const answer = new Promise((resolve) => this.#answers.set(corrId, resolve));
    this.#ws.send(JSON.stringify({ corrId, cmd }));
    const resp = await answer;
    if (resp.type === 'chatCmdError') throw new Error(`${cmd.slice(0, 80)}: ${JSON.stringify(resp.chatError)}`);
    return resp;
  }

  /** The next event of this type that `accept` takes. */
  event(type, accept = () => true) {
    return new Promise((resolve) => this.#waiting.push({ resolve, matches: (e) => e.type === type && accept(e) }));
  }

  close() {
    this.#ws.terminate();
  }
}

/** `fanion serve` with a profile and a client of it. */
export async function startServe(name, directory, relay, { nodeArgs = [], more = [] } = {}) {
  const p = await program(
    ['serve', '-p', '0', '-d', path.join(directory, name), '-s', relay, '--create-bot-display-name', name, ...more],
    /Bot API: (\S+)\s/,
    nodeArgs,
  );
  const client = await Client.connect(p.found);
  const user = await client.command('/user');
  return { ...p, name, client, userId: user.user.userId };
}

const linkOf = ({ connShortLink, connFullLink }) => connShortLink ?? connFullLink;

/** Connects two profiles by a one-time link; the contact ids of each other, and how long it took. */
export async function connectContacts(alice, bob) {
  const invitation = await alice.client.command(`/_connect ${alice.userId}`);
  const link = linkOf(invitation.connLinkInvitation);
  const t = performance.now();
  const both = Promise.all([alice.client.event('contactConnected'), bob.client.event('contactConnected')]);
  await bob.client.command(`/connect ${link}`);
  const [a, b] = await both;
  return { aliceContact: a.contact.contactId, bobContact: b.contact.contactId, ms: performance.now() - t };
}

/** CPU profiles of the processes that are started are written there, when the option `--prof=<folder>` is given. */
export function profileArgs(args, name) {
  const folder = args.find((a) => a.startsWith('--prof='))?.slice(7);
  return folder === undefined ? [] : ['--cpu-prof', '--cpu-prof-dir', folder, `--cpu-prof-name=${name}.cpuprofile`];
}
