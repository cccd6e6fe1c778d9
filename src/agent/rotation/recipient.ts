import { type AuthAlgorithm, boxKey, dh, formatPublicKey, type PublicKey } from '../../crypto/index.js';
import { type QueueInfo, sameQueueAddress, smpClientRange } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { TryLater } from '../commands/worker.js';
import { addressOf, makeQueue } from '../connections/queue.js';
import { type AgentContext, raise, transaction } from '../context.js';
import { AgentError, cmdError, internalError, isTemporaryOrHostError, queueError } from '../errors.js';
import { addRcvQueue, deleteRcvQueue, findConn, loadConn, markRcvQueueDeleted } from '../rows/connections.js';
import { loadRcvQueue, updateRcvQueue } from '../rows/queues.js';
import { enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind, isSendProhibited, type RcvQueue, sortQueues } from '../state/connection.js';
import { canAbortSwitch, connectionStats } from '../state/stats.js';
import type { ConnectionStats, ConnId, RcvSwitchStatus, SwitchPhase } from '../types.js';
import { lowerVersion } from '../versions.js';

/** The recipient's side of queue rotation (30-agent.md, section 10): it moves its receive queue to another server. */

const unexpected = (): AgentError => internalError('unexpected switch status');

async function setSwitch(tx: Tx, rq: RcvQueue, status: RcvSwitchStatus | undefined): Promise<void> {
  rq.switchStatus = status;
  await updateRcvQueue(tx, rq);
}

function tell(ctx: AgentContext, tx: Tx, conn: Conn, phase: SwitchPhase): Promise<unknown> {
  return raise(ctx, tx, {
    type: 'SWITCH',
    connId: conn.connId,
    direction: 'rcv',
    phase,
    stats: connectionStats(conn),
  });
}

function switchingQueue(conn: Conn): RcvQueue | undefined {
  return conn.rcvQueues.find((q) => q.switchStatus !== undefined);
}

/** Step 1: the connection may rotate now. @throws AgentError `CMD PROHIBITED` */
export async function beginSwitch(ctx: AgentContext, tx: Tx, connId: ConnId): Promise<void> {
  const conn = await loadConn(ctx, tx, connId);
  if (connKind(conn) !== 'duplex') throw cmdError('PROHIBITED', 'switchConnection: not duplex');
  if (switchingQueue(conn) !== undefined) throw cmdError('PROHIBITED', 'switchConnection: already switching');
  if (isSendProhibited(conn)) throw cmdError('PROHIBITED', 'switchConnection: send prohibited');
  const [rq] = conn.rcvQueues;
  if (rq !== undefined) await setSwitch(tx, rq, 'switch_started');
}

/** Step 2. What is given stores the new queue and asks the peer to use it. The caller holds the lock. */
export async function startSwitch(
  ctx: AgentContext,
  connId: ConnId,
  options: { readonly raise: boolean; readonly tried: Set<string> },
): Promise<(tx: Tx) => Promise<ConnectionStats>> {
  const { conn, old } = await ctx.store.read(async (tx) => {
    const c = await loadConn(ctx, tx, connId);
    return { conn: c, old: c.rcvQueues.find((q) => q.switchStatus === 'switch_started') };
  });
  if (old === undefined) throw unexpected();
  const used = [...conn.rcvQueues, ...conn.sndQueues].map((q) => q.server);
  let server = ctx.users.chooseNext(conn.userId, used, options.tried);
  if (server.server.hosts.some((h) => old.server.hosts.includes(h))) {
    server = ctx.users.chooseStorage(conn.userId, [old.server]);
  }
  const made = await makeQueue(
    ctx,
    conn.userId,
    server,
    { mode: 'messaging', subscribe: true, replacesId: old.id },
    'background',
  );
  return async (tx) => {
    const now = await loadConn(ctx, tx, connId);
    const replaced = now.rcvQueues.find((q) => q.id === old.id);
    if (replaced === undefined || replaced.switchStatus !== 'switch_started') throw unexpected();
    const rq = await addRcvQueue(ctx, tx, now, made.queue);
    tx.onCommit(() => ctx.subscriptions.added(now.userId, rq, made.client));
    await setSwitch(tx, replaced, 'sending_qadd');
    await enqueueMessage(ctx, tx, now, {
      type: 'QADD',
      queues: [
        {
          queue: { clientRange: smpClientRange, address: addressOf(rq) },
          replaced: { server: replaced.server, senderId: replaced.sndId },
        },
      ],
    });
    if (options.raise) await tell(ctx, tx, now, 'started');
    return connectionStats(now);
  };
}

/** Rotation by a direct call. */
export async function switchConnection(ctx: AgentContext, connId: ConnId): Promise<ConnectionStats> {
  return ctx.locks.run(connId, async () => {
    await transaction(ctx, 'switch-begin', (tx) => beginSwitch(ctx, tx, connId));
    try {
      const store = await startSwitch(ctx, connId, { raise: false, tried: new Set() });
      return await transaction(ctx, 'switch-started', store);
    } catch (error) {
      await transaction(ctx, 'switch-failed', (tx) => switchFailed(ctx, tx, connId));
      throw error;
    }
  });
}

/** Step 1; a worker does step 2. @throws AgentError `CMD PROHIBITED` */
export async function switchConnectionAsync(ctx: AgentContext, tx: Tx, corrId: string, connId: ConnId): Promise<void> {
  await beginSwitch(ctx, tx, connId);
  await ctx.commands.enqueue(tx, { connId, serverId: undefined }, corrId, { tag: 'SWCH' });
}

/** No new queue could be made: the rotation may be tried again. */
export async function switchFailed(ctx: AgentContext, tx: Tx, connId: ConnId): Promise<void> {
  const conn = await findConn(ctx, tx, connId);
  const rq = conn?.rcvQueues.find((q) => q.switchStatus === 'switch_started');
  if (rq !== undefined) await setSwitch(tx, rq, undefined);
}

/** A direct call that died in the middle of step 2 left its mark behind: nothing goes on with it. */
export async function forgetLostSwitches(tx: Tx): Promise<void> {
  await tx.db
    .updateTable('agent_rcv_queues')
    .set({ switch_status: null })
    .where('switch_status', '=', 'switch_started')
    .where('conn_id', 'not in', (e) => e.selectFrom('agent_commands').select('conn_id').where('tag', '=', 'SWCH'))
    .execute();
}

/** Step 5: the peer made its keys for the new queue. `via` is the queue through which QKEY came. */
export async function receiveQkey(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  via: RcvQueue,
  { queue, senderKey }: { readonly queue: QueueInfo; readonly senderKey: PublicKey<AuthAlgorithm> },
): Promise<void> {
  const { address, clientVersion } = queue;
  const rq = conn.rcvQueues.find((q) => sameQueueAddress({ server: q.server, senderId: q.sndId }, address));
  if (rq === undefined) throw queueError('QKEY: queue address not found in connection');
  if (rq.status !== 'new' && rq.status !== 'confirmed') throw queueError('QKEY: queue already secured');
  if (via.switchStatus !== 'sending_qadd') throw unexpected();
  const secret = dh(address.dhPublicKey, rq.e2ePrivateKey);
  rq.e2eKey = boxKey(secret);
  rq.status = 'confirmed';
  rq.clientVersion = lowerVersion(clientVersion, smpClientRange.max);
  await updateRcvQueue(tx, rq, secret);
  await ctx.commands.enqueue(tx, { connId: conn.connId, serverId: rq.serverId }, '', {
    tag: 'QSECURE',
    rcvQueueId: rq.id,
    senderKey: formatPublicKey(senderKey),
  });
  await tell(ctx, tx, conn, 'confirmed');
}

/** Step 6, QSECURE. */
export async function secureNewQueue(
  ctx: AgentContext,
  connId: ConnId,
  rcvQueueId: number,
  senderKey: PublicKey<AuthAlgorithm>,
): Promise<(tx: Tx) => Promise<void>> {
  const { userId, rq } = await ctx.store.read(async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    return { userId: conn.userId, rq: conn.rcvQueues.find((q) => q.id === rcvQueueId) };
  });
  if (rq === undefined || rq.status !== 'confirmed') return async () => {};
  await ctx.operations.run(() =>
    ctx.network.secureQueue({ userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey }, senderKey),
  );
  return async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    const current = conn.rcvQueues.find((q) => q.id === rcvQueueId);
    if (current === undefined) return;
    const replaced = conn.rcvQueues.find((q) => q.id === current.replacesId);
    if (replaced === undefined || replaced.switchStatus !== 'sending_qadd') throw unexpected();
    current.status = 'secured';
    await updateRcvQueue(tx, current);
    await setSwitch(tx, replaced, 'sending_quse');
    await enqueueMessage(ctx, tx, conn, {
      type: 'QUSE',
      queues: [{ address: { server: current.server, senderId: current.sndId }, primary: true }],
    });
    await tell(ctx, tx, conn, 'secured');
  };
}

/** Step 9: the first message through the new queue; the old one can go. */
export async function onFirstMessage(ctx: AgentContext, tx: Tx, conn: Conn, rq: RcvQueue): Promise<void> {
  const replaced = conn.rcvQueues.find((q) => q.id === rq.replacesId);
  ctx.cache.changed(tx, conn.connId);
  rq.primary = true;
  rq.replacesId = undefined;
  await updateRcvQueue(tx, rq);
  if (replaced !== undefined) {
    // A message is worth more than the rotation's book-keeping: another status is put right, not refused.
    replaced.primary = false;
    await setSwitch(tx, replaced, 'received_message');
    await ctx.commands.enqueue(tx, { connId: conn.connId, serverId: replaced.serverId }, '', {
      tag: 'QDELETE',
      rcvQueueId: replaced.id,
    });
  }
  sortQueues(conn.rcvQueues);
}

/** DEL of a queue; AUTH and other permanent errors mean that it is gone. */
async function deleteOnServer(ctx: AgentContext, userId: number, rq: RcvQueue): Promise<void> {
  try {
    await ctx.operations.run(() =>
      ctx.network.deleteQueue({ userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey }),
    );
  } catch (error) {
    if (error instanceof AgentError && isTemporaryOrHostError(error.json)) throw error;
  }
}

/** How often and how long the old queue is watched until it is empty (ms, attempts). */
const drain = { delay: 300, attempts: 100 };

/**
 * Step 10, QDELETE. What the peer sent to the old queue before it knew the new one is still there: deleting the queue
 * at once, as upstream does, loses it. The queue goes when it is empty, or after half a minute.
 */
export async function removeOldQueue(
  ctx: AgentContext,
  connId: ConnId,
  rcvQueueId: number,
  attempt: number,
): Promise<(tx: Tx) => Promise<void>> {
  const target = await ctx.store.read(async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    const rq = conn.rcvQueues.find((q) => q.id === rcvQueueId);
    return rq === undefined ? undefined : { ...rq, userId: conn.userId };
  });
  if (target !== undefined) {
    if (attempt < drain.attempts && (await ctx.network.queueSize(target)) > 0) throw new TryLater(drain.delay);
    // Before the server is told: a start after that must not subscribe a queue that is gone.
    await transaction(ctx, 'old-queue-drained', async (tx) => {
      await markRcvQueueDeleted(ctx, tx, await loadConn(ctx, tx, connId), rcvQueueId);
    });
  }
  const finish = await deleteRcvQueueCommand(ctx, connId, rcvQueueId);
  return async (tx) => {
    await finish(tx);
    const conn = await loadConn(ctx, tx, connId);
    await tell(ctx, tx, conn, 'completed');
  };
}

/** Deletes one receive queue, also one that was marked deleted (abort). */
export async function deleteRcvQueueCommand(
  ctx: AgentContext,
  connId: ConnId,
  rcvQueueId: number,
): Promise<(tx: Tx) => Promise<void>> {
  const { userId, rq } = await ctx.store.read(async (tx) => ({
    userId: (await loadConn(ctx, tx, connId)).userId,
    rq: await loadRcvQueue(tx, ctx.servers, rcvQueueId),
  }));
  if (rq === undefined) return async () => {};
  ctx.subscriptions.remove(userId, rq);
  await deleteOnServer(ctx, userId, rq);
  return (tx) => deleteRcvQueue(ctx, tx, connId, rcvQueueId);
}

/** Gives a rotation up that the peer has not followed yet. */
export async function abortSwitch(ctx: AgentContext, tx: Tx, connId: ConnId): Promise<ConnectionStats> {
  const conn = await loadConn(ctx, tx, connId);
  if (connKind(conn) !== 'duplex') throw cmdError('PROHIBITED', 'abortConnectionSwitch: not duplex');
  const old = switchingQueue(conn);
  if (old === undefined) throw cmdError('PROHIBITED', 'abortConnectionSwitch: not switching');
  if (!canAbortSwitch(old.switchStatus)) throw cmdError('PROHIBITED', 'abortConnectionSwitch: cannot abort');
  await setSwitch(tx, old, undefined);
  for (const rq of conn.rcvQueues.filter((q) => q.replacesId === old.id)) {
    await markRcvQueueDeleted(ctx, tx, conn, rq.id);
    await ctx.commands.enqueue(tx, { connId, serverId: rq.serverId }, '', {
      tag: 'DELETE_RCV_QUEUE',
      rcvQueueId: rq.id,
    });
  }
  return connectionStats(conn);
}
