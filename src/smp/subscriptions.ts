import type { SmpClient } from './client.js';
import type { RcvQueue } from './client-types.js';
import type { SmpServer } from './server.js';

/** What has a connection of its own (30-agent.md, section 13.1). `entity` only in session mode `entity`. */
export interface TransportSession {
  readonly userId: number;
  readonly server: SmpServer;
  readonly entity: string | undefined;
}

/** A queue that the pool keeps subscribed. The caller may hang more on it: it gets the same object back. */
export interface PoolQueue extends RcvQueue {
  readonly userId: number;
  readonly server: SmpServer;
  /** Only used in session mode `entity`: the connection that the queue belongs to. */
  readonly entity?: string | undefined;
}

/** The key of a queue in maps. */
export function rcvIdKey(rcvId: Uint8Array): string {
  return Buffer.from(rcvId.buffer, rcvId.byteOffset, rcvId.byteLength).toString('latin1');
}

/**
 * The subscriptions of one transport session (30-agent.md, section 13.2). A queue is pending or active, never both;
 * active ones are valid only for the client (connection) that they were made with.
 */
export class Subscriptions<Q extends PoolQueue> {
  readonly #pending = new Map<string, Q>();
  #active = new Map<string, Q>();
  #client: SmpClient | undefined;

  get pendingCount(): number {
    return this.#pending.size;
  }

  get activeCount(): number {
    return this.#active.size;
  }

  get empty(): boolean {
    return this.#pending.size === 0 && this.#active.size === 0;
  }

  pending(): Q[] {
    return [...this.#pending.values()];
  }

  active(): Q[] {
    return [...this.#active.values()];
  }

  /** The queue, whatever its state. */
  get(rcvId: Uint8Array): Q | undefined {
    const key = rcvIdKey(rcvId);
    return this.#active.get(key) ?? this.#pending.get(key);
  }

  isActive(rcvId: Uint8Array): boolean {
    return this.#active.has(rcvIdKey(rcvId));
  }

  /** Wants the queue subscribed. One that is active already stays so. */
  add(queue: Q): void {
    const key = rcvIdKey(queue.rcvId);
    if (this.#active.has(key)) this.#active.set(key, queue);
    else this.#pending.set(key, queue);
  }

  /** The relay confirmed a subscription on this client: true if the queue was still wanted and is active now. */
  activate(rcvId: Uint8Array, client: SmpClient): Q | undefined {
    const key = rcvIdKey(rcvId);
    const queue = this.#pending.get(key);
    if (queue === undefined) return undefined;
    if (this.#client !== client) {
      // The first subscription on a new client: what was active with an old one is lost.
      this.deactivate();
      this.#client = client;
    }
    this.#pending.delete(key);
    this.#active.set(key, queue);
    return queue;
  }

  /** No longer wanted, or refused for good. */
  remove(rcvId: Uint8Array): Q | undefined {
    const key = rcvIdKey(rcvId);
    const queue = this.#active.get(key) ?? this.#pending.get(key);
    this.#active.delete(key);
    this.#pending.delete(key);
    return queue;
  }

  /** The connection is gone: all that was active is pending again. Gives those queues. */
  deactivate(): Q[] {
    const lost = [...this.#active.values()];
    for (const [key, queue] of this.#active) this.#pending.set(key, queue);
    this.#active = new Map();
    this.#client = undefined;
    return lost;
  }
}
