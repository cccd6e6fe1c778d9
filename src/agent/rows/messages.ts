import { prepare, type Tx } from '../../store/index.js';
import type { AgentMsgId, ConnId } from '../types.js';

/** Tags of sent messages (30-agent.md, section 3.1). */
export type SndKind = 'C' | 'D' | 'S' | 'H' | 'M' | 'V' | 'QC' | 'QA' | 'QK' | 'QU' | 'QT' | 'E';

/** A sent message with all that its delivery needs. */
export interface SndMessage {
  readonly connId: ConnId;
  readonly internalId: AgentMsgId;
  readonly sndId: number;
  readonly kind: SndKind;
  readonly notification: boolean;
  /** The encoded `AMessage`; of C, D and S the whole agent message or envelope part. */
  readonly body: Uint8Array;
  readonly prevHash: Uint8Array;
  /** Encoded ratchet message key; absent for S. */
  readonly msgKey: Uint8Array | undefined;
  readonly paddedLength: number;
  readonly pqEncryption: boolean;
  readonly createdAt: number;
  /** Saved delays of the retry schedule, in ms. */
  readonly retrySlow: number | undefined;
  readonly retryFast: number | undefined;
}

interface MessageValues {
  connId: ConnId;
  internalId: number;
  sndId: number;
  kind: string;
  notification: number;
  body: Uint8Array | null;
  bodyId: number | null;
  prevHash: Uint8Array;
  hash: Uint8Array;
  msgKey: Uint8Array | null;
  paddedLength: number;
  pq: number;
  createdAt: number;
}

const insertMessage = prepare<MessageValues>((db, p) =>
  db.insertInto('agent_snd_messages').values({
    conn_id: p('connId'),
    internal_id: p('internalId'),
    snd_id: p('sndId'),
    kind: p('kind'),
    notification: p('notification'),
    body: p('body'),
    body_id: p('bodyId'),
    prev_hash: p('prevHash'),
    hash: p('hash'),
    msg_key: p('msgKey'),
    padded_length: p('paddedLength'),
    pq_encryption: p('pq'),
    retry_slow: null,
    retry_fast: null,
    receipt: null,
    created_at: p('createdAt'),
  }),
);

const insertDeliveryRow = prepare<{ queueId: number; internalId: number; connId: ConnId }>((db, p) =>
  db
    .insertInto('agent_snd_deliveries')
    .values({ snd_queue_id: p('queueId'), internal_id: p('internalId'), conn_id: p('connId') }),
);

const deleteDeliveryRow = prepare<{ queueId: number; internalId: number }>((db, p) =>
  db
    .deleteFrom('agent_snd_deliveries')
    .where('snd_queue_id', '=', p('queueId'))
    .where('internal_id', '=', p('internalId')),
);

const otherDelivery = prepare<{ connId: ConnId; internalId: number; queueId: number }, { snd_queue_id: number }>(
  (db, p) =>
    db
      .selectFrom('agent_snd_queues as q')
      .innerJoin('agent_snd_deliveries as d', 'd.snd_queue_id', 'q.id')
      .select('d.snd_queue_id')
      .where('q.conn_id', '=', p('connId'))
      .where('d.internal_id', '=', p('internalId'))
      .where('d.snd_queue_id', '<>', p('queueId'))
      .limit(1),
);

const clearBody = prepare<{ connId: ConnId; internalId: number }, { sent: number }>((db, p) =>
  db
    .updateTable('agent_snd_messages')
    .set({ body: null, body_id: null, msg_key: null })
    .where('conn_id', '=', p('connId'))
    .where('internal_id', '=', p('internalId'))
    .where('receipt', 'is', null)
    .returning('sent'),
);

const deleteMessageRow = prepare<{ connId: ConnId; internalId: number }, { sent: number }>((db, p) =>
  db
    .deleteFrom('agent_snd_messages')
    .where('conn_id', '=', p('connId'))
    .where('internal_id', '=', p('internalId'))
    .returning('sent'),
);

const markSent = prepare<{ connId: ConnId; internalId: number }>((db, p) =>
  db
    .updateTable('agent_snd_messages')
    .set({ sent: 1 })
    .where('conn_id', '=', p('connId'))
    .where('internal_id', '=', p('internalId'))
    .where('sent', '=', 0),
);

const deleteOrphanBody =
  'DELETE FROM agent_snd_bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM agent_snd_messages WHERE body_id = ?)';

/** T7. Without deliveries nobody sends it. The body is in `body`, or shared in `bodyId`. */
export async function insertSndMessage(tx: Tx, values: MessageValues): Promise<void> {
  await insertMessage.run(tx, values);
}

/** A body that messages share: its id. {@link deleteDelivery} deletes it with the last of them. */
export async function insertBody(tx: Tx, body: Uint8Array): Promise<number> {
  const { id } = await tx.db.insertInto('agent_snd_bodies').values({ body }).returning('id').executeTakeFirstOrThrow();
  return id;
}

/** The message waits in this send queue now. */
export async function insertDelivery(tx: Tx, connId: ConnId, queueId: number, internalId: number): Promise<void> {
  await insertDeliveryRow.run(tx, { queueId, internalId, connId });
}

/** What is pending for a send queue after `afterId`, oldest first. */
export async function pendingDeliveries(
  tx: Tx,
  queueId: number,
  afterId: number,
  limit: number,
): Promise<(SndMessage & { readonly bodyId: number | undefined })[]> {
  const rows = await tx.db
    .selectFrom('agent_snd_deliveries as d')
    .innerJoin('agent_snd_messages as m', (j) =>
      j.onRef('m.conn_id', '=', 'd.conn_id').onRef('m.internal_id', '=', 'd.internal_id'),
    )
    .leftJoin('agent_snd_bodies as b', 'b.id', 'm.body_id')
    .select([
      'm.conn_id',
      'm.internal_id',
      'm.snd_id',
      'm.kind',
      'm.notification',
      'm.body',
      'm.body_id',
      'b.body as shared_body',
      'm.prev_hash',
      'm.msg_key',
      'm.padded_length',
      'm.pq_encryption',
      'm.created_at',
      'm.retry_slow',
      'm.retry_fast',
    ])
    .where('d.snd_queue_id', '=', queueId)
    .where('d.internal_id', '>', afterId)
    .where('d.failed', '=', 0)
    .orderBy('d.internal_id')
    .limit(limit)
    .execute();
  return rows.map((r) => ({
    connId: r.conn_id,
    internalId: r.internal_id,
    sndId: r.snd_id,
    // The column is written from SndKind values only.
    kind: r.kind as SndKind,
    notification: r.notification === 1,
    body: r.body ?? r.shared_body ?? new Uint8Array(),
    bodyId: r.body_id ?? undefined,
    prevHash: r.prev_hash,
    msgKey: r.msg_key ?? undefined,
    paddedLength: r.padded_length,
    pqEncryption: r.pq_encryption === 1,
    createdAt: r.created_at,
    retrySlow: r.retry_slow ?? undefined,
    retryFast: r.retry_fast ?? undefined,
  }));
}

/** Send queues with something to deliver. */
export async function queuesWithDeliveries(tx: Tx): Promise<{ connId: ConnId; queueId: number }[]> {
  const rows = await tx.db
    .selectFrom('agent_snd_deliveries')
    .select(['conn_id', 'snd_queue_id'])
    .where('failed', '=', 0)
    .groupBy(['conn_id', 'snd_queue_id'])
    .execute();
  return rows.map((r) => ({ connId: r.conn_id, queueId: r.snd_queue_id }));
}

/** Saves the delays of the schedule before a wait, so that a restart continues from there (section 7.3). */
export async function saveRetry(
  tx: Tx,
  connId: ConnId,
  internalId: number,
  slow: number | undefined,
  fast: number | undefined,
): Promise<void> {
  await tx.db
    .updateTable('agent_snd_messages')
    .set({ retry_slow: slow ?? null, retry_fast: fast ?? null })
    .where('conn_id', '=', connId)
    .where('internal_id', '=', internalId)
    .execute();
}

/**
 * T9: this delivery is over. When no other queue waits for the message it is deleted; an application message (`M`)
 * keeps its row without body, for its receipt, unless `keep` is false or the receipt came already. True when no other
 * queue delivered the message before: it is sent now.
 */
export async function deleteDelivery(
  tx: Tx,
  queueId: number,
  m: { readonly connId: ConnId; readonly internalId: number; readonly kind: SndKind },
  options: { readonly keep: boolean; readonly copies: boolean; readonly bodyId: number | undefined },
): Promise<boolean> {
  const { connId, internalId } = m;
  await deleteDeliveryRow.run(tx, { queueId, internalId });
  if (options.copies && (await otherDelivery.first(tx, { connId, internalId, queueId })) !== undefined) {
    return (await markSent.run(tx, { connId, internalId })) > 0;
  }
  const kept = options.keep && m.kind === 'M' ? await clearBody.first(tx, { connId, internalId }) : undefined;
  const row = kept ?? (await deleteMessageRow.first(tx, { connId, internalId }));
  if (options.bodyId !== undefined) await tx.execute(deleteOrphanBody, [options.bodyId, options.bodyId]);
  return row?.sent === 0;
}

/** Marks a delivery that cannot be read: it is never tried again. */
export async function failDelivery(tx: Tx, queueId: number, internalId: number): Promise<void> {
  await tx.db
    .updateTable('agent_snd_deliveries')
    .set({ failed: 1 })
    .where('snd_queue_id', '=', queueId)
    .where('internal_id', '=', internalId)
    .execute();
}

/** Whether a send queue of the connection has something to deliver; failed deliveries do not count. */
export async function hasPendingDeliveries(tx: Tx, connId: ConnId): Promise<boolean> {
  const row = await tx.db
    .selectFrom('agent_snd_queues as q')
    .innerJoin('agent_snd_deliveries as d', 'd.snd_queue_id', 'q.id')
    .select('d.internal_id')
    .where('q.conn_id', '=', connId)
    .where('d.failed', '=', 0)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** A sent message by its sequence number, for receipts. */
export async function sndMessageBySndId(
  tx: Tx,
  connId: ConnId,
  sndId: number,
): Promise<
  { internalId: number; kind: string; hash: Uint8Array; receipt: string | null; pending: boolean } | undefined
> {
  const row = await tx.db
    .selectFrom('agent_snd_messages')
    .select(['internal_id', 'kind', 'hash', 'receipt'])
    .where('conn_id', '=', connId)
    .where('snd_id', '=', sndId)
    .executeTakeFirst();
  if (row === undefined) return undefined;
  const other = await otherDelivery.first(tx, { connId, internalId: row.internal_id, queueId: -1 });
  return {
    internalId: row.internal_id,
    kind: row.kind,
    hash: row.hash,
    receipt: row.receipt,
    pending: other !== undefined,
  };
}

/** Records a receipt; a message that needs nothing more is deleted. */
export async function saveReceipt(
  tx: Tx,
  connId: ConnId,
  internalId: number,
  status: 'ok' | 'badMsgHash',
  pending: boolean,
): Promise<void> {
  if (status === 'ok' && !pending) {
    await deleteMessageRow.run(tx, { connId, internalId });
    return;
  }
  await tx.db
    .updateTable('agent_snd_messages')
    .set({ receipt: status })
    .where('conn_id', '=', connId)
    .where('internal_id', '=', internalId)
    .execute();
}

const insertHash = prepare<{ connId: ConnId; hash: Uint8Array; now: number }>((db, p) =>
  db
    .insertInto('agent_msg_hashes')
    .values({ conn_id: p('connId'), hash: p('hash'), created_at: p('now') })
    .onConflict((c) => c.columns(['conn_id', 'hash']).doNothing()),
);
const findHash = prepare<{ connId: ConnId; hash: Uint8Array }, { created_at: number }>((db, p) =>
  db
    .selectFrom('agent_msg_hashes')
    .select('created_at')
    .where('conn_id', '=', p('connId'))
    .where('hash', '=', p('hash')),
);

/** Remembers what was processed, to recognise its repetition: a hash of the ciphertext, or the relay's id of a request. */
export async function rememberHash(tx: Tx, connId: ConnId, hash: Uint8Array, now: number): Promise<void> {
  await insertHash.run(tx, { connId, hash, now });
}

/** Whether {@link rememberHash} got it within 21 days. */
export async function isKnownHash(tx: Tx, connId: ConnId, hash: Uint8Array): Promise<boolean> {
  return (await findHash.first(tx, { connId, hash })) !== undefined;
}

/** T14: true when the key was not known; it is then. */
export async function rememberRatchetKey(tx: Tx, connId: ConnId, hash: Uint8Array, now: number): Promise<boolean> {
  const added = await tx.db
    .insertInto('agent_ratchet_key_hashes')
    .values({ conn_id: connId, hash, created_at: now })
    .onConflict((c) => c.columns(['conn_id', 'hash']).doNothing())
    .executeTakeFirst();
  return Number(added.numInsertedOrUpdatedRows ?? 0) > 0;
}
