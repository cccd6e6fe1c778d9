import {
  type AuthAlgorithm,
  authAlgorithms,
  decodePublicKey,
  encodePublicKey,
  type PublicKey,
} from '../../crypto/index.js';
import { type QueueInfo, readQueueInfo, writeQueueInfo } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { decodeWhole, encode } from '../../wire/index.js';
import { cmdError } from '../errors.js';
import type { ConnId, UserId } from '../types.js';

/** A confirmation of a joiner, until it is allowed and answered. */
export interface Confirmation {
  readonly id: string;
  readonly connId: ConnId;
  readonly senderKey: PublicKey<AuthAlgorithm> | undefined;
  readonly replyQueues: readonly QueueInfo[];
  readonly accepted: boolean;
  readonly ownInfo: Uint8Array | undefined;
}

/** T4: what came with CONF and is needed when it is allowed. */
export async function insertConfirmation(
  tx: Tx,
  c: {
    readonly id: string;
    readonly connId: ConnId;
    readonly senderKey: PublicKey<AuthAlgorithm> | undefined;
    readonly replyQueues: readonly QueueInfo[];
    readonly peerInfo: Uint8Array;
    readonly now: number;
  },
): Promise<void> {
  await tx.db
    .insertInto('agent_confirmations')
    .values({
      id: c.id,
      conn_id: c.connId,
      sender_key: c.senderKey === undefined ? null : encodePublicKey(c.senderKey),
      reply_queues: encode((w) => w.nonEmpty(c.replyQueues, writeQueueInfo)),
      peer_info: c.peerInfo,
      own_info: null,
      created_at: c.now,
    })
    .execute();
}

/** The confirmation that was accepted (or, with an id, this one). */
export async function findConfirmation(tx: Tx, connId: ConnId, id?: string): Promise<Confirmation | undefined> {
  let query = tx.db
    .selectFrom('agent_confirmations')
    .select(['id', 'conn_id', 'sender_key', 'reply_queues', 'accepted', 'own_info'])
    .where('conn_id', '=', connId);
  query = id === undefined ? query.where('accepted', '=', 1) : query.where('id', '=', id);
  const row = await query.executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    id: row.id,
    connId: row.conn_id,
    senderKey: row.sender_key === null ? undefined : decodePublicKey(row.sender_key, 'senderKey', authAlgorithms),
    replyQueues: decodeWhole(row.reply_queues, 'replyQueues', (r) => r.nonEmpty('replyQueues', readQueueInfo)),
    accepted: row.accepted === 1,
    ownInfo: row.own_info ?? undefined,
  };
}

/** T6: `ownInfo` goes to the peer with our confirmation. */
export async function acceptConfirmation(tx: Tx, id: string, ownInfo: Uint8Array): Promise<void> {
  await tx.db.updateTable('agent_confirmations').set({ accepted: 1, own_info: ownInfo }).where('id', '=', id).execute();
}

/** Our own confirmation is delivered: they are of no more use (section 7.3). */
export async function deleteConfirmations(tx: Tx, connId: ConnId): Promise<void> {
  await tx.db.deleteFrom('agent_confirmations').where('conn_id', '=', connId).execute();
}

/** A request that came to a contact address. */
export interface Invitation {
  readonly id: string;
  readonly contactConnId: ConnId | undefined;
  readonly link: string;
  readonly accepted: boolean;
}

/** `link` is the requester's invitation as text: accepting means joining it. */
export async function insertInvitation(
  tx: Tx,
  i: {
    readonly id: string;
    readonly contactConnId: ConnId;
    readonly userId: UserId;
    readonly link: string;
    readonly peerInfo: Uint8Array;
    readonly now: number;
  },
): Promise<void> {
  await tx.db
    .insertInto('agent_invitations')
    .values({
      id: i.id,
      contact_conn_id: i.contactConnId,
      user_id: i.userId,
      link: i.link,
      peer_info: i.peerInfo,
      own_info: null,
      created_at: i.now,
    })
    .execute();
}

/** @throws AgentError `CMD PROHIBITED` when there is none, or it was accepted */
export async function openInvitation(tx: Tx, id: string, context: string): Promise<Invitation> {
  const row = await tx.db
    .selectFrom('agent_invitations')
    .select(['id', 'contact_conn_id', 'link', 'accepted'])
    .where('id', '=', id)
    .executeTakeFirst();
  if (row === undefined || row.accepted === 1) {
    throw cmdError('PROHIBITED', `SEInvitationNotFound "${context}" "${id}"`);
  }
  return { id: row.id, contactConnId: row.contact_conn_id ?? undefined, link: row.link, accepted: false };
}

/** False when the join failed: the request can be answered again then. */
export async function setInvitationAccepted(
  tx: Tx,
  id: string,
  accepted: boolean,
  ownInfo: Uint8Array | undefined,
): Promise<void> {
  await tx.db
    .updateTable('agent_invitations')
    .set({ accepted: accepted ? 1 : 0, own_info: ownInfo ?? null })
    .where('id', '=', id)
    .execute();
}

/** False when there is none. */
export async function deleteInvitation(tx: Tx, id: string): Promise<boolean> {
  const result = await tx.db.deleteFrom('agent_invitations').where('id', '=', id).executeTakeFirst();
  return Number(result.numDeletedRows) > 0;
}
