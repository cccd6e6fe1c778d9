import type { Insertable, Selectable, Updateable } from 'kysely';
import type { User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { FileDescriptionsTable, FilesTable, RcvFilesTable, SndFilesTable } from '../schema/index.js';

export type FileRow = Selectable<FilesTable>;
export type RcvFileRow = Selectable<RcvFilesTable>;
export type SndFileRow = Selectable<SndFilesTable>;
export type DescriptionRow = Selectable<FileDescriptionsTable>;

/** A file that came from a peer. */
export interface ReceivedFile {
  readonly file: FileRow;
  readonly rcv: RcvFileRow;
  /** Absent for transfers of old peers, over SMP. */
  readonly description: DescriptionRow | undefined;
}

/** The size of chunks of old transfers, in bytes: the API still shows it. */
const fileChunkSize = 15_780;

const fileById = prepare<{ fileId: number }, FileRow>((db, p) =>
  db.selectFrom('files').selectAll().where('file_id', '=', p('fileId')),
);
const fileBySndId = prepare<{ id: string }, FileRow>((db, p) =>
  db.selectFrom('files').selectAll().where('agent_snd_file_id', '=', p('id')),
);
const rcvById = prepare<{ fileId: number }, RcvFileRow>((db, p) =>
  db.selectFrom('rcv_files').selectAll().where('file_id', '=', p('fileId')),
);
const rcvByAgentId = prepare<{ id: string }, RcvFileRow>((db, p) =>
  db.selectFrom('rcv_files').selectAll().where('agent_rcv_file_id', '=', p('id')),
);
const descriptionById = prepare<{ id: number }, DescriptionRow>((db, p) =>
  db.selectFrom('file_descriptions').selectAll().where('file_descr_id', '=', p('id')),
);
const sndByFile = prepare<{ fileId: number }, SndFileRow>((db, p) =>
  db.selectFrom('snd_files').selectAll().where('file_id', '=', p('fileId')).orderBy('snd_file_id'),
);
const sndByMessage = prepare<{ connId: number; agentMsgId: number }, SndFileRow>((db, p) =>
  db
    .selectFrom('snd_files')
    .selectAll()
    .where('connection_id', '=', p('connId'))
    .where('last_agent_msg_id', '=', p('agentMsgId')),
);
const directByShared = prepare<{ contactId: number; sharedMsgId: string }, FileRow>((db, p) =>
  db
    .selectFrom('files')
    .selectAll()
    .where('contact_id', '=', p('contactId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('file_id', 'in', (e) => e.selectFrom('rcv_files').select('file_id')),
);
const groupByShared = prepare<{ groupId: number; sharedMsgId: string }, FileRow & { author: number | null }>((db, p) =>
  db
    .selectFrom('files')
    .innerJoin('rcv_files', 'rcv_files.file_id', 'files.file_id')
    .selectAll('files')
    .select('rcv_files.group_member_id as author')
    .where('files.group_id', '=', p('groupId'))
    .where('files.shared_msg_id', '=', p('sharedMsgId')),
);
const byItem = prepare<{ itemId: number }, FileRow>((db, p) =>
  db.selectFrom('files').selectAll().where('chat_item_id', '=', p('itemId')),
);

export const findFile = (tx: Tx, fileId: number): Promise<FileRow | undefined> => fileById.first(tx, { fileId });
export const fileOfUpload = (tx: Tx, id: string): Promise<FileRow | undefined> => fileBySndId.first(tx, { id });
export const sndFilesOf = (tx: Tx, fileId: number): Promise<SndFileRow[]> => sndByFile.all(tx, { fileId });
export const filesOfItem = (tx: Tx, itemId: number): Promise<FileRow[]> => byItem.all(tx, { itemId });

/** The transfer whose description ends with this agent message. */
export const sndFileOfMessage = (tx: Tx, connId: number, agentMsgId: number): Promise<SndFileRow | undefined> =>
  sndByMessage.first(tx, { connId, agentMsgId });

/** `id` as the row of a transfer has it: null when there is no description. */
export async function findDescription(tx: Tx, id: number | null): Promise<DescriptionRow | undefined> {
  return id === null ? undefined : descriptionById.first(tx, { id });
}

/** The received file with this row; undefined for files that we send. */
export async function receivedFile(tx: Tx, file: FileRow): Promise<ReceivedFile | undefined> {
  const rcv = await rcvById.first(tx, { fileId: file.file_id });
  return rcv === undefined ? undefined : { file, rcv, description: await findDescription(tx, rcv.file_descr_id) };
}

/** As {@link receivedFile}; undefined also when there is no such file. */
export async function receivedFileById(tx: Tx, fileId: number): Promise<ReceivedFile | undefined> {
  const file = await findFile(tx, fileId);
  return file === undefined ? undefined : receivedFile(tx, file);
}

/** The received file that an agent download is for. */
export async function fileOfDownload(tx: Tx, id: string): Promise<ReceivedFile | undefined> {
  const rcv = await rcvByAgentId.first(tx, { id });
  return rcv === undefined ? undefined : receivedFileById(tx, rcv.file_id);
}

/** The file that came with a message of a contact. */
export async function fileOfContact(tx: Tx, contactId: number, sharedMsgId: string): Promise<ReceivedFile | undefined> {
  const file = await directByShared.first(tx, { contactId, sharedMsgId });
  return file === undefined ? undefined : receivedFile(tx, file);
}

/** Files that came with messages of a group; shared ids are unique for their authors only. */
export const filesOfGroup = (
  tx: Tx,
  groupId: number,
  sharedMsgId: string,
): Promise<(FileRow & { readonly author: number | null })[]> => groupByShared.all(tx, { groupId, sharedMsgId });

/** What files of both directions have in common; transfers have rows of their own. */
export async function insertFile(
  tx: Tx,
  user: User,
  values: Omit<Insertable<FilesTable>, 'user_id' | 'chunk_size' | 'created_at' | 'updated_at'>,
  now: number,
): Promise<FileRow> {
  return tx.db
    .insertInto('files')
    .values({ ...values, user_id: user.userId, chunk_size: fileChunkSize, created_at: now, updated_at: now })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The row as it then is; an error when there is none. */
export async function updateFile(
  tx: Tx,
  fileId: number,
  values: Updateable<FilesTable>,
  now: number,
): Promise<FileRow> {
  return tx.db
    .updateTable('files')
    .set({ ...values, updated_at: now })
    .where('file_id', '=', fileId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Makes a file one that we receive. */
export async function insertRcvFile(tx: Tx, values: Insertable<RcvFilesTable>): Promise<RcvFileRow> {
  return tx.db.insertInto('rcv_files').values(values).returningAll().executeTakeFirstOrThrow();
}

/** The row as it then is; an error when there is none. */
export async function updateRcvFile(
  tx: Tx,
  fileId: number,
  values: Updateable<RcvFilesTable>,
  now: number,
): Promise<RcvFileRow> {
  return tx.db
    .updateTable('rcv_files')
    .set({ ...values, updated_at: now })
    .where('file_id', '=', fileId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The transfer to one recipient. */
export async function updateSndFile(
  tx: Tx,
  sndFileId: number,
  values: Updateable<SndFilesTable>,
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('snd_files')
    .set({ ...values, updated_at: now })
    .where('snd_file_id', '=', sndFileId)
    .execute();
}

/** A description row; without text it is the place for what will come. */
export async function insertDescription(tx: Tx, user: User, text: string, now: number): Promise<DescriptionRow> {
  return tx.db
    .insertInto('file_descriptions')
    .values({
      user_id: user.userId,
      file_descr_text: text,
      file_descr_part_no: 0,
      file_descr_complete: text === '' ? 0 : 1,
      created_at: now,
    })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** The row as it then is; an error when there is none. */
export async function updateDescription(
  tx: Tx,
  id: number,
  values: Updateable<FileDescriptionsTable>,
): Promise<DescriptionRow> {
  return tx.db
    .updateTable('file_descriptions')
    .set(values)
    .where('file_descr_id', '=', id)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes a file's rows; rows of transfers go with it. */
export async function deleteFileRows(tx: Tx, fileId: number): Promise<void> {
  await tx.execute(
    `DELETE FROM file_descriptions WHERE file_descr_id IN (
       SELECT file_descr_id FROM snd_files WHERE file_id = ? AND file_descr_id IS NOT NULL
       UNION SELECT file_descr_id FROM rcv_files WHERE file_id = ? AND file_descr_id IS NOT NULL)`,
    [fileId, fileId],
  );
  await tx.db.deleteFrom('files').where('file_id', '=', fileId).execute();
}

/** Whether another file row has this path. */
export async function isPathShared(tx: Tx, filePath: string, fileId: number): Promise<boolean> {
  const row = await tx.db
    .selectFrom('files')
    .select('file_id')
    .where('file_path', '=', filePath)
    .where('file_id', '!=', fileId)
    .limit(1)
    .executeTakeFirst();
  return row !== undefined;
}

/** Received files that are to be accepted by themselves, of invitations after `since` (ms). */
export async function markedFiles(tx: Tx, since: number): Promise<number[]> {
  const rows = await tx.db
    .selectFrom('rcv_files')
    .select('file_id')
    .where('to_receive', '=', 1)
    .where('file_status', '=', 'new')
    .where('created_at', '>', since)
    .orderBy('file_id')
    .execute();
  return rows.map((r) => r.file_id);
}
