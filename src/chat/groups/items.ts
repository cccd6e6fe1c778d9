import type {
  AChatItem,
  ChatItem,
  CIContent,
  GroupInfo,
  GroupMember,
  GroupSupportChat,
  User,
} from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { isoTime, isoTimeOrUndefined, parseIsoTime } from '../engine/time.js';
import { msgContentOf, type NewItem, type ServiceItem, storeItem, viewItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { requiresAttention } from '../items/text.js';
import { type ItemParties, type ItemRow, itemView, noExtras } from '../items/view.js';
import { getMember, membersWithoutConnection, memberViewByMemberId } from './queries.js';
import { scopeMemberId, updateAttention } from './scope.js';
import { type GroupScope, groupChatInfo } from './view.js';

/** The chat that a group item is in, and who wrote it: the user when there is no member. */
export interface GroupPlace {
  readonly group: GroupInfo;
  readonly scope?: GroupScope | undefined;
  readonly from?: GroupMember | undefined;
}

/** The chat columns of an item in this place. */
export function itemChat(place: GroupPlace): NewItem['chat'] {
  const { scope } = place;
  return {
    type: 'group',
    groupId: place.group.groupId,
    groupMemberId: place.from?.groupMemberId,
    scope: scope === undefined ? undefined : { type: 'memberSupport', groupMemberId: scopeMemberId(scope) },
  };
}

/** What a new item does to the counters of a support chat. */
export interface SupportStats {
  readonly unread: number;
  readonly mentions: number;
  /** When the message came to the relay (ms), for messages of members. */
  readonly brokerTs: number | undefined;
}

const touch = prepare<{ groupId: number; ts: number }>((db, p) =>
  db
    .updateTable('groups')
    .set({ chat_ts: p('ts') })
    .where('group_id', '=', p('groupId')),
);

const setStats = prepare<{
  id: number;
  ts: number;
  unread: number;
  attention: number;
  mentions: number;
  last: number | null;
}>((db, p) =>
  db
    .updateTable('group_members')
    .set({
      support_chat_ts: p('ts'),
      support_chat_items_unread: p('unread'),
      support_chat_items_member_attention: p('attention'),
      support_chat_items_mentions: p('mentions'),
      support_chat_last_msg_from_member_ts: p('last'),
    })
    .where('group_member_id', '=', p('id')),
);

/** The chat goes to the top of the list, and its support chat counts what came; the place as it is afterwards. */
export async function touchGroup(tx: Tx, place: GroupPlace, ts: number, stats?: SupportStats): Promise<GroupPlace> {
  const { scope } = place;
  await touch.run(tx, { groupId: place.group.groupId, ts });
  let group: GroupInfo = { ...place.group, chatTs: isoTime(ts) };
  if (scope === undefined) return { ...place, group };
  if (scope.type === 'own') {
    const membership = await countSupport(tx, group.membership, ts, place.from, stats, true);
    return { ...place, group: { ...group, membership } };
  }
  const member = await countSupport(tx, scope.member, ts, place.from, stats, false);
  group = await updateAttention(tx, group, scope.member, member);
  return { ...place, group, scope: { type: 'member', member } };
}

async function countSupport(
  tx: Tx,
  owner: GroupMember,
  ts: number,
  from: GroupMember | undefined,
  stats: SupportStats | undefined,
  own: boolean,
): Promise<GroupMember> {
  const before = owner.supportChat ?? { chatTs: isoTime(ts), unread: 0, memberAttention: 0, mentions: 0 };
  const lastBefore =
    before.lastMsgFromMemberTs === undefined ? null : (parseIsoTime(before.lastMsgFromMemberTs) ?? null);
  let { unread, memberAttention, mentions } = before;
  let last = lastBefore;
  if (stats !== undefined) {
    unread += stats.unread;
    mentions += stats.mentions;
    if (!own && from !== undefined) {
      if (from.groupMemberId === owner.groupMemberId) {
        memberAttention += stats.unread;
        last = stats.brokerTs ?? last;
      } else if (stats.brokerTs !== undefined && lastBefore !== null && lastBefore < stats.brokerTs) {
        // A moderator has answered what came before.
        memberAttention = 0;
      }
    }
  }
  await setStats.run(tx, { id: owner.groupMemberId, ts, unread, attention: memberAttention, mentions, last });
  const supportChat: GroupSupportChat = {
    chatTs: isoTime(ts),
    unread,
    memberAttention,
    mentions,
    lastMsgFromMemberTs: isoTimeOrUndefined(last),
  };
  return { ...owner, supportChat };
}

/** Parties of an item that was just made: the author is known. */
export function newItemParties(place: GroupPlace, others: readonly GroupMember[] = []): ItemParties {
  const { membership } = place.group;
  const known = place.from === undefined ? others : [place.from, ...others];
  return {
    type: 'group',
    membership,
    byId: (id) => known.find((m) => m.groupMemberId === id),
    byMemberId: (id) => others.find((m) => m.memberId === id),
  };
}

/** Members that stored items name, read for their views: authors, who deleted, who is quoted. */
export async function groupParties(
  tx: Tx,
  user: User,
  group: GroupInfo,
  rows: readonly ItemRow[],
): Promise<ItemParties> {
  const ids: number[] = [];
  const memberIds = new Set<string>();
  for (const row of rows) {
    if (row.group_member_id !== null) ids.push(row.group_member_id);
    if (row.item_deleted_by_group_member_id !== null) ids.push(row.item_deleted_by_group_member_id);
    if (row.quoted_member_id !== null) memberIds.add(row.quoted_member_id);
  }
  const byId = await membersWithoutConnection(tx, user, ids);
  const byMemberId = new Map<string, GroupMember>();
  for (const id of memberIds) {
    const member = await memberViewByMemberId(tx, user, group.groupId, id);
    if (member !== undefined) byMemberId.set(id, member);
  }
  return {
    type: 'group',
    membership: group.membership,
    byId: (id) => byId.get(id),
    byMemberId: (id) => byMemberId.get(id),
  };
}

/** The scope in which an item is stored; its member with connection. */
export async function itemScope(tx: Tx, user: User, row: ItemRow): Promise<GroupScope | undefined> {
  if (row.group_scope_tag === null || row.group_id === null) return undefined;
  if (row.group_scope_group_member_id === null) return { type: 'own' };
  return { type: 'member', member: await getMember(tx, user, row.group_id, row.group_scope_group_member_id) };
}

/** A stored item as the API shows it. `scope`: given, or that of the item. */
export async function viewGroupItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  row: ItemRow,
  scope?: GroupScope,
): Promise<AChatItem> {
  const parties = await groupParties(tx, user, group, [row]);
  return viewItem(ctx, tx, groupChatInfo(group, scope ?? (await itemScope(tx, user, row))), row, parties);
}

/** The item of a group with this shared id and author: the user's own, or that of the member with this id. */
export async function groupItemBySharedId(
  tx: Tx,
  group: GroupInfo,
  memberId: string,
  sharedMsgId: string,
): Promise<ItemRow | undefined> {
  if (memberId === group.membership.memberId) {
    return ownByShared.first(tx, { groupId: group.groupId, sharedMsgId });
  }
  return byShared.first(tx, { groupId: group.groupId, sharedMsgId, memberId });
}

const ownByShared = prepare<{ groupId: number; sharedMsgId: string }, ItemRow>((db, p) =>
  db
    .selectFrom('chat_items')
    .selectAll()
    .where('group_id', '=', p('groupId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('item_sent', '=', 1),
);
const byShared = prepare<{ groupId: number; sharedMsgId: string; memberId: string }, ItemRow>((db, p) =>
  db
    .selectFrom('chat_items')
    .innerJoin('group_members', 'group_members.group_member_id', 'chat_items.group_member_id')
    .selectAll('chat_items')
    .where('chat_items.group_id', '=', p('groupId'))
    .where('chat_items.shared_msg_id', '=', p('sharedMsgId'))
    .where('chat_items.item_sent', '=', 0)
    .where('group_members.member_id', '=', p('memberId')),
);

/** The author of a stored item, with connection; the membership for own items. */
export async function itemAuthor(tx: Tx, user: User, group: GroupInfo, row: ItemRow): Promise<GroupMember> {
  if (row.item_sent !== 0 || row.group_member_id === null) return group.membership;
  return getMember(tx, user, group.groupId, row.group_member_id);
}

/** New members get messages of the main chat, but not reports (60, section 7.9). */
export function inHistory(scope: GroupScope | undefined, content: CIContent): boolean {
  const message = msgContentOf(content);
  return scope === undefined && message !== undefined && message.type !== 'report';
}

/** `showGroupAsSender`: shown as said by the group, not by a member. */
export interface GroupServiceItem extends ServiceItem {
  readonly showGroupAsSender?: boolean | undefined;
  readonly createdByMsgId?: number | undefined;
}

/**
 * Stores service items: of the user when `place.from` is absent, else as received from that member. They come in
 * one group of items; the caller tells them in one event.
 */
export async function createGroupItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace,
  items: readonly GroupServiceItem[],
): Promise<AChatItem[]> {
  const now = ctx.clock.now();
  const sent = place.from === undefined;
  const attention = items.filter((i) => requiresAttention(i.content)).length;
  if (sent ? items.length > 0 : attention > 0) {
    await touchGroup(tx, place, now, sent ? undefined : { unread: attention, mentions: 0, brokerTs: items[0]?.itemTs });
  }
  const parties = newItemParties(place);
  const chatInfo = groupChatInfo(place.group, place.scope);
  const out: AChatItem[] = [];
  for (const item of items) {
    const row = await storeItem(tx, {
      userId: user.userId,
      chat: itemChat(place),
      sent,
      content: item.content,
      itemTs: item.itemTs,
      sharedMsgId: item.sharedMsgId,
      createdByMsgId: item.createdByMsgId,
      showGroupAsSender: item.showGroupAsSender,
      includeInHistory: inHistory(place.scope, item.content),
      createdAt: now,
    });
    // The official program does not show the shared id of items that it makes itself.
    out.push({
      chatInfo,
      chatItem: itemView({ ...row, shared_msg_id: null }, parties, noExtras, now, formatText),
    });
  }
  return out;
}

/** {@link createGroupItems}, and one event for all of them. */
export async function emitGroupItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace,
  items: readonly GroupServiceItem[],
): Promise<void> {
  const chatItems = await createGroupItems(ctx, tx, user, place, items);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
}

/** One service item with its event. */
export async function emitGroupItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace,
  content: CIContent,
  options: Omit<GroupServiceItem, 'content'> = {},
): Promise<void> {
  await emitGroupItems(ctx, tx, user, place, [{ content, ...options }]);
}

/** A received service item that carries the time and id of the message that caused it. */
export async function emitReceivedEvent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace & { readonly from: GroupMember },
  content: CIContent,
  message: { readonly brokerTs: number; readonly msgId: string | undefined; readonly messageId: number | undefined },
): Promise<void> {
  const now = ctx.clock.now();
  const attention = requiresAttention(content);
  const after = attention
    ? await touchGroup(tx, place, now, { unread: 1, mentions: 0, brokerTs: message.brokerTs })
    : place;
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: itemChat(place),
    sent: false,
    content,
    itemTs: message.brokerTs,
    sharedMsgId: message.msgId,
    createdByMsgId: message.messageId,
    createdAt: now,
  });
  const chatItem: ChatItem = itemView(row, newItemParties(place), noExtras, now, formatText);
  await ctx.emit(tx, {
    type: 'newChatItems',
    user,
    chatItems: [{ chatInfo: groupChatInfo(after.group, after.scope), chatItem }],
  });
}
