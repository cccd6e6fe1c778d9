import type { ChatItemDeletion, CIContent, Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { contentColumns, msgContentOf, viewDirectItem } from './create.js';
import { updateItemRow } from './queries.js';
import { type ItemRow, itemMsgContent } from './view.js';

/** Changes the content of a message item and keeps the versions before and after (50, section 5.2). */
export async function editItemContent(
  ctx: ChatContext,
  tx: Tx,
  row: ItemRow,
  content: CIContent,
  change: {
    readonly edited: boolean;
    /** undefined: as it is. */
    readonly live: boolean | undefined;
    /** undefined: as it is. */
    readonly timedDeleteAt?: number | undefined;
    readonly hasMentions?: boolean | undefined;
  },
): Promise<ItemRow> {
  const now = ctx.clock.now();
  const before = itemMsgContent(row);
  const after = msgContentOf(content);
  if (before !== undefined && after !== undefined) {
    const existing = await tx.db
      .selectFrom('chat_item_versions')
      .select('chat_item_version_id')
      .where('chat_item_id', '=', row.chat_item_id)
      .executeTakeFirst();
    const versions = existing === undefined ? [{ content: before, ts: row.item_ts }] : [];
    for (const v of [...versions, { content: after, ts: now }]) {
      await tx.db
        .insertInto('chat_item_versions')
        .values({
          chat_item_id: row.chat_item_id,
          msg_content: JSON.stringify(v.content),
          item_version_ts: v.ts,
          created_at: now,
        })
        .execute();
    }
  }
  return updateItemRow(tx, row.chat_item_id, {
    ...contentColumns(content),
    item_edited: change.edited ? 1 : row.item_edited,
    item_live: change.live === undefined ? row.item_live : change.live ? 1 : 0,
    timed_delete_at: change.timedDeleteAt ?? row.timed_delete_at,
    has_mentions: change.hasMentions === undefined ? row.has_mentions : change.hasMentions ? 1 : 0,
    updated_at: now,
  });
}

/** Deletes an item with everything that hangs on it. */
async function deleteItemRow(ctx: ChatContext, tx: Tx, user: User, row: ItemRow): Promise<void> {
  if (row.has_file !== 0) await ctx.files?.removeOfItems(ctx, tx, user, [row]);
  if (row.has_reactions !== 0 && row.shared_msg_id !== null) {
    const query = tx.db.deleteFrom('chat_item_reactions').where('shared_msg_id', '=', row.shared_msg_id);
    await (row.contact_id !== null
      ? query.where('contact_id', '=', row.contact_id)
      : query.where('group_id', '=', row.group_id)
    ).execute();
  }
  await tx.db.deleteFrom('chat_items').where('chat_item_id', '=', row.chat_item_id).execute();
}

/** Deletes an item of a direct chat, or marks it deleted; how the API tells it. */
export async function removeDirectItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  row: ItemRow,
  how: { readonly full: boolean; readonly deletedTs: number },
): Promise<ChatItemDeletion> {
  const deletedChatItem = await viewDirectItem(ctx, tx, contact, row);
  if (how.full) {
    await deleteItemRow(ctx, tx, user, row);
    return { deletedChatItem };
  }
  if (row.has_file !== 0) await ctx.files?.cancelOfItems(ctx, tx, user, [row]);
  const marked = await updateItemRow(tx, row.chat_item_id, {
    item_deleted: 1,
    item_deleted_ts: how.deletedTs,
    updated_at: ctx.clock.now(),
  });
  return { deletedChatItem, toChatItem: await viewDirectItem(ctx, tx, contact, marked) };
}
