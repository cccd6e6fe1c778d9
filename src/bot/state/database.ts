import { type JsonValue, parseJson } from '../../api/index.js';
import type { Store } from '../../store/index.js';
import type { StateStore } from './types.js';

/**
 * A table of the engine's database. It is no migration, so that the database still opens in programs without bots
 * (`fanion serve`).
 */
export class DatabaseState implements StateStore {
  readonly #store: () => Store;

  /** `store` gives the engine's store, once it is open. */
  constructor(store: () => Store) {
    this.#store = store;
  }

  async open(): Promise<void> {
    await this.#store().transaction(async (tx) => {
      await tx.execute('CREATE TABLE IF NOT EXISTS bot_state (name TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL)');
    });
  }

  async get(key: string): Promise<JsonValue | undefined> {
    const { rows } = await this.#store().read((tx) =>
      tx.execute<{ value: string }>('SELECT value FROM bot_state WHERE name = ?', [key]),
    );
    const [row] = rows;
    return row === undefined ? undefined : parseJson(row.value);
  }

  async set(entries: Readonly<Record<string, JsonValue | undefined>>): Promise<void> {
    await this.#store().transaction(async (tx) => {
      for (const [key, value] of Object.entries(entries)) {
        if (value === undefined) await tx.execute('DELETE FROM bot_state WHERE name = ?', [key]);
        else {
          await tx.execute(
            'INSERT INTO bot_state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
            [key, JSON.stringify(value)],
          );
        }
      }
    });
  }

  async keys(prefix: string): Promise<string[]> {
    const { rows } = await this.#store().read((tx) =>
      tx.execute<{ name: string }>('SELECT name FROM bot_state WHERE substr(name, 1, ?) = ? ORDER BY name', [
        prefix.length,
        prefix,
      ]),
    );
    return rows.map((r) => r.name);
  }

  /** The engine closes the database. */
  async close(): Promise<void> {}
}
