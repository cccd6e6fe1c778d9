import type { ChatItemDeletion, CIContent, GroupMember } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { isoTime } from '../engine/time.js';
import { updateItemRow } from '../items/queries.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';
import { acceptDeleteMs } from '../messages/delete.js';
import { maxReactions, reactionColumn } from '../messages/reaction-rows.js';
import { canReactTo } from '../messages/reactions.js';
import { receiveTimed } from '../messages/timed.js';
import { updateItemContent } from '../messages/updates.js';
import { addVersion, addVersions } from '../messages/versions.js';
import type { ChatEventOf } from '../protocol/index.js';
import { sameJson } from '../util/equal.js';
import { hideBlocked, storeContent, storedItem } from './content-items.js';
import { groupTimed, refuseSender } from './content-receive.js';
import { placeContent, prohibitedLinks } from './content-rules.js';
import { type ForwardScope, forwardToMain, itemForwardScope } from './forward.js';
import type { GroupMessage, GroupMessageTable } from './group-message.js';
import { archiveReports, deleteGroupItems, markGroupItems } from './item-deletion.js';
import { groupItemBySharedId, itemAuthor, itemScope, viewGroupItem } from './items.js';
import { messageError, messageWarning } from './member-loading.js';
import { hasMentions, receivedMentions, storeMentions } from './mentions.js';
import { storeModeration } from './moderations.js';
import { featureAllowed, featureAllowedFor } from './preferences.js';
import { findMemberByMemberId } from './queries.js';
import { memberReactions, setGroupReaction } from './reaction-rows.js';
import { atLeast, isBlocked } from './roles.js';

type Message<T extends 'x.msg.update' | 'x.msg.del' | 'x.msg.react'> = GroupMessage<ChatEventOf<T>>;

export const changeMessages: GroupMessageTable = {
  'x.msg.update': updateReceived,
  'x.msg.del': deletionReceived,
  'x.msg.react': reactionReceived,
};

/** The support chat of an item that is not there: the one that the message names. */
async function namedScope(
  tx: Tx,
  { user, group, member }: GroupMessage,
  memberId: string | undefined,
): Promise<ForwardScope | undefined> {
  if (memberId === undefined) return forwardToMain;
  const owner = memberId === member.memberId ? member : await findMemberByMemberId(tx, user, group.groupId, memberId);
  return owner === undefined ? undefined : { type: 'support', groupMemberId: owner.groupMemberId };
}

async function updateReceived(ctx: ChatContext, tx: Tx, m: Message<'x.msg.update'>): Promise<ForwardScope | undefined> {
  const { user, group, member, event } = m;
  if (await refuseSender(ctx, tx, m, event.scope)) return undefined;
  if (prohibitedLinks(group, member, event.content)) {
    await messageWarning(ctx, tx, user, 'x.msg.update ignored: feature not allowed SimpleX links');
    return undefined;
  }
  const row = await groupItemBySharedId(tx, group, member.memberId, event.msgId);
  if (row === undefined) return updateOfUnknown(ctx, tx, m);
  const scope = await itemScope(tx, user, row);
  const before = row.item_sent === 0 && row.item_forwarded === null ? itemMsgContent(row) : undefined;
  if (before === undefined) {
    await messageError(ctx, tx, user, 'x.msg.update: group member attempted invalid message update');
    return undefined;
  }
  const changed = !sameJson(before, event.content);
  if (!changed && row.item_live !== 1) {
    const chatItem = await viewGroupItem(ctx, tx, user, group, row, scope);
    await ctx.emit(tx, { type: 'chatItemNotChanged', user, chatItem });
    return undefined;
  }
  const now = ctx.clock.now();
  if (changed) await addVersions(tx, row, before, event.content, m.brokerTs, now);
  const content: CIContent = { type: 'rcvMsgContent', msgContent: event.content };
  let updated = await updateItemContent(ctx, tx, row, content, event.live === true);
  updated = await updateMentions(tx, m, updated);
  const chatItem = await viewGroupItem(ctx, tx, user, group, updated, scope);
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem });
  return itemForwardScope(group, scope);
}

async function updateMentions(
  tx: Tx,
  { user, group, member, event }: Message<'x.msg.update'>,
  row: ItemRow,
): Promise<ItemRow> {
  const mentions = isBlocked(member) ? {} : await receivedMentions(tx, user, group, event.content, event.mentions);
  if (row.has_mentions === 0 && !hasMentions(mentions)) return row;
  await storeMentions(tx, row.chat_item_id, group.groupId, mentions);
  return updateItemRow(tx, row.chat_item_id, { has_mentions: hasMentions(mentions) ? 1 : 0 });
}

/** Deleted here, or never seen: the edit brings the message back, and shows as an edit. */
async function updateOfUnknown(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.msg.update'>,
): Promise<ForwardScope | undefined> {
  const { user, group, event } = m;
  const other = await tx.db
    .selectFrom('chat_items')
    .select('chat_item_id')
    .where('group_id', '=', group.groupId)
    .where('shared_msg_id', '=', event.msgId)
    .limit(1)
    .executeTakeFirst();
  if (other !== undefined) {
    await messageError(ctx, tx, user, 'x.msg.update: group member attempted to update a message of another member');
    return undefined;
  }
  const placed = await placeContent(tx, user, group, m.member, event.scope, ctx.clock.now());
  const blocked = isBlocked(placed.member);
  const stored = await storeContent(ctx, tx, m, placed, {
    content: { type: 'rcvMsgContent', msgContent: event.content },
    sharedMsgId: event.msgId,
    timed: receiveTimed(groupTimed({ ...m, forwardedBy: undefined }), event.ttl),
    live: event.live === true,
    edited: true,
    mentions: blocked ? undefined : await receivedMentions(tx, user, group, event.content, event.mentions),
  });
  await addVersion(tx, stored.row.chat_item_id, event.content, m.brokerTs, ctx.clock.now());
  const chatItem = storedItem(ctx, await hideBlocked(ctx, tx, stored));
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem });
  return itemForwardScope(group, placed.scope);
}

/** `x.msg.del` (60, section 8.3): of an own message, or by a moderator. */
async function deletionReceived(ctx: ChatContext, tx: Tx, m: Message<'x.msg.del'>): Promise<ForwardScope | undefined> {
  const { user, group, member, event } = m;
  const authorId = event.memberId ?? member.memberId;
  const refuse = async (problem: string): Promise<undefined> => {
    await messageError(ctx, tx, user, `x.msg.del: ${problem}`);
    return undefined;
  };
  const row = await groupItemBySharedId(tx, group, authorId, event.msgId);
  if (row === undefined) return deletionOfUnknown(ctx, tx, m, authorId, refuse);
  const author = await itemAuthor(tx, user, group, row);
  if (author.memberCategory !== 'user' && author.groupMemberId === member.groupMemberId) {
    if (event.memberId !== undefined) return deleteItem(ctx, tx, m, row, member);
    if (row.item_deleted !== 0 || m.brokerTs - row.item_ts >= acceptDeleteMs) {
      return refuse('member attempted invalid message delete');
    }
    return deleteItem(ctx, tx, m, row, undefined);
  }
  if (event.memberId === undefined) return refuse('message of another member without memberId');
  if (!atLeast(member.memberRole, 'moderator') || !atLeast(member.memberRole, author.memberRole)) {
    return refuse('message of another member with insufficient member permissions');
  }
  const scope = await deleteItem(ctx, tx, m, row, member);
  const reports = await archiveReports(tx, group, row, author.memberId, member, m.brokerTs);
  if (reports.length > 0) {
    await ctx.emit(tx, {
      type: 'groupChatItemsDeleted',
      user,
      groupInfo: group,
      chatItemIDs: reports,
      byUser: false,
      member_: member,
    });
  }
  return scope;
}

async function deleteItem(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.msg.del'>,
  row: ItemRow,
  by: GroupMember | undefined,
): Promise<ForwardScope | undefined> {
  const { user, group, member, brokerTs } = m;
  const scope = await itemScope(tx, user, row);
  const remove = featureAllowedFor(group, 'fullDelete', member) ? deleteGroupItems : markGroupItems;
  const chatItemDeletions: ChatItemDeletion[] = await remove(ctx, tx, user, group, scope, [row], by, brokerTs);
  await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: false, timed: false });
  return itemForwardScope(group, scope);
}

/** The message has not come yet: what a moderator says about it is kept until it comes. */
async function deletionOfUnknown(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.msg.del'>,
  itemMemberId: string,
  refuse: (problem: string) => Promise<undefined>,
): Promise<ForwardScope | undefined> {
  const { group, member, event } = m;
  if (itemMemberId === member.memberId) return refuse('message not found');
  if (!atLeast(member.memberRole, 'moderator')) {
    return refuse('message not found, message of another member with insufficient member permissions');
  }
  await storeModeration(tx, group.groupId, {
    moderator: member,
    itemMemberId,
    sharedMsgId: event.msgId,
    messageId: m.messageId,
    moderatedAt: m.brokerTs,
    now: ctx.clock.now(),
  });
  return namedScope(tx, m, event.scope?.memberId);
}

/** `x.msg.react` (60, section 8.5); it may come before its message. */
async function reactionReceived(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.msg.react'>,
): Promise<ForwardScope | undefined> {
  const { user, group, member, event } = m;
  const { msgId: sharedMsgId, memberId: itemMemberId, reaction, add } = event;
  if (itemMemberId === undefined) {
    await messageError(ctx, tx, user, 'unsupported message: x.msg.react');
    return undefined;
  }
  if (!featureAllowed(group, 'reactions')) return undefined;
  const item = { groupId: group.groupId, itemMemberId, sharedMsgId };
  const theirs = await memberReactions(tx, item, member.groupMemberId);
  if (theirs.includes(reactionColumn(reaction)) === add || (add && theirs.length >= maxReactions)) return undefined;
  const row = await groupItemBySharedId(tx, group, itemMemberId, sharedMsgId);
  if (row !== undefined && !canReactTo(row)) return undefined;
  const scopeMember = event.scope?.memberId;
  if (row === undefined && scopeMember !== undefined) {
    if (scopeMember !== member.memberId && !atLeast(member.memberRole, 'moderator')) return undefined;
  }
  await setGroupReaction(tx, item, member.groupMemberId, {
    userId: user.userId,
    sent: false,
    reaction,
    add,
    ts: m.brokerTs,
    now: ctx.clock.now(),
  });
  if (row === undefined) return namedScope(tx, m, scopeMember);
  const marked = row.has_reactions === 1 ? row : await updateItemRow(tx, row.chat_item_id, { has_reactions: 1 });
  const scope = await itemScope(tx, user, row);
  const { chatInfo, chatItem } = await viewGroupItem(ctx, tx, user, group, marked, scope);
  await ctx.emit(tx, {
    type: 'chatItemReaction',
    user,
    added: add,
    reaction: {
      chatInfo,
      chatReaction: {
        chatDir: { type: 'groupRcv', groupMember: member },
        chatItem,
        sentAt: isoTime(m.brokerTs),
        reaction,
      },
    },
  });
  return itemForwardScope(group, scope);
}
