import { Worker } from 'node:worker_threads';
import { type Clock, FanionError, type RandomSource, systemClock, type Timer } from '../core/index.js';
import { generateKeyPair } from './keys.js';
import type { RatchetKeys } from './ratchet-state.js';
import { type KemKeyPair, kemSizes, loadSntrup761, type Sntrup761 } from './sntrup761.js';

/** What a pool costs: memory for pairs and threads, against the wait for a pair. */
export interface KemPoolOptions {
  /** Key pairs kept ready. Default 16 (48 kB). */
  readonly size?: number;
  /** Worker threads. Default 1; one makes about 60 pairs per second. */
  readonly workers?: number;
  /** Threads that made nothing for so long end (each holds 17 MB). In milliseconds; default one minute. */
  readonly idleMs?: number;
  readonly clock?: Clock;
}

/**
 * KEM key pairs made ahead of need in worker threads, because making one takes 17 ms. Threads start with the
 * first need and keep the process alive only while somebody waits for a pair.
 */
export interface KemPool {
  /** The KEM's other operations. */
  readonly kem: Sntrup761;
  /** Pairs that can be taken at once. */
  readonly available: number;
  /** Worker threads that run now. */
  readonly threads: number;
  /** Starts to fill the pool. */
  start(): void;
  /** A fresh pair, at once or when a worker has made one. */
  keyPair(): Promise<KemKeyPair>;
  /** Resolves when at least one pair can be taken at once. */
  ready(): Promise<void>;
  /** A fresh pair if one is ready: for ratchet steps inside a transaction. */
  take(): KemKeyPair | undefined;
  /** Ends the workers; those who wait are rejected. */
  close(): Promise<void>;
}

/** A pool; loads the KEM, starts no thread yet. */
export async function createKemPool(options: KemPoolOptions = {}): Promise<KemPool> {
  return new WorkerKemPool(await loadSntrup761(), options);
}

/**
 * What ratchet steps draw from in production: X448 from `random`, KEM pairs from the pool. `whenEmpty`: `wait` makes
 * `decrypt` ask for a pair (`needsKemKeyPair`); `make` makes one at once, which holds up the event loop for 17 ms.
 */
export function ratchetKeys(random: RandomSource, pool: KemPool, whenEmpty: 'wait' | 'make' = 'wait'): RatchetKeys {
  return {
    kem: pool.kem,
    ratchetKeyPair: () => generateKeyPair('x448', random),
    kemKeyPair: () => pool.take() ?? (whenEmpty === 'make' ? pool.kem.generateKeyPair() : undefined),
  };
}

interface Waiter {
  /** Gets a pair to take, or only the news that there is one. */
  readonly takes: boolean;
  readonly resolve: (pair: KemKeyPair) => void;
  readonly reject: (error: unknown) => void;
}

class WorkerKemPool implements KemPool {
  readonly kem: Sntrup761;
  readonly #size: number;
  readonly #workerCount: number;
  readonly #idleMs: number;
  readonly #clock: Clock;
  readonly #pairs: KemKeyPair[] = [];
  readonly #waiters: Waiter[] = [];
  /** Each worker with the number of pairs that it was asked for. */
  readonly #workers = new Map<Worker, number>();
  /** Set when threads do not work here: then pairs are made on this thread, late rather than never. */
  #broken = false;
  #closed = false;
  #making = false;
  #idle: Timer | undefined;

  constructor(kem: Sntrup761, options: KemPoolOptions) {
    this.kem = kem;
    this.#size = Math.max(1, options.size ?? 16);
    this.#workerCount = Math.max(1, options.workers ?? 1);
    this.#idleMs = options.idleMs ?? 60_000;
    this.#clock = options.clock ?? systemClock;
  }

  get available(): number {
    return this.#pairs.length;
  }

  get threads(): number {
    return this.#workers.size;
  }

  start(): void {
    this.#fill();
  }

  take(): KemKeyPair | undefined {
    const pair = this.#pairs.shift();
    this.#fill();
    return pair;
  }

  async keyPair(): Promise<KemKeyPair> {
    return this.take() ?? (await this.#wait(true));
  }

  async ready(): Promise<void> {
    if (this.#pairs.length === 0) await this.#wait(false);
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#idle?.cancel();
    for (const waiter of this.#waiters.splice(0)) waiter.reject(closedError());
    await this.#endWorkers();
  }

  async #endWorkers(): Promise<void> {
    const workers = [...this.#workers.keys()];
    this.#workers.clear();
    await Promise.all(workers.map((worker) => worker.terminate()));
  }

  #wait(takes: boolean): Promise<KemKeyPair> {
    if (this.#closed) return Promise.reject(closedError());
    return new Promise((resolve, reject) => {
      this.#waiters.push({ takes, resolve, reject });
      this.#fill();
      this.#refs();
    });
  }

  /** Asks the workers for what is missing. */
  #fill(): void {
    if (this.#closed) return;
    if (this.#broken) {
      if (this.#waiters.length > 0 && !this.#making) this.#makeHere();
      return;
    }
    const asked = this.#asked();
    let missing = this.#size + this.#waiters.length - this.#pairs.length - asked;
    while (missing-- > 0) {
      const worker = this.#idlest();
      this.#workers.set(worker, (this.#workers.get(worker) ?? 0) + 1);
      worker.postMessage(undefined);
    }
  }

  #asked(): number {
    let asked = 0;
    for (const n of this.#workers.values()) asked += n;
    return asked;
  }

  #idlest(): Worker {
    if (this.#workers.size < this.#workerCount) return this.#startWorker();
    let best: Worker | undefined;
    for (const [worker, n] of this.#workers) {
      if (best === undefined || n < (this.#workers.get(best) ?? 0)) best = worker;
    }
    return best ?? this.#startWorker();
  }

  #startWorker(): Worker {
    // Without our arguments: loaders and inspectors of the main thread have no business there.
    const worker = new Worker(new URL('./sntrup761-worker.js', import.meta.url), { name: 'fanion-kem', execArgv: [] });
    worker.unref();
    worker.on('message', (pair: unknown) => {
      const asked = this.#workers.get(worker);
      if (asked !== undefined) this.#workers.set(worker, asked - 1);
      if (isKeyPair(pair)) this.#add(pair);
    });
    worker.on('error', () => this.#lose(worker));
    worker.on('exit', () => this.#lose(worker));
    this.#workers.set(worker, 0);
    return worker;
  }

  #lose(worker: Worker): void {
    if (!this.#workers.delete(worker)) return;
    this.#broken = true;
    this.#fill();
  }

  #makeHere(): void {
    this.#making = true;
    setImmediate(() => {
      this.#making = false;
      if (!this.#closed) this.#add(this.kem.generateKeyPair());
    });
  }

  #add(pair: KemKeyPair): void {
    this.#pairs.push(pair);
    while (this.#waiters.length > 0 && this.#pairs.length > 0) {
      const waiter = this.#waiters.shift();
      if (waiter?.takes === true) waiter.resolve(this.#pairs.shift() ?? pair);
      else waiter?.resolve(pair);
    }
    this.#fill();
    this.#refs();
    this.#idle?.cancel();
    if (this.#asked() === 0) {
      this.#idle = this.#clock.after(this.#idleMs, () => this.#endIdle(), { unref: true });
    }
  }

  #endIdle(): void {
    if (this.#asked() === 0 && this.#waiters.length === 0) void this.#endWorkers();
  }

  #refs(): void {
    for (const worker of this.#workers.keys()) {
      if (this.#waiters.length > 0) worker.ref();
      else worker.unref();
    }
  }
}

function closedError(): FanionError {
  return new FanionError('CLOSED', 'the KEM pool is closed');
}

function isKeyPair(value: unknown): value is KemKeyPair {
  if (typeof value !== 'object' || value === null || !('publicKey' in value) || !('secretKey' in value)) return false;
  const { publicKey, secretKey } = value;
  return (
    publicKey instanceof Uint8Array &&
    publicKey.length === kemSizes.publicKey &&
    secretKey instanceof Uint8Array &&
    secretKey.length === kemSizes.secretKey
  );
}
