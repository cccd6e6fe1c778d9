import { errorFields, type Timer } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, transaction } from '../context.js';
import type { AMessageReceipt } from '../envelopes/index.js';
import { findConn } from '../rows/connections.js';
import { addReceipt, connsWithReceipts, takeReceipts } from '../rows/receipts.js';
import { enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind } from '../state/connection.js';
import type { ConnId } from '../types.js';

/** Receipts of a connection that are sent at once, before they are collected. */
const burst = 8;
/** One receipt may be sent at once again after so many milliseconds. */
const refillMs = 1_000;
/** How long receipts are collected, in milliseconds. */
const collectMs = 1_000;
/** Receipts in one A_RCVD: 43 bytes each, which is far below the size of a message. */
const maxReceipts = 100;
/** Connections that sent a receipt lately, remembered at the most. */
const maxKnown = 2_000;

/** What a connection may still send at once: `credits` at the instant `at`. */
interface Budget {
  credits: number;
  at: number;
}

/**
 * Sends delivery receipts. Each receipt that goes against the stream of messages turns the ratchets of both sides,
 * with a key exchange that costs more than all else that is done for a message. So a connection sends its first ones
 * at once; when many messages come, their receipts are collected and go together in one A_RCVD. They are rows until
 * then, written by the transaction that received the message.
 */
export class ReceiptSender {
  readonly #ctx: AgentContext;
  readonly #budgets = new Map<ConnId, Budget>();
  readonly #timers = new Map<ConnId, Timer>();
  /** Connections with rows, as committed transactions left them. */
  readonly #collecting = new Set<ConnId>();
  readonly #running = new Set<Promise<void>>();
  #stopped = false;

  constructor(ctx: AgentContext) {
    this.#ctx = ctx;
  }

  /** Sends what was collected before a restart. */
  async start(): Promise<void> {
    for (const connId of await this.#ctx.store.read(connsWithReceipts)) this.#schedule(connId);
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    for (const timer of this.#timers.values()) timer.cancel();
    this.#timers.clear();
    await Promise.all(this.#running);
  }

  /** Sends a receipt on a duplex connection, at once or soon. */
  async send(tx: Tx, conn: Conn, receipt: AMessageReceipt): Promise<void> {
    const { connId } = conn;
    if (!this.#collecting.has(connId) && this.#spend(connId)) {
      await enqueueMessage(this.#ctx, tx, conn, { type: 'A_RCVD', receipts: [receipt] });
      return;
    }
    await addReceipt(tx, connId, receipt);
    // Not in a commit hook: the next message of the same group of transactions must be collected too.
    this.#schedule(connId);
  }

  #spend(connId: ConnId): boolean {
    const now = this.#ctx.clock.monotonic();
    const known = this.#budgets.get(connId);
    const credits = known === undefined ? burst : Math.min(burst, known.credits + (now - known.at) / refillMs);
    if (credits < 1) return false;
    this.#budgets.delete(connId);
    this.#budgets.set(connId, { credits: credits - 1, at: now });
    if (this.#budgets.size > maxKnown) {
      const oldest = this.#budgets.keys().next().value;
      if (oldest !== undefined) this.#budgets.delete(oldest);
    }
    return true;
  }

  #schedule(connId: ConnId): void {
    if (this.#stopped || this.#collecting.has(connId)) return;
    this.#collecting.add(connId);
    const timer = this.#ctx.clock.after(
      collectMs,
      () => {
        this.#timers.delete(connId);
        const run = this.#flush(connId);
        this.#running.add(run);
        void run.then(() => this.#running.delete(run));
      },
      { unref: true },
    );
    this.#timers.set(connId, timer);
  }

  async #flush(connId: ConnId): Promise<void> {
    try {
      await transaction(this.#ctx, 'send-receipts', (tx) => this.#sendCollected(tx, connId));
    } catch (error) {
      this.#ctx.logger.warn(errorFields(error), 'collected receipts could not be sent: they are sent later');
      this.#collecting.delete(connId);
      this.#schedule(connId);
    }
  }

  async #sendCollected(tx: Tx, connId: ConnId): Promise<void> {
    const ctx = this.#ctx;
    // The message that comes next starts anew.
    this.#collecting.delete(connId);
    for (;;) {
      const [first, ...others] = await takeReceipts(tx, connId, maxReceipts);
      if (first === undefined) return;
      const conn = await findConn(ctx, tx, connId);
      if (conn === undefined || conn.deleted || connKind(conn) !== 'duplex') return;
      await enqueueMessage(ctx, tx, conn, { type: 'A_RCVD', receipts: [first, ...others] });
    }
  }
}
