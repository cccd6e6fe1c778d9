import type { CIContent, CIForwardedFrom, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import type { StoredFile } from '../engine/file-hooks.js';
import { parseIsoTime } from '../engine/time.js';
import { type NewQuote, storeItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { itemReactions, quotedItemIdOf, updateItemRow } from '../items/queries.js';
import { requiresAttention } from '../items/text.js';
import { type ItemExtras, type ItemRow, itemView } from '../items/view.js';
import type { Timed } from '../messages/timed.js';
import type { QuotedMsg } from '../protocol/index.js';
import type { GroupMessage } from './group-message.js';
import { type GroupPlace, inHistory, itemChat, newItemParties, touchGroup } from './items.js';
import { hasMentions, type Mentions, mentionsUser, storeMentions } from './mentions.js';
import { memberViewByMemberId } from './queries.js';
import { hasGroupReactions } from './reaction-rows.js';
import { isBlocked } from './roles.js';
import type { Placed } from './scope.js';
import { groupChatInfo } from './view.js';

/** A received message that becomes an item. */
export interface ReceivedContent {
  readonly content: CIContent;
  readonly sharedMsgId: string | undefined;
  readonly timed?: Timed | undefined;
  readonly live?: boolean | undefined;
  readonly edited?: boolean | undefined;
  readonly forwarded?: CIForwardedFrom | undefined;
  readonly quote?: QuotedMsg | undefined;
  readonly mentions?: Mentions | undefined;
  readonly file?: StoredFile | undefined;
}

/** An item that was just stored, with what its view needs. */
export interface StoredContent {
  readonly row: ItemRow;
  readonly place: GroupPlace & { readonly from: GroupMember };
  readonly extras: ItemExtras;
  readonly quoted: GroupMember | undefined;
}

/** Stores what a member wrote; counters of support chats follow. */
export async function storeContent(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  placed: Placed,
  c: ReceivedContent,
): Promise<StoredContent> {
  const { user, group } = m;
  const { member, scope } = placed;
  const now = ctx.clock.now();
  const start: GroupPlace = { group: placed.group, scope, from: member };
  const quote = c.quote === undefined ? undefined : quoteOf(c.quote, group, m.brokerTs);
  const mentions = c.mentions ?? {};
  const userMention = mentionsUser(group, mentions) || quote?.sent === true;
  const hasReactions =
    c.sharedMsgId !== undefined &&
    (await hasGroupReactions(tx, {
      groupId: group.groupId,
      itemMemberId: member.memberId,
      sharedMsgId: c.sharedMsgId,
    }));
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: itemChat(start),
    sent: false,
    content: c.content,
    itemTs: m.brokerTs,
    createdAt: now,
    sharedMsgId: c.sharedMsgId,
    createdByMsgId: m.messageId,
    forwarded: c.forwarded,
    timed: c.timed,
    live: c.live === true ? true : undefined,
    edited: c.edited,
    quote,
    userMention,
    includeInHistory: inHistory(scope, c.content),
    forwardedByMemberId: m.forwardedBy?.groupMemberId,
    hasFile: c.file !== undefined,
    hasReactions,
    hasMentions: hasMentions(mentions),
  });
  if (hasMentions(mentions)) await storeMentions(tx, row.chat_item_id, group.groupId, mentions);
  if (c.file !== undefined) await ctx.files?.linkItem(tx, c.file.fileId, row.chat_item_id, c.sharedMsgId);
  const after = requiresAttention(c.content)
    ? await touchGroup(tx, start, now, {
        unread: row.item_status === 'rcvNew' ? 1 : 0,
        mentions: userMention ? 1 : 0,
        brokerTs: m.brokerTs,
      })
    : start;
  return {
    row,
    place: { ...after, from: member },
    extras: {
      quotedItemId: quote === undefined ? undefined : await quotedItemIdOf(tx, row),
      reactions: hasReactions ? await itemReactions(tx, row) : [],
      mentions,
      file: c.file?.file,
    },
    quoted: await quotedMember(tx, user, group, member, quote),
  };
}

/** The quoted item is found by its author and id; who sent it is what the author says. */
function quoteOf(quote: QuotedMsg, group: GroupInfo, brokerTs: number): NewQuote {
  const { msgId, memberId, sentAt } = quote.msgRef;
  return {
    sharedMsgId: msgId,
    sentAt: parseIsoTime(sentAt) ?? brokerTs,
    content: quote.content,
    sent: memberId === group.membership.memberId,
    memberId,
  };
}

async function quotedMember(
  tx: Tx,
  user: User,
  group: GroupInfo,
  author: GroupMember,
  quote: NewQuote | undefined,
): Promise<GroupMember | undefined> {
  if (quote?.memberId === undefined || quote.sent) return undefined;
  return quote.memberId === author.memberId ? author : memberViewByMemberId(tx, user, group.groupId, quote.memberId);
}

/** What is hidden from the user: of blocked members. */
export const deletedAs = { blocked: 2, blockedByAdmin: 3 } as const;

/** Hides a new item of a member that the user or an admin has blocked. */
export async function hideBlocked(ctx: ChatContext, tx: Tx, stored: StoredContent): Promise<StoredContent> {
  const { from } = stored.place;
  if (!isBlocked(from)) return stored;
  return hide(ctx, tx, stored, from.blockedByAdmin ? 'blockedByAdmin' : 'blocked', ctx.clock.now());
}

/** Marks a stored item as hidden since `deletedTs` (ms); its content stays. */
export async function hide(
  ctx: ChatContext,
  tx: Tx,
  stored: StoredContent,
  as: keyof typeof deletedAs,
  deletedTs: number,
): Promise<StoredContent> {
  const row = await updateItemRow(tx, stored.row.chat_item_id, {
    item_deleted: deletedAs[as],
    item_deleted_ts: deletedTs,
    updated_at: ctx.clock.now(),
  });
  return { ...stored, row };
}

/** The item as events show it. */
export function storedItem(ctx: ChatContext, stored: StoredContent) {
  const { row, place, extras, quoted } = stored;
  const parties = newItemParties(place, quoted === undefined ? [] : [quoted]);
  return {
    chatInfo: groupChatInfo(place.group, place.scope),
    chatItem: itemView(row, parties, extras, ctx.clock.now(), formatText),
  };
}

/** Tells a new item. */
export async function emitContent(ctx: ChatContext, tx: Tx, user: User, stored: StoredContent): Promise<void> {
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [storedItem(ctx, stored)] });
}
