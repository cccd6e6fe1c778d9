import { type Deferred, deferred } from '../../core/index.js';

/** What a group commit works on. */
export interface CommitTarget {
  begin(): void;
  commit(): void;
  rollback(): void;
  /** Makes what was committed durable, off the main thread. */
  sync(): Promise<void>;
  /** Called with the number of writes after each commit that became durable. */
  committed(writes: number): void;
}

/**
 * Puts the writes of many commands into one transaction and one sync. A transaction opens with its first write and
 * closes when the events that the process has at hand are worked off, or, if a sync is under way, when that ends:
 * the more load, the larger the groups.
 */
export class GroupCommit {
  readonly #target: CommitTarget;
  #open: Deferred<void> | undefined;
  #syncing: Deferred<void> | undefined;
  #writes = 0;

  constructor(target: CommitTarget) {
    this.#target = target;
  }

  /** Call before each write. */
  write(): void {
    this.#writes++;
    if (this.#open !== undefined) return;
    this.#target.begin();
    this.#open = deferred();
    // Whoever waits hears of a failure; nobody has to wait.
    this.#open.promise.catch(() => {});
    if (this.#syncing === undefined) setImmediate(() => this.#commit());
  }

  /** Undefined when all writes so far are durable. */
  durable(): Promise<void> | undefined {
    return (this.#open ?? this.#syncing)?.promise;
  }

  /** Commits what is open and waits until all is durable. */
  async flush(): Promise<void> {
    for (let waiting = this.durable(); waiting !== undefined; waiting = this.durable()) await waiting;
  }

  #commit(): void {
    const group = this.#open;
    if (group === undefined || this.#syncing !== undefined) return;
    const writes = this.#writes;
    this.#open = undefined;
    this.#writes = 0;
    try {
      this.#target.commit();
    } catch (error) {
      try {
        this.#target.rollback();
      } finally {
        group.reject(error);
      }
      return;
    }
    this.#syncing = group;
    this.#target.sync().then(
      () => {
        this.#syncing = undefined;
        group.resolve();
        this.#target.committed(writes);
        this.#commit();
      },
      (error: unknown) => {
        this.#syncing = undefined;
        group.reject(error);
        this.#commit();
      },
    );
  }
}
