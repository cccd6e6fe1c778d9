import type { ChatRef, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { CleanupJob } from '../engine/capability.js';
import { type CommandTable, checkActiveUser, forUser, ok } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { chatRefByName } from './chat-refs.js';
import { clearItems } from './clear.js';

/** Group messages that came just now stay for this long, however old they say to be: 12 hours. */
const groupGraceMs = 12 * 3600_000;

interface ChatTtl {
  readonly id: number;
  readonly ttl: number | null;
}

async function userTtl(tx: Tx, userId: number): Promise<number> {
  const row = await tx.db.selectFrom('users').select('chat_item_ttl').where('user_id', '=', userId).executeTakeFirst();
  return row?.chat_item_ttl ?? 0;
}

async function chatTtl(tx: Tx, { chatType, chatId }: ChatRef): Promise<number | undefined> {
  const row =
    chatType === 'direct'
      ? await tx.db.selectFrom('contacts').select('chat_item_ttl').where('contact_id', '=', chatId).executeTakeFirst()
      : await tx.db.selectFrom('groups').select('chat_item_ttl').where('group_id', '=', chatId).executeTakeFirst();
  return row?.chat_item_ttl ?? undefined;
}

/** Deletes items of one chat that are older than `ttl` seconds; 0 keeps all. */
async function expireChat(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  kind: 'direct' | 'group',
  id: number,
  ttl: number,
): Promise<void> {
  if (ttl <= 0) return;
  const now = ctx.clock.now();
  const before = now - ttl * 1000;
  if (kind === 'direct') {
    await clearItems(ctx, tx, user, { kind, contactId: id }, { createdAt: before });
  } else {
    await clearItems(ctx, tx, user, { kind, groupId: id }, { createdAt: now - groupGraceMs, itemTs: before });
  }
}

/** Deletes what is too old in all chats of a user, a transaction for each chat. */
async function expireUser(ctx: ChatContext, user: User): Promise<void> {
  const { global, contacts, groups } = await ctx.store.read(async (tx) => {
    const ttls = async (table: 'contacts' | 'groups', column: string): Promise<ChatTtl[]> =>
      (
        await tx.execute<ChatTtl>(`SELECT ${column} AS id, chat_item_ttl AS ttl FROM ${table} WHERE user_id = ?`, [
          user.userId,
        ])
      ).rows;
    return {
      global: await userTtl(tx, user.userId),
      contacts: await ttls('contacts', 'contact_id'),
      groups: await ttls('groups', 'group_id'),
    };
  });
  const expire = async (kind: 'direct' | 'group', chats: readonly ChatTtl[]): Promise<void> => {
    for (const { id, ttl } of chats) {
      const seconds = ttl ?? global;
      if (seconds > 0) await ctx.store.transaction((tx) => expireChat(ctx, tx, user, kind, id, seconds));
    }
  };
  await expire('direct', contacts);
  await expire('group', groups);
}

/** Deletes items by the time that chats and profiles set (50, section 5.9). */
export const expireItems: CleanupJob = {
  name: 'old items',
  async run(ctx) {
    for (const user of ctx.users.all()) await expireUser(ctx, user);
  },
};

async function setUserTtl(ctx: ChatContext, user: User, ttl: number): Promise<void> {
  const before = await ctx.store.transaction(async (tx) => {
    const old = await userTtl(tx, user.userId);
    await tx.db.updateTable('users').set({ chat_item_ttl: ttl }).where('user_id', '=', user.userId).execute();
    return old;
  });
  if (ttl > 0 && (ttl < before || before === 0)) await expireUser(ctx, user);
}

async function setChatTtl(ctx: ChatContext, tx: Tx, user: User, ref: ChatRef, ttl: number | undefined): Promise<void> {
  const { chatType, chatId, chatScope } = ref;
  if ((chatType !== 'direct' && chatType !== 'group') || chatScope !== undefined) throw commandFailure('not supported');
  const global = await userTtl(tx, user.userId);
  const before = (await chatTtl(tx, ref)) ?? global;
  const [table, column] = chatType === 'direct' ? ['contacts', 'contact_id'] : ['groups', 'group_id'];
  await tx.execute(`UPDATE ${table} SET chat_item_ttl = ? WHERE ${column} = ? AND user_id = ?`, [
    ttl ?? null,
    chatId,
    user.userId,
  ]);
  const after = ttl ?? global;
  if (after > 0 && (after < before || before === 0)) await expireChat(ctx, tx, user, chatType, chatId, after);
}

export const ttlCommands: CommandTable = {
  APISetChatItemTTL: forUser(async (ctx, { userId, ttl }, user) => {
    checkActiveUser(user, userId);
    await setUserTtl(ctx, user, ttl);
    return ok(user);
  }),
  SetChatItemTTL: forUser(async (ctx, { ttl }, user) => {
    await setUserTtl(ctx, user, ttl);
    return ok(user);
  }),
  APIGetChatItemTTL: forUser(async (ctx, { userId }, user) => {
    checkActiveUser(user, userId);
    return { type: 'chatItemTTL', user, chatItemTTL: await ctx.store.read((tx) => userTtl(tx, userId)) };
  }),
  GetChatItemTTL: forUser(async (ctx, _, user) => ({
    type: 'chatItemTTL',
    user,
    chatItemTTL: await ctx.store.read((tx) => userTtl(tx, user.userId)),
  })),
  APISetChatTTL: forUser(async (ctx, { userId, chatRef, ttl }, user) => {
    checkActiveUser(user, userId);
    await ctx.store.transaction((tx) => setChatTtl(ctx, tx, user, chatRef, ttl));
    return ok(user);
  }),
  SetChatTTL: forUser(async (ctx, { chatName, ttl }, user) => {
    await ctx.store.transaction(async (tx) => setChatTtl(ctx, tx, user, await chatRefByName(tx, user, chatName), ttl));
    return ok(user);
  }),
  GetChatTTL: forUser((ctx, { chatName }, user) =>
    ctx.store.read(async (tx) => {
      const ref = await chatRefByName(tx, user, chatName);
      if (ref.chatType === 'local') throw commandFailure('not supported');
      return { type: 'chatItemTTL', user, chatItemTTL: await chatTtl(tx, ref) };
    }),
  ),
};
