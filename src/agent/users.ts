import type { Tx } from '../store/index.js';
import type { AgentContext } from './context.js';
import { type Deletion, finishUser } from './deletion/deletion.js';
import { AgentError, cmdError } from './errors.js';
import { findConn, loadConn, saveConn } from './rows/connections.js';
import { connKind } from './state/connection.js';
import type { ConnId, UserId, UserServers } from './types.js';

/** A new agent user; its servers count from the commit on. */
export async function createUser(ctx: AgentContext, tx: Tx, servers: UserServers): Promise<UserId> {
  const { id } = await tx.db.insertInto('agent_users').values({ deleted: 0 }).returning('id').executeTakeFirstOrThrow();
  ctx.users.set(id, servers);
  tx.onRollback(() => ctx.users.delete(id));
  return id;
}

/** With `deleteQueues` the connections are deleted on their servers first, then DEL_USER is raised. */
export async function deleteUser(
  ctx: AgentContext,
  deletion: Deletion,
  tx: Tx,
  userId: UserId,
  deleteQueues: boolean,
): Promise<void> {
  const conns = await tx.db.selectFrom('agent_connections').select('conn_id').where('user_id', '=', userId).execute();
  const ids = conns.map((c) => c.conn_id);
  if (!deleteQueues) {
    for (const connId of ids) {
      const conn = await findConn(ctx, tx, connId);
      if (conn === undefined || conn.deleted) continue;
      tx.onCommit(() => {
        for (const rq of conn.rcvQueues) ctx.subscriptions.remove(userId, rq);
        ctx.deliveries.removeOf(connId);
      });
      ctx.cache.drop(connId);
    }
    const result = await tx.db.deleteFrom('agent_users').where('id', '=', userId).executeTakeFirst();
    if (Number(result.numDeletedRows) === 0) throw new AgentError({ type: 'NO_USER' });
    tx.onCommit(() => ctx.users.delete(userId));
    return;
  }
  const marked = await tx.db
    .updateTable('agent_users')
    .set({ deleted: 1 })
    .where('id', '=', userId)
    .where('deleted', '=', 0)
    .executeTakeFirst();
  if (Number(marked.numUpdatedRows) === 0) throw new AgentError({ type: 'NO_USER' });
  await deletion.delete(tx, ids, false);
  await finishUser(ctx, tx, userId);
}

/** Moves a connection that nobody joined yet to another user, with its subscription. */
export async function changeConnectionUser(ctx: AgentContext, tx: Tx, connId: ConnId, userId: UserId): Promise<void> {
  const conn = await loadConn(ctx, tx, connId);
  const kind = connKind(conn);
  if (kind !== 'new' && kind !== 'rcv') throw cmdError('PROHIBITED', 'changeConnectionUser: established connection');
  const from = conn.userId;
  if (from === userId) return;
  conn.userId = userId;
  await saveConn(ctx, tx, conn);
  const queues = [...conn.rcvQueues];
  tx.onCommit(() => {
    for (const rq of queues) ctx.subscriptions.move(from, userId, rq);
  });
}
