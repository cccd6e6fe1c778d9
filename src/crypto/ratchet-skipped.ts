import { hex } from '../wire/index.js';
import type { BodyKey, SkippedDiff, SkippedKey, SkippedKeys } from './ratchet-state.js';

/** No skipped keys: a new ratchet. */
export const noSkippedKeys: SkippedKeys = { headerKeys: () => [], find: () => undefined };

/** Skipped keys in memory: made from the rows of one connection, or kept by tests. */
export class SkippedKeyMap implements SkippedKeys {
  readonly #chains = new Map<string, { readonly headerKey: Uint8Array; readonly keys: Map<number, BodyKey> }>();

  constructor(rows: Iterable<SkippedKey> = []) {
    for (const row of rows) this.#add(row);
  }

  #add(row: SkippedKey): void {
    const id = hex(row.headerKey);
    let chain = this.#chains.get(id);
    if (chain === undefined) {
      chain = { headerKey: row.headerKey, keys: new Map() };
      this.#chains.set(id, chain);
    }
    chain.keys.set(row.number, { key: row.key, iv: row.iv });
  }

  headerKeys(): Iterable<Uint8Array> {
    return [...this.#chains.values()].map((c) => c.headerKey);
  }

  find(headerKey: Uint8Array, number: number): BodyKey | undefined {
    return this.#chains.get(hex(headerKey))?.keys.get(number);
  }

  /** Makes the change that a decryption asked for. */
  apply(diff: SkippedDiff): void {
    if (diff.removed !== undefined) {
      const id = hex(diff.removed.headerKey);
      const chain = this.#chains.get(id);
      chain?.keys.delete(diff.removed.number);
      if (chain?.keys.size === 0) this.#chains.delete(id);
    }
    for (const row of diff.added) this.#add(row);
  }

  /** All keys, by header key and number. */
  rows(): SkippedKey[] {
    return [...this.#chains.values()].flatMap(({ headerKey, keys }) =>
      [...keys].map(([number, key]) => ({ headerKey, number, key: key.key, iv: key.iv })),
    );
  }

  /** How many keys there are. */
  get size(): number {
    let n = 0;
    for (const chain of this.#chains.values()) n += chain.keys.size;
    return n;
  }
}
