import type { ChatNameRef, ChatRef, ComposedMessage, GroupChatScope, SendRef, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { contactIdByName } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import { ChatException, chatFailure, commandFailure } from '../engine/errors.js';
import { getGroup, getMember, groupIdByName, memberIdByName } from '../groups/queries.js';
import { isActive } from '../groups/roles.js';
import { itemIdByText } from '../items/chat-items.js';
import { formatText } from '../items/format.js';
import { mentionedNames } from '../markdown/index.js';
import { broadcast } from './broadcast.js';
import { chatRefByName, itemsOfChat } from './chat-refs.js';
import { userNoteFolder } from './note-rows.js';

function textMessage(
  text: string,
  extra: Pick<ComposedMessage, 'quotedItemId' | 'mentions'> = {},
): readonly ComposedMessage[] {
  return [{ msgContent: { type: 'text', text }, ...extra }];
}

function direct(chatId: number): SendRef {
  return { chatType: 'direct', chatId };
}

/** Members of a group that a typed text names. */
async function namedMentions(tx: Tx, groupId: number, text: string): Promise<Record<string, number>> {
  const mentions: Record<string, number> = {};
  for (const name of mentionedNames(formatText(text) ?? [])) {
    const row = await tx.db
      .selectFrom('group_members')
      .select('group_member_id')
      .where('group_id', '=', groupId)
      .where('local_display_name', '=', name)
      .executeTakeFirst();
    if (row !== undefined) mentions[name] = row.group_member_id;
  }
  return mentions;
}

async function mentionsFor(tx: Tx, ref: ChatRef, text: string): Promise<Record<string, number>> {
  return ref.chatType === 'group' ? namedMentions(tx, ref.chatId, text) : {};
}

/** Active members of any group with this local name: people without a contact can be written to through it. */
async function membersByName(tx: Tx, user: User, name: string) {
  const rows = await tx.db
    .selectFrom('group_members')
    .select(['group_id', 'group_member_id'])
    .where('user_id', '=', user.userId)
    .where('local_display_name', '=', name)
    .where('member_category', '<>', 'user')
    .orderBy('group_member_id')
    .execute();
  const members = [];
  for (const row of rows) {
    const member = await getMember(tx, user, row.group_id, row.group_member_id);
    if (isActive(member)) members.push(member);
  }
  return members;
}

/** Where `@name text` goes: a contact, or a member of the only group that has such a one. */
async function directTarget(
  tx: Tx,
  user: User,
  name: string,
): Promise<number | { readonly groupName: string; readonly memberName: string }> {
  try {
    return await contactIdByName(tx, user, name);
  } catch (error) {
    if (!(error instanceof ChatException)) throw error;
  }
  const [member, another] = await membersByName(tx, user, name);
  if (member === undefined) throw chatFailure({ type: 'contactNotFound', contactName: name });
  const group = await getGroup(tx, user, member.groupId);
  if (another !== undefined) {
    throw chatFailure({ type: 'contactNotFound', contactName: name, suspectedMember: [group, member] });
  }
  return { groupName: group.localDisplayName, memberName: member.localDisplayName };
}

async function ownItemByText(tx: Tx, ref: ChatRef, text: string): Promise<number> {
  const of = itemsOfChat(ref);
  if (of.kind === 'group') return itemIdByText(tx, of, text, { memberName: null });
  return itemIdByText(tx, of, text, { sent: true });
}

/** Whose items a group command means: those of anybody, of the user (null), of a member. */
function author(user: User, memberName: string | undefined): { readonly memberName?: string | null } {
  if (memberName === undefined) return {};
  return { memberName: memberName === user.localDisplayName ? null : memberName };
}

function sendRefOf(ref: ChatRef): SendRef {
  const { chatType } = ref;
  if (chatType === 'direct' || chatType === 'group') return { ...ref, chatType };
  throw commandFailure('not supported');
}

/** Commands that people type: they find chats and items by names and texts and run the commands of the API. */
export const typedCommands: CommandTable = {
  SendMessage: whenRunning(async (ctx, { sendName, text }, user) => {
    if (sendName.type === 'local') {
      const folder = await ctx.store.read((tx) => userNoteFolder(tx, user));
      const composedMessages = textMessage(text);
      return ctx.run({ tag: 'APICreateChatItems', noteFolderId: folder.noteFolderId, composedMessages });
    }
    if (sendName.type === 'direct') {
      const target = await ctx.store.read((tx) => directTarget(tx, user, sendName.name));
      if (typeof target !== 'number') return ctx.run({ tag: 'SendMemberContactMessage', ...target, text });
      return ctx.run({
        tag: 'APISendMessages',
        sendRef: direct(target),
        liveMessage: false,
        ttl: undefined,
        composedMessages: textMessage(text),
      });
    }
    const { name, support } = sendName;
    const { sendRef, mentions } = await ctx.store.read(async (tx) => {
      const chatId = await groupIdByName(tx, user, name);
      const memberName = support?.memberName;
      const chatScope: GroupChatScope | undefined =
        support === undefined
          ? undefined
          : {
              type: 'memberSupport',
              groupMemberId_: memberName === undefined ? undefined : await memberIdByName(tx, chatId, memberName),
            };
      const ref: SendRef = { chatType: 'group', chatId, chatScope };
      return { sendRef: ref, mentions: await namedMentions(tx, chatId, text) };
    });
    const composedMessages = textMessage(text, { mentions });
    return ctx.run({ tag: 'APISendMessages', sendRef, liveMessage: false, ttl: undefined, composedMessages });
  }),

  SendLiveMessage: whenRunning(async (ctx, { chatName, text }, user) => {
    const { ref, mentions } = await ctx.store.read(async (tx) => {
      const chat = await chatRefByName(tx, user, chatName);
      return { ref: chat, mentions: await mentionsFor(tx, chat, text) };
    });
    return ctx.run({
      tag: 'APISendMessages',
      sendRef: sendRefOf(ref),
      liveMessage: true,
      ttl: undefined,
      composedMessages: textMessage(text, { mentions }),
    });
  }),

  SendMessageQuote: whenRunning(async (ctx, { contactName, msgDir, quotedText, text }, user) => {
    const { contactId, quotedItemId } = await ctx.store.read(async (tx) => {
      const id = await contactIdByName(tx, user, contactName);
      const of = { kind: 'direct', contactId: id } as const;
      return { contactId: id, quotedItemId: await itemIdByText(tx, of, quotedText, { sent: msgDir === 'snd' }) };
    });
    return ctx.run({
      tag: 'APISendMessages',
      sendRef: direct(contactId),
      liveMessage: false,
      ttl: undefined,
      composedMessages: textMessage(text, { quotedItemId }),
    });
  }),

  SendGroupMessageQuote: whenRunning(async (ctx, { groupName, memberName, quotedText, text }, user) => {
    const { groupId, quotedItemId, mentions } = await ctx.store.read(async (tx) => {
      const id = await groupIdByName(tx, user, groupName);
      const itemId = await itemIdByText(tx, { kind: 'group', groupId: id }, quotedText, author(user, memberName));
      return { groupId: id, quotedItemId: itemId, mentions: await namedMentions(tx, id, text) };
    });
    return ctx.run({
      tag: 'APISendMessages',
      sendRef: { chatType: 'group', chatId: groupId },
      liveMessage: false,
      ttl: undefined,
      composedMessages: textMessage(text, { quotedItemId, mentions }),
    });
  }),

  SendMessageBroadcast: whenRunning((ctx, { text }, user) => broadcast(ctx, user, text)),

  EditMessage: whenRunning(async (ctx, { chatName, editedText, text }, user) => {
    const { chatRef, chatItemId, mentions } = await ctx.store.read(async (tx) => {
      const ref = await chatRefByName(tx, user, chatName);
      const itemId = await ownItemByText(tx, ref, editedText);
      return { chatRef: ref, chatItemId: itemId, mentions: await mentionsFor(tx, ref, text) };
    });
    const updatedMessage = { msgContent: { type: 'text', text }, mentions } as const;
    return ctx.run({ tag: 'APIUpdateChatItem', chatRef, chatItemId, liveMessage: false, updatedMessage });
  }),

  DeleteMessage: whenRunning(async (ctx, { chatName, text }, user) => {
    const { chatRef, itemId } = await ctx.store.read(async (tx) => {
      const ref = await chatRefByName(tx, user, chatName);
      return { chatRef: ref, itemId: await ownItemByText(tx, ref, text) };
    });
    return ctx.run({ tag: 'APIDeleteChatItem', chatRef, chatItemIds: [itemId], deleteMode: 'broadcast' });
  }),

  DeleteMemberMessage: whenRunning(async (ctx, { groupName, memberName, text }, user) => {
    const { groupId, itemId } = await ctx.store.read(async (tx) => {
      const id = await groupIdByName(tx, user, groupName);
      const of = { kind: 'group', groupId: id } as const;
      return { groupId: id, itemId: await itemIdByText(tx, of, text, author(user, memberName)) };
    });
    return ctx.run({ tag: 'APIDeleteMemberChatItem', groupId, chatItemIds: [itemId] });
  }),

  ReactToMessage: whenRunning(async (ctx, { add, reaction, chatName, text }, user) => {
    const { chatRef, chatItemId } = await ctx.store.read(async (tx) => {
      const ref = await chatRefByName(tx, user, chatName);
      return { chatRef: ref, chatItemId: await itemIdByText(tx, itemsOfChat(ref), text) };
    });
    return ctx.run({ tag: 'APIChatItemReaction', chatRef, chatItemId, add, reaction });
  }),

  ForwardMessage: whenRunning(async (ctx, { toChatName, fromContactName, text }, user) => {
    const refs = await ctx.store.read(async (tx) => {
      const contactId = await contactIdByName(tx, user, fromContactName);
      return forwardRefs(tx, user, toChatName, { chatType: 'direct', chatId: contactId }, text);
    });
    return ctx.run({ tag: 'APIForwardChatItems', ...refs, ttl: undefined });
  }),

  ForwardGroupMessage: whenRunning(async (ctx, { toChatName, fromGroupName, fromMemberName, text }, user) => {
    const refs = await ctx.store.read(async (tx) => {
      const groupId = await groupIdByName(tx, user, fromGroupName);
      return forwardRefs(tx, user, toChatName, { chatType: 'group', chatId: groupId }, text, fromMemberName);
    });
    return ctx.run({ tag: 'APIForwardChatItems', ...refs, ttl: undefined });
  }),

  ForwardLocalMessage: whenRunning(async (ctx, { toChatName, text }, user) => {
    const refs = await ctx.store.read(async (tx) => {
      const folder = await userNoteFolder(tx, user);
      return forwardRefs(tx, user, toChatName, { chatType: 'local', chatId: folder.noteFolderId }, text);
    });
    return ctx.run({ tag: 'APIForwardChatItems', ...refs, ttl: undefined });
  }),
};

async function forwardRefs(
  tx: Tx,
  user: User,
  to: ChatNameRef,
  fromChatRef: ChatRef,
  text: string,
  memberName?: string,
): Promise<{ readonly toChatRef: ChatRef; readonly fromChatRef: ChatRef; readonly chatItemIds: readonly number[] }> {
  const itemId = await itemIdByText(tx, itemsOfChat(fromChatRef), text, author(user, memberName));
  return { toChatRef: await chatRefByName(tx, user, to), fromChatRef, chatItemIds: [itemId] };
}
