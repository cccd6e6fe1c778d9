import { publicKeyFromRaw, publicKeyOf } from '../../crypto/index.js';
import { sameQueueAddress, smpClientRange } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { agreeVersion } from '../../wire/index.js';
import { newSndQueue } from '../connections/queue.js';
import { type AgentContext, raise } from '../context.js';
import type { QueueAddition, SenderAddress } from '../envelopes/index.js';
import { internalError, queueError, versionError } from '../errors.js';
import { addSndQueue, deleteSndQueue } from '../rows/connections.js';
import { insertDelivery, pendingDeliveries } from '../rows/messages.js';
import { updateSndQueue } from '../rows/queues.js';
import { enqueueMessage } from '../sending/enqueue.js';
import type { PendingMessage } from '../sending/worker.js';
import { type Conn, type SndQueue, sortQueues } from '../state/connection.js';
import { connectionStats } from '../state/stats.js';
import type { SndSwitchStatus, SwitchPhase } from '../types.js';

/** The sender's side of queue rotation (30-agent.md, section 10): it follows the peer to another queue. */

const findQueue = (conn: Conn, address: SenderAddress): SndQueue | undefined =>
  conn.sndQueues.find((q) => sameQueueAddress({ server: q.server, senderId: q.sndId }, address));

async function tell(ctx: AgentContext, tx: Tx, conn: Conn, phase: SwitchPhase): Promise<void> {
  await raise(ctx, tx, {
    type: 'SWITCH',
    connId: conn.connId,
    direction: 'snd',
    phase,
    stats: connectionStats(conn),
  });
}

async function setSwitch(tx: Tx, sq: SndQueue, status: SndSwitchStatus): Promise<void> {
  sq.switchStatus = status;
  await updateSndQueue(tx, sq);
}

/** Step 3: the peer has a new queue; we make keys for it (T11). */
export async function receiveQadd(ctx: AgentContext, tx: Tx, conn: Conn, addition: QueueAddition): Promise<void> {
  const { queue, replaced } = addition;
  if (replaced === undefined) throw queueError('QADD: adding queue without switching is not supported');
  if (findQueue(conn, queue.address) !== undefined)
    throw queueError('QADD: queue address is already used in connection');
  const old = findQueue(conn, replaced);
  if (old === undefined) throw queueError('QADD: replaced queue address is not found in connection');
  const clientVersion = agreeVersion(smpClientRange, queue.clientRange);
  if (clientVersion === undefined) throw versionError();
  for (const pending of conn.sndQueues.filter((q) => q.replacesId === old.id)) {
    await deleteSndQueue(ctx, tx, conn, pending.id);
    tx.onCommit(() => ctx.deliveries.remove(pending.id));
  }
  const sq = await addSndQueue(ctx, tx, conn, newSndQueue(ctx, queue.address, { clientVersion, replacesId: old.id }));
  await setSwitch(tx, old, 'sending_qkey');
  await enqueueMessage(ctx, tx, conn, {
    type: 'QKEY',
    queues: [
      {
        queue: {
          clientVersion,
          address: { ...queue.address, dhPublicKey: publicKeyFromRaw('x25519', sq.e2ePublicKey) },
        },
        senderKey: publicKeyOf(sq.sndPrivateKey),
      },
    ],
  });
  await tell(ctx, tx, conn, 'started');
}

/** Step 7: the new queue is ready; it is tested before it replaces the old one. */
export async function receiveQuse(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  { address }: { readonly address: SenderAddress },
): Promise<void> {
  const sq = findQueue(conn, address);
  if (sq === undefined) throw queueError('QUSE: switched queue address not found in connection');
  const old = conn.sndQueues.find((q) => q.id === sq.replacesId);
  if (old === undefined) throw queueError('QUSE: switched queue does not replace another');
  if (old.switchStatus !== 'sending_qkey') throw internalError('unexpected switch status');
  sq.status = 'secured';
  await updateSndQueue(tx, sq);
  await setSwitch(tx, old, 'sending_qtest');
  await enqueueMessage(ctx, tx, conn, { type: 'QTEST', queues: [{ server: sq.server, senderId: sq.sndId }] }, sq);
  await tell(ctx, tx, conn, 'secured');
}

/** Messages that are taken over from the old queue at once. */
const maxMoved = 10_000;

/** Gives the new queue what only the old one had to deliver. */
async function copyDeliveries(tx: Tx, conn: Conn, old: SndQueue, sq: SndQueue): Promise<PendingMessage[]> {
  const left = await pendingDeliveries(tx, old.id, 0, maxMoved);
  const mine = new Set((await pendingDeliveries(tx, sq.id, 0, maxMoved)).map((m) => m.internalId));
  const moved = left.filter((m) => !mine.has(m.internalId) && m.kind !== 'QK' && m.kind !== 'QA');
  for (const m of moved) await insertDelivery(tx, conn.connId, sq.id, m.internalId);
  return moved;
}

/**
 * The peer deleted the old queue, because our QTEST arrived, before we could store that: what the old queue has not
 * delivered goes through the new one. Gives whether the queue has a successor.
 */
export async function handOver(ctx: AgentContext, tx: Tx, conn: Conn, old: SndQueue): Promise<boolean> {
  const sq = conn.sndQueues.find((q) => q.replacesId === old.id && q.status === 'secured');
  if (sq === undefined) return false;
  const moved = await copyDeliveries(tx, conn, old, sq);
  await tx.db.deleteFrom('agent_snd_deliveries').where('snd_queue_id', '=', old.id).execute();
  const { userId } = conn;
  tx.onCommit(() => {
    ctx.deliveries.remove(old.id);
    ctx.deliveries.takeOver(userId, sq, moved);
  });
  return true;
}

/** Step 8, T10: the new queue works. What only the old queue had to deliver goes through the new one. */
export async function qtestDelivered(ctx: AgentContext, tx: Tx, conn: Conn, sq: SndQueue): Promise<void> {
  const old = conn.sndQueues.find((q) => q.id === sq.replacesId);
  if (old === undefined) return;
  ctx.cache.changed(tx, conn.connId);
  const moved = await copyDeliveries(tx, conn, old, sq);
  sq.status = 'active';
  sq.primary = true;
  sq.replacesId = undefined;
  await updateSndQueue(tx, sq);
  await deleteSndQueue(ctx, tx, conn, old.id);
  sortQueues(conn.sndQueues);
  const { userId } = conn;
  tx.onCommit(() => {
    ctx.deliveries.remove(old.id);
    ctx.deliveries.takeOver(userId, sq, moved);
  });
  await tell(ctx, tx, conn, 'completed');
}
