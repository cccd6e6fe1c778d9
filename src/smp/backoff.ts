import { type RandomSource, randomInt } from '../core/index.js';
import type { NetworkConfig } from './network.js';

/** Part by which a delay is varied either way, so that the clients of a relay that was down do not return as one. */
const jitter = 0.2;

/** When a lost subscription is tried again (20-smp.md, section 12.7): in vain for longer, the rarer. */
export class Backoff {
  readonly #config: NetworkConfig['reconnect'];
  readonly #random: RandomSource;
  #delay: number;
  #elapsed = 0;

  constructor(config: NetworkConfig['reconnect'], random: RandomSource) {
    this.#config = config;
    this.#random = random;
    this.#delay = config.initial;
  }

  /** The next delay in milliseconds. */
  next(): number {
    const delay = this.#delay;
    this.#elapsed += delay;
    if (this.#elapsed >= this.#config.increaseAfter) this.#delay = Math.min(delay * 1.5, this.#config.max);
    const varied = 1 - jitter + (randomInt(this.#random, 1001) / 1000) * 2 * jitter;
    return delay * varied;
  }

  reset(): void {
    this.#delay = this.#config.initial;
    this.#elapsed = 0;
  }
}
