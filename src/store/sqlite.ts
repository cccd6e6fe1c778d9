import { chmodSync, closeSync, existsSync, fdatasync, openSync } from 'node:fs';
import { copyFile } from 'node:fs/promises';
import { Database } from '@signalapp/sqlcipher';
import { type Clock, errorMessage, type Logger } from '../core/index.js';
import { looksLikeRows, type SqlConnection } from './connection.js';
import { StoreError } from './errors.js';
import { migrate } from './migrations.js';
import { TransactionQueue } from './transactions.js';
import type { Migration, QueryOutcome, SqlValue, Store } from './types.js';

/** Statements kept prepared; queries with lists make many texts. */
const maxStatements = 600;

type Statement = ReturnType<Database['prepare']>;

/** The driver takes an empty array without memory of its own for NULL. */
const emptyBlob = new Uint8Array(new ArrayBuffer(8), 0, 0);

function toSql(value: unknown): SqlValue {
  if (value === undefined || value === null) return null;
  switch (typeof value) {
    case 'boolean':
      return value ? 1 : 0;
    case 'string':
    case 'number':
      return value;
    case 'bigint':
      return Number(value);
    default:
      if (value instanceof Uint8Array) return value.length === 0 ? emptyBlob : value;
      throw new StoreError('STORE_COMMIT', `a ${typeof value} cannot be stored`);
  }
}

/**
 * One SQLite database in WAL mode. Commits write the WAL without syncing it (`synchronous=NORMAL`); `flush` syncs
 * it from libuv's threads, so that a slow disk never blocks the event loop and one sync serves many commits.
 */
export class SqliteConnection implements SqlConnection {
  readonly dialect = 'sqlite';
  readonly #db: Database;
  readonly #path: string;
  readonly #statements = new Map<string, Statement>();
  #walFd: number | undefined;
  #syncing: Promise<void> | undefined;
  #syncNext: Promise<void> | undefined;

  constructor(db: Database, path: string) {
    this.#db = db;
    this.#path = path;
  }

  #statement(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement !== undefined) {
      // Moves it to the end: the map's order is the order of last use.
      this.#statements.delete(sql);
    } else {
      // Persistent: the driver makes rows with a function made for the statement, in half the time.
      statement = this.#db.prepare(sql, { persistent: true });
      if (this.#statements.size >= maxStatements) {
        const oldest = this.#statements.entries().next().value;
        if (oldest !== undefined) {
          this.#statements.delete(oldest[0]);
          oldest[1].close();
        }
      }
    }
    this.#statements.set(sql, statement);
    return statement;
  }

  async execute<R>(sql: string, params: readonly unknown[], returnsRows?: boolean): Promise<QueryOutcome<R>> {
    const statement = this.#statement(sql);
    const values = params.map(toSql) as (SqlValue & (string | number | Uint8Array<ArrayBuffer> | null))[];
    if (returnsRows ?? looksLikeRows(sql)) {
      // The driver types rows as records of SQL values; the query knows their shape.
      const rows = statement.all(values) as unknown as R[];
      return { rows, changes: rows.length };
    }
    return { rows: [], changes: statement.run(values).changes };
  }

  async begin(): Promise<void> {
    this.#statement('BEGIN IMMEDIATE').run();
  }

  async commit(): Promise<void> {
    this.#statement('COMMIT').run();
  }

  async rollback(): Promise<void> {
    this.#statement('ROLLBACK').run();
  }

  flush(): Promise<void> {
    if (this.#path === ':memory:') return Promise.resolve();
    if (this.#syncing === undefined) {
      this.#syncing = this.#sync();
      return this.#syncing;
    }
    // A sync that already runs may have missed the latest commit: one more serves everybody who waits.
    this.#syncNext ??= this.#syncing.then(() => {
      this.#syncNext = undefined;
      this.#syncing = this.#sync();
      return this.#syncing;
    });
    return this.#syncNext;
  }

  #sync(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#walFd ??= openSync(`${this.#path}-wal`, 'r+');
      fdatasync(this.#walFd, (error) => (error === null ? resolve() : reject(error)));
    }).finally(() => {
      this.#syncing = undefined;
    });
  }

  async close(): Promise<void> {
    // Whoever asked for the sync hears of its failure.
    if (this.#syncing !== undefined) await this.#syncing.catch(() => {});
    for (const statement of this.#statements.values()) statement.close();
    this.#statements.clear();
    this.#db.close();
    if (this.#walFd !== undefined) closeSync(this.#walFd);
  }
}

/** Where and how to open a SQLite store. */
export interface SqliteOptions {
  /** The file, or `:memory:`. */
  readonly path: string;
  /** Passphrase of the encrypted database; absent or empty: not encrypted. */
  readonly key?: string;
  readonly migrations: readonly Migration[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const quoted = (s: string): string => `'${s.replaceAll("'", "''")}'`;

function openDatabase(path: string, key: string): Database {
  let db: Database | undefined;
  try {
    db = new Database(path);
    // A wrong key is reported by us, not by lines of the library on standard error.
    db.pragma('cipher_log_level = NONE');
    if (key !== '') db.pragma(`key = ${quoted(key)}`);
    // The first read shows whether the key fits.
    db.exec('SELECT count(*) FROM sqlite_master');
    if (path !== ':memory:') {
      // One process at a time: a second one fails at once instead of corrupting the order of events.
      db.pragma('locking_mode = EXCLUSIVE');
      db.pragma('journal_mode = WAL');
      db.exec('BEGIN IMMEDIATE; COMMIT;');
      db.pragma('synchronous = NORMAL');
      db.pragma('wal_autocheckpoint = 2000');
    }
    db.pragma('foreign_keys = ON');
    db.pragma('temp_store = MEMORY');
    return db;
  } catch (cause) {
    db?.close();
    throw openError(path, key, cause);
  }
}

function openError(path: string, key: string, cause: unknown): StoreError {
  const message = errorMessage(cause);
  if (/NOTADB|not a database/.test(message)) {
    return key === ''
      ? new StoreError('STORE_WRONG_KEY', `${path} is encrypted (or not a database): give its key`, { cause })
      : new StoreError('STORE_WRONG_KEY', `wrong key for the database ${path}`, { cause });
  }
  if (/BUSY|locked/i.test(message)) {
    return new StoreError('STORE_IN_USE', `the database ${path} is in use by another process`, { cause });
  }
  return new StoreError('STORE_OPEN', `cannot open the database ${path}: ${message}`, { cause });
}

/**
 * Opens (or makes, with file mode 0600) a SQLite store and brings its schema up to date; before the first
 * migration of an existing database it is copied to `<path>.bak-<instant>`.
 * @throws StoreError `STORE_WRONG_KEY`, `STORE_IN_USE`, `STORE_NEWER`, `STORE_OPEN`, `STORE_MIGRATION`
 */
export async function openSqliteStore(options: SqliteOptions): Promise<Store> {
  const { path, key = '', clock, migrations, logger } = options;
  if (path !== ':memory:' && !existsSync(path)) {
    try {
      closeSync(openSync(path, 'wx', 0o600));
    } catch (cause) {
      throw new StoreError('STORE_OPEN', `cannot create the database ${path}: ${errorMessage(cause)}`, { cause });
    }
  }
  let connection = new SqliteConnection(openDatabase(path, key), path);
  try {
    await migrate(connection, migrations, clock, async () => {
      if (path === ':memory:') return;
      // Closing moves the WAL into the file, so that one file is the whole copy. Copying an open file would
      // also drop its POSIX locks.
      await connection.close();
      const backup = `${path}.bak-${new Date(clock.now()).toISOString().replace(/[:.]/g, '-')}`;
      await copyFile(path, backup);
      chmodSync(backup, 0o600);
      logger.info({}, 'the database was copied before its migration');
      connection = new SqliteConnection(openDatabase(path, key), path);
      throw reopened;
    });
  } catch (error) {
    if (error !== reopened) {
      await connection.close();
      throw error;
    }
    try {
      await migrate(connection, migrations, clock, async () => {});
    } catch (again) {
      await connection.close();
      throw again;
    }
  }
  return new TransactionQueue(connection, clock, logger);
}

/** Thrown to leave the first migration run after the backup: the connection was replaced. */
const reopened = Symbol('reopened');

/**
 * Changes the key of a closed database; an empty `newKey` decrypts it, an empty `oldKey` encrypts it.
 * @throws StoreError `STORE_WRONG_KEY`, `STORE_IN_USE`, `STORE_OPEN`
 */
export async function changeSqliteKey(path: string, oldKey: string, newKey: string): Promise<void> {
  const db = openDatabase(path, oldKey);
  try {
    if (oldKey !== '' && newKey !== '') {
      db.pragma('journal_mode = DELETE');
      db.pragma(`rekey = ${quoted(newKey)}`);
      return;
    }
  } finally {
    db.close();
  }
  await exportDatabase(path, oldKey, newKey);
}

/** Rewrites the database with another key (or none) beside the old one and puts it in its place. */
async function exportDatabase(path: string, oldKey: string, newKey: string): Promise<void> {
  const { rename, rm } = await import('node:fs/promises');
  const target = `${path}.rekey`;
  await rm(target, { force: true });
  closeSync(openSync(target, 'wx', 0o600));
  const db = openDatabase(path, oldKey);
  try {
    db.pragma('journal_mode = DELETE');
    db.exec(`ATTACH DATABASE ${quoted(target)} AS target KEY ${quoted(newKey)}`);
    db.exec("SELECT sqlcipher_export('target')");
    db.exec('DETACH DATABASE target');
  } finally {
    db.close();
  }
  await rename(target, path);
}
