import { once } from 'node:events';
import { createRequire } from 'node:module';
import { Worker } from 'node:worker_threads';
import Database from '@signalapp/sqlcipher';
import { FanionError } from '../../core/index.js';

/** A lock that the operating system drops with the process, however it ends: an open transaction on a small file. */
export function takeLock(file: string): Database {
  const lock = new Database(file);
  try {
    lock.pragma('locking_mode = EXCLUSIVE');
    lock.exec('BEGIN EXCLUSIVE');
    return lock;
  } catch (cause) {
    lock.close();
    throw new FanionError('RELAY_STORAGE_IN_USE', 'another relay uses this storage', { cause });
  }
}

/** The worker's program: a text, because the sources run as TypeScript in tests and as JavaScript when built. */
const workerProgram = `
const { parentPort, workerData } = require('node:worker_threads');
const { Database } = require(workerData.driver);
const db = new Database(workerData.file);
db.pragma('busy_timeout = 5000');
parentPort.on('message', (what) => {
  if (what === 'close') {
    db.close();
    parentPort.close();
    return;
  }
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
  } catch {
    // Busy or out of space: the main thread's own try tells.
  }
  parentPort.postMessage('done');
});
`;

/** Moves the write-ahead log into the database on a thread of its own: that takes many milliseconds. */
export class Checkpointer {
  readonly #file: string;
  #worker: Worker | undefined;
  #state: 'idle' | 'running' | 'done' = 'idle';

  constructor(file: string) {
    this.#file = file;
  }

  run(): void {
    if (this.#state !== 'idle') return;
    this.#state = 'running';
    this.#started().postMessage('run');
  }

  /** True once after each finished run. */
  takeDone(): boolean {
    if (this.#state !== 'done') return false;
    this.#state = 'idle';
    return true;
  }

  #started(): Worker {
    if (this.#worker !== undefined) return this.#worker;
    const worker = new Worker(workerProgram, {
      eval: true,
      workerData: { file: this.#file, driver: createRequire(import.meta.url).resolve('@signalapp/sqlcipher') },
    });
    worker.unref();
    worker.on('message', () => {
      this.#state = 'done';
    });
    worker.on('error', () => {
      // Without the worker the main thread does all of it.
      this.#state = 'done';
      this.#worker = undefined;
    });
    this.#worker = worker;
    return worker;
  }

  async close(): Promise<void> {
    const worker = this.#worker;
    this.#worker = undefined;
    if (worker === undefined) return;
    // Unreferenced it would not keep the process until it has closed the file.
    worker.ref();
    const exit = once(worker, 'exit');
    worker.postMessage('close');
    await exit;
  }
}
