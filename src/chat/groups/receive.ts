import type { EventResult } from '../../agent/index.js';
import type { GroupMember } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ConnectionInput } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, storeFailure, toChatError } from '../engine/errors.js';
import { parseIsoTime } from '../engine/time.js';
import {
  type ChatEventOf,
  type ChatMessage,
  type JsonChatEvent,
  parseChatBody,
  type ReceivedMessage,
  wantsReceipt,
} from '../protocol/index.js';
import { Forwards, forwardMessages } from './forward.js';
import type { GroupMessage, GroupMessageHandler } from './group-message.js';
import { emitGroupItem } from './items.js';
import { loadMember, type MemberEntity, messageError, withVersions } from './member-loading.js';
import { groupMessages } from './message-table.js';
import { findMemberById, findMemberByMemberId } from './queries.js';
import { forwardedEvents } from './recipients.js';
import { atLeast, isRemoved } from './roles.js';
import { placeEvent } from './scope.js';
import { sendToMember } from './send-member.js';
import { insertUnknownMember } from './unknown.js';

/** Groups with more current members send no receipts. */
const receiptLimit = 20;

/** A message body on a member's connection (60, section 6.1). */
export async function groupMessageReceived(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'MSG'>,
): Promise<EventResult | undefined> {
  if (connection.conn_status === 'deleted') return undefined;
  const { meta } = event;
  const start = await loadMember(tx, user, connection);
  if (meta.integrity.type !== 'msgOk') {
    const placed = await placeEvent(tx, start.group, start.member, ctx.clock.now());
    await emitGroupItem(
      ctx,
      tx,
      user,
      { group: placed.group, scope: placed.scope, from: placed.member },
      { type: 'rcvIntegrityError', msgError: meta.integrity.errorInfo },
      { itemTs: meta.broker.ts },
    );
  }
  const messages = parseChatBody(event.body, ctx.compression);
  const forwards = new Forwards();
  let entity = start;
  for (const [i, message] of messages.entries()) {
    // What one message changed, the next one must see.
    if (i > 0) entity = await reload(tx, entity);
    try {
      await tx.savepoint(async () => {
        entity = await oneMessage(ctx, tx, entity, message, meta.broker.ts, forwards);
      });
    } catch (error) {
      await ctx.emit(tx, { type: 'chatError', chatError: toChatError(error) });
    }
  }
  const { membership } = start.group;
  if (atLeast(membership.memberRole, 'admin') && !start.member.blockedByAdmin) {
    await forwardMessages(ctx, tx, user, start.group, start.member, forwards, meta.broker.ts);
  }
  const enabled = start.group.chatSettings.sendRcpts ?? user.sendRcptsSmallGroups;
  return {
    receipt: enabled && messages.some((m) => wantsReceipt(m)) && (await isSmall(tx, start.group.groupId)),
  };
}

async function reload(tx: Tx, entity: MemberEntity): Promise<MemberEntity> {
  const row = await tx.db
    .selectFrom('connections')
    .selectAll()
    .where('connection_id', '=', entity.connection.connection_id)
    .executeTakeFirst();
  return row === undefined || row.group_member_id === null ? entity : loadMember(tx, entity.user, row);
}

async function isSmall(tx: Tx, groupId: number): Promise<boolean> {
  const { rows } = await tx.execute<{ n: number }>(
    `SELECT count(*) AS n FROM (SELECT 1 FROM group_members WHERE group_id = ? AND member_status IN
       ('introduced', 'intro-inv', 'accepted', 'announced', 'connected', 'complete', 'creator') LIMIT ?) AS current_members`,
    [groupId, receiptLimit + 1],
  );
  return Number(rows[0]?.n ?? 0) <= receiptLimit;
}

async function oneMessage(
  ctx: ChatContext,
  tx: Tx,
  entity: MemberEntity,
  received: ReceivedMessage,
  brokerTs: number,
  forwards: Forwards,
): Promise<MemberEntity> {
  if (received.type === 'error') {
    throw chatFailure({ type: 'exception', message: `error parsing chat message: ${received.error}` });
  }
  // Pieces of files in the old way are not received: there is nothing that they could belong to.
  if (received.type === 'binary') return entity;
  const { message } = received;
  const known = received.versionless === true ? entity : await withVersions(ctx, tx, entity, message.versions);
  const { user, group, member } = known;
  const messageId = await storeMessage(ctx, tx, group.groupId, member, undefined, message, known);
  if (messageId === undefined) return known;
  const { event, msgId } = message;
  if (event.type === 'x.grp.msg.forward') {
    await forwardReceived(ctx, tx, known, event);
    return known;
  }
  const handler = groupMessages[event.type] as GroupMessageHandler<JsonChatEvent['type']> | undefined;
  if (handler === undefined) {
    const text = event.type === 'unknown' ? `XUnknown ${event.event}` : event.type;
    await messageError(ctx, tx, user, `unsupported message: ${text}`);
    return known;
  }
  const input: GroupMessage = {
    user,
    group,
    member,
    event,
    msgId,
    messageId,
    brokerTs,
    forwardedBy: undefined,
    direct: known,
  };
  forwards.add((await handler(ctx, tx, input as never)) ?? undefined, message);
  return known;
}

interface StoredMessage {
  readonly author_group_member_id: number | null;
  readonly forwarded_by_group_member_id: number | null;
}

const storedMessage = prepare<{ groupId: number; sharedMsgId: string }, StoredMessage>((db, p) =>
  db
    .selectFrom('messages')
    .select(['author_group_member_id', 'forwarded_by_group_member_id'])
    .where('group_id', '=', p('groupId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('msg_sent', '=', 0),
);
const insertMessage = prepare<
  {
    event: string;
    groupId: number;
    sharedMsgId: string | null;
    author: number;
    forwardedBy: number | null;
    now: number;
  },
  { message_id: number }
>((db, p) =>
  db
    .insertInto('messages')
    .values({
      msg_sent: 0,
      chat_msg_event: p('event'),
      group_id: p('groupId'),
      shared_msg_id: p('sharedMsgId'),
      author_group_member_id: p('author'),
      forwarded_by_group_member_id: p('forwardedBy'),
      created_at: p('now'),
    })
    .returning('message_id'),
);

/** Stores a message, unless it is known: undefined (60, section 6.3). */
async function storeMessage(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  author: GroupMember,
  forwardedBy: GroupMember | undefined,
  message: ChatMessage,
  entity: MemberEntity,
): Promise<number | undefined> {
  const { msgId, event } = message;
  if (msgId !== undefined) {
    const known = await storedMessage.first(tx, { groupId, sharedMsgId: msgId });
    if (known !== undefined) {
      await duplicate(ctx, tx, groupId, author, forwardedBy, msgId, known, entity);
      return undefined;
    }
  }
  const row = await insertMessage.first(tx, {
    event: event.type === 'unknown' ? event.event : event.type,
    groupId,
    sharedMsgId: msgId ?? null,
    author: author.groupMemberId,
    forwardedBy: forwardedBy?.groupMemberId ?? null,
    now: ctx.clock.now(),
  });
  if (row === undefined) throw new Error('an insert returned no row');
  return row.message_id;
}

/** A second copy: who forwards is told that the author and we are connected. */
async function duplicate(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  author: GroupMember,
  forwardedBy: GroupMember | undefined,
  sharedMsgId: string,
  known: StoredMessage,
  { user }: MemberEntity,
): Promise<void> {
  if (forwardedBy !== undefined) {
    if (known.forwarded_by_group_member_id !== null) return;
    if (known.author_group_member_id !== author.groupMemberId) {
      await messageError(ctx, tx, user, 'duplicate message is forwarded with another author');
      return;
    }
    await sendToMember(ctx, tx, forwardedBy, { type: 'x.grp.mem.con', memberId: author.memberId });
    return;
  }
  if (known.forwarded_by_group_member_id !== null && known.author_group_member_id === author.groupMemberId) {
    const forwarder = await findMemberById(tx, user, known.forwarded_by_group_member_id);
    if (forwarder !== undefined) {
      await sendToMember(ctx, tx, forwarder, { type: 'x.grp.mem.con', memberId: author.memberId });
    }
    return;
  }
  throw storeFailure({
    type: 'duplicateGroupMessage',
    groupId,
    sharedMsgId,
    authorGroupMemberId: known.author_group_member_id ?? undefined,
    forwardedByGroupMemberId: known.forwarded_by_group_member_id ?? undefined,
  });
}

/** `x.grp.msg.forward` (60, section 6.4): a message of a member that we are not connected with, or of the past. */
async function forwardReceived(
  ctx: ChatContext,
  tx: Tx,
  entity: MemberEntity,
  forward: ChatEventOf<'x.grp.msg.forward'>,
): Promise<void> {
  const { user, group, member } = entity;
  if (!atLeast(member.memberRole, 'admin')) {
    throw chatFailure({ type: 'groupContactRole', contactName: member.localDisplayName });
  }
  if (forward.memberId === undefined) {
    await messageError(ctx, tx, user, 'x.grp.msg.forward: message of no member');
    return;
  }
  // Nobody can pass on what we have written ourselves.
  if (forward.memberId === group.membership.memberId) {
    await messageError(ctx, tx, user, 'x.grp.msg.forward: message of the user');
    return;
  }
  let author = await findMemberByMemberId(tx, user, group.groupId, forward.memberId);
  // As newer programs do: an admin must not speak for members that it has nothing to do with.
  if (member.memberCategory !== 'host' && author?.invitedByGroupMemberId !== member.groupMemberId) {
    await messageError(ctx, tx, user, 'x.grp.msg.forward: neither from the host nor from who invited the author');
    return;
  }
  if (author !== undefined && isRemoved(author)) return;
  if (author === undefined) {
    author = await insertUnknownMember(ctx, tx, user, group, forward.memberId, forward.memberName);
    await ctx.emit(tx, {
      type: 'unknownMemberCreated',
      user,
      groupInfo: group,
      forwardedByMember: member,
      member: author,
    });
  }
  const { msg } = forward;
  const messageId = await storeMessage(ctx, tx, group.groupId, author, member, msg, entity);
  if (messageId === undefined) return;
  const handler = forwardedEvents.has(msg.event.type)
    ? (groupMessages[msg.event.type] as GroupMessageHandler<JsonChatEvent['type']> | undefined)
    : undefined;
  if (handler === undefined) {
    await messageError(ctx, tx, user, `x.grp.msg.forward: unsupported forwarded event ${msg.event.type}`);
    return;
  }
  const input: GroupMessage = {
    user,
    group,
    member: author,
    event: msg.event,
    msgId: msg.msgId,
    messageId,
    brokerTs: parseIsoTime(forward.msgTs) ?? ctx.clock.now(),
    forwardedBy: member,
    direct: undefined,
  };
  await handler(ctx, tx, input as never);
}
