import type { AChatItem, ApiResponse, ChatInfo, NoteFolder, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { storeItem, viewItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { type ItemRow, itemView, localParties, noExtras } from '../items/view.js';
import { type Composed, checkNoMentions, inspectFiles } from './composed.js';
import { getNoteFolder } from './note-rows.js';

/** The chat that private notes are items of. */
export function noteChatInfo(noteFolder: NoteFolder): ChatInfo {
  return { type: 'local', noteFolder };
}

/** A stored note as the API shows it. */
export function viewNote(ctx: ChatContext, tx: Tx, chatInfo: ChatInfo, row: ItemRow): Promise<AChatItem> {
  return viewItem(ctx, tx, chatInfo, row, localParties);
}

/** Stores private notes: items without messages. */
export async function createNotes(
  ctx: ChatContext,
  user: User,
  noteFolderId: number,
  notes: readonly Composed[],
): Promise<ApiResponse> {
  checkNoMentions(notes);
  if (notes.some((n) => n.quotedItemId !== undefined)) {
    throw commandFailure('createNoteFolderContentItems: quotes not supported');
  }
  const files = await inspectFiles(ctx, notes);
  return ctx.store.transaction(async (tx) => {
    const chatInfo = noteChatInfo(await getNoteFolder(tx, user, noteFolderId));
    const now = ctx.clock.now();
    const chatItems: AChatItem[] = [];
    for (const [i, note] of notes.entries()) {
      const source = files[i];
      const file = source === undefined ? undefined : await ctx.files?.storeLocal(ctx, tx, user, noteFolderId, source);
      const row = await storeItem(tx, {
        userId: user.userId,
        chat: { type: 'local', noteFolderId },
        sent: true,
        content: { type: 'sndMsgContent', msgContent: note.content },
        createdAt: now,
        forwarded: note.forwarded,
        hasFile: file !== undefined,
      });
      if (file !== undefined) await ctx.files?.linkItem(tx, file.fileId, row.chat_item_id, undefined);
      chatItems.push({
        chatInfo,
        chatItem: itemView(row, localParties, { ...noExtras, file: file?.file }, now, formatText),
      });
    }
    await tx.db.updateTable('note_folders').set({ chat_ts: now }).where('note_folder_id', '=', noteFolderId).execute();
    return { type: 'newChatItems', user, chatItems };
  });
}
