import type { SqlConnection } from './connection.js';
import type { Dialect, QueryOutcome } from './types.js';

/** Texts of statements that are remembered. */
const maxTexts = 2000;

const writePattern =
  /^\s*(?:insert\s+(?:or\s+\w+\s+)?into|replace\s+into|update(?:\s+or\s+\w+)?|delete\s+from)\s+"?(\w+)"?/i;
const readPattern = /^\s*(?:select|pragma|explain|values|savepoint|release|begin|commit)\b/i;

/**
 * How often tables were written, for caches of what was read: it stays good while the sum of the numbers of its tables
 * stays. What is undone counts as a write of every table. Rows that a foreign key deletes do not count: name the
 * parent table, too.
 */
export class TableVersions {
  readonly #byTable = new Map<string, number>();
  /** The table that a statement writes; null: none; undefined: not known yet. */
  readonly #tables = new Map<string, string | null>();
  #all = 0;

  /** The sum of the numbers of these tables. It only grows. */
  of(tables: readonly string[]): number {
    let sum = this.#all;
    for (const table of tables) sum += this.#byTable.get(table) ?? 0;
    return sum;
  }

  /** Notes what a statement is about to do. */
  statement(sql: string): void {
    let table = this.#tables.get(sql);
    if (table === undefined) {
      table = writtenTable(sql);
      if (this.#tables.size >= maxTexts) this.#tables.clear();
      this.#tables.set(sql, table);
    }
    if (table === null) return;
    if (table === '') this.everything();
    else this.#byTable.set(table, (this.#byTable.get(table) ?? 0) + 1);
  }

  /** Anything may have changed. */
  everything(): void {
    this.#all++;
  }
}

/** null: the statement only reads; empty: it may write anything. */
function writtenTable(sql: string): string | null {
  const table = writePattern.exec(sql)?.[1];
  if (table !== undefined) return table.toLowerCase();
  return readPattern.test(sql) ? null : '';
}

/** A connection whose writes are counted. */
export class CountingConnection implements SqlConnection {
  readonly dialect: Dialect;
  readonly versions = new TableVersions();
  readonly #inner: SqlConnection;

  constructor(inner: SqlConnection) {
    this.dialect = inner.dialect;
    this.#inner = inner;
  }

  execute<R>(sql: string, params: readonly unknown[], returnsRows?: boolean): Promise<QueryOutcome<R>> {
    this.versions.statement(sql);
    return this.#inner.execute<R>(sql, params, returnsRows);
  }

  begin(): Promise<void> {
    return this.#inner.begin();
  }

  commit(): Promise<void> {
    return this.#inner.commit();
  }

  rollback(): Promise<void> {
    this.versions.everything();
    return this.#inner.rollback();
  }

  flush(): Promise<void> {
    return this.#inner.flush();
  }

  close(): Promise<void> {
    return this.#inner.close();
  }
}
