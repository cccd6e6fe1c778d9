import type { JsonValue } from '../../api/index.js';
import type { StateStore } from './types.js';

/** Keeps nothing after the process. */
export class MemoryState implements StateStore {
  protected readonly values = new Map<string, JsonValue>();

  async open(): Promise<void> {}

  async get(key: string): Promise<JsonValue | undefined> {
    return this.values.get(key);
  }

  async set(entries: Readonly<Record<string, JsonValue | undefined>>): Promise<void> {
    for (const [key, value] of Object.entries(entries)) {
      if (value === undefined) this.values.delete(key);
      else this.values.set(key, value);
    }
  }

  async keys(prefix: string): Promise<string[]> {
    return [...this.values.keys()].filter((k) => k.startsWith(prefix));
  }

  async close(): Promise<void> {}
}
