import { errorFields, type Logger } from '../../core/index.js';
import type { SmpStorage } from './storage.js';

/** A connection with transmissions that wait until what they tell of is stored. */
export interface Releasable {
  /** The number of the last transmission that waits until everything is durable. */
  readonly mark: number;
  /** Some wait only until everything is written. */
  readonly hasQuick: boolean;
  /** Sends those that wait until everything is durable, up to the mark, and of the quick ones those that were held back. */
  release(mark: number): void;
  releaseAll(mark: number): void;
  /** What the quick ones tell of is written: sends them, or holds them back until the next release. */
  releaseQuick(): void;
  destroy(): void;
}

/**
 * Holds answers back until the changes before them are stored. All connections that got something to send in one
 * turn of the event loop wait for the same commit.
 */
export class Releaser {
  readonly #storage: SmpStorage;
  readonly #log: Logger;
  #waiting = new Set<Releasable>();

  constructor(storage: SmpStorage, log: Logger) {
    this.#storage = storage;
    this.#log = log;
  }

  add(connection: Releasable): void {
    if (this.#waiting.size === 0) setImmediate(() => this.#release());
    this.#waiting.add(connection);
  }

  #release(): void {
    const waiting = [...this.#waiting].map((connection) => ({ connection, mark: connection.mark }));
    this.#waiting = new Set();
    const lost = (error: unknown): void => {
      // What these answers say did not happen. Clients without an answer ask again.
      this.#log.error(errorFields(error), 'commit failed');
      for (const { connection } of waiting) connection.destroy();
    };
    if (waiting.some(({ connection }) => connection.hasQuick)) {
      const failed = this.#storage.written();
      if (failed !== undefined) {
        failed.catch(lost);
        return;
      }
    }
    const durable = this.#storage.durable();
    if (durable === undefined) {
      for (const { connection, mark } of waiting) connection.releaseAll(mark);
      return;
    }
    for (const { connection } of waiting) connection.releaseQuick();
    durable.then(() => {
      for (const { connection, mark } of waiting) connection.release(mark);
    }, lost);
  }
}
