import { errorFields, type Logger } from '../../core/index.js';
import type { SmpStorage } from './storage.js';

/** A connection with transmissions that wait until what they tell of is durable. */
export interface Releasable {
  readonly mark: number;
  release(mark: number): void;
  destroy(): void;
}

/**
 * Holds answers back until the changes before them are durable. All connections that got something to send in one
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
    const durable = this.#storage.durable();
    if (durable === undefined) {
      for (const { connection, mark } of waiting) connection.release(mark);
      return;
    }
    durable.then(
      () => {
        for (const { connection, mark } of waiting) connection.release(mark);
      },
      (error: unknown) => {
        // What these answers say did not happen. Clients without an answer ask again.
        this.#log.error(errorFields(error), 'commit failed');
        for (const { connection } of waiting) connection.destroy();
      },
    );
  }
}
