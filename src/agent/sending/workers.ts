import { Pacer } from '../../core/index.js';
import type { SmpServer } from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { findConn } from '../rows/connections.js';
import { queuesWithDeliveries } from '../rows/messages.js';
import type { SndQueue } from '../state/connection.js';
import type { ConnId, UserId } from '../types.js';
import { DeliveryWorker, type PendingMessage } from './worker.js';

/** Idle workers kept for the next message: starting one costs a query. */
const maxIdle = 2_000;

/** One delivery worker for each send queue that has something to send (30-agent.md, section 7.3). */
export class DeliveryWorkers {
  /** The encryption of messages that are to be sent. */
  readonly pacer: Pacer;
  readonly #ctx: AgentContext;
  readonly #workers = new Map<number, DeliveryWorker>();
  /** Idle workers, longest idle first. */
  readonly #idle = new Set<number>();
  #ready = false;

  constructor(ctx: AgentContext) {
    this.#ctx = ctx;
    this.pacer = new Pacer(ctx.clock);
  }

  /** Starts a worker for every queue with pending deliveries. What is offered before is read from the database. */
  async start(): Promise<void> {
    await this.#ctx.store.transaction(async (tx) => {
      const found: { userId: UserId; sq: SndQueue }[] = [];
      for (const { connId, queueId } of await queuesWithDeliveries(tx)) {
        const conn = await findConn(this.#ctx, tx, connId);
        const sq = conn?.sndQueues.find((q) => q.id === queueId);
        if (conn !== undefined && sq !== undefined) found.push({ userId: conn.userId, sq });
      }
      // In the commit hook, not after the promise: later offers come in later hooks.
      tx.onCommit(() => {
        this.#ready = true;
        for (const { userId, sq } of found) this.#worker(userId, sq, false).wake();
      });
    });
  }

  /** A committed message for a queue. To be called from the commit hook of the transaction that stored it. */
  offer(userId: UserId, sq: SndQueue, message: PendingMessage): void {
    if (!this.#ready) return;
    this.#worker(userId, sq, true).offer(message);
  }

  /** Messages of a queue that was replaced: before anything else that waits. */
  takeOver(userId: UserId, sq: SndQueue, messages: readonly PendingMessage[]): void {
    if (this.#ready && messages.length > 0) this.#worker(userId, sq, true).takeOver(messages);
  }

  #worker(userId: UserId, sq: SndQueue, inSync: boolean): DeliveryWorker {
    this.#idle.delete(sq.id);
    let worker = this.#workers.get(sq.id);
    if (worker === undefined) {
      worker = new DeliveryWorker(this.#ctx, userId, sq, inSync, () => this.#onIdle(sq.id));
      this.#workers.set(sq.id, worker);
    }
    return worker;
  }

  #onIdle(queueId: number): void {
    this.#idle.add(queueId);
    if (this.#idle.size <= maxIdle) return;
    for (const oldest of this.#idle) {
      this.#idle.delete(oldest);
      this.#workers.delete(oldest);
      break;
    }
  }

  /** A_QCONT: cuts the wait of a queue short. */
  retryNow(queueId: number): void {
    this.#workers.get(queueId)?.retryNow();
  }

  /** The same for all queues of a connection. */
  retryConnection(connId: ConnId): void {
    for (const worker of this.#workers.values()) if (worker.connId === connId) worker.retryNow();
  }

  /** A connection to a server was made (again). */
  serverBack(server: SmpServer): void {
    for (const worker of this.#workers.values()) worker.serverBack(server);
  }

  /** The queue was removed: its worker ends. */
  remove(queueId: number): void {
    this.#workers.get(queueId)?.stop();
    this.#workers.delete(queueId);
    this.#idle.delete(queueId);
  }

  /** Ends the workers of queues of a deleted connection. */
  removeOf(connId: ConnId): void {
    for (const [id, worker] of this.#workers) if (worker.connId === connId) this.remove(id);
  }

  async stop(): Promise<void> {
    this.#ready = false;
    const workers = [...this.#workers.values()];
    for (const worker of workers) worker.stop();
    this.#workers.clear();
    await Promise.all(workers.map((w) => w.ended()));
  }
}
