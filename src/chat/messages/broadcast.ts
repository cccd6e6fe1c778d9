import type { ApiResponse, MsgContent, User } from '../../api/index.js';
import { listContacts, touchContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException } from '../engine/errors.js';
import { isoTime } from '../engine/time.js';
import { storeItem } from '../items/create.js';
import { canSendTo, linkItemMessage, sendDirectMessages } from '../messaging/send.js';

/** Sends one message to every contact that can be sent to; items appear in the chats without events. */
export async function broadcast(ctx: ChatContext, user: User, text: string): Promise<ApiResponse> {
  const msgContent: MsgContent = { type: 'text', text };
  return ctx.store.transaction(async (tx) => {
    const contacts = (await listContacts(tx, user, () => true)).filter(canSendTo);
    const now = ctx.clock.now();
    let successes = 0;
    for (const contact of contacts) {
      const [sent] = await sendDirectMessages(ctx, tx, user, contact, [
        { event: { type: 'x.msg.new', content: msgContent } },
      ]);
      if (sent === undefined || sent instanceof ChatException) continue;
      const row = await storeItem(tx, {
        userId: user.userId,
        chat: { type: 'direct', contactId: contact.contactId },
        sent: true,
        content: { type: 'sndMsgContent', msgContent },
        createdAt: now,
        sharedMsgId: sent.sharedMsgId,
        createdByMsgId: sent.messageId,
      });
      await linkItemMessage(tx, row.chat_item_id, sent.messageId);
      await touchContact(tx, contact.contactId, now);
      successes++;
    }
    return {
      type: 'broadcastSent',
      user,
      msgContent,
      successes,
      failures: contacts.length - successes,
      timestamp: isoTime(now),
    };
  });
}
