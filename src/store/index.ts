export * from './errors.js';
export { openPostgresStore, type PostgresOptions } from './postgres.js';
export { type PreparedQuery, prepare } from './prepared.js';
export { changeSqliteKey, openSqliteStore, type SqliteOptions } from './sqlite.js';
export type { Tables } from './tables.js';
export type * from './types.js';
export type { TableVersions } from './versions.js';
