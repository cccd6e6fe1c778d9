import { errorFields } from '../../core/index.js';
import { decodePrivateKey } from '../../crypto/index.js';
import { isTemporaryFailure, type SmpClient, SmpClientError, type TransportSession } from '../../smp/index.js';
import { type AgentContext, announce, raise, transaction } from '../context.js';
import { connError, internalError } from '../errors.js';
import type { SubscribedQueue } from '../subscriptions/subscriptions.js';
import { type Delivered, type ReceiveResult, receive } from './receive.js';

/** Attempts to store a message when the database fails; then it stays with the relay until the next subscription. */
const maxAttempts = 5;
const maxAcks = 3;

/**
 * Takes messages from the relays: one transaction for each, then the acknowledgement (30-agent.md, section 8).
 * Messages of one connection are taken one after the other, and not while a handshake holds the connection.
 */
export class Receiver {
  readonly #ctx: AgentContext;
  readonly #running = new Set<Promise<void>>();
  #left = false;

  constructor(ctx: AgentContext) {
    this.#ctx = ctx;
  }

  /**
   * Resolves when the message was processed; never rejects. Its acknowledgement goes on after that: the relay's
   * client must not wait for it, because it stops reading, also the answer, while too much is being processed.
   */
  message(
    session: TransportSession,
    rcvId: Uint8Array,
    queue: SubscribedQueue | undefined,
    client: SmpClient,
    delivered: Delivered,
  ): Promise<void> {
    if (this.#ctx.operations.isSuspended) {
      this.#left = true;
      return Promise.resolve();
    }
    const task = this.#take(session, rcvId, queue, client, delivered).catch((error: unknown) => {
      this.#ctx.logger.error(errorFields(error), 'a message could not be processed: it stays with its relay');
    });
    return this.#track(task);
  }

  #track(task: Promise<void>): Promise<void> {
    this.#running.add(task);
    void task.then(() => this.#running.delete(task));
    return task;
  }

  /** Whether messages were left with their relays while the agent was suspended: they come again when asked for. */
  takeLeft(): boolean {
    const left = this.#left;
    this.#left = false;
    return left;
  }

  /** Resolves when everything that arrived was processed. */
  async idle(): Promise<void> {
    while (this.#running.size > 0) await Promise.all(this.#running);
  }

  async #take(
    session: TransportSession,
    rcvId: Uint8Array,
    known: SubscribedQueue | undefined,
    client: SmpClient,
    delivered: Delivered,
  ): Promise<void> {
    const ctx = this.#ctx;
    const queue = known ?? (await this.#find(session, rcvId));
    if (queue === undefined) {
      await announce(ctx, { type: 'ERR', error: connError('NOT_FOUND').json });
      return;
    }
    const result = await ctx.locks.run(queue.connId, () => this.#process(queue, delivered));
    if (result === 'ack') void this.#track(this.#ack(client, queue, delivered.msgId));
    if (result === 'drained') void this.#track(this.#ackDrained(client, queue, delivered.msgId));
  }

  /** A message of a queue that the pool does not keep: perhaps one that was created without a subscription. */
  async #find(
    session: TransportSession,
    rcvId: Uint8Array,
  ): Promise<{ connId: string; queueId: number; rcvId: Uint8Array; authKey: SubscribedQueue['authKey'] } | undefined> {
    const ctx = this.#ctx;
    return ctx.store.transaction(async (tx) => {
      const serverId = await ctx.servers.id(tx, session.server);
      const row = await tx.db
        .selectFrom('agent_rcv_queues')
        .select(['id', 'conn_id', 'rcv_private_key'])
        .where('server_id', '=', serverId)
        .where('rcv_id', '=', rcvId)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      const authKey = decodePrivateKey(row.rcv_private_key, 'key', ['ed25519']);
      return { connId: row.conn_id, queueId: row.id, rcvId, authKey };
    });
  }

  async #process(queue: { connId: string; queueId: number }, delivered: Delivered): Promise<ReceiveResult> {
    const ctx = this.#ctx;
    for (let attempt = 1; ; ) {
      if (ctx.operations.isClosed) return 'gone';
      try {
        const result = await transaction(ctx, 'receive', (tx) =>
          receive(ctx, tx, queue.connId, queue.queueId, delivered),
        );
        if (result !== 'needsKem') return result;
        await ctx.kem.ready();
      } catch (error) {
        if (attempt >= maxAttempts) return this.#giveUp(queue, error);
        ctx.logger.warn({ ...errorFields(error), attempt }, 'storing a message failed');
        await ctx.operations.sleep(100 * attempt * attempt);
        attempt++;
      }
    }
  }

  /**
   * When the database works, it is the message that cannot be processed: it is reported and acknowledged, because it
   * would hold up all that follow. Otherwise it stays with the relay.
   */
  async #giveUp(queue: { connId: string }, error: unknown): Promise<ReceiveResult> {
    const ctx = this.#ctx;
    ctx.logger.error(errorFields(error), 'a message cannot be processed');
    const json = internalError('message cannot be processed', error).json;
    await transaction(ctx, 'receive-failed', async (tx) => {
      await raise(ctx, tx, { type: 'ERR', connId: queue.connId, error: json });
    });
    return 'ack';
  }

  /**
   * When both queues of a connection are full, A_QCONT of both sides waits behind what was refused: each side tries
   * again when it has emptied its own queue. Not before the relay knows of that: if both sides were a moment too
   * early, both would wait for minutes.
   */
  async #ackDrained(
    client: SmpClient,
    queue: { connId: string; rcvId: Uint8Array; authKey: SubscribedQueue['authKey'] },
    msgId: Uint8Array,
  ): Promise<void> {
    await this.#ack(client, queue, msgId);
    this.#ctx.deliveries.retryConnection(queue.connId);
  }

  /** On the connection that delivered it: on any other the relay would not know the message. */
  async #ack(
    client: SmpClient,
    queue: { rcvId: Uint8Array; authKey: SubscribedQueue['authKey'] },
    msgId: Uint8Array,
  ): Promise<void> {
    for (let attempt = 1; !client.closed; attempt++) {
      try {
        await client.ack(queue, msgId);
        return;
      } catch (error) {
        // Without its acknowledgement the relay sends nothing more until the next subscription.
        if (attempt >= maxAcks) this.#ctx.logger.debug(errorFields(error), 'an acknowledgement failed');
        if (attempt >= maxAcks || !(error instanceof SmpClientError) || !isTemporaryFailure(error.failure)) return;
      }
    }
  }
}
