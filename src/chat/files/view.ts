import type {
  AChatItem,
  CIFile,
  CryptoFileArgs,
  FileStatus,
  FileTransferMeta,
  InlineFileMode,
  RcvFileDescr,
  RcvFileStatus,
  RcvFileTransfer,
  SndFileTransfer,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findConnectionById } from '../connections/queries.js';
import { agentIdView } from '../connections/view.js';
import { findContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { viewGroupItem } from '../groups/items.js';
import { findGroup, findMemberById } from '../groups/queries.js';
import { viewDirectItem } from '../items/create.js';
import { findItem } from '../items/queries.js';
import { fileStatusOf } from '../items/status.js';
import { getNoteFolder } from '../messages/note-rows.js';
import { noteChatInfo, viewNote } from '../messages/notes.js';
import type { DescriptionRow, FileRow, ReceivedFile, SndFileRow } from './rows.js';

const inlineMode = (text: string | null): InlineFileMode | undefined =>
  text === 'offer' || text === 'sent' ? text : undefined;

/** Key and nonce of a file that is stored encrypted (40-xftp, section 8.8). */
export function cryptoArgsOf(file: FileRow): CryptoFileArgs | undefined {
  const { file_crypto_key: fileKey, file_crypto_nonce: fileNonce } = file;
  return fileKey === null || fileNonce === null ? undefined : { fileKey, fileNonce };
}

/** The file as its item shows it. */
export function fileView(file: FileRow): CIFile {
  return {
    fileId: file.file_id,
    fileName: file.file_name,
    fileSize: file.file_size,
    fileSource: file.file_path === null ? undefined : { filePath: file.file_path, cryptoArgs: cryptoArgsOf(file) },
    fileStatus: fileStatusOf(file.ci_file_status),
    fileProtocol: file.protocol === 'local' || file.protocol === 'smp' ? file.protocol : 'xftp',
  };
}

/** A file that we send, as events show it (40-xftp, section 8.2). */
export function fileMeta(file: FileRow): FileTransferMeta {
  return {
    fileId: file.file_id,
    xftpSndFile:
      file.agent_snd_file_id === null
        ? undefined
        : {
            agentSndFileId: agentIdView(file.agent_snd_file_id),
            privateSndFileDescr: file.private_snd_file_descr ?? undefined,
            agentSndFileDeleted: file.agent_snd_file_deleted !== 0,
            cryptoArgs: cryptoArgsOf(file),
          },
    xftpRedirectFor: file.redirect_file_id ?? undefined,
    fileName: file.file_name,
    filePath: file.file_path ?? '',
    fileSize: file.file_size,
    fileInline: inlineMode(file.file_inline),
    chunkSize: file.chunk_size,
    cancelled: file.cancelled !== 0,
  };
}

/** The parts of a description that came so far, joined. */
export function descriptionView(row: DescriptionRow): RcvFileDescr {
  return {
    fileDescrId: row.file_descr_id,
    fileDescrText: row.file_descr_text,
    fileDescrPartNo: row.file_descr_part_no,
    fileDescrComplete: row.file_descr_complete !== 0,
  };
}

/** A file that we receive, as events show it (40-xftp, section 8.2). */
export function rcvTransfer({ file, rcv, description }: ReceivedFile): RcvFileTransfer {
  return {
    fileId: file.file_id,
    xftpRcvFile:
      description === undefined
        ? undefined
        : {
            rcvFileDescription: descriptionView(description),
            agentRcvFileId: rcv.agent_rcv_file_id === null ? undefined : agentIdView(rcv.agent_rcv_file_id),
            agentRcvFileDeleted: rcv.agent_rcv_file_deleted !== 0,
            userApprovedRelays: rcv.user_approved_relays !== 0,
          },
    fileInvitation: {
      fileName: file.file_name,
      fileSize: file.file_size,
      fileInline: inlineMode(file.file_inline),
    },
    fileStatus: rcvStatus(rcv.file_status, file.file_path),
    rcvFileInline: inlineMode(rcv.rcv_file_inline),
    senderDisplayName: rcv.sender_display_name,
    chunkSize: file.chunk_size,
    cancelled: file.cancelled !== 0,
    grpMemberId: rcv.group_member_id ?? undefined,
    cryptoArgs: cryptoArgsOf(file),
  };
}

function rcvStatus(status: string, filePath: string | null): RcvFileStatus {
  switch (status) {
    case 'accepted':
    case 'connected':
    case 'complete':
      return { type: status, fileInfo: { filePath: filePath ?? '' } };
    case 'cancelled':
      return { type: 'cancelled', fileInfo_: filePath === null ? undefined : { filePath } };
    default:
      return { type: 'new' };
  }
}

/** Transfers of a sent file to its recipients; those whose connection is gone are left out. */
export async function sndTransfers(
  tx: Tx,
  user: User,
  file: FileRow,
  rows: readonly SndFileRow[],
): Promise<SndFileTransfer[]> {
  const transfers: SndFileTransfer[] = [];
  for (const row of rows) {
    const connection = await findConnectionById(tx, user.userId, row.connection_id);
    if (connection === undefined) continue;
    transfers.push({
      fileId: file.file_id,
      fileName: file.file_name,
      filePath: file.file_path ?? '',
      fileSize: file.file_size,
      chunkSize: file.chunk_size,
      recipientDisplayName: await recipientName(tx, user, file, row),
      connId: row.connection_id,
      agentConnId: agentIdView(connection.agent_conn_id),
      groupMemberId: row.group_member_id ?? undefined,
      fileStatus: row.file_status as FileStatus,
      fileDescrId: row.file_descr_id ?? undefined,
      fileInline: inlineMode(row.file_inline),
    });
  }
  return transfers;
}

async function recipientName(tx: Tx, user: User, file: FileRow, row: SndFileRow): Promise<string> {
  if (row.group_member_id !== null) {
    return (await findMemberById(tx, user, row.group_member_id))?.localDisplayName ?? '';
  }
  if (file.contact_id === null) return '';
  return (await findContact(tx, user, file.contact_id))?.localDisplayName ?? '';
}

/** The item that carries the file; undefined when there is none (any more). */
export async function itemOfFile(ctx: ChatContext, tx: Tx, user: User, file: FileRow): Promise<AChatItem | undefined> {
  if (file.chat_item_id === null) return undefined;
  const row = await findItem(tx, file.chat_item_id);
  if (row === undefined) return undefined;
  if (row.contact_id !== null) {
    const contact = await findContact(tx, user, row.contact_id);
    return contact === undefined ? undefined : viewDirectItem(ctx, tx, contact, row);
  }
  if (row.group_id !== null) {
    const group = await findGroup(tx, user, row.group_id);
    return group === undefined ? undefined : viewGroupItem(ctx, tx, user, group, row);
  }
  if (row.note_folder_id === null) return undefined;
  return viewNote(ctx, tx, noteChatInfo(await getNoteFolder(tx, user, row.note_folder_id)), row);
}
