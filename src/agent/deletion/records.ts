import type { Tx } from '../../store/index.js';
import { type AgentContext, raise } from '../context.js';
import { deleteConnRecord, findConn } from '../rows/connections.js';
import { hasPendingDeliveries } from '../rows/messages.js';
import type { ConnId } from '../types.js';

/** How long a deleted connection waits for what is still to be delivered, in ms. */
const maxDeleteWait = 2 * 86_400_000;

/** Deletes the record of a connection and tells so. */
export async function removeConn(ctx: AgentContext, tx: Tx, connId: ConnId): Promise<void> {
  await deleteConnRecord(ctx, tx, connId);
  tx.onCommit(() => ctx.deliveries.removeOf(connId));
  await raise(ctx, tx, { type: 'DEL_CONNS', connIds: [connId] });
}

/** A deleted connection that waited for its deliveries goes when there are none left (section 12). */
export async function finishIfWaiting(ctx: AgentContext, tx: Tx, connId: ConnId): Promise<void> {
  const conn = await findConn(ctx, tx, connId);
  if (conn?.deleteWaitSince === undefined || conn.rcvQueues.length > 0) return;
  const expired = ctx.clock.now() - conn.deleteWaitSince > maxDeleteWait;
  if (!expired && (await hasPendingDeliveries(tx, connId))) return;
  await removeConn(ctx, tx, connId);
}
