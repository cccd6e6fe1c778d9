import type { AChatItem, ChatInfo, ChatItem, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { storeFailure } from '../engine/errors.js';
import { groupParties, itemScope } from '../groups/items.js';
import { getGroup } from '../groups/queries.js';
import { groupChatInfo } from '../groups/view.js';
import { formatText } from '../items/format.js';
import { itemExtras } from '../items/queries.js';
import { directParties, type ItemParties, type ItemRow, itemView, localParties } from '../items/view.js';
import { getNoteFolder } from './note-rows.js';
import { noteChatInfo } from './notes.js';

/** Stored items of one chat as the API shows them. */
export async function viewItems(
  ctx: ChatContext,
  tx: Tx,
  rows: readonly ItemRow[],
  parties: ItemParties,
): Promise<ChatItem[]> {
  const now = ctx.clock.now();
  const items: ChatItem[] = [];
  for (const row of rows) items.push(itemView(row, parties, await itemExtras(tx, row), now, formatText));
  return items;
}

/** Stored items of any chats as the API shows them, each with its chat. */
export async function viewAnyItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  rows: readonly ItemRow[],
): Promise<AChatItem[]> {
  const chats = new Map<string, ChatInfo>();
  const items: AChatItem[] = [];
  for (const row of rows) {
    const { key, read } = chatOf(tx, user, row);
    const chatInfo = chats.get(key) ?? (await read());
    chats.set(key, chatInfo);
    const [chatItem] = await viewItems(ctx, tx, [row], await partiesOf(tx, user, chatInfo, row));
    if (chatItem !== undefined) items.push({ chatInfo, chatItem });
  }
  return items;
}

/** One stored item of any chat. */
export async function viewAnyItem(ctx: ChatContext, tx: Tx, user: User, row: ItemRow): Promise<AChatItem> {
  const [item] = await viewAnyItems(ctx, tx, user, [row]);
  if (item === undefined) throw storeFailure({ type: 'chatItemNotFound', itemId: row.chat_item_id });
  return item;
}

async function partiesOf(tx: Tx, user: User, chatInfo: ChatInfo, row: ItemRow): Promise<ItemParties> {
  if (chatInfo.type === 'group') return groupParties(tx, user, chatInfo.groupInfo, [row]);
  return chatInfo.type === 'local' ? localParties : directParties;
}

function chatOf(tx: Tx, user: User, row: ItemRow): { readonly key: string; readonly read: () => Promise<ChatInfo> } {
  const { contact_id: contactId, group_id: groupId, note_folder_id: folderId } = row;
  if (contactId !== null) {
    return {
      key: `@${contactId}`,
      read: async () => ({ type: 'direct', contact: await getContact(tx, user, contactId) }),
    };
  }
  if (groupId !== null) {
    return {
      key: `#${groupId}${row.group_scope_tag ?? ''}${row.group_scope_group_member_id ?? ''}`,
      read: async () => groupChatInfo(await getGroup(tx, user, groupId), await itemScope(tx, user, row)),
    };
  }
  return { key: `*${folderId}`, read: async () => noteChatInfo(await getNoteFolder(tx, user, folderId ?? 0)) };
}
