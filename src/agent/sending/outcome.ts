import { formatServer, type SmpServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, raise, transaction } from '../context.js';
import { finishIfWaiting } from '../deletion/records.js';
import type { AgentErrorJson } from '../errors.js';
import { handOver, qtestDelivered } from '../rotation/sender.js';
import { findConn } from '../rows/connections.js';
import { deleteDelivery, type SndKind } from '../rows/messages.js';
import { updateSndQueue } from '../rows/queues.js';
import { deleteConfirmations } from '../rows/requests.js';
import type { Conn, QueueStatus, SndQueue } from '../state/connection.js';
import { connectionStats } from '../state/stats.js';
import { isSenderSecured } from './encode.js';
import type { PendingMessage } from './worker.js';

/** T9 and the success actions of section 7.3. A message that is sent once more is dropped by the peer's ratchet. */
export async function delivered(
  ctx: AgentContext,
  queue: SndQueue,
  m: PendingMessage,
  proxy: SmpServer | undefined,
): Promise<void> {
  const record = async (tx: Tx): Promise<void> => {
    const conn = await findConn(ctx, tx, m.connId);
    const sq = conn?.sndQueues.find((q) => q.id === queue.id);
    if (conn === undefined || sq === undefined) return;
    const copies = conn.sndQueues.length > 1;
    if (m.kind !== 'M') await onDelivered(ctx, tx, conn, sq, m);
    const first = await deleteDelivery(tx, queue.id, m, { keep: true, copies, bodyId: m.bodyId });
    if (m.kind === 'M' && first) {
      const proxyServer = proxy === undefined ? {} : { proxyServer: formatServer(proxy) };
      await raise(ctx, tx, { type: 'SENT', connId: m.connId, msgId: m.internalId, ...proxyServer });
    }
    await finishIfWaiting(ctx, tx, m.connId);
  };
  const again = m.kind === 'M' || m.kind === 'V';
  await transaction(ctx, `delivered-${m.kind}`, record, again ? 'written' : 'transaction');
}

async function setStatus(tx: Tx, sq: SndQueue, status: QueueStatus): Promise<void> {
  sq.status = status;
  await updateSndQueue(tx, sq);
}

async function onDelivered(ctx: AgentContext, tx: Tx, conn: Conn, sq: SndQueue, m: PendingMessage): Promise<void> {
  const { connId } = conn;
  switch (m.kind) {
    case 'C':
      await setStatus(tx, sq, isSenderSecured(sq) ? 'active' : 'confirmed');
      await deleteConfirmations(tx, connId);
      // The fast handshake ends here for the initiator: no HELLO follows.
      if (isSenderSecured(sq)) await raise(ctx, tx, { type: 'CON', connId, pqEncryption: m.pqEncryption });
      return;
    case 'D':
      if (sq.status !== 'active') await setStatus(tx, sq, 'confirmed');
      await deleteConfirmations(tx, connId);
      return;
    case 'H':
      await setStatus(tx, sq, 'active');
      if (conn.rcvQueues[0]?.status === 'active') {
        await raise(ctx, tx, { type: 'CON', connId, pqEncryption: m.pqEncryption });
      }
      return;
    case 'QK':
      await raise(ctx, tx, {
        type: 'SWITCH',
        connId,
        direction: 'snd',
        phase: 'confirmed',
        stats: connectionStats(conn),
      });
      return;
    case 'QT':
      return qtestDelivered(ctx, tx, conn, sq);
    default:
      return;
  }
}

const queueWords: Partial<Record<SndKind, string>> = { QA: 'QADD', QK: 'QKEY', QU: 'QUSE', QT: 'QTEST' };

/** What the layer above is told of a message that cannot be delivered (table of section 7.3). */
function failure(conn: Conn | undefined, kind: SndKind, error: AgentErrorJson): AgentErrorJson {
  if (error.type !== 'SMP') return error;
  const notAvailable: AgentErrorJson = { type: 'CONN', connErr: { type: 'NOT_AVAILABLE' }, errContext: '' };
  const auth = error.smpErr.type === 'AUTH';
  switch (kind) {
    case 'C':
    case 'D':
      return auth || error.smpErr.type === 'QUOTA' ? notAvailable : error;
    case 'S':
      return auth ? notAvailable : error;
    case 'H':
      if (!auth) return error;
      if (conn !== undefined && conn.rcvQueues.length > 0) return notAvailable;
      return { type: 'CONN', connErr: { type: 'NOT_ACCEPTED' }, errContext: '' };
    default: {
      const word = queueWords[kind];
      return auth && word !== undefined
        ? { type: 'AGENT', agentErr: { type: 'A_QUEUE', queueErr: `${word}: AUTH` } }
        : error;
    }
  }
}

/** A permanent error: the message is dropped. */
export async function undeliverable(
  ctx: AgentContext,
  sq: SndQueue,
  m: PendingMessage,
  error: AgentErrorJson,
): Promise<void> {
  await transaction(ctx, 'undeliverable', async (tx) => {
    const conn = await findConn(ctx, tx, m.connId);
    // A queue that was replaced meanwhile: another one has its messages.
    const current = conn?.sndQueues.find((q) => q.id === sq.id);
    if (conn === undefined || current === undefined) return;
    const gone = error.type === 'SMP' && error.smpErr.type === 'AUTH';
    if (gone && (await handOver(ctx, tx, conn, current))) return;
    if (m.kind === 'M') {
      await raise(ctx, tx, { type: 'MERR', connId: m.connId, msgId: m.internalId, error });
    } else {
      await raise(ctx, tx, { type: 'ERR', connId: m.connId, error: failure(conn, m.kind, error) });
    }
    await deleteDelivery(tx, sq.id, m, { keep: false, copies: true, bodyId: m.bodyId });
    await finishIfWaiting(ctx, tx, m.connId);
  });
}

/** The message was tried for too long: it and all others of its queue that are as old are given up. */
export async function expire(
  ctx: AgentContext,
  sq: SndQueue,
  m: PendingMessage,
  error: AgentErrorJson,
  before: number,
): Promise<ReadonlySet<number>> {
  return transaction(ctx, 'expire', async (tx) => {
    const expired = new Set([m.internalId]);
    const conn = await findConn(ctx, tx, m.connId);
    if (conn !== undefined && !conn.sndQueues.some((q) => q.id === sq.id)) return expired;
    await raise(ctx, tx, { type: 'MERR', connId: m.connId, msgId: m.internalId, error });
    await deleteDelivery(tx, sq.id, m, { keep: false, copies: true, bodyId: m.bodyId });
    const others = await tx.db
      .selectFrom('agent_snd_deliveries as d')
      .innerJoin('agent_snd_messages as m', (j) =>
        j.onRef('m.conn_id', '=', 'd.conn_id').onRef('m.internal_id', '=', 'd.internal_id'),
      )
      .select(['m.internal_id', 'm.kind', 'm.body_id'])
      .where('d.snd_queue_id', '=', sq.id)
      .where('m.created_at', '<', before)
      .orderBy('m.internal_id')
      .execute();
    for (const o of others) {
      expired.add(o.internal_id);
      const other = { connId: m.connId, internalId: o.internal_id, kind: o.kind as SndKind };
      await deleteDelivery(tx, sq.id, other, { keep: false, copies: true, bodyId: o.body_id ?? undefined });
    }
    if (others.length > 0) {
      const msgIds = others.map((o) => o.internal_id);
      await raise(ctx, tx, { type: 'MERRS', connId: m.connId, msgIds, error });
    }
    await finishIfWaiting(ctx, tx, m.connId);
    return expired;
  });
}
