import type { ChatTag, ChatTagData, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { type CommandTable, checkActiveUser, ok, whenRunning } from '../engine/commands.js';
import { settableChat } from './settings.js';

/** Chat tags of a user in their order. */
async function userTags(tx: Tx, user: User): Promise<ChatTag[]> {
  const rows = await tx.db
    .selectFrom('chat_tags')
    .selectAll()
    .where('user_id', '=', user.userId)
    .orderBy('tag_order')
    .orderBy('chat_tag_id')
    .execute();
  return rows.map((r) => ({
    chatTagId: r.chat_tag_id,
    chatTagText: r.chat_tag_text,
    chatTagEmoji: r.chat_tag_emoji ?? undefined,
  }));
}

const columns = (tag: ChatTagData) => ({ chat_tag_text: tag.text, chat_tag_emoji: tag.emoji ?? null });

export const tagCommands: CommandTable = {
  APIGetChatTags: whenRunning(async (ctx, { userId }, user) => {
    checkActiveUser(user, userId);
    return { type: 'chatTags', user, userTags: await ctx.store.read((tx) => userTags(tx, user)) };
  }),
  APICreateChatTag: whenRunning((ctx, { chatTag }, user) =>
    ctx.store.transaction(async (tx) => {
      const { last } = await tx.db
        .selectFrom('chat_tags')
        .select((e) => e.fn.max('tag_order').as('last'))
        .where('user_id', '=', user.userId)
        .executeTakeFirstOrThrow();
      await tx.db
        .insertInto('chat_tags')
        .values({ user_id: user.userId, ...columns(chatTag), tag_order: Number(last ?? 0) + 1 })
        .execute();
      return { type: 'chatTags', user, userTags: await userTags(tx, user) };
    }),
  ),
  APISetChatTags: whenRunning((ctx, { chatRef, tagIds }, user) =>
    ctx.store.transaction(async (tx) => {
      const { column } = await settableChat(tx, user, chatRef);
      const known = await userTags(tx, user);
      const chatTags = [...new Set(tagIds)].filter((id) => known.some((t) => t.chatTagId === id));
      await tx.db.deleteFrom('chat_tags_chats').where(column, '=', chatRef.chatId).execute();
      for (const id of chatTags) {
        await tx.db
          .insertInto('chat_tags_chats')
          .values({ chat_tag_id: id, [column]: chatRef.chatId })
          .execute();
      }
      return { type: 'tagsUpdated', user, userTags: known, chatTags: chatTags.sort((a, b) => a - b) };
    }),
  ),
  APIDeleteChatTag: whenRunning(async (ctx, { tagId }, user) => {
    await ctx.store.transaction((tx) =>
      tx.db.deleteFrom('chat_tags').where('chat_tag_id', '=', tagId).where('user_id', '=', user.userId).execute(),
    );
    return ok(user);
  }),
  APIUpdateChatTag: whenRunning(async (ctx, { tagId, chatTag }, user) => {
    await ctx.store.transaction((tx) =>
      tx.db
        .updateTable('chat_tags')
        .set(columns(chatTag))
        .where('chat_tag_id', '=', tagId)
        .where('user_id', '=', user.userId)
        .execute(),
    );
    return ok(user);
  }),
  APIReorderChatTags: whenRunning(async (ctx, { tagIds }, user) => {
    await ctx.store.transaction(async (tx) => {
      for (const [i, id] of tagIds.entries()) {
        await tx.db
          .updateTable('chat_tags')
          .set({ tag_order: i + 1 })
          .where('chat_tag_id', '=', id)
          .where('user_id', '=', user.userId)
          .execute();
      }
    });
    return ok(user);
  }),
};
