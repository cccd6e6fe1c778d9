import type { Clock } from '../../core/index.js';

/** At most `count` in `perMs` milliseconds. */
export interface Rate {
  readonly count: number;
  readonly perMs: number;
}

/** Buckets after which those that are full again are forgotten. */
const sweepAt = 1000;

/** A bucket of tokens for each key, filled evenly. */
export class RateLimiter {
  readonly #rate: Rate;
  readonly #clock: Clock;
  readonly #buckets = new Map<string, { tokens: number; at: number }>();

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate;
    this.#clock = clock;
  }

  /** Keys that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  /** Takes a token if there is one. */
  take(key: string): boolean {
    const bucket = this.#bucket(key);
    if (bucket.tokens < 1) return false;
    bucket.tokens--;
    return true;
  }

  /** Takes a token, after a pause if there is none; those who wait get theirs in the order of their calls. */
  async wait(key: string): Promise<void> {
    const bucket = this.#bucket(key);
    bucket.tokens--;
    if (bucket.tokens >= 0) return;
    await this.#clock.sleep((-bucket.tokens * this.#rate.perMs) / this.#rate.count);
  }

  #bucket(key: string): { tokens: number; at: number } {
    const now = this.#clock.monotonic();
    const { count, perMs } = this.#rate;
    if (this.#buckets.size > sweepAt) {
      for (const [k, b] of this.#buckets)
        if (b.tokens + ((now - b.at) * count) / perMs >= count) this.#buckets.delete(k);
    }
    let bucket = this.#buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: count, at: now };
      this.#buckets.set(key, bucket);
    }
    bucket.tokens = Math.min(count, bucket.tokens + ((now - bucket.at) * count) / perMs);
    bucket.at = now;
    return bucket;
  }
}
