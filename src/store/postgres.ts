import type pg from 'pg';
import { type Clock, errorMessage, type Logger } from '../core/index.js';
import type { SqlConnection } from './connection.js';
import { StoreError } from './errors.js';
import { migrate } from './migrations.js';
import { TransactionQueue } from './transactions.js';
import type { Migration, QueryOutcome, Store } from './types.js';

/** Where and how to open a PostgreSQL store. */
export interface PostgresOptions {
  /** `postgres://user:password@host:port/database` */
  readonly url: string;
  /** One schema for each engine; made when it is not there. Letters, digits and `_`. */
  readonly schema: string;
  readonly migrations: readonly Migration[];
  readonly clock: Clock;
  readonly logger: Logger;
}

const int8 = 20;

interface Translated {
  readonly text: string;
  readonly name: string;
}

/** One session of a PostgreSQL server, used by one transaction at a time. */
export class PostgresConnection implements SqlConnection {
  readonly dialect = 'postgres';
  readonly #client: pg.Client;
  readonly #statements = new Map<string, Translated>();
  #lost: Error | undefined;

  constructor(client: pg.Client) {
    this.#client = client;
    client.on('error', (error) => {
      this.#lost = error;
    });
  }

  /** `?` placeholders become `$1`, `$2`...; texts that kysely compiled have them already. */
  #translate(sql: string): Translated {
    let t = this.#statements.get(sql);
    if (t === undefined) {
      let n = 0;
      const text = /\$\d/.test(sql) ? sql : sql.replace(/\?/g, () => `$${++n}`);
      t = { text, name: `q${this.#statements.size}` };
      this.#statements.set(sql, t);
    }
    return t;
  }

  async execute<R>(sql: string, params: readonly unknown[]): Promise<QueryOutcome<R>> {
    if (this.#lost !== undefined) {
      throw new StoreError('STORE_COMMIT', `the database connection was lost: ${this.#lost.message}`, {
        cause: this.#lost,
      });
    }
    const values = params.map((v) => (v === undefined ? null : typeof v === 'boolean' ? (v ? 1 : 0) : v));
    // Statements without parameters are few or run once: only the others are worth a name on the server.
    const t = values.length === 0 ? { text: sql } : this.#translate(sql);
    const result = await this.#client.query({ ...t, values });
    return { rows: result.rows as R[], changes: result.rowCount ?? 0 };
  }

  async begin(): Promise<void> {
    await this.#client.query('BEGIN');
  }

  async commit(): Promise<void> {
    await this.#client.query('COMMIT');
  }

  async rollback(): Promise<void> {
    await this.#client.query('ROLLBACK');
  }

  /** COMMIT is already durable (`synchronous_commit = on`). */
  async flush(): Promise<void> {}

  async close(): Promise<void> {
    await this.#client.end();
  }
}

/**
 * Opens a PostgreSQL store in a schema of its own and brings it up to date. The schema is leased to this process
 * by an advisory lock until it closes or dies.
 * @throws StoreError `STORE_OPEN`, `STORE_IN_USE`, `STORE_NEWER`, `STORE_MIGRATION`
 */
export async function openPostgresStore(options: PostgresOptions): Promise<Store> {
  const { url, schema, migrations, clock, logger } = options;
  if (!/^[a-z_][a-z0-9_]{0,62}$/.test(schema)) {
    throw new StoreError('STORE_OPEN', `${schema} cannot name a schema: lower-case letters, digits and _ only`);
  }
  // Only who uses PostgreSQL pays for its driver: 15 MB.
  const { default: driver } = await import('pg');
  const client = new driver.Client({
    connectionString: url,
    types: {
      // 64-bit integers arrive as text; ours stay far below 2^53.
      getTypeParser: (oid: number, format?: 'text' | 'binary') =>
        oid === int8 ? Number : driver.types.getTypeParser(oid, format === 'binary' ? 'binary' : 'text'),
    },
  });
  try {
    await client.connect();
  } catch (cause) {
    throw new StoreError('STORE_OPEN', `cannot connect to the PostgreSQL server: ${errorMessage(cause)}`, { cause });
  }
  const connection = new PostgresConnection(client);
  try {
    await client.query(`SET client_min_messages = warning`);
    await client.query(`CREATE SCHEMA IF NOT EXISTS "${schema}"`);
    await client.query(`SET search_path TO "${schema}"`);
    await client.query('SET synchronous_commit = on');
    const lock = await client.query(`SELECT pg_try_advisory_lock(hashtext('fanion'), hashtext($1)) AS locked`, [
      `${schema}`,
    ]);
    if (lock.rows[0]?.locked !== true) {
      throw new StoreError('STORE_IN_USE', `the schema ${schema} is in use by another process`);
    }
    await migrate(connection, migrations, clock, async () => {});
  } catch (error) {
    // What failed first is what counts.
    await connection.close().catch(() => {});
    if (error instanceof StoreError) throw error;
    throw new StoreError('STORE_OPEN', `cannot open the schema ${schema}: ${errorMessage(error)}`, { cause: error });
  }
  return new TransactionQueue(connection, clock, logger);
}
