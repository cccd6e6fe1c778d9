import type {
  ApiResponse,
  ChatItemInfo,
  ChatNameRef,
  ChatPagination,
  ChatRef,
  CIForwardedFrom,
  MemberDeliveryStatus,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, checkActiveUser, forUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure, storeFailure, storeInternalFailure } from '../engine/errors.js';
import { groupParties } from '../groups/items.js';
import { getGroup } from '../groups/queries.js';
import { commandScope } from '../groups/scope.js';
import { groupChatInfo } from '../groups/view.js';
import { getItemOf, type ItemsCondition, type ItemsOf, itemIdByText } from '../items/chat-items.js';
import { findItem } from '../items/queries.js';
import { groupSndStatusOf } from '../items/status.js';
import { directParties, type ItemRow, localParties } from '../items/view.js';
import { listChats } from './chat-list.js';
import { chatRefByName, itemsOfChat } from './chat-refs.js';
import { viewAnyItem, viewAnyItems, viewItems } from './chat-views.js';
import { getNoteFolder } from './note-rows.js';
import { noteChatInfo } from './notes.js';
import { itemsPage, lastItems, nextItems } from './pages.js';
import { itemVersions } from './versions.js';

type ApiChat = Extract<ApiResponse, { type: 'apiChat' }>;

/** `/_get chat`. */
async function apiChat(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  ref: ChatRef,
  contentTag: string | undefined,
  pagination: ChatPagination,
  search: string | undefined,
): Promise<ApiChat> {
  const { chatType, chatId } = ref;
  if (chatType === 'group') {
    const group = await getGroup(tx, user, chatId);
    const scope = await commandScope(tx, user, chatId, ref.chatScope);
    const of: ItemsOf = {
      kind: 'group',
      groupId: chatId,
      scope: ref.chatScope === undefined ? undefined : { groupMemberId: ref.chatScope.groupMemberId_ },
      contentTag,
    };
    const { rows, stats, navInfo } = await itemsPage(tx, of, pagination, search);
    const chatItems = await viewItems(ctx, tx, rows, await groupParties(tx, user, group, rows));
    return {
      type: 'apiChat',
      user,
      chat: { chatInfo: groupChatInfo(group, scope), chatItems, chatStats: stats },
      navInfo,
    };
  }
  if (chatType !== 'direct' && chatType !== 'local') throw commandFailure('not supported');
  if (contentTag !== undefined) throw commandFailure('content filter not supported');
  const chatInfo =
    chatType === 'direct'
      ? ({ type: 'direct', contact: await getContact(tx, user, chatId) } as const)
      : noteChatInfo(await getNoteFolder(tx, user, chatId));
  const { rows, stats, navInfo } = await itemsPage(tx, itemsOfChat(ref), pagination, search);
  const chatItems = await viewItems(ctx, tx, rows, chatType === 'direct' ? directParties : localParties);
  return { type: 'apiChat', user, chat: { chatInfo, chatItems, chatStats: stats }, navInfo };
}

/** Items of all chats of a user, by their own time. */
async function allItems(
  tx: Tx,
  user: User,
  pagination: ChatPagination,
  search: string | undefined,
): Promise<ItemRow[]> {
  const where: ItemsCondition = { sql: 'user_id = ?', params: [user.userId], order: 'item_ts' };
  const text = search ?? '';
  const { count } = pagination;
  const around = async (itemId: number): Promise<ItemRow[]> => {
    const item = await ownItem(tx, user, itemId);
    return [
      ...(await nextItems(tx, where, item, 'before', count, text)),
      item,
      ...(await nextItems(tx, where, item, 'after', count, text)),
    ];
  };
  switch (pagination.type) {
    case 'last':
      return lastItems(tx, where, count, text);
    case 'after':
    case 'before':
      return nextItems(tx, where, await ownItem(tx, user, pagination.itemId), pagination.type, count, text);
    case 'around':
      return around(pagination.itemId);
    case 'initial': {
      if (text !== '') throw storeInternalFailure("initial chat pagination doesn't support search");
      const { rows } = await tx.execute<{ id: number | null }>(
        "SELECT min(chat_item_id) AS id FROM chat_items WHERE user_id = ? AND item_status = 'rcvNew'",
        [user.userId],
      );
      const first = rows[0]?.id ?? null;
      return first === null ? lastItems(tx, where, count, '') : around(first);
    }
  }
}

async function ownItem(tx: Tx, user: User, itemId: number): Promise<ItemRow> {
  const row = await findItem(tx, itemId);
  if (row === undefined || row.user_id !== user.userId) throw storeFailure({ type: 'chatItemNotFound', itemId });
  return row;
}

async function itemInfo(ctx: ChatContext, tx: Tx, user: User, ref: ChatRef, itemId: number): Promise<ApiResponse> {
  const row = await getItemOf(tx, itemsOfChat(ref), itemId);
  const chatItem = await viewAnyItem(ctx, tx, user, row);
  const chatItemInfo: ChatItemInfo = {
    itemVersions: await itemVersions(tx, row),
    memberDeliveryStatuses: row.group_id !== null && row.item_sent !== 0 ? await memberStatuses(tx, itemId) : undefined,
    forwardedFromChatItem: await forwardedFrom(ctx, tx, user, row),
  };
  return { type: 'chatItemInfo', user, chatItem, chatItemInfo };
}

async function memberStatuses(tx: Tx, itemId: number): Promise<MemberDeliveryStatus[] | undefined> {
  const rows = await tx.db
    .selectFrom('group_snd_item_statuses')
    .selectAll()
    .where('chat_item_id', '=', itemId)
    .orderBy('group_snd_item_status_id')
    .execute();
  if (rows.length === 0) return undefined;
  return rows.map((r) => ({
    groupMemberId: r.group_member_id,
    memberDeliveryStatus: groupSndStatusOf(r.snd_item_status),
    sentViaProxy: r.via_proxy === null ? undefined : r.via_proxy !== 0,
  }));
}

async function forwardedFrom(ctx: ChatContext, tx: Tx, user: User, row: ItemRow) {
  if (row.item_forwarded === null) return undefined;
  const from = JSON.parse(row.item_forwarded) as CIForwardedFrom;
  if (from.type === 'unknown' || from.chatItemId === undefined) return undefined;
  return viewAnyItem(ctx, tx, user, await ownItem(tx, user, from.chatItemId));
}

async function lastMessages(
  ctx: ChatContext,
  user: User,
  chatName: ChatNameRef | undefined,
  count: number,
  search: string | undefined,
) {
  return ctx.store.read(async (tx) => {
    if (chatName === undefined) {
      return viewAnyItems(ctx, tx, user, await allItems(tx, user, { type: 'last', count }, search));
    }
    const ref = await chatRefByName(tx, user, chatName);
    const { chat } = await apiChat(ctx, tx, user, ref, undefined, { type: 'last', count }, search);
    return chat.chatItems.map((chatItem) => ({ chatInfo: chat.chatInfo, chatItem }));
  });
}

const defaultChats = 5000;

export const queryCommands: CommandTable = {
  APIGetChats: forUser(async (ctx, { userId, pendingConnections, pagination, query }, user) => {
    if (userId !== undefined) checkActiveUser(user, userId);
    const chats = await ctx.store.read((tx) => listChats(ctx, tx, user, pagination, query, pendingConnections));
    return { type: 'apiChats', user, chats };
  }),
  LastChats: forUser(async (ctx, { count }, user) => {
    const query = { type: 'filters', favorite: false, unread: false } as const;
    const pagination = { type: 'last', count: count ?? defaultChats } as const;
    const chats = await ctx.store.read((tx) => listChats(ctx, tx, user, pagination, query, false));
    return { type: 'chats', chats };
  }),
  APIGetChat: whenRunning((ctx, { chatRef, contentTag, pagination, search }, user) =>
    ctx.store.read((tx) => apiChat(ctx, tx, user, chatRef, contentTag, pagination, search)),
  ),
  APIGetChatItems: whenRunning((ctx, { pagination, search }, user) =>
    ctx.store.read(async (tx) => {
      const rows = await allItems(tx, user, pagination, search);
      return { type: 'chatItems', user, chatItems: await viewAnyItems(ctx, tx, user, rows) };
    }),
  ),
  APIGetChatItemInfo: whenRunning((ctx, { chatRef, chatItemId }, user) =>
    ctx.store.read((tx) => itemInfo(ctx, tx, user, chatRef, chatItemId)),
  ),
  ShowChatItemInfo: whenRunning((ctx, { chatName, text }, user) =>
    ctx.store.read(async (tx) => {
      const ref = await chatRefByName(tx, user, chatName);
      return itemInfo(ctx, tx, user, ref, await itemIdByText(tx, itemsOfChat(ref), text));
    }),
  ),
  LastMessages: whenRunning(async (ctx, { chatName, count, search }, user) => {
    const chatItems = await lastMessages(ctx, user, chatName, count, search);
    return { type: 'chatItems', user, chatName_: chatName, chatItems };
  }),
  LastChatItemId: whenRunning(async (ctx, { chatName, index }, user) => {
    const [item] = await lastMessages(ctx, user, chatName, index + 1, undefined);
    if (item === undefined) throw commandFailure('no chat items');
    return { type: 'chatItemId', data: [user, item.chatItem.meta.itemId] };
  }),
  ShowChatItem: whenRunning((ctx, { chatItemId }, user) =>
    ctx.store.read(async (tx) => {
      const row = await ownItem(tx, user, chatItemId);
      return { type: 'chatItems', user, chatItems: await viewAnyItems(ctx, tx, user, [row]) };
    }),
  ),
};
