import type { ApiResponse, CIContent, MsgContent, UpdatedMessage, User } from '../../api/index.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { getItemOf } from '../items/chat-items.js';
import { viewDirectItem } from '../items/create.js';
import { editableMs, type ItemRow, itemContent } from '../items/view.js';
import { linkItemMessage, sendDirectMessage } from '../messaging/send.js';
import { sameJson } from '../util/equal.js';
import { getNoteFolder } from './note-rows.js';
import { noteChatInfo, viewNote } from './notes.js';
import { updateItemContent } from './updates.js';
import { addVersions } from './versions.js';

/** The new content that a client asks for; `commandError` for what cannot be an edit. */
export function editContent(update: UpdatedMessage, mentions: boolean): MsgContent {
  if (update.msgContent.type === 'report') throw commandFailure('sending reports via this API is not supported');
  if (!mentions && Object.keys(update.mentions).length > 0) {
    throw commandFailure('mentions are not supported in this chat');
  }
  return update.msgContent;
}

/** What can be edited of an own item (50, section 5.2); `invalidChatItemUpdate`. */
export function editable(
  row: ItemRow,
  now: number,
): { readonly sharedMsgId: string; readonly content: Extract<CIContent, { type: 'sndMsgContent' }> } {
  const content = itemContent(row);
  if (
    row.item_sent === 0 ||
    content.type !== 'sndMsgContent' ||
    row.shared_msg_id === null ||
    row.item_deleted !== 0 ||
    row.item_forwarded !== null ||
    now - row.item_ts >= editableMs
  ) {
    throw chatFailure({ type: 'invalidChatItemUpdate' });
  }
  return { sharedMsgId: row.shared_msg_id, content };
}

/** Edits a message that was sent to a contact. */
export async function updateDirectItem(
  ctx: ChatContext,
  user: User,
  contactId: number,
  itemId: number,
  live: boolean,
  update: UpdatedMessage,
): Promise<ApiResponse> {
  const msgContent = editContent(update, false);
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    const row = await getItemOf(tx, { kind: 'direct', contactId }, itemId);
    const now = ctx.clock.now();
    const { sharedMsgId, content } = editable(row, now);
    const changed = !sameJson(content.msgContent, msgContent);
    if (!changed && row.item_live !== 1) {
      return { type: 'chatItemNotChanged', user, chatItem: await viewDirectItem(ctx, tx, contact, row) };
    }
    const { messageId } = await sendDirectMessage(ctx, tx, user, contact, {
      event: {
        type: 'x.msg.update',
        msgId: sharedMsgId,
        content: msgContent,
        ttl: row.timed_ttl ?? undefined,
        live: live && row.item_live === 1 ? true : undefined,
      },
    });
    if (changed) await addVersions(tx, row, content.msgContent, msgContent, now, now);
    const updated = await updateItemContent(ctx, tx, row, { type: 'sndMsgContent', msgContent }, live);
    await linkItemMessage(tx, itemId, messageId);
    return { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, updated) };
  });
}

/** Edits a private note: without time limit, nothing is sent. */
export async function updateNote(
  ctx: ChatContext,
  user: User,
  noteFolderId: number,
  itemId: number,
  update: UpdatedMessage,
): Promise<ApiResponse> {
  const msgContent = editContent(update, false);
  return ctx.store.transaction(async (tx) => {
    const folder = await getNoteFolder(tx, user, noteFolderId);
    const row = await getItemOf(tx, { kind: 'local', noteFolderId }, itemId);
    const content = itemContent(row);
    if (content.type !== 'sndMsgContent') throw chatFailure({ type: 'invalidChatItemUpdate' });
    const view = (r: ItemRow) => viewNote(ctx, tx, noteChatInfo(folder), r);
    if (sameJson(content.msgContent, msgContent)) {
      return { type: 'chatItemNotChanged', user, chatItem: await view(row) };
    }
    const now = ctx.clock.now();
    await addVersions(tx, row, content.msgContent, msgContent, now, now);
    const updated = await updateItemContent(ctx, tx, row, { type: 'sndMsgContent', msgContent }, false);
    return { type: 'chatItemUpdated', user, chatItem: await view(updated) };
  });
}
