import type { Clock } from '../core/index.js';

/** Commands of all clients that are begun before others have answered. */
const slots = 64;
/** Commands begun in one turn of the event loop: many are answered at once, and other connections wait meanwhile. */
const perTick = 16;
/** How often (ms) it is looked at whether those that are begun wait for the network, and hold up others. */
const interval = 100;
/** Fewer answers than this in an interval: they wait. */
const fewAnswers = 8;

/**
 * Lets the clients take turns: however many commands one has sent, those of the others are begun in between, and the
 * engine never has more of them in work than it needs. Tasks of one owner begin in their order.
 */
export class Turns {
  readonly #clock: Clock;
  /** Owners with waiting tasks; the first is next. */
  readonly #waiting = new Map<object, (() => Promise<void>)[]>();
  #running = 0;
  #limit = slots;
  #answered = 0;
  #looking = false;
  #begun = 0;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Runs `task`, which does not reject, when it is its turn. */
  run(owner: object, task: () => Promise<void>): void {
    if (this.#running < this.#limit && this.#begun < perTick) {
      this.#begin(task);
      return;
    }
    const tasks = this.#waiting.get(owner);
    if (tasks === undefined) this.#waiting.set(owner, [task]);
    else tasks.push(task);
    this.#look();
  }

  /** Drops what an owner has not begun; gives how many that were. */
  drop(owner: object): number {
    const dropped = this.#waiting.get(owner)?.length ?? 0;
    this.#waiting.delete(owner);
    return dropped;
  }

  #begin(task: () => Promise<void>): void {
    this.#running++;
    if (this.#begun++ === 0) {
      setImmediate(() => {
        this.#begun = 0;
        for (let i = this.#running; i < this.#limit; i++) this.#next();
      });
    }
    void task().finally(() => {
      this.#running--;
      this.#answered++;
      this.#next();
    });
  }

  /** While tasks wait: begins more of them when those in work do nothing but wait, too. */
  #look(): void {
    if (this.#looking) return;
    this.#looking = true;
    this.#answered = 0;
    this.#clock.after(
      interval,
      () => {
        this.#looking = false;
        if (this.#waiting.size === 0) return;
        this.#limit = this.#answered < fewAnswers ? this.#running + slots : slots;
        for (let i = this.#running; i < this.#limit; i++) this.#next();
        if (this.#waiting.size > 0) this.#look();
      },
      { unref: true },
    );
  }

  #next(): void {
    if (this.#running >= this.#limit || this.#begun >= perTick) return;
    const first = this.#waiting.entries().next().value;
    if (first === undefined) {
      this.#limit = slots;
      return;
    }
    const [owner, tasks] = first;
    // To the end of the line, if it has more.
    this.#waiting.delete(owner);
    const task = tasks.shift();
    if (tasks.length > 0) this.#waiting.set(owner, tasks);
    if (task !== undefined) this.#begin(task);
  }
}
