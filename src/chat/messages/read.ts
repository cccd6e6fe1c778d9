import type { ApiResponse, ChatRef, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, checkActiveUser, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure, storeFailure } from '../engine/errors.js';
import { getGroup } from '../groups/queries.js';
import { groupChatInfo } from '../groups/view.js';
import { chatColumn, type ItemsOf } from '../items/chat-items.js';
import { itemsOfChat } from './chat-refs.js';
import { getNoteFolder } from './note-rows.js';
import { countRead, readSupportChat } from './read-support.js';

/** An item that was just read. */
export interface ReadItem {
  readonly chat_item_id: number;
  readonly timed_ttl: number | null;
  readonly timed_delete_at: number | null;
  readonly group_member_id: number | null;
  readonly user_mention: number;
}

/** Marks unread items of a chat as read, all or some; timed ones start their time. */
async function markRead(
  ctx: ChatContext,
  tx: Tx,
  of: ItemsOf,
  some: { readonly ids?: readonly number[]; readonly from?: number; readonly to?: number } = {},
): Promise<ReadItem[]> {
  const { column, id } = chatColumn(of);
  const conditions = [`${column} = ?`, "item_status = 'rcvNew'"];
  const params: number[] = [id];
  if (some.ids !== undefined) {
    if (some.ids.length === 0) return [];
    conditions.push(`chat_item_id IN (${some.ids.map(() => '?').join(',')})`);
    params.push(...some.ids);
  }
  if (some.from !== undefined && some.to !== undefined) {
    conditions.push('chat_item_id >= ? AND chat_item_id <= ?');
    params.push(some.from, some.to);
  }
  const now = ctx.clock.now();
  const { rows } = await tx.execute<ReadItem>(
    `UPDATE chat_items SET item_status = 'rcvRead', updated_at = ? WHERE ${conditions.join(' AND ')}
     RETURNING chat_item_id, timed_ttl, timed_delete_at, group_member_id, user_mention`,
    [now, ...params],
  );
  for (const row of rows) {
    if (row.timed_ttl === null || row.timed_delete_at !== null) continue;
    const deleteAt = now + row.timed_ttl * 1000;
    await tx.db
      .updateTable('chat_items')
      .set({ timed_delete_at: deleteAt })
      .where('chat_item_id', '=', row.chat_item_id)
      .execute();
    ctx.timed.schedule(tx, row.chat_item_id, deleteAt);
  }
  return rows;
}

/** The user that has a chat, whoever is active; `userNotFoundBy…`. */
async function chatOwner(ctx: ChatContext, tx: Tx, ref: ChatRef): Promise<User> {
  const { chatType, chatId } = ref;
  const row =
    chatType === 'direct'
      ? await tx.db.selectFrom('contacts').select('user_id').where('contact_id', '=', chatId).executeTakeFirst()
      : chatType === 'group'
        ? await tx.db.selectFrom('groups').select('user_id').where('group_id', '=', chatId).executeTakeFirst()
        : await tx.db
            .selectFrom('note_folders')
            .select('user_id')
            .where('note_folder_id', '=', chatId)
            .executeTakeFirst();
  const user = row === undefined ? undefined : ctx.users.get(row.user_id);
  if (user !== undefined) return user;
  if (chatType === 'direct') throw storeFailure({ type: 'userNotFoundByContactId', contactId: chatId });
  if (chatType === 'group') throw storeFailure({ type: 'userNotFoundByGroupId', groupId: chatId });
  throw storeFailure({ type: 'noteFolderNotFound', noteFolderId: chatId });
}

async function readItems(ctx: ChatContext, ref: ChatRef, ids: readonly number[]): Promise<ApiResponse> {
  if (ref.chatType !== 'direct' && ref.chatType !== 'group') throw commandFailure('not supported');
  return ctx.store.transaction(async (tx) => {
    const owner = await chatOwner(ctx, tx, ref);
    if (ref.chatType === 'direct') {
      const contact = await getContact(tx, owner, ref.chatId);
      await markRead(ctx, tx, itemsOfChat(ref), { ids });
      return { type: 'itemsReadForChat', user: owner, chatInfo: { type: 'direct', contact } };
    }
    const group = await getGroup(tx, owner, ref.chatId);
    const read = await markRead(ctx, tx, itemsOfChat(ref), { ids });
    const after = await countRead(tx, owner, group, ref.chatScope, read);
    return { type: 'itemsReadForChat', user: owner, chatInfo: groupChatInfo(after) };
  });
}

async function setUnread(ctx: ChatContext, user: User, ref: ChatRef, unread: boolean): Promise<ApiResponse> {
  const unread_chat = unread ? 1 : 0;
  const { chatType, chatId, chatScope } = ref;
  return ctx.store.transaction(async (tx) => {
    if (chatType === 'direct') {
      await getContact(tx, user, chatId);
      await tx.db.updateTable('contacts').set({ unread_chat }).where('contact_id', '=', chatId).execute();
    } else if (chatType === 'group' && chatScope === undefined) {
      await getGroup(tx, user, chatId);
      await tx.db.updateTable('groups').set({ unread_chat }).where('group_id', '=', chatId).execute();
    } else if (chatType === 'local') {
      await getNoteFolder(tx, user, chatId);
      await tx.db.updateTable('note_folders').set({ unread_chat }).where('note_folder_id', '=', chatId).execute();
    } else throw commandFailure('not supported');
    return ok(user);
  });
}

async function readUser(ctx: ChatContext, user: User): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const now = ctx.clock.now();
    const { userId } = user;
    await tx.execute(
      "UPDATE chat_items SET item_status = 'rcvRead', updated_at = ? WHERE user_id = ? AND item_status = 'rcvNew'",
      [now, userId],
    );
    await tx.execute('UPDATE contacts SET unread_chat = 0 WHERE user_id = ? AND unread_chat = 1', [userId]);
    await tx.execute('UPDATE groups SET unread_chat = 0 WHERE user_id = ? AND unread_chat = 1', [userId]);
    await tx.execute('UPDATE note_folders SET unread_chat = 0 WHERE user_id = ? AND unread_chat = 1', [userId]);
    return ok(user);
  });
}

export const readCommands: CommandTable = {
  APIChatRead: whenRunning(async (ctx, { chatRef, range }) => {
    return ctx.store.transaction(async (tx) => {
      const owner = await chatOwner(ctx, tx, chatRef);
      await markRead(ctx, tx, itemsOfChat(chatRef), range ?? {});
      if (chatRef.chatType === 'group' && chatRef.chatScope !== undefined) {
        await readSupportChat(tx, owner, chatRef.chatId, chatRef.chatScope);
      }
      return ok(owner);
    });
  }),
  APIChatItemsRead: whenRunning((ctx, { chatRef, chatItemIds }) => readItems(ctx, chatRef, chatItemIds)),
  APIChatUnread: whenRunning((ctx, { chatRef, unreadChat }, user) => setUnread(ctx, user, chatRef, unreadChat)),
  APIUserRead: whenRunning(async (ctx, { userId }, user) => {
    checkActiveUser(user, userId);
    return readUser(ctx, user);
  }),
  UserRead: whenRunning((ctx, _, user) => readUser(ctx, user)),
};
