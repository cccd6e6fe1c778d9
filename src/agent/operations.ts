import { setMaxListeners } from 'node:events';
import { type Clock, type Deferred, deferred } from '../core/index.js';
import { AgentError } from './errors.js';

/**
 * Counts the network operations that run, and holds new ones back while the agent is suspended
 * (30-agent.md, section 12).
 */
export class Operations {
  readonly #clock: Clock;
  #suspended: Deferred<void> | undefined;
  #closed = false;
  #running = 0;
  #idle: Deferred<void> | undefined;
  readonly #abort = new AbortController();

  constructor(clock: Clock) {
    this.#clock = clock;
    // While a server is away every queue with something to send sleeps: many listeners are no leak.
    setMaxListeners(0, this.#abort.signal);
  }

  /** Aborted when the agent closes. */
  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isSuspended(): boolean {
    return this.#suspended !== undefined;
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Runs a network operation as soon as the agent is active. @throws AgentError INACTIVE after close */
  async run<T>(operation: () => Promise<T>): Promise<T> {
    while (this.#suspended !== undefined && !this.#closed) await this.#suspended.promise;
    if (this.#closed) throw new AgentError({ type: 'INACTIVE' });
    this.#running++;
    try {
      return await operation();
    } finally {
      this.#running--;
      if (this.#running === 0) this.#idle?.resolve();
    }
  }

  /** Lets nothing new start, and waits up to `ms` for what runs. True when all ended. */
  async suspend(ms: number): Promise<boolean> {
    this.#suspended ??= deferred<void>();
    if (this.#running === 0) return true;
    this.#idle ??= deferred<void>();
    const idle = this.#idle.promise.then(() => true);
    const timer = deferred<boolean>();
    const handle = this.#clock.after(ms, () => timer.resolve(false));
    const ended = await Promise.race([idle, timer.promise]);
    handle.cancel();
    this.#idle = undefined;
    return ended;
  }

  resume(): void {
    this.#suspended?.resolve();
    this.#suspended = undefined;
  }

  close(): void {
    this.#closed = true;
    this.#abort.abort(new AgentError({ type: 'INACTIVE' }));
    this.resume();
  }

  /** Sleeps; false when woken early by `signal` or the end of the agent. */
  async sleep(ms: number, signal?: AbortSignal): Promise<boolean> {
    const signals = signal === undefined ? [this.signal] : [this.signal, signal];
    if (signals.some((s) => s.aborted)) return false;
    // Listeners are taken off again: `AbortSignal.any` with a signal that lives long keeps memory in Node 20.
    const ended = deferred<boolean>();
    const onAbort = (): void => ended.resolve(false);
    const timer = this.#clock.after(ms, () => ended.resolve(true));
    for (const s of signals) s.addEventListener('abort', onAbort);
    try {
      return await ended.promise;
    } finally {
      timer.cancel();
      for (const s of signals) s.removeEventListener('abort', onAbort);
    }
  }
}
