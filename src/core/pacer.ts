import type { Clock } from './time.js';

/** Lets everything else of the process run: sockets, timers, what other turns wait for. */
export function nextTurn(): Promise<void> {
  return new Promise((resolve) => {
    setImmediate(resolve);
  });
}

/**
 * Spreads short pieces of CPU work over turns of the event loop, so that many of them at once do not block it: pieces
 * run in the order of their calls, for at most `sliceMs` in a turn (and one piece more).
 */
export class Pacer {
  readonly #clock: Clock;
  readonly #sliceMs: number;
  readonly #waiting: (() => void)[] = [];
  #sliceStart = Number.NEGATIVE_INFINITY;
  #draining = false;

  constructor(clock: Clock, sliceMs = 3) {
    this.#clock = clock;
    this.#sliceMs = sliceMs;
  }

  /** Runs `work` at once, or in one of the next turns when this one has done enough. Rejects with what it throws. */
  run<T>(work: () => T): Promise<T> {
    return new Promise((resolve, reject) => {
      const piece = (): void => {
        try {
          resolve(work());
        } catch (error) {
          reject(error);
        }
      };
      if (this.#draining) {
        this.#waiting.push(piece);
        return;
      }
      const now = this.#clock.monotonic();
      if (now - this.#sliceStart >= 2 * this.#sliceMs) this.#sliceStart = now;
      if (now - this.#sliceStart < this.#sliceMs) {
        piece();
        return;
      }
      this.#waiting.push(piece);
      void this.#drain();
    });
  }

  async #drain(): Promise<void> {
    this.#draining = true;
    while (this.#waiting.length > 0) {
      await nextTurn();
      this.#sliceStart = this.#clock.monotonic();
      do this.#waiting.shift()?.();
      while (this.#waiting.length > 0 && this.#clock.monotonic() - this.#sliceStart < this.#sliceMs);
    }
    this.#draining = false;
  }
}
