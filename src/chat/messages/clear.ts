import type { User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { getGroup, groupIdByName } from '../groups/queries.js';
import { groupChatInfo } from '../groups/view.js';
import { chatColumn, type ItemsOf } from '../items/chat-items.js';
import type { ItemRow } from '../items/view.js';
import { getNoteFolder, userNoteFolder } from './note-rows.js';
import { noteChatInfo } from './notes.js';

/** Which items go: those before these times (ms), by when they were stored and by their own time. */
export interface ItemsBefore {
  readonly createdAt?: number | undefined;
  readonly itemTs?: number | undefined;
}

/** Deletes all items of a chat but its banner, or the old ones, with their files, reactions and messages. */
export async function clearItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  of: ItemsOf,
  before: ItemsBefore = {},
): Promise<void> {
  const { column, id } = chatColumn(of);
  const conditions = [`${column} = ?`];
  const params: number[] = [id];
  if (before.createdAt !== undefined) {
    conditions.push('created_at <= ?');
    params.push(before.createdAt);
  }
  if (before.itemTs !== undefined) {
    conditions.push('item_ts <= ?');
    params.push(before.itemTs);
  }
  const where = `${conditions.join(' AND ')} AND item_content_tag <> 'chatBanner'`;
  if (ctx.files !== undefined) {
    const files = await tx.execute<ItemRow>(`SELECT * FROM chat_items WHERE ${where} AND has_file = 1`, params);
    if (files.rows.length > 0) await ctx.files.removeOfItems(ctx, tx, user, files.rows);
  }
  await tx.execute(
    `DELETE FROM messages WHERE message_id IN (SELECT message_id FROM chat_item_messages
       WHERE chat_item_id IN (SELECT chat_item_id FROM chat_items WHERE ${where}))`,
    params,
  );
  if (column !== 'note_folder_id') {
    const reactions = [`${column} = ?`];
    if (before.createdAt !== undefined) reactions.push('created_at <= ?');
    if (before.itemTs !== undefined) reactions.push('reaction_ts <= ?');
    await tx.execute(`DELETE FROM chat_item_reactions WHERE ${reactions.join(' AND ')}`, params);
  }
  await tx.execute(`DELETE FROM chat_items WHERE ${where}`, params);
}

export const clearCommands: CommandTable = {
  APIClearChat: whenRunning(async (ctx, { chatRef }, user) => {
    const { chatType, chatId, chatScope } = chatRef;
    return ctx.store.transaction(async (tx) => {
      if (chatType === 'direct') {
        const contact = await getContact(tx, user, chatId);
        await clearItems(ctx, tx, user, { kind: 'direct', contactId: chatId });
        return { type: 'chatCleared', user, chatInfo: { type: 'direct', contact } };
      }
      if (chatType === 'group' && chatScope === undefined) {
        const group = await getGroup(tx, user, chatId);
        await clearItems(ctx, tx, user, { kind: 'group', groupId: chatId });
        return { type: 'chatCleared', user, chatInfo: groupChatInfo(group) };
      }
      if (chatType !== 'local') throw commandFailure('not supported');
      const folder = await getNoteFolder(tx, user, chatId);
      await clearItems(ctx, tx, user, { kind: 'local', noteFolderId: chatId });
      return { type: 'chatCleared', user, chatInfo: noteChatInfo(folder) };
    });
  }),
  ClearGroup: whenRunning(async (ctx, { groupName }, user) => {
    const chatId = await ctx.store.read((tx) => groupIdByName(tx, user, groupName));
    return ctx.run({ tag: 'APIClearChat', chatRef: { chatType: 'group', chatId } });
  }),
  ClearNoteFolder: whenRunning(async (ctx, _, user) => {
    const folder = await ctx.store.read((tx) => userNoteFolder(tx, user));
    return ctx.run({ tag: 'APIClearChat', chatRef: { chatType: 'local', chatId: folder.noteFolderId } });
  }),
};
