import type { Kysely } from 'kysely';
import type { Tables } from './tables.js';
import type { TableVersions } from './versions.js';

export type Dialect = 'sqlite' | 'postgres';

/** What a column can hold. Booleans are stored as 0 and 1, instants as whole milliseconds. */
export type SqlValue = string | number | Uint8Array | null;

/** Rows that a statement returned and how many it changed. */
export interface QueryOutcome<R> {
  readonly rows: R[];
  readonly changes: number;
}

/**
 * An open transaction. Bodies never wait for the network, a timer or another transaction: everything that
 * the database does waits for them.
 */
export interface Tx {
  readonly dialect: Dialect;
  /** How often tables were written, for caches of what was read. */
  readonly versions: TableVersions;
  /** The query builder, bound to this transaction. */
  readonly db: Kysely<Tables>;
  /** Runs SQL with `?` placeholders; statements are prepared once and cached by their text. */
  execute<R = Record<string, SqlValue>>(sql: string, params?: readonly unknown[]): Promise<QueryOutcome<R>>;
  /** Runs `fn`; when it throws, only what it wrote is undone, and the error goes on. */
  savepoint<T>(fn: () => Promise<T>): Promise<T>;
  /** Calls `fn` after this transaction is durable (or written, when that is all its caller wants), in the order of registration; never after a rollback. */
  onCommit(fn: () => void): void;
  /** The transaction is to be durable before it is answered, whatever its caller asked for. */
  mustSync(): void;
  /** Calls `fn` when this body, or the savepoint that it is registered in, is undone: for in-memory caches. */
  onRollback(fn: () => void): void;
}

/** The one database of an engine, shared by agent and chat. */
export interface Store {
  readonly dialect: Dialect;
  /**
   * Runs `fn` alone, in the order of the calls, and resolves once its writes are durable. Several bodies share
   * one physical transaction (group commit). A throw undoes this body only.
   * @throws StoreError `STORE_CLOSED`, `STORE_COMMIT`, or whatever `fn` threw
   */
  transaction<T>(fn: (tx: Tx) => Promise<T>): Promise<T>;
  /**
   * Like {@link transaction}, but answered once it is written: it survives the end of the process, and a loss of power
   * only with what becomes durable later. For what may happen again, such as "delivered".
   */
  written<T>(fn: (tx: Tx) => Promise<T>): Promise<T>;
  /** Like {@link transaction} for bodies that only read: resolves without waiting for durability. */
  read<T>(fn: (tx: Tx) => Promise<T>): Promise<T>;
  /** Finishes what was asked for, then closes the database. */
  close(): Promise<void>;
}

/** One forward step of the schema. Names are unique and run in list order. */
export interface Migration {
  readonly name: string;
  /**
   * SQL for both dialects: `AUTO_ID`, `ROW_ID` (ids may come again), `INTEGER`, `BLOB`, `TEXT`; statements end with `;` at the end of a line.
   */
  readonly sql: string;
}
