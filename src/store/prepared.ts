import type { Compilable, CompiledQuery, Kysely } from 'kysely';
import { returnsRows } from './kysely.js';
import type { Tables } from './tables.js';
import type { Dialect, Tx } from './types.js';

/** Stands for a parameter in a query that is compiled once. Takes the type of the value that it stands for. */
class Placeholder {
  readonly name: PropertyKey;
  constructor(name: PropertyKey) {
    this.name = name;
  }
}

interface Compiled {
  readonly sql: string;
  readonly rows: boolean | undefined;
  readonly params: readonly unknown[];
}

/** A query of the hot path: built and compiled once for each dialect, then only run. */
export interface PreparedQuery<P, R> {
  all(tx: Tx, params: P): Promise<R[]>;
  /** The first row, or undefined. */
  first(tx: Tx, params: P): Promise<R | undefined>;
  /** The number of rows changed. */
  run(tx: Tx, params: P): Promise<number>;
}

/**
 * Prepares a query: `prepare<P, R>((db, p) => db.selectFrom('t').select('x').where('id', '=', p('id')))`.
 * `p('id')` stands for the value of `params.id`; lists (`in`) cannot be parameters.
 */
export function prepare<P extends object, R = unknown>(
  build: (db: Kysely<Tables>, p: <K extends keyof P>(name: K) => P[K]) => Compilable<R>,
): PreparedQuery<P, R> {
  const compiled = new Map<Dialect, Compiled>();

  const compile = (tx: Tx): Compiled => {
    // The builder only looks at the value when it compiles it into the parameter list, where we find it again.
    const standIn = <K extends keyof P>(name: K): P[K] => new Placeholder(name) as unknown as P[K];
    const query: CompiledQuery = build(tx.db, standIn).compile();
    const result = { sql: query.sql, rows: returnsRows(query.query), params: query.parameters };
    compiled.set(tx.dialect, result);
    return result;
  };

  const execute = (tx: Tx, params: P) => {
    const query = compiled.get(tx.dialect) ?? compile(tx);
    const values = query.params.map((v) => (v instanceof Placeholder ? params[v.name as keyof P] : v));
    return tx.execute<R>(query.sql, values);
  };

  return {
    all: async (tx, params) => (await execute(tx, params)).rows,
    first: async (tx, params) => (await execute(tx, params)).rows[0],
    run: async (tx, params) => (await execute(tx, params)).changes,
  };
}
