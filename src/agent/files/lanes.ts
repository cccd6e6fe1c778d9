import { type Clock, errorFields, type Logger, Mutex, type Timer } from '../../core/index.js';

/** A row that a worker can work on. */
export interface Job {
  readonly id: number;
}

/** Where a worker gets jobs from, and how it does them. */
export interface LanesOptions<J extends Job> {
  readonly clock: Clock;
  readonly logger: Logger;
  /** Jobs at a time. */
  readonly lanes: number;
  /** At most `limit` jobs that are to be done, the most urgent first. */
  next(limit: number): Promise<readonly J[]>;
  /** Does the job. Resolves with the milliseconds before it may be tried again, or undefined. */
  run(job: J, lane: number): Promise<number | undefined>;
}

/** After an error that no job expects: it must neither stop the others nor turn in circles. */
const unexpectedDelay = 5_000;

/**
 * A worker with several lanes: takes jobs from the database as long as there are some, then sleeps until it is woken
 * or until the earliest of the failed ones may be repeated. A job runs in one lane at a time.
 */
export class Lanes<J extends Job> {
  readonly #o: LanesOptions<J>;
  readonly #taking = new Mutex();
  readonly #free: number[];
  readonly #busy = new Set<number>();
  readonly #notBefore = new Map<number, number>();
  readonly #running = new Set<Promise<void>>();
  #timer: Timer | undefined;
  #stopped = false;

  constructor(options: LanesOptions<J>) {
    this.#o = options;
    this.#free = Array.from({ length: options.lanes }, (_, i) => options.lanes - 1 - i);
  }

  /** There may be something to do. */
  wake(): void {
    if (this.#stopped) return;
    if (this.#free.length === 0) this.#again = true;
    while (this.#free.length > 0) {
      const lane = this.#free.pop();
      if (lane === undefined) return;
      const loop: Promise<void> = this.#loop(lane).finally(() => {
        this.#running.delete(loop);
        this.#free.push(lane);
      });
      this.#running.add(loop);
    }
  }

  /** Woken while all lanes were busy: look once more before sleeping. */
  #again = false;

  async #loop(lane: number): Promise<void> {
    while (!this.#stopped) {
      this.#again = false;
      const job = await this.#taking.run(() => this.#take());
      if (job === undefined) {
        if (this.#again) continue;
        return;
      }
      let delay: number | undefined;
      try {
        delay = await this.#o.run(job, lane);
      } catch (error) {
        if (!this.#stopped) this.#o.logger.error(errorFields(error), 'a file worker failed');
        delay = unexpectedDelay;
      }
      if (delay !== undefined) this.#notBefore.set(job.id, this.#o.clock.monotonic() + delay);
      else this.#notBefore.delete(job.id);
      this.#busy.delete(job.id);
    }
  }

  async #take(): Promise<J | undefined> {
    if (this.#stopped) return undefined;
    let jobs: readonly J[];
    try {
      const limit = this.#busy.size + this.#notBefore.size + 1;
      jobs = await this.#o.next(limit);
      // All there are: those that are gone are forgotten.
      if (jobs.length < limit) {
        const ids = new Set(jobs.map((j) => j.id));
        for (const id of this.#notBefore.keys()) if (!ids.has(id)) this.#notBefore.delete(id);
      }
    } catch (error) {
      if (!this.#stopped) {
        this.#o.logger.error(errorFields(error), 'the jobs of a file worker cannot be read');
        this.#wakeAfter(unexpectedDelay);
      }
      return undefined;
    }
    const now = this.#o.clock.monotonic();
    let earliest = Number.POSITIVE_INFINITY;
    for (const job of jobs) {
      if (this.#busy.has(job.id)) continue;
      const notBefore = this.#notBefore.get(job.id) ?? 0;
      if (notBefore > now) {
        earliest = Math.min(earliest, notBefore);
        continue;
      }
      this.#busy.add(job.id);
      return job;
    }
    if (Number.isFinite(earliest)) this.#wakeAfter(earliest - now);
    return undefined;
  }

  #wakeAfter(ms: number): void {
    this.#timer?.cancel();
    this.#timer = this.#o.clock.after(ms, () => this.wake(), { unref: true });
  }

  /** Takes no more jobs, and waits for those that run. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.#timer?.cancel();
    await Promise.all(this.#running);
  }
}

/** Milliseconds before a job that failed `retries` times is tried again (40-xftp, section 5.6). */
export function retryDelay(retries: number): number {
  return Math.min(180_000, 2_000 * 1.5 ** Math.max(0, retries - 5));
}
