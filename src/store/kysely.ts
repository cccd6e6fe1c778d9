import {
  type CompiledQuery,
  type DatabaseConnection,
  Kysely,
  type Dialect as KyselyDialect,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from 'kysely';
import type { SqlConnection } from './connection.js';
import type { Tables } from './tables.js';

/** Whether a query that kysely built returns rows. Raw SQL is looked at by the driver. */
export function returnsRows(query: CompiledQuery['query']): boolean | undefined {
  switch (query.kind) {
    case 'SelectQueryNode':
      return true;
    case 'InsertQueryNode':
    case 'UpdateQueryNode':
    case 'DeleteQueryNode':
      return query.returning !== undefined;
    default:
      return undefined;
  }
}

/** A kysely instance whose queries run on `connection`: the transaction loop begins and commits, kysely never does. */
export function kyselyOn(connection: SqlConnection): Kysely<Tables> {
  const own: DatabaseConnection = {
    async executeQuery<R>(query: CompiledQuery): Promise<QueryResult<R>> {
      const outcome = await connection.execute<R>(query.sql, query.parameters, returnsRows(query.query));
      return { rows: outcome.rows, numAffectedRows: BigInt(outcome.changes) };
    },
    // biome-ignore lint/correctness/useYield: streaming is not supported, all results are small
    async *streamQuery() {
      throw new Error('streaming queries are not supported');
    },
  };
  const refuse = async (): Promise<never> => {
    throw new Error('transactions are opened by Store.transaction');
  };
  const driver = {
    init: async () => {},
    acquireConnection: async () => own,
    beginTransaction: refuse,
    commitTransaction: refuse,
    rollbackTransaction: refuse,
    releaseConnection: async () => {},
    destroy: async () => {},
  };
  const dialect: KyselyDialect =
    connection.dialect === 'sqlite'
      ? {
          createAdapter: () => new SqliteAdapter(),
          createDriver: () => driver,
          createIntrospector: (db) => new SqliteIntrospector(db),
          createQueryCompiler: () => new SqliteQueryCompiler(),
        }
      : {
          createAdapter: () => new PostgresAdapter(),
          createDriver: () => driver,
          createIntrospector: (db) => new PostgresIntrospector(db),
          createQueryCompiler: () => new PostgresQueryCompiler(),
        };
  return new Kysely<Tables>({ dialect });
}
