import type { Capability } from '../engine/capability.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import { composedMessages } from '../messages/composed.js';
import { acceptCommands } from './accept-member.js';
import { businessRequest } from './business.js';
import { createCommands } from './create.js';
import { memberContactJoined } from './direct-invitation.js';
import { listCommands } from './group-lists.js';
import { memberJoined, memberLinkCreated } from './handshake.js';
import { inviteCommands, receiveInvitation } from './invite.js';
import { deleteFromGroup, deleteTimedGroup, reactInGroup, updateGroupItem } from './item-commands.js';
import { joinCommands, resumeJoins } from './join.js';
import { joinedByLink, linkInvitation } from './join-link.js';
import { deleteGroupCommand, leavingCommands } from './leaving.js';
import { acceptFunction, linkRequest } from './link-requests.js';
import { linkCommands, ownByFullLink, ownByShortLink } from './links.js';
import { memberConnectionCommands } from './member-connections.js';
import { memberContactCommands } from './member-contacts.js';
import { memberEvents } from './member-events.js';
import { roleCommands } from './member-roles.js';
import { moderationCommands } from './moderation.js';
import { prepareBusiness, preparedByShortLink, preparedCommands } from './prepared.js';
import { directProbes } from './probes.js';
import { profileCommands } from './profile-commands.js';
import { getGroup, getMemberById } from './queries.js';
import { removeCommands } from './remove.js';
import { sendToGroupChat } from './send-content.js';

/** Commands on the chat of a group, where other kinds of chats have their own. */
const chatCommands: CommandTable = {
  ...deleteGroupCommand,
  APISendMessages: whenRunning((ctx, c, user) =>
    sendToGroupChat(ctx, user, c.sendRef.chatId, c.sendRef.chatScope, composedMessages(c.composedMessages), {
      live: c.liveMessage,
      ttl: c.ttl,
    }),
  ),
  APIUpdateChatItem: whenRunning((ctx, { chatRef, chatItemId, liveMessage, updatedMessage }, user) =>
    updateGroupItem(ctx, user, chatRef.chatId, chatRef.chatScope, chatItemId, liveMessage, updatedMessage),
  ),
  APIDeleteChatItem: whenRunning((ctx, { chatRef, chatItemIds, deleteMode }, user) =>
    deleteFromGroup(ctx, user, chatRef.chatId, chatRef.chatScope, chatItemIds, deleteMode),
  ),
  APIChatItemReaction: whenRunning((ctx, { chatRef, chatItemId, add, reaction }, user) =>
    reactInGroup(ctx, user, chatRef.chatId, chatRef.chatScope, chatItemId, add, reaction),
  ),
};

/** Groups, their links and members; business chats. */
export const groups: Capability = {
  commands: {
    ...createCommands,
    ...inviteCommands,
    ...joinCommands,
    ...acceptCommands,
    ...roleCommands,
    ...removeCommands,
    ...leavingCommands,
    ...listCommands,
    ...profileCommands,
    ...linkCommands,
    ...preparedCommands,
    ...moderationCommands,
    ...memberConnectionCommands,
    ...memberContactCommands,
  },
  byChatType: { group: chatCommands },
  directMessages: { 'x.grp.inv': receiveInvitation, ...directProbes },
  memberEvents,
  asyncReplies: {
    createMemberConnection: memberLinkCreated,
    joinMemberConnection: memberJoined,
    [acceptFunction]: memberJoined,
    joinMemberContact: memberContactJoined,
  },
  groupHooks: {
    ownByShortLink,
    preparedByShortLink,
    ownByFullLink,
    joinedByLink,
    prepareBusiness,
    linkRequest,
    businessRequest,
    linkInvitation,
    async groupOfConnection(tx, user, connection) {
      if (connection.group_member_id === null) return undefined;
      const { groupId } = await getMemberById(tx, user, connection.group_member_id);
      return getGroup(tx, user, groupId);
    },
    sendMessages: (ctx, user, ref, messages, options) =>
      sendToGroupChat(ctx, user, ref.chatId, ref.chatScope, messages, options),
  },
  timedDelete: { group: deleteTimedGroup },
  onStart: resumeJoins,
};
