import type { Clock, Timer } from '../core/index.js';
import { equalBytes } from '../wire/index.js';
import type { SmpCommandName } from './commands.js';
import { SmpClientError } from './failures.js';
import type { SmpMessage } from './messages.js';
import type { Outgoing } from './session.js';

/** A request that waits for its response, or whose response came too late and may still matter. */
interface Pending {
  readonly command: SmpCommandName;
  readonly entityId: Uint8Array;
  readonly outgoing: Outgoing;
  timer: Timer | undefined;
  settle: { resolve(m: SmpMessage): void; reject(e: SmpClientError): void } | undefined;
}

/** A response that came after the request had timed out (20-smp.md, section 12.4). */
export interface LateResponse {
  readonly command: SmpCommandName;
  readonly entityId: Uint8Array;
  readonly message: SmpMessage;
}

/** What became of a response: a waiting request took it, it came late, or nobody asked. */
export type Delivery =
  | { readonly kind: 'taken' }
  | ({ readonly kind: 'late' } & LateResponse)
  | { readonly kind: 'unknown' };

/** Late entries that are kept at most; the oldest go first. */
const maxLate = 4096;

function key(corrId: Uint8Array): string {
  return Buffer.from(corrId.buffer, corrId.byteOffset, corrId.byteLength).toString('latin1');
}

/** Matches responses to requests by correlation id, with time-outs. One per connection. */
export class RequestTable {
  readonly #clock: Clock;
  readonly #pending = new Map<string, Pending>();
  readonly #late = new Map<string, Pending>();
  readonly #onTimeout: () => void;

  constructor(clock: Clock, onTimeout: () => void) {
    this.#clock = clock;
    this.#onTimeout = onTimeout;
  }

  /** Requests that wait. */
  get size(): number {
    return this.#pending.size;
  }

  /** Registers a request; the promise is settled by `deliver`, `reject`, the time-out or `failAll`. */
  add(
    corrId: Uint8Array,
    request: { readonly command: SmpCommandName; readonly entityId: Uint8Array; readonly outgoing: Outgoing },
    timeout: number,
  ): Promise<SmpMessage> {
    return new Promise((resolve, reject) => {
      const id = key(corrId);
      const pending: Pending = { ...request, settle: { resolve, reject }, timer: undefined };
      pending.timer = this.#clock.after(timeout, () => this.#expire(id, pending), { unref: true });
      this.#pending.set(id, pending);
    });
  }

  #expire(id: string, pending: Pending): void {
    if (!this.#pending.delete(id)) return;
    // Still in the queue: not sent at all then. Otherwise a late response may be the only delivery of a message.
    pending.outgoing.bytes = undefined;
    pending.settle?.reject(new SmpClientError({ type: 'timeout' }));
    pending.settle = undefined;
    this.#late.set(id, pending);
    if (this.#late.size > maxLate) {
      for (const oldest of this.#late.keys()) {
        this.#late.delete(oldest);
        break;
      }
    }
    this.#onTimeout();
  }

  #take(corrId: Uint8Array): Pending | undefined {
    const id = key(corrId);
    const pending = this.#pending.get(id) ?? this.#late.get(id);
    this.#pending.delete(id);
    this.#late.delete(id);
    pending?.timer?.cancel();
    return pending;
  }

  /** The command that waits for this correlation id. */
  command(corrId: Uint8Array): SmpCommandName | undefined {
    return this.#pending.get(key(corrId))?.command;
  }

  /** Gives a response to its request. A response for another entity is an unexpected one. */
  deliver(corrId: Uint8Array, entityId: Uint8Array, message: SmpMessage): Delivery {
    const pending = this.#take(corrId);
    if (pending === undefined) return { kind: 'unknown' };
    const entityFits = equalBytes(entityId, pending.entityId) || (message.msg === 'ERR' && entityId.length === 0);
    if (pending.settle === undefined) {
      if (!entityFits) return { kind: 'unknown' };
      return { kind: 'late', command: pending.command, entityId: pending.entityId, message };
    }
    if (entityFits) pending.settle.resolve(message);
    else pending.settle.reject(new SmpClientError({ type: 'unexpected', text: `${message.msg} for another entity` }));
    return { kind: 'taken' };
  }

  /** The response cannot be used. */
  reject(corrId: Uint8Array, error: SmpClientError): void {
    this.#take(corrId)?.settle?.reject(error);
  }

  /** The connection is gone. */
  failAll(error: SmpClientError): void {
    const all = [...this.#pending.values()];
    this.#pending.clear();
    this.#late.clear();
    for (const pending of all) {
      pending.timer?.cancel();
      pending.settle?.reject(error);
    }
  }
}
