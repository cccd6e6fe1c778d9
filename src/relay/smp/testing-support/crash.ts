import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import type { SmpMessage } from '../../../smp/index.js';
import { newQueue, RawClient, sendCommand, type TestQueue, textOf } from './raw-client.js';

/** The built program: `npm test` and `npm run soak` build it first. */
const program = process.env.FANION_PROGRAM ?? fileURLToPath(new URL('../../../../dist/cli/main.js', import.meta.url));

/** A relay in a process of its own. */
export interface RelayProcess {
  readonly address: string;
  readonly child: ChildProcess;
  kill(): Promise<void>;
}

/** Starts `fanion relay` and waits for the address that it prints. */
export async function spawnRelay(args: readonly string[]): Promise<RelayProcess> {
  const child = spawn(process.execPath, [program, 'relay', ...args], { stdio: ['ignore', 'pipe', 'inherit'] });
  const { stdout } = child;
  let text = '';
  const address = await new Promise<string>((resolve, reject) => {
    child.once('exit', (code) => reject(new Error(`the relay ended with ${code}`)));
    stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString();
      const line = /^(smp:\/\/.*)$/m.exec(text);
      if (line?.[1] !== undefined && text.includes('\n')) resolve(line[1]);
    });
  });
  return {
    address,
    child,
    async kill() {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exit = once(child, 'exit');
      child.kill('SIGKILL');
      await exit;
    },
  };
}

interface QueueState {
  readonly queue: TestQueue;
  /** Number of the next message. */
  next: number;
  /** What the relay answered OK to. */
  readonly accepted: Set<number>;
  readonly received: Set<number>;
  /** What the relay confirmed the acknowledgement of. */
  readonly acknowledged: Set<number>;
  /** The last message of this session: the next must be later. */
  last: number;
  secured: boolean;
}

export interface CrashResult {
  readonly rounds: number;
  readonly accepted: number;
  readonly received: number;
  readonly queues: number;
  /** What must not be: empty when the relay keeps its promises. */
  readonly violations: readonly string[];
}

/**
 * Puts load on a relay, kills it with SIGKILL in the middle of it, starts it again, and so on; at the end drains all
 * queues. Collects what contradicts the answers of the relay: lost messages and queues, acknowledged messages that
 * come again, deleted queues that are there, wrong order.
 */
export async function crashRounds(rounds: number): Promise<CrashResult> {
  const directory = mkdtempSync(path.join(tmpdir(), 'fanion-crash-'));
  const violations: string[] = [];
  const queues: QueueState[] = [];
  const deleted: QueueState[] = [];
  let port = 0;
  try {
    for (let round = 0; round <= rounds; round++) {
      const relay = await spawnRelay([
        '--port',
        String(port),
        '-d',
        path.join(directory, 'relay'),
        '--quota',
        '100000',
        '--log-level',
        'error',
      ]);
      port = Number(/:(\d+)$/.exec(relay.address)?.[1]);
      try {
        const session = new Session(relay.address, queues, deleted, violations);
        await session.open();
        if (round < rounds) {
          session.load();
          // Kills fall on all phases of a commit: the time grows by a prime number of milliseconds.
          await new Promise((resolve) => setTimeout(resolve, 150 + ((round * 37) % 250)));
        } else {
          await session.drain();
        }
        session.stop();
      } finally {
        await relay.kill();
      }
    }
    let accepted = 0;
    let received = 0;
    for (const [i, q] of queues.entries()) {
      accepted += q.accepted.size;
      received += q.received.size;
      for (const n of q.accepted) if (!q.received.has(n)) violations.push(`queue ${i}: message ${n} is lost`);
    }
    return { rounds, accepted, received, queues: queues.length, violations };
  } finally {
    rmSync(directory, { recursive: true, force: true });
  }
}

const sendersPerQueue = 4;
const firstQueues = 6;

class Session {
  readonly #address: string;
  readonly #queues: QueueState[];
  readonly #deleted: QueueState[];
  readonly #violations: string[];
  #sender: RawClient | undefined;
  #receiver: RawClient | undefined;
  #stopped = false;
  #outstanding = 0;

  constructor(address: string, queues: QueueState[], deleted: QueueState[], violations: string[]) {
    this.#address = address;
    this.#queues = queues;
    this.#deleted = deleted;
    this.#violations = violations;
  }

  async open(): Promise<void> {
    const sender = await RawClient.connect(this.#address);
    const receiver = await RawClient.connect(this.#address);
    this.#sender = sender;
    this.#receiver = receiver;
    while (this.#queues.length < firstQueues) await this.#create(sender);
    void this.#events(receiver);
    for (const q of this.#queues) {
      q.last = -1;
      const answer = await receiver.request(q.queue.ids.rcvId, { cmd: 'SUB' }, q.queue.rcvKey);
      if (answer.msg !== 'SOK') this.#violations.push(`queue is lost: SUB answered with ${JSON.stringify(answer)}`);
    }
    for (const q of this.#deleted) {
      const answer = await receiver.request(q.queue.ids.rcvId, { cmd: 'SUB' }, q.queue.rcvKey);
      if (answer.msg !== 'ERR') this.#violations.push('a deleted queue is there again');
    }
  }

  async #create(client: RawClient): Promise<void> {
    const queue = await newQueue(client, { subMode: 'create' });
    this.#queues.push({
      queue,
      next: 0,
      accepted: new Set(),
      received: new Set(),
      acknowledged: new Set(),
      last: -1,
      secured: false,
    });
  }

  load(): void {
    for (const q of this.#queues) for (let i = 0; i < sendersPerQueue; i++) void this.#sendOn(q);
    void this.#churn();
  }

  /** New queues and deleted ones, all the time. */
  async #churn(): Promise<void> {
    const sender = this.#sender;
    if (sender === undefined) return;
    while (!this.#stopped && this.#queues.length + this.#deleted.length < 300) {
      if (this.#queues.length < 40) await this.#create(sender);
      const queue = await newQueue(sender, { subMode: 'create' });
      const answer = await sender.request(queue.ids.rcvId, { cmd: 'DEL' }, queue.rcvKey);
      if (answer.msg !== 'OK') this.#violations.push('DEL of a new queue failed');
      this.#deleted.push({
        queue,
        next: 0,
        accepted: new Set(),
        received: new Set(),
        acknowledged: new Set(),
        last: -1,
        secured: false,
      });
    }
  }

  async #sendOn(q: QueueState): Promise<void> {
    const sender = this.#sender;
    if (sender === undefined) return;
    const { ids, sndKey, sndPublic } = q.queue;
    if (!q.secured) {
      const answer = await sender.request(ids.sndId, { cmd: 'SKEY', key: sndPublic }, sndKey);
      if (answer.msg === 'OK') q.secured = true;
      else this.#violations.push(`SKEY answered with ${JSON.stringify(answer)}`);
    }
    while (!this.#stopped) {
      const n = q.next++;
      const text = `${n}`.padEnd(n % 3 === 0 ? 16_000 : 200);
      const answer = await sender.request(ids.sndId, sendCommand(text), sndKey);
      if (answer.msg === 'OK') q.accepted.add(n);
      else this.#violations.push(`SEND answered with ${JSON.stringify(answer)}`);
    }
  }

  async #events(receiver: RawClient): Promise<void> {
    for (;;) {
      const { entityId, message } = await receiver.event();
      const q = this.#queues.find((s) => Buffer.from(s.queue.ids.rcvId).equals(entityId));
      if (q === undefined || message.msg !== 'MSG') this.#violations.push(`unexpected ${message.msg}`);
      else void this.#receive(receiver, q, message);
    }
  }

  async #receive(receiver: RawClient, q: QueueState, message: SmpMessage & { msg: 'MSG' }): Promise<void> {
    this.#outstanding++;
    for (let current: SmpMessage = message; current.msg === 'MSG'; ) {
      const n = Number(textOf(q.queue, current).trim());
      if (q.acknowledged.has(n)) this.#violations.push(`acknowledged message ${n} comes again`);
      if (n <= q.last) this.#violations.push(`message ${n} after ${q.last}`);
      q.last = n;
      q.received.add(n);
      const answer: SmpMessage = await receiver.request(
        q.queue.ids.rcvId,
        { cmd: 'ACK', msgId: current.msgId },
        q.queue.rcvKey,
      );
      if (answer.msg !== 'MSG' && answer.msg !== 'OK') {
        this.#violations.push(`ACK answered with ${JSON.stringify(answer)}`);
      }
      q.acknowledged.add(n);
      current = answer;
    }
    this.#outstanding--;
  }

  /** Receives all that there is: without senders the relay is empty when nothing is out. */
  async drain(): Promise<void> {
    const receiver = this.#receiver;
    if (receiver === undefined) return;
    do {
      await receiver.ping();
      await new Promise((resolve) => setTimeout(resolve, 50));
    } while (this.#outstanding > 0);
  }

  stop(): void {
    this.#stopped = true;
    this.#sender?.socket.on('error', () => {});
    this.#receiver?.socket.on('error', () => {});
  }
}
