import type { ApiEvent } from '../../api/index.js';
import { type Clock, errorFields, type Logger, type Timer } from '../../core/index.js';
import { prepare, type Store, type Tx } from '../../store/index.js';

/** An event as it goes to clients. `seq` is absent for progress events, which are not logged. */
export interface LoggedEvent {
  readonly seq: number | undefined;
  readonly event: ApiEvent;
  /** The JSON of `event`. */
  readonly json: string;
}

export type EventListener = (event: LoggedEvent) => void;

const insertEvent = prepare<{ now: number; important: number; json: string }, { seq: number }>((db, p) =>
  db
    .insertInto('event_log')
    .values({ created_at: p('now'), important: p('important'), event: p('json') })
    .returning('seq'),
);

const deliveredSetting = 'events.delivered';
/** Events between two looks at the size of the log. */
const pruneEvery = 500;

/**
 * The event log (70-bot-api.md, section 1.5): events are rows that the transaction writes which made them true, and
 * reach listeners in their order after the commit.
 */
export class EventLog {
  readonly #store: Store;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #maxEvents: number;
  readonly #maxAge: number;
  readonly #listeners = new Set<EventListener>();
  /** Numbers of the messages that nobody has received, ascending; counted only with a limit. */
  #waiting: number[] = [];
  #limit = Number.POSITIVE_INFINITY;
  #onFull: (full: boolean) => void = () => {};
  #full = false;
  #delivered = 0;
  #sincePrune = 0;
  /** Runs while a delivered number waits to be stored. */
  #saving: Timer | undefined;

  constructor(store: Store, clock: Clock, logger: Logger, maxEvents: number, maxAge: number) {
    this.#store = store;
    this.#clock = clock;
    this.#logger = logger;
    this.#maxEvents = maxEvents;
    this.#maxAge = maxAge;
  }

  async open(): Promise<void> {
    const row = await this.#store.read((tx) =>
      tx.db.selectFrom('chat_settings').select('value').where('setting', '=', deliveredSetting).executeTakeFirst(),
    );
    this.#delivered = row === undefined ? 0 : Number(row.value);
  }

  /**
   * Messages wait for clients, but not without end: `onFull(true)` is called when `limit` of them wait, `onFull(false)`
   * when half of them have been received.
   */
  async limitWaiting(limit: number, onFull: (full: boolean) => void): Promise<void> {
    const rows = await this.#store.read((tx) =>
      tx.db
        .selectFrom('event_log')
        .select('seq')
        .where('important', '=', 1)
        .where('seq', '>', this.#delivered)
        .orderBy('seq')
        .execute(),
    );
    this.#limit = limit;
    this.#onFull = onFull;
    this.#waiting = rows.map((r) => r.seq);
    this.#checkFull();
  }

  #checkFull(): void {
    const full = this.#waiting.length >= (this.#full ? this.#limit / 2 : this.#limit);
    if (full === this.#full) return;
    this.#full = full;
    this.#onFull(full);
  }

  async emit(tx: Tx, event: ApiEvent): Promise<void> {
    const json = JSON.stringify(event);
    const row = await insertEvent.first(tx, {
      now: this.#clock.now(),
      important: event.type === 'newChatItems' ? 1 : 0,
      json,
    });
    const logged = { seq: row?.seq, event, json };
    tx.onCommit(() => {
      this.#deliver(logged);
      if (this.#limit !== Number.POSITIVE_INFINITY && event.type === 'newChatItems' && logged.seq !== undefined) {
        if (logged.seq > this.#delivered) this.#waiting.push(logged.seq);
        this.#checkFull();
      }
    });
    if (++this.#sincePrune >= pruneEvery) {
      this.#sincePrune = 0;
      await this.#prune(tx);
    }
  }

  emitLive(event: ApiEvent): void {
    this.#deliver({ seq: undefined, event, json: JSON.stringify(event) });
  }

  /** `listener` gets every event from now on; the result stops it. */
  listen(listener: EventListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  /** At most `limit` events after `seq`, oldest first; durable ones, so that no number is ever given twice. */
  async since(seq: number, limit: number): Promise<{ readonly seq: number; readonly json: string }[]> {
    const rows = await this.#store.transaction((tx) =>
      tx.db
        .selectFrom('event_log')
        .select(['seq', 'event'])
        .where('seq', '>', seq)
        .orderBy('seq')
        .limit(limit)
        .execute(),
    );
    return rows.map((r) => ({ seq: r.seq, json: r.event }));
  }

  /** Numbers of the oldest kept and the last event; both 0 when nothing was ever logged. */
  async range(): Promise<{ readonly oldest: number; readonly last: number }> {
    return this.#store.read(async (tx) => {
      const row = await tx.db
        .selectFrom('event_log')
        .select((e) => [e.fn.min('seq').as('oldest'), e.fn.max('seq').as('last')])
        .executeTakeFirst();
      return { oldest: Number(row?.oldest ?? 0), last: Number(row?.last ?? 0) };
    });
  }

  /** The number of the last event that some client has received. */
  get delivered(): number {
    return this.#delivered;
  }

  /** Some client has received all events up to `seq`. Kept in the database, a little later. */
  markDelivered(seq: number): void {
    if (seq <= this.#delivered) return;
    this.#delivered = seq;
    if (this.#waiting.length > 0) {
      const next = this.#waiting.findIndex((n) => n > seq);
      this.#waiting = next < 0 ? [] : this.#waiting.slice(next);
      this.#checkFull();
    }
    this.#saving ??= this.#clock.after(200, () => void this.#save(), { unref: true });
  }

  /** Writes what {@link markDelivered} has collected. */
  async #save(): Promise<void> {
    try {
      await this.flush();
    } catch (error) {
      this.#logger.warn(errorFields(error), 'cannot store the number of the last delivered event');
    }
  }

  async flush(): Promise<void> {
    this.#saving?.cancel();
    this.#saving = undefined;
    const value = String(this.#delivered);
    await this.#store.transaction((tx) => this.#write(tx, value));
  }

  async #write(tx: Tx, value: string): Promise<void> {
    await tx.db
      .insertInto('chat_settings')
      .values({ setting: deliveredSetting, value })
      .onConflict((c) => c.column('setting').doUpdateSet({ value }))
      .execute();
  }

  #deliver(event: LoggedEvent): void {
    for (const listener of this.#listeners) {
      try {
        listener(event);
      } catch (error) {
        this.#logger.error(errorFields(error), 'an event listener failed');
      }
    }
  }

  /**
   * Drops what is too old or too much; messages that nobody has received stay, and so does the last event: its number
   * tells a client that comes back whether it has missed some.
   */
  async #prune(tx: Tx): Promise<void> {
    const before = this.#clock.now() - this.#maxAge;
    await tx.execute(
      `DELETE FROM event_log WHERE (seq <= (SELECT max(seq) FROM event_log) - ? OR created_at < ?)
       AND (important = 0 OR seq <= ?) AND seq < (SELECT max(seq) FROM event_log)`,
      [this.#maxEvents, before, this.#delivered],
    );
  }
}
