import type { JsonValue } from '../../api/index.js';
import type { StateStore } from '../state/types.js';

const prefix = 'done:';

/**
 * Steps of handlers that are done, with their results, until their event is handled: when the event comes again after a
 * crash, they are not repeated.
 */
export class DoneSteps {
  readonly #state: StateStore;
  readonly #done = new Map<string, JsonValue>();

  constructor(state: StateStore) {
    this.#state = state;
  }

  async open(): Promise<void> {
    for (const key of await this.#state.keys(prefix)) {
      const value = await this.#state.get(key);
      if (value !== undefined) this.#done.set(key, value);
    }
  }

  /** The result of a step that is done, in a list of one. */
  get(seq: number, part: number, name: string): JsonValue | undefined {
    return this.#done.get(stepKey(seq, part, name));
  }

  async mark(seq: number, part: number, name: string, result: JsonValue): Promise<void> {
    const key = stepKey(seq, part, name);
    this.#done.set(key, result);
    await this.#state.set({ [key]: result });
  }

  /** What to store when all events up to `seq` are handled: nothing for each of their steps. */
  forget(seq: number): Record<string, undefined> {
    const entries: Record<string, undefined> = {};
    for (const key of this.#done.keys()) {
      if (Number(key.split(':')[1]) > seq) continue;
      this.#done.delete(key);
      entries[key] = undefined;
    }
    return entries;
  }
}

function stepKey(seq: number, part: number, name: string): string {
  return `${prefix}${seq}:${part}:${name}`;
}
