import type { Kysely } from 'kysely';
import { type Clock, deferred, errorFields, errorMessage, type Logger, nextTurn, type Timer } from '../core/index.js';
import type { SqlConnection } from './connection.js';
import { StoreError } from './errors.js';
import { kyselyOn } from './kysely.js';
import type { Tables } from './tables.js';
import type { Dialect, QueryOutcome, Store, Tx } from './types.js';
import { CountingConnection, type TableVersions } from './versions.js';

/** Bodies that share one physical transaction at the most. */
const maxGroup = 128;
/**
 * How long a group collects bodies, in milliseconds, before it commits. SQLite runs them on this thread, so sockets and
 * timers wait meanwhile; with PostgreSQL they do not.
 */
const maxGroupTime: Readonly<Record<Dialect, number>> = { sqlite: 5, postgres: 50 };
/** A body that runs longer than this (ms) probably waits for something that it must not wait for. */
const slowBody = 5_000;

/** What is done to the database, and what is waited for: `durable` and `written` both write. */
type Kind = 'durable' | 'written' | 'read';

interface Job {
  readonly kind: Kind;
  /** Runs the body; gives what to call once it is durable. Throws what the body threw. */
  run(tx: TxImpl): Promise<() => void>;
  fail(error: unknown): void;
}

class TxImpl implements Tx {
  readonly dialect: Dialect;
  readonly db: Kysely<Tables>;
  readonly versions: TableVersions;
  readonly #connection: CountingConnection;
  readonly #logger: Logger;
  #depth = 0;
  #sync: boolean;
  #commitHooks: (() => void)[] = [];
  #rollbackHooks: (() => void)[] = [];

  constructor(connection: CountingConnection, db: Kysely<Tables>, logger: Logger, sync: boolean) {
    this.dialect = connection.dialect;
    this.db = db;
    this.#sync = sync;
    this.versions = connection.versions;
    this.#connection = connection;
    this.#logger = logger;
  }

  execute<R>(sql: string, params: readonly unknown[] = []): Promise<QueryOutcome<R>> {
    return this.#connection.execute<R>(sql, params);
  }

  mustSync(): void {
    this.#sync = true;
  }

  get isSync(): boolean {
    return this.#sync;
  }

  onCommit(fn: () => void): void {
    this.#commitHooks.push(fn);
  }

  onRollback(fn: () => void): void {
    this.#rollbackHooks.push(fn);
  }

  async savepoint<T>(fn: () => Promise<T>): Promise<T> {
    const name = `sp${++this.#depth}`;
    const commits = this.#commitHooks.length;
    const rollbacks = this.#rollbackHooks.length;
    await this.#connection.execute(`SAVEPOINT ${name}`, []);
    try {
      const value = await fn();
      await this.#connection.execute(`RELEASE SAVEPOINT ${name}`, []);
      return value;
    } catch (error) {
      await this.#connection.execute(`ROLLBACK TO SAVEPOINT ${name}`, []);
      await this.#connection.execute(`RELEASE SAVEPOINT ${name}`, []);
      this.#commitHooks.length = commits;
      runAll(this.#rollbackHooks.splice(rollbacks).reverse(), this.#logger);
      throw error;
    } finally {
      this.#depth--;
    }
  }

  /** The hooks to run when the transaction is durable. */
  takeCommitHooks(): (() => void)[] {
    const hooks = this.#commitHooks;
    this.#commitHooks = [];
    return hooks;
  }

  /** The hooks that undo what the body did in memory. */
  takeRollbackHooks(): (() => void)[] {
    const hooks = this.#rollbackHooks.reverse();
    this.#rollbackHooks = [];
    this.#commitHooks = [];
    return hooks;
  }
}

/** Calls them all: a hook that throws stops neither the others nor the store. */
function runAll(hooks: readonly (() => void)[], logger: Logger): void {
  for (const hook of hooks) {
    try {
      hook();
    } catch (error) {
      logger.error(errorFields(error), 'a hook of a transaction failed');
    }
  }
}

/**
 * The store: a queue of bodies in front of one connection. Bodies that wait together are run in one physical
 * transaction, each undone alone when it throws, and answered together after one flush.
 */
export class TransactionQueue implements Store {
  readonly dialect: Dialect;
  readonly #connection: CountingConnection;
  readonly #db: Kysely<Tables>;
  readonly #clock: Clock;
  readonly #logger: Logger;
  #jobs: Job[] = [];
  #running: Promise<void> | undefined;
  #closed = false;
  #flushes: Promise<void> = Promise.resolve();
  #flushing = false;

  constructor(connection: SqlConnection, clock: Clock, logger: Logger) {
    this.dialect = connection.dialect;
    this.#connection = new CountingConnection(connection);
    this.#db = kyselyOn(this.#connection);
    this.#clock = clock;
    this.#logger = logger;
  }

  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#enqueue(fn, 'durable');
  }

  written<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#enqueue(fn, 'written');
  }

  read<T>(fn: (tx: Tx) => Promise<T>): Promise<T> {
    return this.#enqueue(fn, 'read');
  }

  #enqueue<T>(fn: (tx: Tx) => Promise<T>, kind: Kind): Promise<T> {
    if (this.#closed) return Promise.reject(new StoreError('STORE_CLOSED', 'the database is closed'));
    const { promise, resolve, reject } = deferred<T>();
    this.#jobs.push({
      kind,
      async run(tx) {
        const value = await fn(tx);
        return () => resolve(value);
      },
      fail: reject,
    });
    this.#running ??= this.#loop();
    return promise;
  }

  async #loop(): Promise<void> {
    // Bodies that are asked for in the same turn of the event loop become one group.
    await Promise.resolve();
    while (this.#jobs.length > 0) {
      const next = this.#jobs[0];
      if (next?.kind === 'read') await this.#read();
      else {
        // What is asked for during a flush becomes one group: the busier the disk, the fewer the flushes.
        if (this.#flushing) {
          await this.#flushes;
          await nextTurn();
        }
        await this.#group();
      }
      // Lets sockets and timers in between groups.
      if (this.#jobs.length > 0) await nextTurn();
    }
    this.#running = undefined;
  }

  async #read(): Promise<void> {
    const job = this.#jobs.shift();
    if (job === undefined) return;
    const tx = new TxImpl(this.#connection, this.#db, this.#logger, false);
    const watch = this.#watch();
    try {
      const answer = await job.run(tx);
      answer();
      runAll(tx.takeCommitHooks(), this.#logger);
    } catch (error) {
      runAll(tx.takeRollbackHooks(), this.#logger);
      job.fail(error);
    } finally {
      watch.cancel();
    }
  }

  async #group(): Promise<void> {
    const started = this.#clock.monotonic();
    const done: { job: Job; answer: () => void; hooks: (() => void)[]; tx: TxImpl }[] = [];
    try {
      await this.#connection.begin();
    } catch (error) {
      this.#jobs
        .shift()
        ?.fail(new StoreError('STORE_COMMIT', `cannot begin: ${errorMessage(error)}`, { cause: error }));
      return;
    }
    const watch = this.#watch();
    while (done.length < maxGroup) {
      const job = this.#jobs.shift();
      if (job === undefined) break;
      const tx = new TxImpl(this.#connection, this.#db, this.#logger, job.kind === 'durable');
      // The first body needs no savepoint: when it throws there is nothing else to keep.
      const first = done.length === 0;
      try {
        const answer = first ? await job.run(tx) : await tx.savepoint(() => job.run(tx));
        done.push({ job, answer, hooks: tx.takeCommitHooks(), tx });
      } catch (error) {
        // A connection that cannot roll back is broken: the next transaction says so.
        if (first) await this.#connection.rollback().catch(() => {});
        runAll(tx.takeRollbackHooks(), this.#logger);
        job.fail(error);
        if (first) {
          watch.cancel();
          return;
        }
      }
      if (this.#clock.monotonic() - started > maxGroupTime[this.dialect]) break;
    }
    watch.cancel();
    try {
      await this.#connection.commit();
    } catch (cause) {
      // The failed commit is what counts.
      await this.#connection.rollback().catch(() => {});
      const error = new StoreError('STORE_COMMIT', `cannot commit: ${errorMessage(cause)}`, { cause });
      for (const { job, tx } of done.reverse()) {
        runAll(tx.takeRollbackHooks(), this.#logger);
        job.fail(error);
      }
      return;
    }
    // Reads may run while this group is flushed; answers keep their order.
    const before = this.#flushes;
    const flushed = done.some(({ tx }) => tx.isSync) ? this.#connection.flush() : Promise.resolve();
    this.#flushing = true;
    this.#flushes = (async () => {
      await before;
      try {
        await flushed;
      } catch (cause) {
        const error = new StoreError('STORE_COMMIT', `cannot flush: ${errorMessage(cause)}`, { cause });
        this.#flushing = false;
        for (const { job } of done) job.fail(error);
        return;
      }
      this.#flushing = false;
      for (const { answer, hooks } of done) {
        answer();
        runAll(hooks, this.#logger);
      }
    })();
  }

  /** Speaks up when a body hangs, which holds up everything else. */
  #watch(): Timer {
    return this.#clock.after(
      slowBody,
      () => this.#logger.error({ ms: slowBody }, 'a transaction is taking too long: does it wait for the network?'),
      { unref: true },
    );
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    while (this.#running !== undefined) await this.#running;
    await this.#flushes;
    await this.#connection.close();
  }
}
