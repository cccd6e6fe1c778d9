import type { ChatPagination, ChatStats, NavigationInfo } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { storeInternalFailure } from '../engine/errors.js';
import { getItemOf, type ItemsCondition, type ItemsOf, whereItems } from '../items/chat-items.js';
import type { ItemRow } from '../items/view.js';

export const noStats: ChatStats = {
  unreadCount: 0,
  unreadMentions: 0,
  reportsCount: 0,
  minUnreadItemId: 0,
  unreadChat: false,
};

/** Items of a chat, oldest first. True statistics come only with pages around an item. */
export interface ItemsPage {
  readonly rows: readonly ItemRow[];
  readonly stats: ChatStats;
  readonly navInfo?: NavigationInfo | undefined;
}

/** A page of a chat (70, section 3.6). `chatItemNotFound`, `internalError`. */
export async function itemsPage(
  tx: Tx,
  of: ItemsOf,
  pagination: ChatPagination,
  search: string | undefined,
): Promise<ItemsPage> {
  if (of.kind === 'group' && of.scope !== undefined && of.contentTag !== undefined) {
    throw storeInternalFailure('group scope and content filter are not supported together');
  }
  const text = search ?? '';
  const where = whereItems(of);
  const { count } = pagination;
  switch (pagination.type) {
    case 'last':
      return { rows: await lastItems(tx, where, count, text), stats: noStats };
    case 'after': {
      const item = await getItemOf(tx, of, pagination.itemId);
      return { rows: await nextItems(tx, where, item, 'after', count, text), stats: noStats };
    }
    case 'before': {
      const item = await getItemOf(tx, of, pagination.itemId);
      return { rows: await nextItems(tx, where, item, 'before', count, text), stats: noStats };
    }
    case 'around':
      return around(tx, of, where, pagination.itemId, count, text, await chatStats(tx, of));
    case 'initial': {
      if (text !== '') throw storeInternalFailure("initial chat pagination doesn't support search");
      const first = await firstUnread(tx, where);
      const stats = await initialStats(tx, of, first);
      if (first !== undefined) return around(tx, of, where, first, count, '', stats);
      return {
        rows: await lastItems(tx, where, count, ''),
        stats,
        navInfo: { afterUnread: 0, afterTotal: 0 },
      };
    }
  }
}

function searchCondition(text: string): { readonly sql: string; readonly params: readonly string[] } {
  return text === ''
    ? { sql: '', params: [] }
    : { sql: " AND LOWER(item_text) LIKE '%' || LOWER(?) || '%'", params: [text] };
}

/** The newest items, oldest first. */
export async function lastItems(tx: Tx, where: ItemsCondition, count: number, text: string): Promise<ItemRow[]> {
  const search = searchCondition(text);
  const { rows } = await tx.execute<ItemRow>(
    `SELECT * FROM chat_items WHERE ${where.sql}${search.sql}
     ORDER BY ${where.order} DESC, chat_item_id DESC LIMIT ?`,
    [...where.params, ...search.params, count],
  );
  return rows.reverse();
}

/** Items next to one, without it, oldest first. */
export async function nextItems(
  tx: Tx,
  where: ItemsCondition,
  item: ItemRow,
  side: 'after' | 'before',
  count: number,
  text: string,
): Promise<ItemRow[]> {
  const search = searchCondition(text);
  const { order } = where;
  const [sign, direction] = side === 'after' ? ['>', 'ASC'] : ['<', 'DESC'];
  const at = item[order];
  const { rows } = await tx.execute<ItemRow>(
    `SELECT * FROM chat_items WHERE ${where.sql}${search.sql}
       AND (${order} ${sign} ? OR (${order} = ? AND chat_item_id ${sign} ?))
     ORDER BY ${order} ${direction}, chat_item_id ${direction} LIMIT ?`,
    [...where.params, ...search.params, at, at, item.chat_item_id, count],
  );
  return side === 'after' ? rows : rows.reverse();
}

async function around(
  tx: Tx,
  of: ItemsOf,
  where: ItemsCondition,
  itemId: number,
  count: number,
  text: string,
  stats: ChatStats,
): Promise<ItemsPage> {
  const item = await getItemOf(tx, of, itemId);
  const before = await nextItems(tx, where, item, 'before', count, text);
  const after = await nextItems(tx, where, item, 'after', count, text);
  const rows = [...before, item, ...after];
  return { rows, stats, navInfo: await itemsAfter(tx, of, rows.at(-1) ?? item) };
}

/** How many items of the chat, in all scopes, come after one. */
async function itemsAfter(tx: Tx, of: ItemsOf, last: ItemRow): Promise<NavigationInfo> {
  const { order } = whereItems(of);
  const all = whereItems(of.kind === 'group' ? { kind: 'group', groupId: of.groupId } : of);
  const sql = of.kind === 'group' ? 'group_id = ?' : all.sql;
  const { rows } = await tx.execute<{ total: number; unread: number | null }>(
    `SELECT count(*) AS total, sum(CASE WHEN item_status = 'rcvNew' THEN 1 ELSE 0 END) AS unread
     FROM chat_items WHERE ${sql} AND (${order} > ? OR (${order} = ? AND chat_item_id > ?))`,
    [...all.params, last[order], last[order], last.chat_item_id],
  );
  return { afterUnread: Number(rows[0]?.unread ?? 0), afterTotal: Number(rows[0]?.total ?? 0) };
}

async function firstUnread(tx: Tx, where: ItemsCondition): Promise<number | undefined> {
  const { rows } = await tx.execute<{ chat_item_id: number }>(
    `SELECT chat_item_id FROM chat_items WHERE ${where.sql} AND item_status = 'rcvNew'
     ORDER BY ${where.order}, chat_item_id LIMIT 1`,
    where.params,
  );
  return rows[0]?.chat_item_id;
}

async function initialStats(tx: Tx, of: ItemsOf, first: number | undefined): Promise<ChatStats> {
  if (of.kind !== 'group' && first === undefined) return noStats;
  const counted = await chatStats(tx, of);
  return first === undefined
    ? { ...noStats, reportsCount: counted.reportsCount }
    : { ...counted, minUnreadItemId: first };
}

/** Unread items, mentions and reports of a chat. `unreadChat` is a property of the chat itself. */
export async function chatStats(tx: Tx, of: ItemsOf): Promise<ChatStats> {
  const where = whereItems(of.kind === 'group' ? { ...of, contentTag: undefined } : of);
  const { rows } = await tx.execute<{ unread: number; mentions: number | null }>(
    `SELECT count(*) AS unread, sum(user_mention) AS mentions FROM chat_items
     WHERE ${where.sql} AND item_status = 'rcvNew'`,
    where.params,
  );
  const unreadCount = Number(rows[0]?.unread ?? 0);
  return {
    unreadCount,
    unreadMentions: of.kind === 'group' ? Number(rows[0]?.mentions ?? 0) : 0,
    reportsCount: of.kind === 'group' ? await reportsCount(tx, of.groupId) : 0,
    minUnreadItemId: unreadCount === 0 ? 0 : ((await firstUnread(tx, where)) ?? 0),
    unreadChat: false,
  };
}

async function reportsCount(tx: Tx, groupId: number): Promise<number> {
  const { rows } = await tx.execute<{ n: number }>(
    `SELECT count(*) AS n FROM chat_items
     WHERE group_id = ? AND msg_content_tag = 'report' AND item_deleted = 0 AND item_sent = 0`,
    [groupId],
  );
  return Number(rows[0]?.n ?? 0);
}
