import type { AChatItem, ApiResponse, ChatItemDeletion, CIDeleteMode, Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findContact, getContact } from '../contacts/queries.js';
import type { TimedDelete } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, storeFailure } from '../engine/errors.js';
import { type ItemsOf, isItemOf } from '../items/chat-items.js';
import { formatText } from '../items/format.js';
import { findItem, itemExtras } from '../items/queries.js';
import { directParties, type ItemRow, itemView } from '../items/view.js';
import { sendDirectMessages } from '../messaging/send.js';
import { getNoteFolder } from './note-rows.js';
import { noteChatInfo, viewNote } from './notes.js';
import { markItemDeleted, removeItems } from './removal.js';

/** Own messages can be deleted for everybody for 24 hours, and 6 more for who decided just before. */
const broadcastDeleteMs = 30 * 3600_000;
/** A contact or member may delete what it sent for 72 hours, and 6 more for what was on the way. */
export const acceptDeleteMs = 78 * 3600_000;

/** Items of a chat by their ids; those that are not there are told in one event `chatErrors`. */
export async function findItems(ctx: ChatContext, tx: Tx, of: ItemsOf, itemIds: readonly number[]): Promise<ItemRow[]> {
  const rows: ItemRow[] = [];
  const missing: ChatException[] = [];
  for (const itemId of itemIds) {
    const row = await findItem(tx, itemId);
    if (row !== undefined && isItemOf(row, of)) rows.push(row);
    else missing.push(storeFailure({ type: 'chatItemNotFound', itemId }));
  }
  if (missing.length > 0) {
    await ctx.emit(tx, { type: 'chatErrors', chatErrors: missing.map((e) => e.chatError) });
  }
  return rows;
}

/** Whether an item may still be deleted for everybody. */
export function canDeleteForAll(row: ItemRow, now: number): boolean {
  return (
    row.item_sent !== 0 &&
    row.shared_msg_id !== null &&
    row.item_content_tag === 'sndMsgContent' &&
    row.item_deleted === 0 &&
    now - row.item_ts < broadcastDeleteMs
  );
}

/** An item of a direct chat as deletions show it: without reactions. */
async function viewDeleted(ctx: ChatContext, tx: Tx, contact: Contact, row: ItemRow): Promise<AChatItem> {
  const extras = await itemExtras(tx, { ...row, has_reactions: 0 });
  return {
    chatInfo: { type: 'direct', contact },
    chatItem: itemView(row, directParties, extras, ctx.clock.now(), formatText),
  };
}

/** Deletes items of a direct chat here. */
export async function removeDirectItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  rows: readonly ItemRow[],
): Promise<ChatItemDeletion[]> {
  const deletions: ChatItemDeletion[] = [];
  for (const row of rows) deletions.push({ deletedChatItem: await viewDeleted(ctx, tx, contact, row) });
  await removeItems(ctx, tx, user, rows);
  return deletions;
}

/** Marks items of a direct chat as deleted. */
export async function markDirectItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  rows: readonly ItemRow[],
  deletedTs: number,
): Promise<ChatItemDeletion[]> {
  const deletions: ChatItemDeletion[] = [];
  for (const row of rows) {
    const deletedChatItem = await viewDeleted(ctx, tx, contact, row);
    const marked = await markItemDeleted(ctx, tx, user, row, deletedTs);
    deletions.push({ deletedChatItem, toChatItem: await viewDeleted(ctx, tx, contact, marked) });
  }
  return deletions;
}

/** `/_delete item` in a direct chat (50, section 5.3). */
export async function deleteFromContact(
  ctx: ChatContext,
  user: User,
  contactId: number,
  itemIds: readonly number[],
  mode: CIDeleteMode,
): Promise<ApiResponse> {
  const result = await ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    const rows = await findItems(ctx, tx, { kind: 'direct', contactId }, itemIds);
    const now = ctx.clock.now();
    if (mode === 'internal') return removeDirectItems(ctx, tx, user, contact, rows);
    if (mode === 'internalMark') return markDirectItems(ctx, tx, user, contact, rows, now);
    // A refusal leaves the event about missing items.
    if (!rows.every((r) => canDeleteForAll(r, now))) return chatFailure({ type: 'invalidChatItemDelete' });
    const events = rows.flatMap((r) =>
      r.shared_msg_id === null ? [] : [{ event: { type: 'x.msg.del' as const, msgId: r.shared_msg_id } }],
    );
    if (events.length > 0) {
      const sent = await sendDirectMessages(ctx, tx, user, contact, events);
      for (const s of sent) if (s instanceof ChatException) throw s;
    }
    return contact.mergedPreferences.fullDelete.enabled.forUser
      ? removeDirectItems(ctx, tx, user, contact, rows)
      : markDirectItems(ctx, tx, user, contact, rows, now);
  });
  if (result instanceof ChatException) throw result;
  return { type: 'chatItemsDeleted', user, chatItemDeletions: result, byUser: true, timed: false };
}

/** `/_delete item` of private notes: they are just deleted. */
export async function deleteNotes(
  ctx: ChatContext,
  user: User,
  noteFolderId: number,
  itemIds: readonly number[],
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const chatInfo = noteChatInfo(await getNoteFolder(tx, user, noteFolderId));
    const rows = await findItems(ctx, tx, { kind: 'local', noteFolderId }, itemIds);
    const chatItemDeletions: ChatItemDeletion[] = [];
    for (const row of rows) chatItemDeletions.push({ deletedChatItem: await viewNote(ctx, tx, chatInfo, row) });
    await removeItems(ctx, tx, user, rows);
    return { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: true, timed: false };
  });
}

/** A disappearing message of a direct chat disappears. */
export const deleteTimedDirect: TimedDelete = async (ctx, tx, user, row) => {
  const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
  if (contact === undefined) return;
  const chatItemDeletions = await removeDirectItems(ctx, tx, user, contact, [row]);
  await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: true, timed: true });
};
