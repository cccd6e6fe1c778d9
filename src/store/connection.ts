import type { Dialect, QueryOutcome } from './types.js';

/** What the transaction loop needs of a database connection. Each driver has one. */
export interface SqlConnection {
  readonly dialect: Dialect;
  /** `returnsRows` is known when the statement was built by kysely; otherwise the driver looks at the text. */
  execute<R>(sql: string, params: readonly unknown[], returnsRows?: boolean): Promise<QueryOutcome<R>>;
  begin(): Promise<void>;
  /** Resolves when the transaction is visible; durability may still be pending, see {@link flush}. */
  commit(): Promise<void>;
  rollback(): Promise<void>;
  /** Resolves when everything that was committed before the call is durable. */
  flush(): Promise<void>;
  close(): Promise<void>;
}

const rowsPattern = /^\s*(?:select|with|pragma|values|explain)\b|\breturning\b/i;

/** Whether a statement that nobody described returns rows. */
export function looksLikeRows(sql: string): boolean {
  return rowsPattern.test(sql);
}
