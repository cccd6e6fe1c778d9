import type { AChat, ChatInfo, ChatListQuery, ChatStats, TimePagination, User } from '../../api/index.js';
import type { SqlValue, Tx } from '../../store/index.js';
import { type ConnectionRow, pendingConnectionView } from '../connections/view.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { groupParties } from '../groups/items.js';
import { getGroup } from '../groups/queries.js';
import { groupChatInfo } from '../groups/view.js';
import { findItem } from '../items/queries.js';
import { directParties, type ItemParties, localParties } from '../items/view.js';
import { viewItems } from './chat-views.js';
import { getNoteFolder } from './note-rows.js';
import { noteChatInfo } from './notes.js';
import { noStats } from './pages.js';

/** A chat of the list before it is read: its time, and statistics for the filters. */
interface Preview {
  readonly kind: 'direct' | 'group' | 'local' | 'connection';
  readonly id: number;
  readonly ts: number;
  readonly lastItemId: number | undefined;
  readonly stats: ChatStats;
}

interface PreviewRow {
  readonly id: number;
  readonly ts: number;
  readonly last: number | null;
  readonly unread: number;
  readonly mentions: number;
  readonly reports: number;
  readonly min_unread: number;
  readonly unread_chat: number;
}

/** Chats, newest first, each with its last item (70, section 3.6). */
export async function listChats(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  pagination: TimePagination,
  query: ChatListQuery,
  pendingConnections: boolean,
): Promise<AChat[]> {
  const previews = [
    ...(await previewsOf(tx, user, direct, pagination, query)),
    ...(await previewsOf(tx, user, group, pagination, query)),
    ...(await previewsOf(tx, user, local, pagination, query)),
    ...(pendingConnections ? await pending(tx, user, pagination, query) : []),
  ];
  const oldestFirst = pagination.type === 'after';
  previews.sort((a, b) => (oldestFirst ? a.ts - b.ts : b.ts - a.ts));
  const page = previews.slice(0, pagination.count);
  if (oldestFirst) page.reverse();
  const chats: AChat[] = [];
  for (const preview of page) chats.push(await readChat(ctx, tx, user, preview));
  return chats;
}

async function readChat(ctx: ChatContext, tx: Tx, user: User, preview: Preview): Promise<AChat> {
  const { kind, id, lastItemId } = preview;
  const last = lastItemId === undefined ? undefined : await findItem(tx, lastItemId);
  const rows = last === undefined ? [] : [last];
  let chatInfo: ChatInfo;
  let parties: ItemParties = directParties;
  if (kind === 'direct') chatInfo = { type: 'direct', contact: await getContact(tx, user, id) };
  else if (kind === 'local') {
    chatInfo = noteChatInfo(await getNoteFolder(tx, user, id));
    parties = localParties;
  } else if (kind === 'group') {
    const groupInfo = await getGroup(tx, user, id);
    chatInfo = groupChatInfo(groupInfo);
    parties = await groupParties(tx, user, groupInfo, rows);
  } else {
    const row = await tx.db
      .selectFrom('connections')
      .selectAll()
      .where('connection_id', '=', id)
      .executeTakeFirstOrThrow();
    chatInfo = { type: 'contactConnection', contactConnection: pendingConnectionView(row) };
  }
  return { chatInfo, chatItems: await viewItems(ctx, tx, rows, parties), chatStats: preview.stats };
}

/** How chats of one kind are found. */
interface Source {
  readonly kind: 'direct' | 'group' | 'local';
  /** Without conditions; `c` is the chat's table, `s` its statistics. Takes parameters `userId`. */
  readonly select: string;
  readonly params: (userId: number) => SqlValue[];
  readonly where: string;
  readonly searchJoin: string;
  readonly searchColumns: readonly string[];
}

const unreadOf = (column: string, extra = ''): string => `
  LEFT JOIN (SELECT ${column} AS chat_id, count(*) AS unread, sum(user_mention) AS mentions, min(chat_item_id) AS min_unread
             FROM chat_items WHERE user_id = ? AND ${column} IS NOT NULL ${extra} AND item_status = 'rcvNew'
             GROUP BY ${column}) s ON s.chat_id = c.`;

const direct: Source = {
  kind: 'direct',
  select: `SELECT c.contact_id AS id, c.chat_ts AS ts, c.unread_chat,
      (SELECT i.chat_item_id FROM chat_items i WHERE i.contact_id = c.contact_id
       ORDER BY i.created_at DESC, i.chat_item_id DESC LIMIT 1) AS last,
      coalesce(s.unread, 0) AS unread, 0 AS mentions, 0 AS reports, coalesce(s.min_unread, 0) AS min_unread
    FROM contacts c ${unreadOf('contact_id')}contact_id`,
  params: (userId) => [userId],
  where: 'c.user_id = ? AND c.is_user = 0 AND c.contact_used = 1 AND c.chat_ts IS NOT NULL',
  searchJoin: 'JOIN contact_profiles p ON p.contact_profile_id = c.contact_profile_id',
  searchColumns: ['c.local_display_name', 'p.display_name', 'p.full_name', 'p.short_descr', 'p.local_alias'],
};

const group: Source = {
  kind: 'group',
  select: `SELECT c.group_id AS id, c.chat_ts AS ts, c.unread_chat,
      (SELECT i.chat_item_id FROM chat_items i WHERE i.group_id = c.group_id AND i.group_scope_tag IS NULL
       ORDER BY i.item_ts DESC, i.chat_item_id DESC LIMIT 1) AS last,
      coalesce(s.unread, 0) AS unread, coalesce(s.mentions, 0) AS mentions, coalesce(r.reports, 0) AS reports,
      coalesce(s.min_unread, 0) AS min_unread
    FROM groups c ${unreadOf('group_id', 'AND group_scope_tag IS NULL')}group_id
    LEFT JOIN (SELECT group_id AS chat_id, count(*) AS reports FROM chat_items
               WHERE user_id = ? AND group_id IS NOT NULL AND msg_content_tag = 'report' AND item_deleted = 0 AND item_sent = 0
               GROUP BY group_id) r ON r.chat_id = c.group_id`,
  params: (userId) => [userId, userId],
  where: 'c.user_id = ? AND c.chat_ts IS NOT NULL',
  searchJoin: 'JOIN group_profiles p ON p.group_profile_id = c.group_profile_id',
  searchColumns: ['c.local_display_name', 'p.display_name', 'p.full_name', 'p.short_descr', 'p.description'],
};

const local: Source = {
  kind: 'local',
  select: `SELECT c.note_folder_id AS id, c.chat_ts AS ts, c.unread_chat,
      (SELECT i.chat_item_id FROM chat_items i WHERE i.note_folder_id = c.note_folder_id
       ORDER BY i.created_at DESC, i.chat_item_id DESC LIMIT 1) AS last,
      coalesce(s.unread, 0) AS unread, 0 AS mentions, 0 AS reports, coalesce(s.min_unread, 0) AS min_unread
    FROM note_folders c ${unreadOf('note_folder_id')}note_folder_id`,
  params: (userId) => [userId],
  where: 'c.user_id = ?',
  searchJoin: '',
  searchColumns: [],
};

async function previewsOf(
  tx: Tx,
  user: User,
  source: Source,
  pagination: TimePagination,
  query: ChatListQuery,
): Promise<Preview[]> {
  const conditions = [source.where];
  const params: SqlValue[] = [...source.params(user.userId), user.userId];
  let join = '';
  if (query.type === 'search') {
    if (source.searchColumns.length === 0) return [];
    join = source.searchJoin;
    conditions.push(`(${source.searchColumns.map((c) => `LOWER(${c}) LIKE '%' || ? || '%'`).join(' OR ')})`);
    for (const _ of source.searchColumns) params.push(query.search.toLowerCase());
  } else {
    const any: string[] = [];
    if (query.favorite) any.push('c.favorite = 1');
    if (query.unread) any.push('c.unread_chat = 1', 'coalesce(s.unread, 0) > 0');
    if (any.length > 0) conditions.push(`(${any.join(' OR ')})`);
  }
  const { order, condition, time } = timePage(pagination, 'c.chat_ts');
  conditions.push(...condition);
  const { rows } = await tx.execute<PreviewRow>(
    `${source.select} ${join} WHERE ${conditions.join(' AND ')} ORDER BY c.chat_ts ${order} LIMIT ?`,
    [...params, ...time, pagination.count],
  );
  return rows.map((r) => ({
    kind: source.kind,
    id: r.id,
    ts: r.ts,
    lastItemId: r.last ?? undefined,
    stats: {
      unreadCount: Number(r.unread),
      unreadMentions: Number(r.mentions),
      reportsCount: Number(r.reports),
      minUnreadItemId: Number(r.min_unread),
      unreadChat: r.unread_chat !== 0,
    },
  }));
}

function timePage(
  pagination: TimePagination,
  column: string,
): { readonly order: 'ASC' | 'DESC'; readonly condition: string[]; readonly time: number[] } {
  switch (pagination.type) {
    case 'last':
      return { order: 'DESC', condition: [], time: [] };
    case 'after':
      return { order: 'ASC', condition: [`${column} > ?`], time: [pagination.time] };
    case 'before':
      return { order: 'DESC', condition: [`${column} < ?`], time: [pagination.time] };
  }
}

/** Connections that are no contact yet; filters do not find them, a search finds their alias. */
async function pending(tx: Tx, user: User, pagination: TimePagination, query: ChatListQuery): Promise<Preview[]> {
  if (query.type === 'filters' && (query.favorite || query.unread)) return [];
  const search = query.type === 'search' ? query.search : '';
  const { order, condition, time } = timePage(pagination, 'updated_at');
  const { rows } = await tx.execute<Pick<ConnectionRow, 'connection_id' | 'updated_at'>>(
    `SELECT connection_id, updated_at FROM connections
     WHERE user_id = ? AND conn_type = 'contact' AND conn_status <> 'prepared' AND contact_id IS NULL AND conn_level = 0
       AND via_contact IS NULL AND (via_group_link = 0 OR group_link_id IS NOT NULL)
       AND LOWER(local_alias) LIKE '%' || LOWER(?) || '%' ${condition.map((c) => `AND ${c}`).join(' ')}
     ORDER BY updated_at ${order} LIMIT ?`,
    [user.userId, search, ...time, pagination.count],
  );
  return rows.map((r) => ({
    kind: 'connection',
    id: r.connection_id,
    ts: r.updated_at,
    lastItemId: undefined,
    stats: noStats,
  }));
}
