import type { FileDescr, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { DirectMessageTable } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, storeFailure, toChatError } from '../engine/errors.js';
import type { FileHooks } from '../engine/file-hooks.js';
import { statusColumn } from '../items/status.js';
import { acceptMarked, dropDownload, startDownload } from './accept.js';
import { maxDescriptionText } from './descriptions.js';
import {
  type DescriptionRow,
  fileOfContact,
  filesOfGroup,
  type ReceivedFile,
  receivedFile,
  updateDescription,
  updateFile,
  updateRcvFile,
} from './rows.js';
import { descriptionView, itemOfFile, rcvTransfer } from './view.js';

/** Nothing changes a file any more that is complete or cancelled. */
function isEnded({ file, rcv }: ReceivedFile): boolean {
  return file.cancelled !== 0 || rcv.file_status === 'complete' || rcv.file_status === 'cancelled';
}

/** Appends a part of a description; `rcvFileInvalidDescrPart` when it is not the next one. */
async function appendPart(tx: Tx, description: DescriptionRow, part: FileDescr): Promise<DescriptionRow> {
  const text = description.file_descr_text + part.fileDescrText;
  if (
    part.fileDescrPartNo !== description.file_descr_part_no + 1 ||
    description.file_descr_complete !== 0 ||
    text.length > maxDescriptionText
  ) {
    throw storeFailure({ type: 'rcvFileInvalidDescrPart' });
  }
  return updateDescription(tx, description.file_descr_id, {
    file_descr_text: text,
    file_descr_part_no: part.fileDescrPartNo,
    file_descr_complete: part.fileDescrComplete ? 1 : 0,
  });
}

/**
 * A part of the description of a received file (40-xftp, section 7.2). A file that was accepted before is downloaded
 * when it is complete. The result is an error that must be told: what was stored stays.
 */
async function descriptionReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  received: ReceivedFile,
  part: FileDescr,
): Promise<ChatException | undefined> {
  if (isEnded(received) || received.description === undefined) return undefined;
  const description = await appendPart(tx, received.description, part);
  if (!part.fileDescrComplete) return undefined;
  const complete = { ...received, description };
  const chatItem = await itemOfFile(ctx, tx, user, received.file);
  if (chatItem !== undefined) {
    await ctx.emit(tx, {
      type: 'rcvFileDescrReady',
      user,
      chatItem,
      rcvFileTransfer: rcvTransfer(complete),
      rcvFileDescr: descriptionView(description),
    });
  }
  if (received.rcv.file_status !== 'accepted') return undefined;
  try {
    return await startDownload(ctx, tx, user, complete);
  } catch (error) {
    if (!(error instanceof ChatException)) throw error;
    await failReceived(ctx, tx, user, complete, error);
    return error;
  }
}

/** The description that came cannot be used, and there will be no other. */
async function failReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  received: ReceivedFile,
  error: ChatException,
): Promise<void> {
  await dropDownload(ctx, tx, received);
  const { chatError } = error;
  const reason =
    chatError.type === 'error' && 'message' in chatError.errorType ? `: ${chatError.errorType.message}` : '';
  const rcvFileError = { type: 'other', fileError: `invalid file description${reason}` } as const;
  const file = await updateFile(
    tx,
    received.file.file_id,
    { cancelled: 1, ci_file_status: statusColumn({ type: 'rcvError', rcvFileError }) },
    ctx.clock.now(),
  );
  const chatItem = await itemOfFile(ctx, tx, user, file);
  if (chatItem !== undefined) await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem });
}

/** `x.file.cancel`: the sender takes an unfinished file back (40-xftp, section 7.3). */
async function cancelReceived(ctx: ChatContext, tx: Tx, user: User, received: ReceivedFile): Promise<void> {
  if (isEnded(received)) return;
  const now = ctx.clock.now();
  const { file_id } = received.file;
  await dropDownload(ctx, tx, received);
  await updateRcvFile(tx, file_id, { file_status: 'cancelled', to_receive: 0 }, now);
  const file = await updateFile(tx, file_id, { cancelled: 1, ci_file_status: 'rcvCancelled' }, now);
  const chatItem = await itemOfFile(ctx, tx, user, file);
  if (chatItem === undefined) return;
  await ctx.emit(tx, { type: 'rcvFileSndCancelled', user, chatItem, rcvFileTransfer: rcvTransfer(received) });
}

async function ofContact(tx: Tx, contactId: number, sharedMsgId: string): Promise<ReceivedFile> {
  const received = await fileOfContact(tx, contactId, sharedMsgId);
  if (received === undefined) throw storeFailure({ type: 'fileIdNotFoundBySharedMsgId', sharedMsgId });
  return received;
}

/** x.* messages about files of contacts. */
export const fileMessages: DirectMessageTable = {
  async 'x.msg.file.descr'(ctx, tx, { user, contact, event }) {
    const received = await ofContact(tx, contact.contactId, event.msgId);
    const error = await descriptionReceived(ctx, tx, user, received, event.fileDescr);
    if (error !== undefined) await ctx.emit(tx, { type: 'chatError', chatError: error.chatError });
  },

  async 'x.file.cancel'(ctx, tx, { user, contact, event }) {
    await cancelReceived(ctx, tx, user, await ofContact(tx, contact.contactId, event.msgId));
  },

  // Legacy transfers, which no peer of our versions starts (40-xftp, section 7.7): a message with a file is shown, though
  // the file cannot be received; the rest is told, and otherwise ignored.
  async 'x.file'(ctx, tx, message) {
    const content = { type: 'file', text: '' } as const;
    const event = { type: 'x.msg.new', content, file: message.event.file } as const;
    await ctx.directMessages['x.msg.new']?.(ctx, tx, { ...message, event });
  },
  async 'x.file.acpt.inv'(ctx, tx, { user }) {
    await unsupported(ctx, tx, user, 'x.file.acpt.inv');
  },
  async F(ctx, tx, { user, contact, event }) {
    await ofContact(tx, contact.contactId, event.sharedMsgId);
    await unsupported(ctx, tx, user, 'F');
  },
};

async function unsupported(ctx: ChatContext, tx: Tx, user: User, event: string): Promise<void> {
  const errorMessage = `${event}: file transfers over SMP connections are not supported`;
  await ctx.emit(tx, { type: 'messageError', user, severity: 'error', errorMessage });
}

/** The file of a message in a group by its author; tells why there is none. */
async function ofMember(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  groupId: number,
  authorId: number,
  sharedMsgId: string,
  event: string,
): Promise<ReceivedFile | undefined> {
  const files = await filesOfGroup(tx, groupId, sharedMsgId);
  const own = files.find((f) => f.author === authorId);
  if (own !== undefined) return receivedFile(tx, own);
  if (files.length > 0) {
    const errorMessage = `${event}: file of another member`;
    await ctx.emit(tx, { type: 'messageError', user, severity: 'error', errorMessage });
    return undefined;
  }
  const error = storeFailure({ type: 'fileIdNotFoundBySharedMsgId', sharedMsgId });
  await ctx.emit(tx, { type: 'chatError', chatError: error.chatError });
  return undefined;
}

export const groupDescription: FileHooks['groupDescription'] = async (ctx, tx, user, group, author, msgId, part) => {
  const { groupId } = group;
  const received = await ofMember(ctx, tx, user, groupId, author.groupMemberId, msgId, 'x.msg.file.descr');
  if (received === undefined) return;
  try {
    await tx.savepoint(async () => {
      // Missing approval shows in the item; the description must reach others all the same (40-xftp, section 7.5).
      await descriptionReceived(ctx, tx, user, received, part);
    });
  } catch (error) {
    // The same description may come from its author and forwarded.
    if (isRepeatedPart(error)) return;
    await ctx.emit(tx, { type: 'chatError', chatError: toChatError(error) });
  }
};

function isRepeatedPart(error: unknown): boolean {
  return (
    error instanceof ChatException &&
    error.chatError.type === 'errorStore' &&
    error.chatError.storeError.type === 'rcvFileInvalidDescrPart'
  );
}

export const groupCancel: FileHooks['groupCancel'] = async (ctx, tx, user, group, author, msgId) => {
  const { groupId } = group;
  const received = await ofMember(ctx, tx, user, groupId, author.groupMemberId, msgId, 'x.file.cancel');
  if (received !== undefined) await cancelReceived(ctx, tx, user, received);
};

/** Accepts small files, if the engine is told to: the wish is stored with the message, so that no crash loses it. */
export const autoAccept: FileHooks['received'] = async (ctx, tx, _user, { fileId, file }) => {
  const { autoAcceptFileSize } = ctx.options;
  if (autoAcceptFileSize === undefined || file.fileSize >= autoAcceptFileSize || file.fileProtocol !== 'xftp') return;
  await updateRcvFile(tx, fileId, { to_receive: 1 }, ctx.clock.now());
  tx.onCommit(() => ctx.background('accept a file', () => acceptMarked(ctx, fileId)));
};
