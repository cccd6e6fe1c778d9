import type { AChatItem, ChatItemDeletion, CIContent, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { contentColumns } from '../items/create.js';
import { formatText } from '../items/format.js';
import { itemExtras, updateItemRow } from '../items/queries.js';
import { type ItemParties, type ItemRow, itemView } from '../items/view.js';
import { countRead } from '../messages/read-support.js';
import { markItemDeleted, removeItems } from '../messages/removal.js';
import { groupParties } from './items.js';
import { scopeMemberId } from './scope.js';
import { type GroupScope, groupChatInfo } from './view.js';

/** An item as deletions show it: without reactions. `by`: who deleted it, shown with the connection. */
async function viewDeleted(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  row: ItemRow,
  by: GroupMember | undefined,
): Promise<AChatItem> {
  const stored = await groupParties(tx, user, group, [row]);
  const parties: ItemParties =
    stored.type !== 'group' || by === undefined
      ? stored
      : {
          ...stored,
          byId: (id) =>
            id === by.groupMemberId && row.item_deleted_by_group_member_id === id && row.group_member_id !== id
              ? by
              : stored.byId(id),
        };
  const extras = await itemExtras(tx, { ...row, has_reactions: 0 });
  return {
    chatInfo: groupChatInfo(group, scope),
    chatItem: itemView(row, parties, extras, ctx.clock.now(), formatText),
  };
}

/** Content of a deleted item that stays in its place: what it was is not told. */
function moderatedContent(row: ItemRow): CIContent {
  return { type: row.item_sent !== 0 ? 'sndModerated' : 'rcvModerated' };
}

/**
 * Deletes items of a group (60, section 8.3). By a member they stay, emptied, as moderated; otherwise they are gone.
 */
export async function deleteGroupItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  rows: readonly ItemRow[],
  by: GroupMember | undefined,
  deletedTs: number,
): Promise<ChatItemDeletion[]> {
  const deletions: ChatItemDeletion[] = [];
  for (const row of rows) {
    const deletedChatItem = await viewDeleted(ctx, tx, user, group, scope, row, by);
    if (by === undefined) {
      deletions.push({ deletedChatItem });
      continue;
    }
    const emptied = await emptyItem(ctx, tx, user, row, moderatedContent(row), {
      item_deleted: 1,
      item_deleted_ts: deletedTs,
      item_deleted_by_group_member_id: by.groupMemberId,
    });
    deletions.push({
      deletedChatItem,
      toChatItem: await viewDeleted(ctx, tx, user, group, scope, emptied, by),
    });
  }
  if (by === undefined) await removeItems(ctx, tx, user, rows);
  return scope === undefined ? deletions : countDeleted(tx, user, group, scope, rows, deletions);
}

/** What was not read is not counted in its support chat any more. */
async function countDeleted(
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope,
  rows: readonly ItemRow[],
  deletions: ChatItemDeletion[],
): Promise<ChatItemDeletion[]> {
  const unread = rows.filter((r) => r.item_status === 'rcvNew');
  if (unread.length === 0) return deletions;
  const chatScope = { type: 'memberSupport', groupMemberId_: scopeMemberId(scope) } as const;
  const groupInfo = await countRead(tx, user, group, chatScope, unread);
  const withGroup = (item: AChatItem): AChatItem =>
    item.chatInfo.type === 'group' ? { ...item, chatInfo: { ...item.chatInfo, groupInfo } } : item;
  return deletions.map((d) => ({
    deletedChatItem: withGroup(d.deletedChatItem),
    toChatItem: d.toChatItem === undefined ? undefined : withGroup(d.toChatItem),
  }));
}

/** Replaces the content of an item and forgets everything that belonged to it. */
export async function emptyItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ItemRow,
  content: CIContent,
  deleted: {
    readonly item_deleted: number;
    readonly item_deleted_ts: number;
    readonly item_deleted_by_group_member_id?: number;
  },
): Promise<ItemRow> {
  if (row.has_file !== 0) await ctx.files?.removeOfItems(ctx, tx, user, [row]);
  const id = row.chat_item_id;
  await tx.db.deleteFrom('chat_item_versions').where('chat_item_id', '=', id).execute();
  await tx.db.deleteFrom('chat_item_mentions').where('chat_item_id', '=', id).execute();
  await tx.execute(
    'DELETE FROM messages WHERE message_id IN (SELECT message_id FROM chat_item_messages WHERE chat_item_id = ?) AND msg_sent = 1',
    [id],
  );
  return updateItemRow(tx, id, {
    ...contentColumns(content),
    ...deleted,
    has_file: 0,
    has_mentions: 0,
    updated_at: ctx.clock.now(),
  });
}

/** Marks items of a group as deleted, or as moderated by a member; they keep their content. */
export async function markGroupItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  rows: readonly ItemRow[],
  by: GroupMember | undefined,
  deletedTs: number,
): Promise<ChatItemDeletion[]> {
  const deletions: ChatItemDeletion[] = [];
  for (const row of rows) {
    const deletedChatItem = await viewDeleted(ctx, tx, user, group, scope, row, by);
    const marked = await markItemDeleted(ctx, tx, user, row, deletedTs, {
      item_deleted_by_group_member_id: by?.groupMemberId ?? null,
    });
    deletions.push({
      deletedChatItem,
      toChatItem: await viewDeleted(ctx, tx, user, group, scope, marked, by),
    });
  }
  return deletions;
}

/** Deletes or marks everything that a member wrote, without telling each item (60, section 7.11). */
export async function deleteMemberItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  by: GroupMember,
  full: boolean,
): Promise<void> {
  const own = member.memberCategory === 'user';
  const items = tx.db
    .selectFrom('chat_items')
    .selectAll()
    .where('group_id', '=', group.groupId)
    .where('item_content_tag', '=', own ? 'sndMsgContent' : 'rcvMsgContent');
  const rows = await (own
    ? items.where('item_sent', '=', 1)
    : items.where('group_member_id', '=', member.groupMemberId)
  ).execute();
  const now = ctx.clock.now();
  for (const row of rows) {
    if (full) {
      await emptyItem(ctx, tx, user, row, moderatedContent(row), {
        item_deleted: 1,
        item_deleted_ts: now,
        item_deleted_by_group_member_id: by.groupMemberId,
      });
    } else if (row.item_deleted === 0) {
      await markItemDeleted(ctx, tx, user, row, now, { item_deleted_by_group_member_id: by.groupMemberId });
    }
  }
}

/**
 * Reports of an item that was moderated are done with (60, section 8.7): the ids of those that were not deleted yet.
 */
export async function archiveReports(
  tx: Tx,
  group: GroupInfo,
  row: ItemRow,
  authorMemberId: string,
  by: GroupMember,
  now: number,
): Promise<number[]> {
  if (row.shared_msg_id === null) return [];
  const { rows } = await tx.execute<{ chat_item_id: number }>(
    `UPDATE chat_items SET item_deleted = 1, item_deleted_ts = ?, item_deleted_by_group_member_id = ?, updated_at = ?
     WHERE group_id = ? AND msg_content_tag = 'report' AND quoted_shared_msg_id = ? AND quoted_member_id = ?
       AND item_deleted = 0
     RETURNING chat_item_id`,
    [now, by.groupMemberId, now, group.groupId, row.shared_msg_id, authorMemberId],
  );
  return rows.map((r) => r.chat_item_id);
}
