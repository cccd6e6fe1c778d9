import type { User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { updateItemRow } from '../items/queries.js';
import type { ItemRow } from '../items/view.js';

const deleteMessages = prepare<{ itemId: number }>((db, p) =>
  db
    .deleteFrom('messages')
    .where('message_id', 'in', (e) =>
      e.selectFrom('chat_item_messages').select('message_id').where('chat_item_id', '=', p('itemId')),
    ),
);
const deleteItem = prepare<{ itemId: number }>((db, p) =>
  db.deleteFrom('chat_items').where('chat_item_id', '=', p('itemId')),
);

/**
 * Deletes items of any chat with all that belongs to them: files, reactions, messages; versions, mentions and member
 * statuses go with the row. Counters and chat times are the caller's business.
 */
export async function removeItems(ctx: ChatContext, tx: Tx, user: User, rows: readonly ItemRow[]): Promise<void> {
  const withFiles = rows.filter((r) => r.has_file !== 0);
  if (withFiles.length > 0) await ctx.files?.removeOfItems(ctx, tx, user, withFiles);
  for (const row of rows) {
    await deleteReactions(tx, row);
    await deleteMessages.run(tx, { itemId: row.chat_item_id });
    await deleteItem.run(tx, { itemId: row.chat_item_id });
  }
}

async function deleteReactions(tx: Tx, row: ItemRow): Promise<void> {
  if (row.has_reactions === 0 || row.shared_msg_id === null) return;
  if (row.contact_id !== null) {
    await tx.db
      .deleteFrom('chat_item_reactions')
      .where('contact_id', '=', row.contact_id)
      .where('shared_msg_id', '=', row.shared_msg_id)
      .execute();
  } else if (row.group_id !== null) {
    // Shared ids are only unique for their author.
    const author = row.group_member_id === null ? "member_category = 'user'" : 'group_member_id = ?';
    await tx.execute(
      `DELETE FROM chat_item_reactions WHERE group_id = ? AND shared_msg_id = ?
         AND item_member_id = (SELECT member_id FROM group_members WHERE group_id = ? AND ${author})`,
      [row.group_id, row.shared_msg_id, row.group_id, ...(row.group_member_id === null ? [] : [row.group_member_id])],
    );
  }
}

/** Marks an item as deleted at `deletedTs` (ms); content stays, transfers of its file end. */
export async function markItemDeleted(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ItemRow,
  deletedTs: number,
  columns: { readonly item_deleted_by_group_member_id?: number | null } = {},
): Promise<ItemRow> {
  if (row.has_file !== 0) await ctx.files?.cancelOfItems(ctx, tx, user, [row]);
  return updateItemRow(tx, row.chat_item_id, {
    ...columns,
    item_deleted: 1,
    item_deleted_ts: deletedTs,
    updated_at: ctx.clock.now(),
  });
}
