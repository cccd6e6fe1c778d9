import type { ChatNameRef, ChatRef, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { contactIdByName } from '../contacts/queries.js';
import { commandFailure } from '../engine/errors.js';
import { groupIdByName } from '../groups/queries.js';
import type { ItemsOf } from '../items/chat-items.js';
import { userNoteFolder } from './note-rows.js';

/** The chat that a command names by its local name; `contactNotFoundByName`, `groupNotFoundByName`. */
export async function chatRefByName(tx: Tx, user: User, { chatType, chatName }: ChatNameRef): Promise<ChatRef> {
  switch (chatType) {
    case 'direct':
      return { chatType, chatId: await contactIdByName(tx, user, chatName) };
    case 'group':
      return { chatType, chatId: await groupIdByName(tx, user, chatName) };
    case 'local':
      return { chatType, chatId: (await userNoteFolder(tx, user)).noteFolderId };
    default:
      throw commandFailure('not supported');
  }
}

/** The items of a chat that a command names, in all scopes of a group. */
export function itemsOfChat(ref: ChatRef): ItemsOf {
  switch (ref.chatType) {
    case 'direct':
      return { kind: 'direct', contactId: ref.chatId };
    case 'group':
      return { kind: 'group', groupId: ref.chatId };
    case 'local':
      return { kind: 'local', noteFolderId: ref.chatId };
    default:
      throw commandFailure('not supported');
  }
}
