import type { ApiResponse, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, storeFailure } from '../engine/errors.js';
import type { FileHooks } from '../engine/file-hooks.js';
import { findGroup } from '../groups/queries.js';
import { groupRecipients } from '../groups/recipients.js';
import { sendToMembers } from '../groups/send.js';
import { fileStatusOf } from '../items/status.js';
import type { ItemRow } from '../items/view.js';
import { sendDirectMessage } from '../messaging/send.js';
import type { JsonChatEvent } from '../protocol/index.js';
import { dropDownload, resetReceived } from './accept.js';
import { agentUserId, dropUpload } from './agent.js';
import { isInside, removeAfterCommit } from './disk.js';
import { absolutePath } from './names.js';
import {
  deleteFileRows,
  type FileRow,
  filesOfItem,
  findFile,
  isPathShared,
  type ReceivedFile,
  receivedFile,
  sndFilesOf,
  updateFile,
  updateRcvFile,
  updateSndFile,
} from './rows.js';
import { fileMeta, itemOfFile, rcvTransfer, sndTransfers } from './view.js';

/** `/fcancel` (40-xftp, section 8.5). */
export function cancelFile(ctx: ChatContext, user: User, fileId: number): Promise<ApiResponse> {
  return ctx.locks.run(`file:${fileId}`, () =>
    ctx.store.transaction(async (tx) => {
      const file = await findFile(tx, fileId);
      if (file === undefined || file.user_id !== user.userId) throw storeFailure({ type: 'fileNotFound', fileId });
      if (file.protocol === 'local') throw storeFailure({ type: 'localFileNoTransfer', fileId });
      const received = await receivedFile(tx, file);
      return received === undefined ? cancelSent(ctx, tx, user, file) : cancelReceived(ctx, tx, user, received);
    }),
  );
}

const refused = (fileId: number, message: string): ChatException =>
  chatFailure({ type: 'fileCancel', fileId, message });

/** An own file is taken back, also when it is complete: from the servers, and by a message to who got it. */
async function cancelSent(ctx: ChatContext, tx: Tx, user: User, file: FileRow): Promise<ApiResponse> {
  if (file.cancelled !== 0) throw refused(file.file_id, 'file already cancelled');
  const rows = await sndFilesOf(tx, file.file_id);
  const fileTransferMeta = fileMeta(file);
  const sndFileTransfers = await sndTransfers(tx, user, file, rows);
  const cancelled = await cancelUpload(ctx, tx, user, file, true);
  const chatItem_ = await itemOfFile(ctx, tx, user, cancelled);
  if (file.shared_msg_id !== null) await tellCancelled(ctx, tx, user, file, file.shared_msg_id);
  return { type: 'sndFileCancelled', user, chatItem_, fileTransferMeta, sndFileTransfers };
}

/** Ends an upload with all that belongs to it; `remote`: what is complete is removed from the servers, too. */
async function cancelUpload(ctx: ChatContext, tx: Tx, user: User, file: FileRow, remote: boolean): Promise<FileRow> {
  const now = ctx.clock.now();
  const redirects = await tx.db.selectFrom('files').selectAll().where('redirect_file_id', '=', file.file_id).execute();
  for (const f of [file, ...redirects]) {
    await dropUpload(ctx, tx, user, f, remote);
    for (const row of await sndFilesOf(tx, f.file_id)) {
      if (row.file_status === 'complete') continue;
      await updateSndFile(tx, row.snd_file_id, { file_status: 'cancelled', last_agent_msg_id: null }, now);
    }
  }
  for (const f of redirects) await updateFile(tx, f.file_id, { cancelled: 1, ci_file_status: 'sndCancelled' }, now);
  const values = { cancelled: 1, ci_file_status: 'sndCancelled', agent_snd_file_deleted: remote ? 1 : 0 };
  return updateFile(tx, file.file_id, values, now);
}

/** Tells those who got the message. Whether they can be told does not matter for the cancellation. */
async function tellCancelled(ctx: ChatContext, tx: Tx, user: User, file: FileRow, msgId: string): Promise<void> {
  const event: JsonChatEvent = { type: 'x.file.cancel', msgId };
  try {
    await tx.savepoint(async () => {
      if (file.contact_id !== null) {
        const contact = await findContact(tx, user, file.contact_id);
        if (contact !== undefined) await sendDirectMessage(ctx, tx, user, contact, { event });
        return;
      }
      const group = file.group_id === null ? undefined : await findGroup(tx, user, file.group_id);
      if (group === undefined || file.chat_item_id === null) return;
      const got = await tx.db
        .selectFrom('group_snd_item_statuses')
        .select('group_member_id')
        .where('chat_item_id', '=', file.chat_item_id)
        .execute();
      const ids = new Set(got.map((r) => r.group_member_id));
      const members = (await groupRecipients(tx, group.groupId)).filter((m) => ids.has(m.groupMemberId));
      await sendToMembers(ctx, tx, group, members, [{ event }]);
    });
  } catch (error) {
    if (!(error instanceof ChatException)) throw error;
  }
}

/** The user does not want the file (now): it can be accepted again, the sender is not told. */
async function cancelReceived(ctx: ChatContext, tx: Tx, user: User, received: ReceivedFile): Promise<ApiResponse> {
  const { file, rcv } = received;
  if (file.cancelled !== 0) throw refused(file.file_id, 'file already cancelled');
  if (rcv.file_status === 'complete') throw refused(file.file_id, 'file transfer is complete');
  const rcvFileTransfer = rcvTransfer(received);
  let chatItem_: Awaited<ReturnType<typeof itemOfFile>>;
  if (received.description !== undefined) {
    chatItem_ = await resetReceived(ctx, tx, user, file.file_id, { type: 'rcvInvitation' }, false);
  } else {
    const now = ctx.clock.now();
    await updateRcvFile(tx, file.file_id, { file_status: 'cancelled' }, now);
    const cancelled = await updateFile(tx, file.file_id, { cancelled: 1, ci_file_status: 'rcvCancelled' }, now);
    chatItem_ = await itemOfFile(ctx, tx, user, cancelled);
  }
  return { type: 'rcvFileCancelled', user, chatItem_, rcvFileTransfer };
}

/** Statuses that nothing changes any more, though `rcvAborted` files may be accepted again. */
const ended: ReadonlySet<string> = new Set([
  'sndComplete',
  'sndCancelled',
  'sndError',
  'rcvAborted',
  'rcvComplete',
  'rcvCancelled',
  'rcvError',
]);

/** Ends the transfer of a file whose item goes, if it is not complete. Nobody is told. */
async function cancelUnfinished(ctx: ChatContext, tx: Tx, user: User, file: FileRow): Promise<void> {
  if (file.protocol === 'local' || file.cancelled !== 0 || ended.has(fileStatusOf(file.ci_file_status).type)) return;
  const received = await receivedFile(tx, file);
  if (received === undefined) {
    await cancelUpload(ctx, tx, user, file, false);
    return;
  }
  const now = ctx.clock.now();
  await dropDownload(ctx, tx, received);
  await updateRcvFile(tx, file.file_id, { file_status: 'cancelled', to_receive: 0, agent_rcv_file_id: null }, now);
  await updateFile(tx, file.file_id, { cancelled: 1, ci_file_status: 'rcvCancelled' }, now);
}

export const cancelOfItems: FileHooks['cancelOfItems'] = async (ctx, tx, user, items) => {
  for (const file of await allFiles(tx, items)) await cancelUnfinished(ctx, tx, user, file);
};

async function allFiles(tx: Tx, items: readonly ItemRow[]): Promise<FileRow[]> {
  const files: FileRow[] = [];
  for (const item of items) {
    if (item.has_file !== 0) files.push(...(await filesOfItem(tx, item.chat_item_id)));
  }
  return files;
}

export const removeOfItems: FileHooks['removeOfItems'] = async (ctx, tx, user, items) => {
  for (const file of await allFiles(tx, items)) {
    await cancelUnfinished(ctx, tx, user, file);
    await removeLocalCopy(ctx, tx, file);
    await deleteFileRows(tx, file.file_id);
  }
};

export const removeOfUser: FileHooks['removeOfUser'] = async (ctx, tx, user) => {
  const rows = await tx.db.selectFrom('files').selectAll().where('user_id', '=', user.userId).execute();
  for (const file of rows) {
    const received = await receivedFile(tx, file);
    if (received !== undefined && received.rcv.file_status !== 'complete') await dropDownload(ctx, tx, received);
    await removeLocalCopy(ctx, tx, file);
    await deleteFileRows(tx, file.file_id);
  }
  await ctx.fileAgent?.deleteUserFiles(tx, agentUserId(user));
};

/**
 * Deletes the local copy of a file, when there is a files folder and it lies there: that folder is ours, other places
 * are not. A file that another item shows stays.
 */
async function removeLocalCopy(ctx: ChatContext, tx: Tx, file: FileRow): Promise<void> {
  const { filesFolder } = ctx.state;
  if (filesFolder === undefined || file.file_path === null) return;
  const type = fileStatusOf(file.ci_file_status).type;
  // The path of a file that was not received is only where it would have been.
  if (type.startsWith('rcv') && type !== 'rcvComplete') return;
  const absolute = absolutePath(filesFolder, file.file_path);
  if (!isInside(filesFolder, absolute) || (await isPathShared(tx, file.file_path, file.file_id))) return;
  removeAfterCommit(ctx, tx, [absolute]);
}

/** A file whose message could not be sent: as if it had never been there. */
export async function discardFile(ctx: ChatContext, tx: Tx, user: User, fileId: number): Promise<void> {
  const file = await findFile(tx, fileId);
  if (file === undefined) return;
  if (file.protocol !== 'local') await dropUpload(ctx, tx, user, file, false);
  await deleteFileRows(tx, fileId);
}
