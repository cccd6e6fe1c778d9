import type { ApiEvent, Events, EventTag } from '../../api/index.js';
import { type Clock, deferred, errorMessage, type Logger } from '../../core/index.js';
import { BotError } from '../errors.js';

export type EventHandler<T extends EventTag = EventTag> = (event: Events[T]) => void | Promise<void>;
export type EventSubscribers = { [T in EventTag]?: EventHandler<T> };

/** A handler without its tag. */
type AnyHandler = (event: never) => void | Promise<void>;

interface Subscription {
  readonly handler: AnyHandler;
  readonly once: boolean;
}

/** Handlers by event. Those of one event run one after the other and are waited for. */
export class Subscribers {
  readonly #byTag = new Map<string, Subscription[]>();
  readonly #any: EventHandler[] = [];
  readonly #clock: Clock;
  readonly #logger: Logger;

  constructor(clock: Clock, logger: Logger) {
    this.#clock = clock;
    this.#logger = logger;
  }

  add(tag: string, handler: AnyHandler, once: boolean): void {
    const list = this.#byTag.get(tag) ?? [];
    if (list.some((s) => s.handler === handler))
      throw new BotError('SUBSCRIBED', `this function handles ${tag} already`);
    this.#byTag.set(tag, [...list, { handler, once }]);
  }

  addAny(handler: EventHandler): void {
    if (this.#any.includes(handler)) throw new BotError('SUBSCRIBED', 'this function handles all events already');
    this.#any.push(handler);
  }

  remove(tag: string, handler?: AnyHandler): void {
    const list = this.#byTag.get(tag) ?? [];
    this.#byTag.set(tag, handler === undefined ? [] : list.filter((s) => s.handler !== handler));
  }

  removeAny(handler?: EventHandler): void {
    const kept = handler === undefined ? [] : this.#any.filter((h) => h !== handler);
    this.#any.splice(0, this.#any.length, ...kept);
  }

  async deliver(event: ApiEvent): Promise<void> {
    const list = this.#byTag.get(event.type) ?? [];
    for (const { handler, once } of list) {
      if (once) this.remove(event.type, handler);
      // It was registered for the tag of this event.
      await this.#call(() => handler(event as never));
    }
    for (const handler of [...this.#any]) await this.#call(() => handler(event));
  }

  /** `undefined` when the time is up. */
  async wait<T extends EventTag>(
    tag: T,
    predicate: ((event: Events[T]) => boolean) | undefined,
    timeoutMs: number | undefined,
  ): Promise<Events[T] | undefined> {
    const found = deferred<Events[T] | undefined>();
    const handler: EventHandler<T> = (event) => {
      if (predicate === undefined || predicate(event)) found.resolve(event);
    };
    this.add(tag, handler, false);
    const timer = timeoutMs === undefined ? undefined : this.#clock.after(timeoutMs, () => found.resolve(undefined));
    try {
      return await found.promise;
    } finally {
      timer?.cancel();
      this.remove(tag, handler);
    }
  }

  async #call(run: () => void | Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.#logger.error({ error: errorMessage(error) }, 'an event handler failed');
    }
  }
}
