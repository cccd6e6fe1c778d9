/** A schedule of retries (30-agent.md, section 7.3). Milliseconds. */
export interface RetrySchedule {
  readonly initial: number;
  /** The delay stays until so much time was waited, then grows by half each time. */
  readonly growsAfter: number;
  readonly max: number;
}

export const fastRetry: RetrySchedule = { initial: 2_000, growsAfter: 10_000, max: 120_000 };
export const slowRetry: RetrySchedule = { initial: 300_000, growsAfter: 60_000, max: 21_600_000 };
export const reconnectRetry: RetrySchedule = { initial: 2_000, growsAfter: 10_000, max: 180_000 };

/** The delay after `delay`, when `elapsed` was waited in all. */
export function nextDelay(schedule: RetrySchedule, elapsed: number, delay: number): number {
  if (elapsed < schedule.growsAfter || delay === schedule.max) return delay;
  return Math.min(Math.floor((delay * 3) / 2), schedule.max);
}

/** One running schedule. */
export class Retry {
  readonly #schedule: RetrySchedule;
  #elapsed = 0;
  #delay: number;

  /** With `saved`, continues where an earlier process stopped, and grows at once. */
  constructor(schedule: RetrySchedule, saved?: number) {
    this.#schedule = saved === undefined ? schedule : { ...schedule, growsAfter: 0 };
    this.#delay = saved ?? schedule.initial;
  }

  /** How long the next wait is. */
  get delay(): number {
    return this.#delay;
  }

  /** To be called with each wait: counts it. */
  advance(): number {
    const delay = this.#delay;
    this.#elapsed += delay;
    this.#delay = nextDelay(this.#schedule, this.#elapsed, delay);
    return delay;
  }

  reset(): void {
    this.#elapsed = 0;
    this.#delay = this.#schedule.initial;
  }
}
