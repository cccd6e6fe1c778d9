import type { ChatNameRef, ChatRef, ChatSettings, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, ok, whenRunning } from '../engine/commands.js';
import { commandFailure } from '../engine/errors.js';
import { getGroup } from '../groups/queries.js';
import { chatRefByName } from './chat-refs.js';

/** A contact or a whole group: the chats that have settings. */
export type SettableChat =
  | { readonly table: 'contacts'; readonly column: 'contact_id'; readonly settings: ChatSettings }
  | { readonly table: 'groups'; readonly column: 'group_id'; readonly settings: ChatSettings };

/** Reads the chat; `contactNotFound`, `groupNotFound`, `commandError` for chats without settings. */
export async function settableChat(tx: Tx, user: User, ref: ChatRef): Promise<SettableChat> {
  if (ref.chatType === 'direct') {
    const { chatSettings: settings } = await getContact(tx, user, ref.chatId);
    return { table: 'contacts', column: 'contact_id', settings };
  }
  if (ref.chatType === 'group' && ref.chatScope === undefined) {
    const { chatSettings: settings } = await getGroup(tx, user, ref.chatId);
    return { table: 'groups', column: 'group_id', settings };
  }
  throw commandFailure('not supported');
}

async function setSettings(tx: Tx, user: User, ref: ChatRef, change: (s: ChatSettings) => ChatSettings): Promise<void> {
  const chat = await settableChat(tx, user, ref);
  const { enableNtfs, sendRcpts, favorite } = change(chat.settings);
  await tx.execute(`UPDATE ${chat.table} SET enable_ntfs = ?, send_rcpts = ?, favorite = ? WHERE ${chat.column} = ?`, [
    enableNtfs,
    sendRcpts === undefined ? null : sendRcpts ? 1 : 0,
    favorite ? 1 : 0,
    ref.chatId,
  ]);
}

async function setByName(
  tx: Tx,
  user: User,
  name: ChatNameRef,
  change: (s: ChatSettings) => ChatSettings,
): Promise<void> {
  await setSettings(tx, user, await chatRefByName(tx, user, name), change);
}

export const settingsCommands: CommandTable = {
  APISetChatSettings: whenRunning(async (ctx, { chatRef, chatSettings }, user) => {
    await ctx.store.transaction((tx) => setSettings(tx, user, chatRef, () => chatSettings));
    return ok(user);
  }),
  SetShowMessages: whenRunning(async (ctx, { chatName, enableNtfs }, user) => {
    await ctx.store.transaction((tx) => setByName(tx, user, chatName, (s) => ({ ...s, enableNtfs })));
    return ok(user);
  }),
  SetSendReceipts: whenRunning(async (ctx, { chatName, sendReceipts }, user) => {
    await ctx.store.transaction((tx) => setByName(tx, user, chatName, (s) => ({ ...s, sendRcpts: sendReceipts })));
    return ok(user);
  }),
  APISetChatUIThemes: whenRunning(async (ctx, { chatRef, uiThemes }, user) => {
    await ctx.store.transaction(async (tx) => {
      const { table, column } = await settableChat(tx, user, chatRef);
      await tx.execute(`UPDATE ${table} SET ui_themes = ? WHERE ${column} = ?`, [
        uiThemes === undefined ? null : JSON.stringify(uiThemes),
        chatRef.chatId,
      ]);
    });
    return ok(user);
  }),
};
