import type { Capability } from '../engine/capability.js';
import { type CommandTable, okProcess, whenRunning } from '../engine/commands.js';
import { commandFailure } from '../engine/errors.js';
import { callHandlers } from './calls.js';
import { clearCommands } from './clear.js';
import { composedMessages } from './composed.js';
import { deleteFromContact, deleteNotes, deleteTimedDirect } from './delete.js';
import { forwardCommands } from './forward.js';
import { createNotes } from './notes.js';
import { queryCommands } from './query-commands.js';
import { reactionMembersCommands } from './reaction-members.js';
import { reactToContact } from './reactions.js';
import { readCommands } from './read.js';
import { messageHandlers } from './receive.js';
import { sendToContact } from './send.js';
import { settingsCommands } from './settings.js';
import { tagCommands } from './tags.js';
import { expireItems, ttlCommands } from './ttl.js';
import { typedCommands } from './typed.js';
import { updateDirectItem, updateNote } from './update.js';

const directCommands: CommandTable = {
  APISendMessages: whenRunning((ctx, c, user) =>
    sendToContact(ctx, user, c.sendRef.chatId, composedMessages(c.composedMessages), {
      live: c.liveMessage,
      ttl: c.ttl,
    }),
  ),
  APIUpdateChatItem: whenRunning((ctx, c, user) =>
    updateDirectItem(ctx, user, c.chatRef.chatId, c.chatItemId, c.liveMessage, c.updatedMessage),
  ),
  APIDeleteChatItem: whenRunning((ctx, c, user) =>
    deleteFromContact(ctx, user, c.chatRef.chatId, c.chatItemIds, c.deleteMode),
  ),
  APIChatItemReaction: whenRunning((ctx, c, user) =>
    reactToContact(ctx, user, c.chatRef.chatId, c.chatItemId, c.add, c.reaction),
  ),
};

const noteCommands: CommandTable = {
  APIUpdateChatItem: whenRunning((ctx, c, user) =>
    updateNote(ctx, user, c.chatRef.chatId, c.chatItemId, c.updatedMessage),
  ),
  APIDeleteChatItem: whenRunning((ctx, c, user) => deleteNotes(ctx, user, c.chatRef.chatId, c.chatItemIds)),
  APIChatItemReaction: whenRunning(async () => {
    throw commandFailure('not supported');
  }),
};

/** Messages in direct chats and private notes; chat lists and pages of all chats. */
export const messages: Capability = {
  commands: {
    ...queryCommands,
    ...readCommands,
    ...clearCommands,
    ...forwardCommands,
    ...settingsCommands,
    ...ttlCommands,
    ...tagCommands,
    ...typedCommands,
    ...reactionMembersCommands,
    ShowLiveItems: whenRunning(async () => okProcess),
    APICreateChatItems: whenRunning((ctx, c, user) =>
      createNotes(ctx, user, c.noteFolderId, composedMessages(c.composedMessages)),
    ),
  },
  byChatType: { direct: directCommands, local: noteCommands },
  directMessages: { ...messageHandlers, ...callHandlers },
  timedDelete: { direct: deleteTimedDirect },
  cleanup: [expireItems],
};
