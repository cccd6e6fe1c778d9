import { errorFields } from '../../core/index.js';
import { type SmpServer, sameServerAddress } from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { announce, errorJson, raise, transaction } from '../context.js';
import { type AgentErrorJson, isHostError, isTemporaryOrHostError } from '../errors.js';
import { findConn } from '../rows/connections.js';
import { failDelivery, pendingDeliveries, type SndMessage, saveRetry } from '../rows/messages.js';
import { loadE2EParams } from '../rows/ratchets.js';
import type { SndQueue } from '../state/connection.js';
import type { UserId } from '../types.js';
import { encodeConfirmation, encodeMessage, isSenderSecured, sealForQueue } from './encode.js';
import { messageKeyOf } from './enqueue.js';
import { delivered, expire, undeliverable } from './outcome.js';
import { fastRetry, Retry, slowRetry } from './retry.js';

export type PendingMessage = SndMessage & { readonly bodyId: number | undefined };

/** Messages read from the database at once, and kept in memory at the most. */
const batch = 64;
/** "Delivered" transactions that may be under way while the next message is sent. */
const maxUnsaved = 32;
const day = 86_400_000;
/** Milliseconds. */
const pauseAfterFailure = 1_000;
/** How often "delivered" is tried, until the message is left to the next reading of the database. */
const maxSaves = 4;
/** How long a message is tried: after QUOTA, and after other temporary errors. */
export const expiry = { quota: 7 * day, network: 2 * day } as const;

/**
 * Sends the messages of one queue in order, one in flight. The next one is sent before "delivered" of the last one
 * is durable: after a crash it is repeated, and the ratchet of the peer drops it.
 */
export class DeliveryWorker {
  readonly #ctx: AgentContext;
  readonly #userId: UserId;
  readonly #sq: SndQueue;
  readonly #onIdle: () => void;
  #pending: PendingMessage[] = [];
  /** The list in memory is all that is pending; otherwise the database knows more. */
  #inSync: boolean;
  /** The newest message that was taken into the list. */
  #lastId = 0;
  #running: Promise<void> | undefined;
  #stopped = false;
  #wait: { readonly reason: 'quota' | 'network'; readonly abort: AbortController } | undefined;
  #retryNow = false;
  #unsaved = 0;
  #saves: Promise<void> = Promise.resolve();

  constructor(ctx: AgentContext, userId: UserId, sq: SndQueue, inSync: boolean, onIdle: () => void) {
    this.#ctx = ctx;
    this.#userId = userId;
    this.#sq = sq;
    this.#inSync = inSync;
    this.#onIdle = onIdle;
  }

  get connId(): string {
    return this.#sq.connId;
  }

  offer(message: PendingMessage): void {
    if (this.#inSync && message.internalId > this.#lastId) {
      if (this.#pending.length >= batch) {
        this.#inSync = false;
      } else {
        this.#pending.push(message);
        this.#lastId = message.internalId;
      }
    }
    this.wake();
  }

  /** Older messages that another queue could not deliver: next, after what is being sent. */
  takeOver(messages: readonly PendingMessage[]): void {
    this.#pending.splice(this.#running === undefined ? 0 : 1, 0, ...messages);
    this.wake();
  }

  wake(): void {
    if (this.#stopped || this.#running !== undefined || this.#ctx.operations.isClosed) return;
    this.#running = this.#run()
      .catch(async (error: unknown) => {
        this.#ctx.logger.error(errorFields(error), 'a delivery worker failed');
        // It starts again at once: not in a tight loop while the database fails.
        await this.#ctx.operations.sleep(pauseAfterFailure);
      })
      .finally(() => {
        this.#running = undefined;
        // Of a closed agent nothing is sent: to start again would never end.
        if (this.#stopped || this.#ctx.operations.isClosed) return;
        if (this.#pending.length > 0) this.wake();
        else this.#onIdle();
      });
  }

  /** The recipient reads again: also when the refusal is only on its way into a wait. */
  retryNow(): void {
    this.#retryNow = true;
    this.#wait?.abort.abort();
  }

  /** A connection to the server was made: what waits because there was none is tried at once. */
  serverBack(server: SmpServer): void {
    if (this.#wait?.reason === 'network' && sameServerAddress(server, this.#sq.server)) this.#wait.abort.abort();
  }

  stop(): void {
    this.#stopped = true;
    this.#wait?.abort.abort();
  }

  async ended(): Promise<void> {
    await this.#running;
    await this.#saves;
  }

  async #run(): Promise<void> {
    while (!this.#stopped && !this.#ctx.operations.isClosed) {
      const message = this.#pending[0];
      if (message === undefined) {
        if (this.#inSync) return;
        await this.#load();
        if (this.#pending.length === 0 && this.#inSync) return;
        continue;
      }
      const done = await this.#deliver(message);
      if (this.#pending[0] === message) this.#pending.shift();
      if (!done) return;
    }
  }

  async #load(): Promise<void> {
    try {
      await this.#ctx.store.transaction(async (tx) => {
        const rows = await pendingDeliveries(tx, this.#sq.id, this.#lastId, batch);
        tx.onCommit(() => {
          this.#pending.push(...rows);
          this.#lastId = rows.at(-1)?.internalId ?? this.#lastId;
          this.#inSync = rows.length < batch;
        });
      });
    } catch (error) {
      await announce(this.#ctx, {
        type: 'ERR',
        connId: this.#sq.connId,
        error: { type: 'CRITICAL', offerRestart: true, criticalErr: `delivery: ${errorJson(error).type}` },
      });
      this.stop();
    }
  }

  /** Tries until the message was sent or given up. False when the worker was stopped meanwhile. */
  async #deliver(m: PendingMessage): Promise<boolean> {
    const slow = new Retry(slowRetry, m.retrySlow);
    const fast = new Retry(fastRetry, m.retryFast);
    for (;;) {
      if (this.#stopped) return false;
      let error: AgentErrorJson;
      this.#retryNow = false;
      try {
        const body = await this.#encode(m);
        if (body === undefined) return true;
        const proxy = await this.#ctx.operations.run(() => this.#send(m, body));
        this.#save(m, proxy);
        if (this.#unsaved >= maxUnsaved) await this.#saves;
        return true;
      } catch (e) {
        error = errorJson(e);
      }
      if (this.#stopped || this.#ctx.operations.isClosed) return false;
      const next = await this.#failed(m, error, slow, fast);
      if (next === 'over') return true;
    }
  }

  async #send(m: PendingMessage, body: Uint8Array): Promise<SmpServer | undefined> {
    const sq = this.#sq;
    const signed = (m.kind !== 'C' && m.kind !== 'D') || isSenderSecured(sq);
    return this.#ctx.network.send(
      { userId: this.#userId, server: sq.server, sndId: sq.sndId },
      signed ? sq.sndPrivateKey : undefined,
      m.notification,
      body,
      'background',
    );
  }

  /** The body of SEND; undefined when the row cannot be used: it is marked then. */
  async #encode(m: PendingMessage): Promise<Uint8Array | undefined> {
    const ctx = this.#ctx;
    const sq = this.#sq;
    const isConfirmation = m.kind === 'C' || m.kind === 'D';
    // Outside of the `try`: a failing database is not the fault of the message.
    const { agentVersion, e2e } = isConfirmation
      ? await ctx.store.read(async (tx) => ({
          agentVersion: (await findConn(ctx, tx, m.connId))?.agentVersion,
          e2e: m.kind === 'D' ? await loadE2EParams(tx, m.connId) : undefined,
        }))
      : { agentVersion: undefined, e2e: undefined };
    if (isConfirmation && agentVersion === undefined) return undefined;
    try {
      switch (m.kind) {
        case 'S':
          return sealForQueue(ctx, sq, m.body);
        case 'C':
        case 'D':
          if (agentVersion === undefined) return undefined;
          return encodeConfirmation(ctx, sq, {
            agentVersion,
            e2e,
            msgKey: messageKeyOf(m),
            paddedLength: m.paddedLength,
            body: m.body,
          });
        default:
          // A message to a large group starts hundreds of workers at once.
          return await ctx.deliveries.pacer.run(() => encodeMessage(ctx, sq, m));
      }
    } catch (error) {
      await transaction(ctx, 'fail-delivery', async (tx) => {
        await failDelivery(tx, sq.id, m.internalId);
        await raise(ctx, tx, { type: 'ERR', connId: m.connId, error: errorJson(error) });
      });
      return undefined;
    }
  }

  /** Saves "delivered" without holding up the next message; order is that of the calls. */
  #save(m: PendingMessage, proxy: SmpServer | undefined): void {
    this.#unsaved++;
    const saved = this.#record(m, proxy).finally(() => {
      this.#unsaved--;
    });
    this.#saves = Promise.all([this.#saves, saved]).then(() => {});
  }

  async #record(m: PendingMessage, proxy: SmpServer | undefined): Promise<void> {
    const { logger, operations } = this.#ctx;
    for (let attempt = 1; ; attempt++) {
      try {
        return await delivered(this.#ctx, this.#sq, m, proxy);
      } catch (error) {
        logger.error({ ...errorFields(error), attempt }, 'a delivery could not be recorded: it may be repeated');
        if (attempt === maxSaves || operations.isClosed) break;
        await operations.sleep(pauseAfterFailure * attempt);
      }
    }
    // The row is still there: it is read and sent again when everything else is sent. The peer drops the repetition.
    this.#inSync = false;
    this.#lastId = Math.min(this.#lastId, m.internalId - 1);
  }

  async #failed(m: PendingMessage, error: AgentErrorJson, slow: Retry, fast: Retry): Promise<'again' | 'over'> {
    const ctx = this.#ctx;
    const quota = error.type === 'SMP' && error.smpErr.type === 'QUOTA' && m.kind !== 'C' && m.kind !== 'D';
    if (!quota && !isTemporaryOrHostError(error)) {
      await this.#saves;
      await undeliverable(ctx, this.#sq, m, error);
      return 'over';
    }
    const age = ctx.clock.now() - m.createdAt;
    if (age > (quota ? expiry.quota : expiry.network)) {
      await this.#saves;
      const expired = await expire(ctx, this.#sq, m, error, ctx.clock.now() - (quota ? expiry.quota : expiry.network));
      this.#pending = this.#pending.filter((p) => !expired.has(p.internalId));
      return 'over';
    }
    const retry = quota ? slow : fast;
    const delay = retry.delay;
    await transaction(ctx, 'save-retry', async (tx) => {
      await saveRetry(tx, m.connId, m.internalId, slow.delay, fast.delay);
      if (m.kind === 'M' && (quota || isHostError(error))) {
        await raise(ctx, tx, { type: 'MWARN', connId: m.connId, msgId: m.internalId, error });
      }
    });
    retry.advance();
    if (this.#retryNow || this.#stopped) return 'again';
    const abort = new AbortController();
    this.#wait = { reason: quota ? 'quota' : 'network', abort };
    await ctx.operations.sleep(delay, abort.signal);
    this.#wait = undefined;
    return 'again';
  }
}
