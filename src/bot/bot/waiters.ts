import type { ApiEvent, Events, EventTag } from '../../api/index.js';
import { type Clock, deferred } from '../../core/index.js';
import { BotError } from '../errors.js';

/** Whom an event is waited for by. */
interface Waiter {
  readonly tag: string;
  offer(event: ApiEvent): void;
  end(): void;
}

/** How long, and which event. */
export interface WaitOptions {
  /** Default: one minute. */
  readonly timeoutMs?: number;
  /** Ends the waiting with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** Those who wait for an event. They get it when it arrives, before handlers do, so that a handler can wait itself. */
export class Waiters {
  readonly #waiters = new Set<Waiter>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  offer(event: ApiEvent): void {
    for (const w of this.#waiters) if (w.tag === event.type) w.offer(event);
  }

  /**
   * The next event with this tag that `accept` lets through.
   * @throws BotError `TIMEOUT`, or `STOPPED` when the bot stops
   */
  async wait<T extends EventTag>(
    tag: T,
    accept: (event: Events[T]) => boolean = () => true,
    { timeoutMs = 60_000, signal }: WaitOptions = {},
  ): Promise<Events[T]> {
    const found = deferred<Events[T]>();
    const isWanted = (event: ApiEvent): event is Events[T] => event.type === tag;
    const waiter: Waiter = {
      tag,
      offer: (event) => {
        if (isWanted(event) && accept(event)) found.resolve(event);
      },
      end: () => found.reject(new BotError('STOPPED', `the bot stopped before ${tag} came`)),
    };
    const onAbort = (): void => found.reject(signal?.reason);
    if (signal?.aborted === true) onAbort();
    signal?.addEventListener('abort', onAbort, { once: true });
    this.#waiters.add(waiter);
    const timer = this.#clock.after(timeoutMs, () =>
      found.reject(new BotError('TIMEOUT', `no ${tag} came within ${timeoutMs} ms`)),
    );
    try {
      return await found.promise;
    } finally {
      timer.cancel();
      signal?.removeEventListener('abort', onAbort);
      this.#waiters.delete(waiter);
    }
  }

  end(): void {
    for (const w of this.#waiters) w.end();
  }
}
