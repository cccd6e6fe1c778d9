import { errorFields, Mutex } from '../../core/index.js';
import { formatServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, errorJson, raise, transaction } from '../context.js';
import { type AgentErrorJson, isTemporaryOrHostError } from '../errors.js';
import { deleteRcvQueue, findConn, saveConn } from '../rows/connections.js';
import { hasPendingDeliveries } from '../rows/messages.js';
import { loadDeletedRcvQueues } from '../rows/queues.js';
import type { RcvQueue } from '../state/connection.js';
import type { ConnId, UserId } from '../types.js';
import { finishIfWaiting, removeConn } from './records.js';

/** Attempts to delete a queue before it is forgotten. */
const maxDeleteErrors = 10;
/** Queues that are deleted at the same time. */
const parallel = 100;

/** Deletes connections on their servers in the background (30-agent.md, section 12). */
export class Deletion {
  readonly #ctx: AgentContext;
  readonly #lock = new Mutex();
  #ready = false;
  #running: Promise<void> = Promise.resolve();

  constructor(ctx: AgentContext) {
    this.#ctx = ctx;
  }

  start(): void {
    this.#ready = true;
    this.retry();
  }

  async stop(): Promise<void> {
    this.#ready = false;
    await this.#running;
  }

  /** Marks connections deleted; those without receive queues go at once, those that are gone already are skipped. */
  async delete(tx: Tx, connIds: readonly ConnId[], waitDelivery: boolean): Promise<void> {
    const ctx = this.#ctx;
    const marked: ConnId[] = [];
    for (const connId of connIds) {
      const conn = await findConn(ctx, tx, connId);
      if (conn === undefined || conn.deleted) continue;
      const { userId, rcvQueues } = conn;
      const queues = [...rcvQueues];
      tx.onCommit(() => {
        for (const rq of queues) ctx.subscriptions.remove(userId, rq);
      });
      const wait = waitDelivery && (await hasPendingDeliveries(tx, connId));
      if (queues.length === 0 && (await loadDeletedRcvQueues(tx, ctx.servers, connId)).length === 0 && !wait) {
        await removeConn(ctx, tx, connId);
        continue;
      }
      if (wait) conn.deleteWaitSince ??= ctx.clock.now();
      else conn.deleted = true;
      await saveConn(ctx, tx, conn);
      if (!wait) tx.onCommit(() => ctx.deliveries.removeOf(connId));
      marked.push(connId);
    }
    if (marked.length > 0) tx.onCommit(() => this.#kick(marked));
  }

  /** Goes on with everything that is marked. */
  retry(): void {
    if (!this.#ready) return;
    this.#background(async () => {
      const ids = await this.#ctx.store.read((tx) =>
        tx.db
          .selectFrom('agent_connections')
          .select('conn_id')
          .where((e) => e.or([e('deleted', '=', 1), e('delete_wait_since', 'is not', null)]))
          .execute(),
      );
      await this.#deleteQueues(ids.map((r) => r.conn_id));
    });
  }

  #kick(connIds: readonly ConnId[]): void {
    if (this.#ready) this.#background(() => this.#deleteQueues(connIds));
  }

  #background(task: () => Promise<void>): void {
    const run = this.#lock.run(task).catch((error: unknown) => {
      if (!this.#ctx.operations.isClosed) this.#ctx.logger.error(errorFields(error), 'deleting connections failed');
    });
    this.#running = Promise.all([this.#running, run]).then(() => {});
  }

  async #deleteQueues(connIds: readonly ConnId[]): Promise<void> {
    const ctx = this.#ctx;
    const queues: { readonly userId: UserId; readonly rq: RcvQueue }[] = [];
    const without: ConnId[] = [];
    await ctx.store.read(async (tx) => {
      for (const connId of connIds) {
        const conn = await findConn(ctx, tx, connId);
        if (conn === undefined) continue;
        const all = [...conn.rcvQueues, ...(await loadDeletedRcvQueues(tx, ctx.servers, connId))];
        for (const rq of all) queues.push({ userId: conn.userId, rq });
        if (all.length === 0) without.push(connId);
      }
    });
    for (let at = 0; at < queues.length && !ctx.operations.isClosed; at += parallel) {
      await this.#deleteSome(queues.slice(at, at + parallel));
    }
    for (const connId of without) await transaction(ctx, 'delete-conn', (tx) => this.#finish(tx, connId));
  }

  async #deleteSome(queues: readonly { readonly userId: UserId; readonly rq: RcvQueue }[]): Promise<void> {
    const ctx = this.#ctx;
    const results = await Promise.all(
      queues.map(async ({ userId, rq }): Promise<AgentErrorJson | undefined> => {
        try {
          await ctx.operations.run(() =>
            ctx.network.deleteQueue({ userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey }),
          );
          return undefined;
        } catch (error) {
          return errorJson(error);
        }
      }),
    );
    if (ctx.operations.isClosed) return;
    await transaction(ctx, 'delete-queues', async (tx) => {
      const deleted: { connId: ConnId; server: string; rcvId: Uint8Array; error?: AgentErrorJson }[] = [];
      for (const [i, { rq }] of queues.entries()) {
        const error = results[i];
        if (error !== undefined && isTemporaryOrHostError(error) && (await countError(tx, rq)) < maxDeleteErrors)
          continue;
        await deleteRcvQueue(ctx, tx, rq.connId, rq.id);
        const queue = { connId: rq.connId, server: formatServer(rq.server), rcvId: rq.rcvId };
        deleted.push(error === undefined ? queue : { ...queue, error });
      }
      if (deleted.length > 0) await raise(ctx, tx, { type: 'DEL_RCVQS', queues: deleted });
      for (const connId of new Set(queues.map((q) => q.rq.connId))) await this.#finish(tx, connId);
    });
  }

  /** A connection whose queues are all gone is deleted, unless it waits for deliveries. */
  async #finish(tx: Tx, connId: ConnId): Promise<void> {
    const ctx = this.#ctx;
    const conn = await findConn(ctx, tx, connId);
    if (conn === undefined || conn.rcvQueues.length > 0) return;
    if ((await loadDeletedRcvQueues(tx, ctx.servers, connId)).length > 0) return;
    if (conn.deleteWaitSince !== undefined && !conn.deleted) await finishIfWaiting(ctx, tx, connId);
    else await removeConn(ctx, tx, connId);
    await finishUser(ctx, tx, conn.userId);
  }
}

async function countError(tx: Tx, rq: RcvQueue): Promise<number> {
  const row = await tx.db
    .updateTable('agent_rcv_queues')
    .set((e) => ({ delete_errors: e('delete_errors', '+', 1) }))
    .where('id', '=', rq.id)
    .returning('delete_errors')
    .executeTakeFirst();
  return row?.delete_errors ?? maxDeleteErrors;
}

/** A deleted user goes with its last connection. */
export async function finishUser(ctx: AgentContext, tx: Tx, userId: UserId): Promise<void> {
  const user = await tx.db
    .selectFrom('agent_users')
    .select('id')
    .where('id', '=', userId)
    .where('deleted', '=', 1)
    .executeTakeFirst();
  if (user === undefined) return;
  const conn = await tx.db
    .selectFrom('agent_connections')
    .select('conn_id')
    .where('user_id', '=', userId)
    .limit(1)
    .executeTakeFirst();
  if (conn !== undefined) return;
  await tx.db.deleteFrom('agent_users').where('id', '=', userId).execute();
  tx.onCommit(() => ctx.users.delete(userId));
  await raise(ctx, tx, { type: 'DEL_USER', userId });
}
