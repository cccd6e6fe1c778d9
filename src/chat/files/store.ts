import { roundRecipients } from '../../agent/index.js';
import type { FileInvitation, User } from '../../api/index.js';
import { cryptoFileArgsToJson } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import type { FileChat, FileHooks, FileRecipient, FileToSend, StoredFile } from '../engine/file-hooks.js';
import { maxQuotaErrors } from '../groups/recipients.js';
import { insertRows } from '../groups/send.js';
import { maxAuthErrors } from '../messaging/send.js';
import { agentUserId, fileAgent } from './agent.js';
import { noDescription } from './descriptions.js';
import { localFile } from './disk.js';
import { safeFileName } from './names.js';
import { type FileRow, insertDescription, insertFile, insertRcvFile } from './rows.js';
import { fileView } from './view.js';

/** Descriptions can be sent on this connection. */
export function canReceiveFiles(m: FileRecipient): boolean {
  const c = m.connection;
  return (
    c !== undefined &&
    (c.status === 'ready' || c.status === 'snd-ready') &&
    c.authErrors < maxAuthErrors &&
    c.quotaErrors < maxQuotaErrors
  );
}

/** Columns of a file that is ours. */
function ownColumns(ctx: ChatContext, file: FileToSend) {
  const { cryptoArgs } = localFile(ctx, file.source);
  const keys = cryptoArgs === undefined ? undefined : cryptoFileArgsToJson(cryptoArgs);
  return {
    file_name: file.fileName,
    file_path: file.source.filePath,
    file_size: file.fileSize,
    file_crypto_key: keys?.fileKey ?? null,
    file_crypto_nonce: keys?.fileNonce ?? null,
  };
}

const stored = (row: FileRow): StoredFile => ({ fileId: row.file_id, file: fileView(row) });

/** Starts the upload of a file for a number of recipients, and stores its row. */
export async function startUpload(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileToSend,
  recipients: number,
  chat: { readonly contact_id?: number; readonly group_id?: number },
): Promise<FileRow> {
  const agentId = await fileAgent(ctx).sendFile(tx, {
    userId: agentUserId(user),
    source: localFile(ctx, file.source),
    numRecipients: roundRecipients(recipients),
  });
  return insertFile(
    tx,
    user,
    {
      ...ownColumns(ctx, file),
      ...chat,
      protocol: 'xftp',
      ci_file_status: 'sndStored',
      agent_snd_file_id: agentId,
    },
    ctx.clock.now(),
  );
}

/** Stores a file for a contact or group, with a transfer for each recipient that can be sent to (40-xftp, 7.4, 7.5). */
export const storeSent: FileHooks['storeSent'] = async (ctx, tx, user, chat, file) => {
  const row =
    chat.type === 'direct'
      ? await startUpload(ctx, tx, user, file, 1, { contact_id: chat.contact.contactId })
      : await startUpload(ctx, tx, user, file, chat.members.length, { group_id: chat.group.groupId });
  await insertTransfers(ctx, tx, user, chat, row);
  const invitation: FileInvitation = {
    fileName: file.fileName,
    fileSize: file.fileSize,
    fileDescr: noDescription,
  };
  return { ...stored(row), invitation };
};

async function insertTransfers(ctx: ChatContext, tx: Tx, user: User, chat: FileChat, row: FileRow): Promise<void> {
  const now = ctx.clock.now();
  if (chat.type === 'direct') {
    const connection = chat.contact.activeConn;
    if (connection === undefined) return;
    const { file_descr_id } = await insertDescription(tx, user, '', now);
    await tx.db
      .insertInto('snd_files')
      .values({
        file_id: row.file_id,
        connection_id: connection.connId,
        file_status: 'new',
        file_descr_id,
        created_at: now,
        updated_at: now,
      })
      .execute();
    return;
  }
  const values = chat.members.flatMap((m) =>
    m.connection === undefined || !canReceiveFiles(m)
      ? []
      : [row.file_id, m.connection.connectionId, m.groupMemberId, 'new', now, now],
  );
  const head =
    'INSERT INTO snd_files (file_id, connection_id, group_member_id, file_status, created_at, updated_at) VALUES ';
  await insertRows(tx, head, 6, values);
}

export const storeLocal: FileHooks['storeLocal'] = async (ctx, tx, user, noteFolderId, file) =>
  stored(
    await insertFile(
      tx,
      user,
      { ...ownColumns(ctx, file), note_folder_id: noteFolderId, protocol: 'local', ci_file_status: 'sndStored' },
      ctx.clock.now(),
    ),
  );

/** Stores the invitation of a peer. Without a description it is a transfer of an old peer, which we cannot receive. */
export const storeReceived: FileHooks['storeReceived'] = async (ctx, tx, user, from, invitation, _content) => {
  const { fileDescr } = invitation;
  if (fileDescr !== undefined && fileDescr.fileDescrPartNo !== 0) {
    throw chatFailure({ type: 'invalidFileDescription', message: 'part of an invitation is not 0' });
  }
  const now = ctx.clock.now();
  const row = await insertFile(
    tx,
    user,
    {
      ...(from.type === 'direct' ? { contact_id: from.contact.contactId } : { group_id: from.group.groupId }),
      file_name: safeFileName(invitation.fileName),
      file_size: Math.max(0, invitation.fileSize),
      protocol: fileDescr === undefined ? 'smp' : 'xftp',
      ci_file_status: 'rcvInvitation',
      file_inline: invitation.fileInline ?? null,
    },
    now,
  );
  const description = fileDescr === undefined ? undefined : await insertDescription(tx, user, '', now);
  await insertRcvFile(tx, {
    file_id: row.file_id,
    file_status: 'new',
    group_member_id: from.type === 'group' ? from.member.groupMemberId : null,
    sender_display_name: from.type === 'group' ? from.member.localDisplayName : from.contact.localDisplayName,
    file_descr_id: description?.file_descr_id ?? null,
    created_at: now,
    updated_at: now,
  });
  return stored(row);
};

export const linkItem: FileHooks['linkItem'] = async (tx, fileId, itemId, sharedMsgId) => {
  await tx.db
    .updateTable('files')
    .set({ chat_item_id: itemId, shared_msg_id: sharedMsgId ?? null })
    .where('file_id', '=', fileId)
    .execute();
};
