import type { AChatItem, Contact, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { touchContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { storeItem, viewDirectItem } from '../items/create.js';
import { linkItemMessage, sendDirectMessage } from './send.js';

/** Sends a plain message that the engine itself makes (welcome, first message): item, event `newChatItems`. */
export async function sendContent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  content: MsgContent,
): Promise<AChatItem> {
  const message = await sendDirectMessage(ctx, tx, user, contact, { event: { type: 'x.msg.new', content } });
  const now = ctx.clock.now();
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: { type: 'direct', contactId: contact.contactId },
    sent: true,
    content: { type: 'sndMsgContent', msgContent: content },
    createdAt: now,
    sharedMsgId: message.sharedMsgId,
    createdByMsgId: message.messageId,
  });
  await linkItemMessage(tx, row.chat_item_id, message.messageId);
  await touchContact(tx, contact.contactId, now);
  const item = await viewDirectItem(ctx, tx, contact, row);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [item] });
  return item;
}

/**
 * The welcome message of an address (50, section 2.9): an update of the item that the requester already has from the
 * link data, else a message.
 */
export async function sendWelcome(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  content: MsgContent,
  welcomeSharedMsgId: string | undefined,
): Promise<void> {
  if (welcomeSharedMsgId === undefined) {
    await sendContent(ctx, tx, user, contact, content);
    return;
  }
  await sendDirectMessage(ctx, tx, user, contact, {
    event: { type: 'x.msg.update', msgId: welcomeSharedMsgId, content },
  });
}
