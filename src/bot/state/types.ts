import type { JsonValue } from '../../api/index.js';

/** A small, durable map from keys to JSON: the number of the last event, done steps, conversations. */
export interface StateStore {
  open(): Promise<void>;
  get(key: string): Promise<JsonValue | undefined>;
  /** Stores all entries at once; `undefined` deletes. Resolves when they are durable. */
  set(entries: Readonly<Record<string, JsonValue | undefined>>): Promise<void>;
  /** The keys that begin with `prefix`. */
  keys(prefix: string): Promise<string[]>;
  close(): Promise<void>;
}
