import type { ApiEvent } from '../../api/index.js';
import { type Clock, deferred, errorMessage, KeyedMutex, type Logger } from '../../core/index.js';
import { orderKey, splitEvent } from '../events.js';
import type { StateStore } from '../state/types.js';
import type { TransportEvent } from '../transport/types.js';
import type { DoneSteps } from './steps.js';

/** One event, or one message of it, for the handlers. */
export interface Delivery {
  readonly event: ApiEvent;
  readonly seq: number | undefined;
  /** Which message of the event it is. */
  readonly part: number;
}

/** What a handler's work came to: `again` is for what was interrupted by the loss of the connection or the stop of the bot. */
export type Outcome = 'done' | 'again';

/** How events are handled, and what is kept so that none is lost by a restart. */
export interface DispatcherOptions {
  readonly handle: (delivery: Delivery) => Promise<Outcome>;
  readonly state: StateStore;
  readonly steps: DoneSteps;
  /** Tells the transport up to where all events are handled. */
  readonly handled: (seq: number) => void;
  /** Chats that are worked on at the same time. */
  readonly concurrency: number;
  readonly clock: Clock;
  readonly logger: Logger;
}

const positionKey = 'position';

/** Events that wait for their handlers; while there are more, the transport waits. */
const maxWaiting = 1000;

interface Waiting {
  readonly seq: number | undefined;
  left: number;
}

/**
 * Gives events to handlers: those of one chat in order, different chats side by side. The number of the last event before
 * which all are handled is kept, so that after a restart the others come again: each at least once.
 */
export class Dispatcher {
  readonly #o: DispatcherOptions;
  readonly #chats = new KeyedMutex<string>();
  /** Events in the order of their numbers, until they and all before them are handled. */
  readonly #waiting: Waiting[] = [];
  readonly #slots: (() => void)[] = [];
  readonly #working = new Set<Promise<void>>();
  readonly #started = deferred<void>();
  #free: number;
  #position: number | undefined;
  #saved: number | undefined;
  #saving: Promise<void> | undefined;
  #stopping = false;
  #room: (() => void) | undefined;

  constructor(options: DispatcherOptions) {
    this.#o = options;
    this.#free = options.concurrency;
  }

  /** The stored number of the last handled event; `undefined` for a bot that has handled none. */
  async open(): Promise<number | undefined> {
    const value = await this.#o.state.get(positionKey);
    this.#position = typeof value === 'number' ? value : undefined;
    this.#saved = this.#position;
    return this.#position;
  }

  /** Handlers run from now on. */
  start(): void {
    this.#started.resolve();
  }

  /** Takes an event; resolves when there is room for the next. */
  async accept({ event, seq }: TransportEvent): Promise<void> {
    if (this.#stopping) return;
    if (seq !== undefined && !(await this.#first(event, seq))) return;
    const parts = splitEvent(event);
    const waiting: Waiting = { seq, left: parts.length };
    this.#waiting.push(waiting);
    parts.forEach((part, i) => {
      const work: Promise<void> = this.#work({ event: part, seq, part: i }, waiting);
      this.#working.add(work);
      void work.finally(() => this.#working.delete(work));
    });
    if (this.#waiting.length >= maxWaiting) {
      await new Promise<void>((resolve) => {
        this.#room = resolve;
      });
    }
  }

  /** Lets handlers that run finish, at most for `graceMs`; what waits comes again at the next start. */
  async stop(graceMs: number): Promise<void> {
    this.#stopping = true;
    this.#started.resolve();
    this.#room?.();
    const grace = new AbortController();
    const late = this.#o.clock.sleep(graceMs, grace.signal).then(
      () =>
        this.#o.logger.warn({ handlers: this.#working.size }, 'handlers did not finish: their events will come again'),
      () => {},
    );
    await Promise.race([Promise.all(this.#working), late]);
    grace.abort();
    while (this.#saving !== undefined) await this.#saving;
    if (this.#position !== this.#saved) await this.#save();
  }

  /** False for an event that was handled before. */
  async #first(event: ApiEvent, seq: number): Promise<boolean> {
    if (event.type === 'eventsLost') {
      // Also when the numbers begin anew because the database is another one.
      if (seq < (this.#position ?? 0)) await this.#restart(seq);
      return true;
    }
    if (this.#position === undefined) await this.#restart(seq - 1);
    return this.#position === undefined || seq > this.#position;
  }

  /** Before the first event is handled: if the process dies meanwhile, it must come again. */
  async #restart(position: number): Promise<void> {
    this.#position = position;
    this.#saved = position;
    await this.#o.state.set({ [positionKey]: position });
  }

  async #work(delivery: Delivery, waiting: Waiting): Promise<void> {
    await this.#started.promise;
    const outcome = await this.#chats.run(orderKey(delivery.event), async () => {
      if (this.#stopping) return 'again';
      await this.#slot();
      try {
        return this.#stopping ? 'again' : await this.#o.handle(delivery);
      } finally {
        this.#release();
      }
    });
    if (outcome === 'again') return;
    waiting.left--;
    this.#advance();
  }

  async #slot(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#slots.push(resolve));
  }

  #release(): void {
    const next = this.#slots.shift();
    if (next === undefined) this.#free++;
    else next();
  }

  #advance(): void {
    let done: number | undefined;
    while (this.#waiting[0]?.left === 0) done = this.#waiting.shift()?.seq ?? done;
    if (this.#waiting.length < maxWaiting / 2) {
      this.#room?.();
      this.#room = undefined;
    }
    if (done === undefined) return;
    this.#position = done;
    this.#startSaving();
  }

  #startSaving(): void {
    if (this.#saving !== undefined || this.#saved === this.#position) return;
    this.#saving = (async () => {
      let stored = true;
      try {
        await this.#save();
      } catch (error) {
        stored = false;
        this.#o.logger.error({ error: errorMessage(error) }, 'cannot store the number of the last event');
      }
      this.#saving = undefined;
      // What was handled meanwhile. After an error the next event tries again.
      if (stored) this.#startSaving();
    })();
  }

  async #save(): Promise<void> {
    const position = this.#position;
    if (position === undefined) return;
    await this.#o.state.set({ [positionKey]: position, ...this.#o.steps.forget(position) });
    this.#saved = position;
    this.#o.handled(position);
  }
}
