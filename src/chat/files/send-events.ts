import type { AgentErrorJson, FileEvent } from '../../agent/index.js';
import type { GroupInfo, User } from '../../api/index.js';
import { nextTurn } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import { type FileDescription, formatFileDescription } from '../../xftp/index.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, toChatError } from '../engine/errors.js';
import type { FileHooks } from '../engine/file-hooks.js';
import { findGroup } from '../groups/queries.js';
import { groupRecipients } from '../groups/recipients.js';
import { sendOnConnection } from '../groups/send-member.js';
import { findItem } from '../items/queries.js';
import { statusColumn } from '../items/status.js';
import { sendDirectMessages } from '../messaging/send.js';
import type { JsonChatEvent } from '../protocol/index.js';
import { fileAgent } from './agent.js';
import { descriptionParts } from './descriptions.js';
import { agentErrorText, errorText, fileErrorOf } from './errors.js';
import { failUpload } from './failed-upload.js';
import {
  type FileRow,
  fileOfUpload,
  findFile,
  insertDescription,
  type SndFileRow,
  sndFileOfMessage,
  sndFilesOf,
  updateDescription,
  updateFile,
  updateSndFile,
} from './rows.js';
import { standaloneUploaded } from './standalone.js';
import { canReceiveFiles } from './store.js';
import { fileMeta, itemOfFile } from './view.js';

export type UploadEvent = Extract<FileEvent, { readonly type: `SF${string}` }>;

/** Members that descriptions are sent to between two breaths of the event loop. */
const chunk = 16;

/** What the agent tells about an upload (40-xftp, sections 7.4, 7.5, 8.6). */
export async function uploadEvent(ctx: ChatContext, tx: Tx, event: UploadEvent): Promise<void> {
  if (event.fileId === undefined) {
    if (event.type === 'SFERR') ctx.logger.warn({ error: event.error.type }, 'an uploaded file could not be deleted');
    return;
  }
  const file = await fileOfUpload(tx, event.fileId);
  const user = file === undefined ? undefined : ctx.users.get(file.user_id);
  if (file === undefined || user === undefined) {
    await fileAgent(ctx).deleteSndFile(tx, event.fileId);
    return;
  }
  if (file.cancelled !== 0) return;
  switch (event.type) {
    case 'SFPROG': {
      const status = { type: 'sndTransfer', sndProgress: event.sent, sndTotal: event.total } as const;
      const now = ctx.clock.now();
      const updated = await updateFile(tx, file.file_id, { ci_file_status: statusColumn(status) }, now);
      await tellProgress(ctx, tx, user, updated, event.sent, event.total);
      return;
    }
    case 'SFDONE':
      await uploaded(ctx, tx, user, file, event.senderDescription, event.recipientDescriptions);
      return;
    case 'SFWARN':
      await warn(ctx, tx, user, file, event.error);
      return;
    case 'SFERR':
      await failUpload(ctx, tx, user, file, fileErrorOf(event.error), agentErrorText(event.error));
      return;
  }
}

/** Progress is for who listens now. */
async function tellProgress(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  sentSize: number,
  totalSize: number,
): Promise<void> {
  const chatItem_ = await itemOfFile(ctx, tx, user, file);
  const fileTransferMeta = fileMeta(file);
  tx.onCommit(() =>
    ctx.emitLive({ type: 'sndFileProgressXFTP', user, chatItem_, fileTransferMeta, sentSize, totalSize }),
  );
}

async function warn(ctx: ChatContext, tx: Tx, user: User, file: FileRow, error: AgentErrorJson): Promise<void> {
  const ci_file_status = statusColumn({ type: 'sndWarning', sndFileError: fileErrorOf(error) });
  const updated = await updateFile(tx, file.file_id, { ci_file_status }, ctx.clock.now());
  await ctx.emit(tx, {
    type: 'sndFileWarning',
    user,
    chatItem_: await itemOfFile(ctx, tx, user, updated),
    fileTransferMeta: fileMeta(file),
    errorMessage: agentErrorText(error),
  });
}

async function uploaded(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  sender: FileDescription,
  recipients: readonly FileDescription[],
): Promise<void> {
  const now = ctx.clock.now();
  const private_snd_file_descr = formatFileDescription(sender);
  const stored = await updateFile(tx, file.file_id, { private_snd_file_descr }, now);
  const item = file.chat_item_id === null ? undefined : await findItem(tx, file.chat_item_id);
  if (item === undefined) {
    await standaloneUploaded(ctx, tx, user, stored, recipients);
    return;
  }
  if (file.shared_msg_id === null || item.item_deleted !== 0) return;
  const transfers = await sndFilesOf(tx, file.file_id);
  if (recipients.length < transfers.length) {
    const text = 'not enough file descriptions';
    await failUpload(ctx, tx, user, file, { type: 'other', fileError: text }, text);
    return;
  }
  const done = { type: 'sndTransfer', sndProgress: 1, sndTotal: 1 } as const;
  const progress = await updateFile(tx, file.file_id, { ci_file_status: statusColumn(done) }, now);
  // As the official program: the event shows the file as it was.
  await tellProgress(ctx, tx, user, { ...progress, private_snd_file_descr: file.private_snd_file_descr }, 1, 1);
  const texts = recipients.map(formatFileDescription);
  try {
    await tx.savepoint(async () => {
      if (item.group_id !== null) await describeToGroup(ctx, tx, user, file, item.group_id, transfers, texts);
      else await describeToContact(ctx, tx, user, file, transfers, texts);
    });
  } catch (error) {
    const text = error instanceof ChatException ? JSON.stringify(error.chatError) : errorText(error);
    await ctx.emit(tx, { type: 'chatError', chatError: toChatError(error) });
    await failUpload(ctx, tx, user, progress, { type: 'other', fileError: text }, text);
    return;
  }
  // What the agent kept of the upload is not needed any more.
  if (file.agent_snd_file_id !== null) await fileAgent(ctx).deleteSndFile(tx, file.agent_snd_file_id);
}

const describe = (msgId: string, text: string): JsonChatEvent[] =>
  descriptionParts(text).map((fileDescr) => ({ type: 'x.msg.file.descr', msgId, fileDescr }));

/** The only recipient gets the first description; the file is complete when its server has taken the last part. */
async function describeToContact(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  transfers: readonly SndFileRow[],
  texts: readonly string[],
): Promise<void> {
  const [transfer] = transfers;
  const [text] = texts;
  if (file.contact_id === null || file.shared_msg_id === null || transfer === undefined || text === undefined) return;
  await storeDescription(ctx, tx, user, transfer, text);
  const contact = await getContact(tx, user, file.contact_id);
  const events = describe(file.shared_msg_id, text);
  const sent = await sendDirectMessages(
    ctx,
    tx,
    user,
    contact,
    events.map((event) => ({ event })),
  );
  for (const s of sent) if (s instanceof ChatException) throw s;
  const last = sent.at(-1);
  if (last === undefined || last instanceof ChatException) return;
  await updateSndFile(
    tx,
    transfer.snd_file_id,
    {
      file_status: 'connected',
      last_agent_msg_id: last.agentMsgId,
      // The contact may have another connection by now: its delivery is what counts.
      connection_id: contact.activeConn?.connId ?? transfer.connection_id,
    },
    ctx.clock.now(),
  );
}

async function storeDescription(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  transfer: SndFileRow,
  text: string,
): Promise<void> {
  if (transfer.file_descr_id === null) {
    const { file_descr_id } = await insertDescription(tx, user, text, ctx.clock.now());
    await updateSndFile(tx, transfer.snd_file_id, { file_descr_id, file_status: 'connected' }, ctx.clock.now());
  } else {
    await updateDescription(tx, transfer.file_descr_id, { file_descr_text: text, file_descr_complete: 1 });
  }
}

/** Each member gets a description of its own, over its connection; the delivery is not waited for. */
async function describeToGroup(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  groupId: number,
  transfers: readonly SndFileRow[],
  texts: readonly string[],
): Promise<void> {
  const group: GroupInfo | undefined = await findGroup(tx, user, groupId);
  if (group === undefined || file.shared_msg_id === null) return;
  const members = new Map((await groupRecipients(tx, groupId)).map((m) => [m.groupMemberId, m]));
  let used = 0;
  for (const transfer of transfers) {
    const member = transfer.group_member_id === null ? undefined : members.get(transfer.group_member_id);
    if (member?.connection === undefined || !canReceiveFiles(member)) continue;
    const text = texts[used++];
    if (text === undefined) break;
    if (used % chunk === 0) await nextTurn();
    await storeDescription(ctx, tx, user, transfer, text);
    for (const event of describe(file.shared_msg_id, text)) {
      await sendOnConnection(ctx, tx, groupId, member.connection, event);
    }
  }
  const complete = await updateFile(tx, file.file_id, { ci_file_status: 'sndComplete' }, ctx.clock.now());
  const chatItem = await itemOfFile(ctx, tx, user, complete);
  if (chatItem === undefined) return;
  await ctx.emit(tx, { type: 'sndFileCompleteXFTP', user, chatItem, fileTransferMeta: fileMeta(file) });
}

/** SENT: the server of a contact has taken the last part of a description. */
export const delivered: FileHooks['delivered'] = async (ctx, tx, user, connection, agentMsgId) => {
  const transfer = await sndFileOfMessage(tx, connection.connection_id, agentMsgId);
  if (transfer === undefined) return;
  const now = ctx.clock.now();
  await updateSndFile(tx, transfer.snd_file_id, { file_status: 'complete', last_agent_msg_id: null }, now);
  const file = await findFile(tx, transfer.file_id);
  if (file === undefined || file.cancelled !== 0) return;
  const complete = await updateFile(tx, file.file_id, { ci_file_status: 'sndComplete' }, now);
  const chatItem = await itemOfFile(ctx, tx, user, complete);
  if (chatItem === undefined) return;
  await ctx.emit(tx, { type: 'sndFileCompleteXFTP', user, chatItem, fileTransferMeta: fileMeta(complete) });
};
