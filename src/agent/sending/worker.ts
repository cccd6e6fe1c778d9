import { errorFields } from '../../core/index.js';
import { type SmpServer, sameServerAddress } from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { announce, errorJson, raise, transaction } from '../context.js';
import { type AgentErrorJson, internalError, isHostError, isTemporaryOrHostError } from '../errors.js';
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
/** Messages on their way to the relay at a time, when all goes well. */
const maxWindow = 8;
/** Kinds that may be on their way together: messages and receipts. Those of handshakes and rotations go alone. */
const pipelined: ReadonlySet<SndMessage['kind']> = new Set(['M', 'V']);
/** Milliseconds. */
const pauseAfterFailure = 1_000;
/** How often "delivered" is tried, until the message is left to the next reading of the database. */
const maxSaves = 4;
/** How long a message is tried: after QUOTA, and after other temporary errors. */
export const expiry = { quota: 7 * day, network: 2 * day } as const;

/** What became of an attempt to send; `gone` when the row cannot be used. Attempts never reject. */
type Outcome =
  | { readonly type: 'sent'; readonly proxy: SmpServer | undefined }
  | { readonly type: 'gone' }
  | { readonly type: 'failed'; readonly error: AgentErrorJson };

interface Attempt {
  readonly message: PendingMessage;
  readonly outcome: Promise<Outcome>;
}

/**
 * Sends the messages of one queue in order. While the relay takes them directly, several are on their way: it works
 * them off one after the other, and refuses all of them when the queue is full. After a failure it is one at a time
 * again, until one was taken: a queue that is drained in between must not take a later one first. The next messages
 * are sent before "delivered" of the last one is durable: after a crash it is repeated, and the ratchet of the peer
 * drops it.
 */
export class DeliveryWorker {
  readonly #ctx: AgentContext;
  readonly #userId: UserId;
  readonly #sq: SndQueue;
  readonly #onIdle: () => void;
  #pending: PendingMessage[] = [];
  /** The first ones of the pending messages, on their way. */
  #flying: Attempt[] = [];
  #window = 1;
  /** Attempts that failed so far. */
  #failures = 0;
  /** The schedules of the first pending message. */
  #retries: { readonly message: PendingMessage; readonly slow: Retry; readonly fast: Retry } | undefined;
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
    // The first message may be in a wait: it keeps its place.
    this.#pending.splice(this.#running === undefined ? 0 : Math.max(1, this.#flying.length), 0, ...messages);
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
    while (!this.#ended) {
      this.#launch();
      const first = this.#flying[0];
      if (first !== undefined) {
        await this.#land(first);
        continue;
      }
      if (this.#inSync) return;
      await this.#load();
      if (this.#pending.length === 0 && this.#inSync) return;
    }
    await this.#settle();
  }

  get #ended(): boolean {
    return this.#stopped || this.#ctx.operations.isClosed;
  }

  /** Sends what the window allows. */
  #launch(): void {
    while (this.#flying.length < this.#window) {
      const message = this.#pending[this.#flying.length];
      if (message === undefined) return;
      const alone = !pipelined.has(message.kind);
      if (alone && this.#flying.length > 0) return;
      // A call for it during an attempt stands until that one is judged.
      if (this.#flying.length === 0) this.#retryNow = false;
      this.#flying.push({ message, outcome: this.#attempt(message) });
      if (alone) return;
    }
  }

  /** Waits for the first message that is on its way, and does what its outcome asks for. */
  async #land({ message, outcome }: Attempt): Promise<void> {
    const result = await outcome;
    if (result.type !== 'failed') {
      this.#arrived(message, result);
      if (this.#unsaved >= maxUnsaved) await this.#saves;
      return;
    }
    this.#window = 1;
    // What else was on its way is over, and what of it was taken is recorded, before anything is decided.
    await this.#settle();
    if (this.#ended) return;
    if (this.#retries?.message !== message) {
      const slow = new Retry(slowRetry, message.retrySlow);
      this.#retries = { message, slow, fast: new Retry(fastRetry, message.retryFast) };
    }
    const next = await this.#failed(message, result.error, this.#retries.slow, this.#retries.fast);
    if (next === 'over' && this.#pending[0] === message) this.#pending.shift();
  }

  /** Takes a message that needs no more attempts off the lists. */
  #arrived(message: PendingMessage, result: Exclude<Outcome, { type: 'failed' }>): void {
    this.#flying = this.#flying.filter((a) => a.message !== message);
    this.#pending = this.#pending.filter((m) => m !== message);
    if (result.type === 'gone') return;
    // A proxy forwards side by side: through it, order is only certain for one message at a time.
    this.#window = result.proxy === undefined ? Math.min(maxWindow, this.#window * 2) : 1;
    this.#save(message, result.proxy);
  }

  /** Waits for all that is on its way; those that failed stay pending. */
  async #settle(): Promise<void> {
    const attempts = this.#flying;
    for (const { message, outcome } of attempts) {
      const result = await outcome;
      if (result.type !== 'failed') this.#arrived(message, result);
    }
    this.#flying = [];
    this.#window = 1;
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

  async #attempt(m: PendingMessage): Promise<Outcome> {
    const before = this.#failures;
    // An earlier message was lost with its connection: this one must not be sent over the next connection before it.
    const inOrder = (): void => {
      if (this.#failures !== before) throw internalError('an earlier message was not sent');
    };
    try {
      const body = await this.#encode(m);
      if (body === undefined) return { type: 'gone' };
      return { type: 'sent', proxy: await this.#ctx.operations.run(() => this.#send(m, body, inOrder)) };
    } catch (error) {
      this.#failures++;
      return { type: 'failed', error: errorJson(error) };
    }
  }

  async #send(m: PendingMessage, body: Uint8Array, ready: () => void): Promise<SmpServer | undefined> {
    const sq = this.#sq;
    const signed = (m.kind !== 'C' && m.kind !== 'D') || isSenderSecured(sq);
    return this.#ctx.network.send(
      { userId: this.#userId, server: sq.server, sndId: sq.sndId },
      signed ? sq.sndPrivateKey : undefined,
      m.notification,
      body,
      'background',
      ready,
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
