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

/** Writes that are committed together. */
interface Group {
  readonly done: Deferred<void>;
  writes: number;
  /** One of the writes must survive also a loss of power. */
  mustSync: boolean;
}

/**
 * Puts the writes of many commands into one transaction and one sync. A transaction opens with its first write and
 * closes when the events that the process has at hand are worked off, or, if a sync is under way, when that ends or
 * somebody waits for the transaction alone: the more load, the larger the groups.
 */
export class GroupCommit {
  readonly #target: CommitTarget;
  #open: Group | undefined;
  /** Committed, and the next sync covers them. */
  #committed: Group[] = [];
  #syncing: readonly Group[] = [];

  constructor(target: CommitTarget) {
    this.#target = target;
  }

  /**
   * Call before each write. Without `mustSync` the write survives the end of this process as soon as it is committed,
   * and a loss of power only when something later is synced.
   */
  write(mustSync = true): void {
    if (this.#open === undefined) {
      this.#target.begin();
      const done = deferred<void>();
      // Whoever waits hears of a failure; nobody has to wait.
      done.promise.catch(() => {});
      this.#open = { done, writes: 0, mustSync: false };
      if (this.#syncing.length === 0) setImmediate(() => this.#commit());
    }
    this.#open.writes++;
    this.#open.mustSync ||= mustSync;
  }

  /** Undefined when all writes so far are durable. */
  durable(): Promise<void> | undefined {
    const last = this.#open ?? this.#committed.at(-1) ?? this.#syncing.at(-1);
    return last?.done.promise;
  }

  /** Commits what is open. Undefined when that worked, else what is rejected. */
  written(): Promise<void> | undefined {
    const group = this.#open;
    return group === undefined || this.#commit() ? undefined : group.done.promise;
  }

  /** Commits what is open and waits until all is durable. */
  async flush(): Promise<void> {
    for (let waiting = this.durable(); waiting !== undefined; waiting = this.durable()) await waiting;
  }

  #commit(): boolean {
    const group = this.#open;
    if (group === undefined) return true;
    this.#open = undefined;
    try {
      this.#target.commit();
    } catch (error) {
      try {
        this.#target.rollback();
      } finally {
        group.done.reject(error);
      }
      return false;
    }
    this.#committed.push(group);
    this.#sync();
    return true;
  }

  #sync(): void {
    if (this.#syncing.length > 0 || this.#committed.length === 0) return;
    const groups = this.#committed;
    this.#committed = [];
    this.#syncing = groups;
    const synced = groups.some((g) => g.mustSync) ? this.#target.sync() : Promise.resolve();
    synced.then(
      () => this.#synced(groups, undefined),
      (error: unknown) => this.#synced(groups, { error }),
    );
  }

  #synced(groups: readonly Group[], failure: { readonly error: unknown } | undefined): void {
    this.#syncing = [];
    for (const { done, writes } of groups) {
      if (failure !== undefined) {
        done.reject(failure.error);
        continue;
      }
      done.resolve();
      this.#target.committed(writes);
    }
    this.#commit();
    this.#sync();
  }
}
