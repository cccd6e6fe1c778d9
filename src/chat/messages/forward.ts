import type {
  ApiResponse,
  ChatRef,
  CIFile,
  CIForwardedFrom,
  CIMention,
  Contact,
  ForwardConfirmation,
  GroupInfo,
  MsgContent,
  User,
} from '../../api/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { withPresentNames } from '../groups/mentions.js';
import { getGroup } from '../groups/queries.js';
import { itemExtras } from '../items/queries.js';
import { contentText } from '../items/text.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';
import type { Composed } from './composed.js';
import { findItems } from './delete.js';
import { getNoteFolder } from './note-rows.js';
import { createNotes } from './notes.js';
import { sendToContact } from './send.js';

/** An item to forward, and what it was taken from. */
interface Source {
  readonly row: ItemRow;
  /** undefined: deleted meanwhile. */
  readonly content: MsgContent | undefined;
  readonly file: CIFile | undefined;
  readonly from: CIForwardedFrom | undefined;
  readonly mentions: Readonly<Record<string, number>> | undefined;
}

/** The chat that items are forwarded from. */
type From =
  | { readonly type: 'direct'; readonly contact: Contact }
  | { readonly type: 'group'; readonly group: GroupInfo }
  | { readonly type: 'local' };

async function sources(ctx: ChatContext, user: User, ref: ChatRef, itemIds: readonly number[]): Promise<Source[]> {
  return ctx.store.transaction(async (tx) => {
    const { chatType, chatId } = ref;
    let from: From;
    let rows: ItemRow[];
    if (chatType === 'direct') {
      from = { type: 'direct', contact: await getContact(tx, user, chatId) };
      rows = await findItems(ctx, tx, { kind: 'direct', contactId: chatId }, itemIds);
    } else if (chatType === 'group') {
      from = { type: 'group', group: await getGroup(tx, user, chatId) };
      rows = await findItems(ctx, tx, { kind: 'group', groupId: chatId }, itemIds);
    } else if (chatType === 'local') {
      await getNoteFolder(tx, user, chatId);
      from = { type: 'local' };
      rows = await findItems(ctx, tx, { kind: 'local', noteFolderId: chatId }, itemIds);
    } else throw commandFailure('not supported');
    const out: Source[] = [];
    for (const row of rows) {
      const content = itemMsgContent(row);
      if (row.item_deleted !== 0) {
        out.push({ row, content: undefined, file: undefined, from: undefined, mentions: undefined });
        continue;
      }
      if (content === undefined) throw chatFailure({ type: 'invalidForward' });
      const extras = await itemExtras(tx, { ...row, has_reactions: 0 });
      const named =
        from.type === 'group' && row.has_mentions === 1
          ? withPresentNames(content, extras.mentions)
          : { content, mentions: undefined };
      out.push({
        row,
        content: named.content,
        file: extras.file,
        from: originOf(row, from),
        mentions: memberIds(named.mentions),
      });
    }
    return out;
  });
}

/** Mentioned members that are still known, by name. */
function memberIds(mentions: Readonly<Record<string, CIMention>> | undefined): Record<string, number> | undefined {
  if (mentions === undefined) return undefined;
  return Object.fromEntries(
    Object.entries(mentions).flatMap(([name, m]) =>
      m.memberRef === undefined ? [] : [[name, m.memberRef.groupMemberId] as const],
    ),
  );
}

/** The first known origin stays when a message is forwarded again. */
function originOf(row: ItemRow, from: From): CIForwardedFrom | undefined {
  const before = row.item_forwarded === null ? undefined : (JSON.parse(row.item_forwarded) as CIForwardedFrom);
  if (before !== undefined && before.type !== 'unknown') return before;
  const msgDir = row.item_sent !== 0 ? 'snd' : 'rcv';
  const chatItemId = row.chat_item_id;
  if (from.type === 'direct') {
    const { localAlias, displayName } = from.contact.profile;
    const chatName = localAlias === '' ? displayName : localAlias;
    return { type: 'contact', chatName, msgDir, contactId: from.contact.contactId, chatItemId };
  }
  if (from.type === 'group') {
    const { groupId, groupProfile } = from.group;
    return { type: 'group', chatName: groupProfile.displayName, msgDir, groupId, chatItemId };
  }
  return before;
}

type FileProblem = 'notAccepted' | 'inProgress' | 'failed' | 'missing';
/** The one that is told when there are several. */
const problems: readonly FileProblem[] = ['notAccepted', 'inProgress', 'failed', 'missing'];

async function fileProblem(ctx: ChatContext, file: CIFile): Promise<FileProblem | undefined> {
  switch (file.fileStatus.type) {
    case 'rcvInvitation':
    case 'rcvAborted':
      return 'notAccepted';
    case 'rcvAccepted':
    case 'rcvTransfer':
      return 'inProgress';
    case 'rcvCancelled':
    case 'rcvError':
    case 'rcvWarning':
    case 'invalid':
      return 'failed';
    default: {
      const there =
        file.fileSource !== undefined && ctx.files !== undefined && (await ctx.files.exists(ctx, file.fileSource));
      return there ? undefined : 'missing';
    }
  }
}

/** Whether something is left of a message without its file. */
function hasOwnContent(content: MsgContent): boolean {
  return content.type === 'video' || content.type === 'voice' || content.type === 'file' ? content.text !== '' : true;
}

async function planForward(
  ctx: ChatContext,
  user: User,
  ref: ChatRef,
  itemIds: readonly number[],
): Promise<ApiResponse> {
  const chatItemIds: number[] = [];
  const found: { readonly problem: FileProblem; readonly fileId: number }[] = [];
  for (const { row, content, file } of await sources(ctx, user, ref, itemIds)) {
    if (content === undefined) continue;
    const problem = file === undefined ? undefined : await fileProblem(ctx, file);
    if (problem === undefined || hasOwnContent(content)) chatItemIds.push(row.chat_item_id);
    if (problem !== undefined && file !== undefined) found.push({ problem, fileId: file.fileId });
  }
  return {
    type: 'forwardPlan',
    user,
    itemsCount: itemIds.length,
    chatItemIds,
    forwardConfirmation: confirmation(found),
  };
}

function confirmation(
  found: readonly { readonly problem: FileProblem; readonly fileId: number }[],
): ForwardConfirmation | undefined {
  const main = problems.find((p) => found.some((f) => f.problem === p));
  const of = found.filter((f) => f.problem === main);
  switch (main) {
    case undefined:
      return undefined;
    case 'notAccepted':
      return { type: 'filesNotAccepted', fileIds: of.map((f) => f.fileId) };
    case 'inProgress':
      return { type: 'filesInProgress', filesCount: of.length };
    case 'missing':
      return { type: 'filesMissing', filesCount: of.length };
    case 'failed':
      return { type: 'filesFailed', filesCount: of.length };
  }
}

/** The message that a forwarded item becomes; undefined: nothing is left of it. */
async function compose(ctx: ChatContext, source: Source, sameChat: boolean): Promise<Composed | undefined> {
  const { content, file, from } = source;
  if (content === undefined) return undefined;
  const mentions = sameChat ? source.mentions : undefined;
  if (file === undefined) return { content, forwarded: from, mentions };
  const { fileStatus } = file;
  const loaded =
    fileStatus.type.startsWith('snd') || fileStatus.type === 'rcvComplete'
      ? await ctx.files?.copyForForward(ctx, file, content)
      : undefined;
  if (loaded !== undefined) return { content, file: loaded, forwarded: from, mentions };
  if (content.type === 'image' || content.type === 'link') return { content, forwarded: from, mentions };
  const text = contentText(content);
  return text === '' ? undefined : { content: { type: 'text', text }, forwarded: from, mentions };
}

async function forward(
  ctx: ChatContext,
  user: User,
  to: ChatRef,
  from: ChatRef,
  itemIds: readonly number[],
  ttl: number | undefined,
): Promise<ApiResponse> {
  if (to.chatType !== 'direct' && to.chatType !== 'group' && to.chatType !== 'local') {
    throw commandFailure('not supported');
  }
  const sameChat = to.chatType === from.chatType && to.chatId === from.chatId;
  const messages: Composed[] = [];
  for (const source of await sources(ctx, user, from, itemIds)) {
    const message = await compose(ctx, source, sameChat);
    if (message !== undefined) messages.push(message);
  }
  if (messages.length === 0) return { type: 'newChatItems', user, chatItems: [] };
  if (to.chatType === 'direct') return sendToContact(ctx, user, to.chatId, messages, { ttl });
  if (to.chatType === 'local') return createNotes(ctx, user, to.chatId, messages);
  if (ctx.groups === undefined) throw commandFailure('not supported');
  return ctx.groups.sendMessages(ctx, user, to, messages, { ttl });
}

export const forwardCommands: CommandTable = {
  APIPlanForwardChatItems: whenRunning((ctx, { fromChatRef, chatItemIds }, user) =>
    planForward(ctx, user, fromChatRef, chatItemIds),
  ),
  APIForwardChatItems: whenRunning((ctx, { toChatRef, fromChatRef, chatItemIds, ttl }, user) =>
    forward(ctx, user, toChatRef, fromChatRef, chatItemIds, ttl),
  ),
};
