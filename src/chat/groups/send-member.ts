import { AgentError } from '../../agent/index.js';
import type { GroupInfo, GroupMember } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { utf8Bytes } from '../../wire/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException } from '../engine/errors.js';
import { storeDelivery } from '../messaging/send.js';
import { hasNotification, type JsonChatEvent, joinBatch, packBatches } from '../protocol/index.js';
import { type GroupMessageRow, storeGroupMessage } from './message-rows.js';
import { type Recipient, type RecipientConnection, recipientOf, SendPlan } from './recipients.js';

/** The connection of a row that is at hand, as sending sees it. */
export function connectionOf(row: ConnectionRow): RecipientConnection {
  return {
    connectionId: row.connection_id,
    agentConnId: row.agent_conn_id,
    status: row.conn_status,
    authErrors: row.auth_err_counter,
    quotaErrors: row.quota_err_counter,
  };
}

/** Sends one message on a member's connection, whatever its state. */
export async function sendOnConnection(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  connection: RecipientConnection,
  event: JsonChatEvent,
): Promise<GroupMessageRow> {
  const message = await storeGroupMessage(ctx, tx, groupId, { event }, false);
  await deliver(ctx, tx, connection, [message], message.body, hasNotification(event));
  return message;
}

/** Sends one message on the member's connection; nothing when it has none. */
export async function sendToMember(ctx: ChatContext, tx: Tx, member: GroupMember, event: JsonChatEvent): Promise<void> {
  const { connection } = recipientOf(member);
  if (connection !== undefined) await sendOnConnection(ctx, tx, member.groupId, connection, event);
}

/**
 * Sends many messages on one connection in batches, with a notification: introductions and history. A message that
 * is too large is left out.
 */
export async function sendBatch(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  connection: RecipientConnection,
  events: readonly JsonChatEvent[],
): Promise<void> {
  const stored: (GroupMessageRow & { readonly body: Uint8Array })[] = [];
  for (const event of events) {
    try {
      stored.push(await storeGroupMessage(ctx, tx, groupId, { event }, false));
    } catch (error) {
      if (!(error instanceof ChatException)) throw error;
      await ctx.emit(tx, { type: 'chatError', chatError: error.chatError });
    }
  }
  await deliverBatches(ctx, tx, connection, stored);
}

async function deliverBatches(
  ctx: ChatContext,
  tx: Tx,
  connection: RecipientConnection,
  messages: readonly { readonly messageId: number; readonly body: Uint8Array }[],
): Promise<void> {
  for (const batch of packBatches(messages, (m) => m.body.length)) {
    if (batch.type === 'tooLarge') continue;
    await deliver(ctx, tx, connection, batch.items, joinBatch(batch.items.map((m) => m.body)), true);
  }
}

async function deliver(
  ctx: ChatContext,
  tx: Tx,
  connection: RecipientConnection,
  messages: readonly { readonly messageId: number }[],
  body: Uint8Array,
  notification: boolean,
): Promise<void> {
  const [sent] = await ctx.agent.sendMessages(tx, [{ connId: connection.agentConnId, flags: { notification }, body }]);
  if (sent === undefined || sent instanceof AgentError) throw sent ?? new Error('no result for a message');
  for (const m of messages) await storeDelivery(tx, m.messageId, connection.connectionId, sent.msgId, ctx.clock.now());
}

/**
 * Sends to a member now, or keeps the message until it is connected. `introId`: the introduction that the message
 * belongs to. True when it was handed to the agent.
 */
export async function sendOrKeep(
  ctx: ChatContext,
  tx: Tx,
  group: GroupInfo,
  member: GroupMember,
  event: JsonChatEvent,
  introId: number,
): Promise<boolean> {
  const recipient: Recipient = recipientOf(member);
  const action = new SendPlan(group, [recipient], [event]).action(recipient);
  const { connection } = recipient;
  if ((action === 'separate' || action === 'batched') && connection !== undefined) {
    await sendOnConnection(ctx, tx, group.groupId, connection, event);
    return true;
  }
  if (action === 'pending') {
    const message = await storeGroupMessage(ctx, tx, group.groupId, { event }, true);
    await tx.db
      .insertInto('pending_group_messages')
      .values({
        group_member_id: member.groupMemberId,
        message_id: message.messageId,
        group_member_intro_id: introId,
        created_at: ctx.clock.now(),
      })
      .execute();
  }
  return false;
}

interface PendingRow {
  readonly pending_group_message_id: number;
  readonly message_id: number;
  readonly msg_body: Uint8Array | string | null;
  readonly chat_msg_event: string;
  readonly group_member_intro_id: number | null;
}

const pendingOf = prepare<{ memberId: number }, PendingRow>((db, p) =>
  db
    .selectFrom('pending_group_messages')
    .innerJoin('messages', 'messages.message_id', 'pending_group_messages.message_id')
    .select([
      'pending_group_messages.pending_group_message_id',
      'pending_group_messages.message_id',
      'pending_group_messages.group_member_intro_id',
      'messages.msg_body',
      'messages.chat_msg_event',
    ])
    .where('pending_group_messages.group_member_id', '=', p('memberId'))
    .orderBy('pending_group_messages.created_at')
    .orderBy('pending_group_messages.message_id'),
);

/** Sends what was kept for a member until its connection works (60, section 5.4). */
export async function sendPending(
  ctx: ChatContext,
  tx: Tx,
  groupMemberId: number,
  connection: RecipientConnection,
): Promise<void> {
  const rows = await pendingOf.all(tx, { memberId: groupMemberId });
  if (rows.length === 0) return;
  const messages = rows.flatMap((r) =>
    r.msg_body === null
      ? []
      : [{ messageId: r.message_id, body: typeof r.msg_body === 'string' ? utf8Bytes(r.msg_body) : r.msg_body }],
  );
  await deliverBatches(ctx, tx, connection, messages);
  await tx.db.deleteFrom('pending_group_messages').where('group_member_id', '=', groupMemberId).execute();
  const introIds = rows.flatMap((r) =>
    r.chat_msg_event === 'x.grp.mem.fwd' && r.group_member_intro_id !== null ? [r.group_member_intro_id] : [],
  );
  if (introIds.length > 0) {
    await tx.db
      .updateTable('group_member_intros')
      .set({ intro_status: 'fwd', updated_at: ctx.clock.now() })
      .where('group_member_intro_id', 'in', introIds)
      .execute();
  }
}
