import type { Selectable } from 'kysely';
import type { NoteFolder, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { storeFailure } from '../engine/errors.js';
import { isoTime } from '../engine/time.js';
import type { NoteFoldersTable } from '../schema/index.js';

/** The private notes of a user as the API shows them. */
export function noteFolderView(row: Selectable<NoteFoldersTable>): NoteFolder {
  return {
    noteFolderId: row.note_folder_id,
    userId: row.user_id,
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    chatTs: isoTime(row.chat_ts),
    favorite: row.favorite !== 0,
    unread: row.unread_chat !== 0,
  };
}

/** The folder, if it is the user's; `noteFolderNotFound`. */
export async function getNoteFolder(tx: Tx, user: User, noteFolderId: number): Promise<NoteFolder> {
  const row = await tx.db
    .selectFrom('note_folders')
    .selectAll()
    .where('note_folder_id', '=', noteFolderId)
    .where('user_id', '=', user.userId)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'noteFolderNotFound', noteFolderId });
  return noteFolderView(row);
}

/** The user's folder of private notes: users have one from the start. */
export async function userNoteFolder(tx: Tx, user: User): Promise<NoteFolder> {
  const row = await tx.db
    .selectFrom('note_folders')
    .selectAll()
    .where('user_id', '=', user.userId)
    .orderBy('note_folder_id')
    .limit(1)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'noteFolderNotFound', noteFolderId: 0 });
  return noteFolderView(row);
}
