import { type Clock, collectAll } from '../core/index.js';

/** Messages above this many bytes are worth a collection when they are done with. */
export const worthCollecting = 4 * 1024 * 1024;
/** Bytes sent to clients after which it is asked how large the process is, and from which size on it is too large. */
const sentBetweenLooks = 16 * 1024 * 1024;
const largeProcess = 180 * 1024 * 1024;
/** Milliseconds between two collections. */
const pause = 250;

/**
 * Gives memory back after what should not have been: V8 lets garbage of hundreds of megabytes lie when it was made in
 * an instant, and only clients that misbehave make so much.
 */
export class MemoryRelief {
  readonly #clock: Clock;
  #soon = false;
  #sent = 0;
  #last = Number.NEGATIVE_INFINITY;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Collects when connections that have just ended have let go of what they held. */
  collectSoon(): void {
    if (this.#soon) return;
    this.#soon = true;
    this.#clock.after(
      20,
      () => {
        this.#soon = false;
        this.#last = Number.NEGATIVE_INFINITY;
        this.collect();
      },
      { unref: true },
    );
  }

  /** Counts what was made for clients: answers of megabytes in a burst are garbage as soon as they are written. */
  sent(bytes: number): void {
    this.#sent += bytes;
    if (this.#sent < sentBetweenLooks) return;
    this.#sent = 0;
    if (process.memoryUsage.rss() > largeProcess) this.collect();
  }

  collect(): void {
    const now = this.#clock.monotonic();
    if (now - this.#last < pause) return;
    collectAll();
    this.#last = this.#clock.monotonic();
  }
}
