import type { LocalConnection } from '../transport/local.js';

export { ChatAPIError, ChatInitError } from './errors.js';

/** How the database is opened. Migrations run always: the values are taken for compatibility. */
export const MigrationConfirmation = {
  YesUp: 'yesUp',
  YesUpDown: 'yesUpDown',
  Console: 'console',
  Error: 'error',
} as const;
export type MigrationConfirmation = (typeof MigrationConfirmation)[keyof typeof MigrationConfirmation];

/** An empty key is no encryption. */
export interface SqliteDbConfig {
  readonly type: 'sqlite';
  /** Prefix of the database file. */
  readonly filePrefix: string;
  readonly encryptionKey?: string | undefined;
}

/** An empty prefix is no schema of its own. */
export interface PostgresDbConfig {
  readonly type: 'postgres';
  readonly schemaPrefix?: string | undefined;
  readonly connectionString: string;
}

export type DbConfig = SqliteDbConfig | PostgresDbConfig;

/** The database of our engine for this configuration. */
export function connectionOf(db: DbConfig): LocalConnection {
  if (db.type === 'sqlite') {
    const key = db.encryptionKey === undefined || db.encryptionKey === '' ? {} : { key: db.encryptionKey };
    return { database: { kind: 'sqlite', path: `${db.filePrefix}_fanion.db`, ...key } };
  }
  const schema = db.schemaPrefix === undefined || db.schemaPrefix === '' ? {} : { schema: db.schemaPrefix };
  return { database: { kind: 'postgres', url: db.connectionString, ...schema } };
}
