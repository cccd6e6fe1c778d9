import { contactConnections } from '../connections/queries.js';
import type { DirectMessageTable } from '../engine/capability.js';
import { storeItem, viewDirectItem } from '../items/create.js';
import { contactProfileReceived } from './profile-update.js';
import { getContact, setContactStatus } from './queries.js';

/** x.* messages about the contact itself. */
export const contactMessages: DirectMessageTable = {
  async 'x.info'(ctx, tx, { user, contact, event }) {
    await contactProfileReceived(ctx, tx, user, contact, event.profile, true);
  },

  /** The contact deleted us: our connections go, the chat stays (50, section 2.11). */
  async 'x.direct.del'(ctx, tx, { user, contact, msgId, meta }) {
    const now = ctx.clock.now();
    await setContactStatus(tx, contact.contactId, 'deleted', now);
    const rows = await contactConnections(tx, contact.contactId);
    await ctx.agent.deleteConnectionsAsync(
      tx,
      rows.map((r) => r.agent_conn_id),
    );
    await tx.db
      .updateTable('connections')
      .set({ conn_status: 'deleted', updated_at: now })
      .where('contact_id', '=', contact.contactId)
      .execute();
    const deleted = await getContact(tx, user, contact.contactId);
    const row = await storeItem(tx, {
      userId: user.userId,
      chat: { type: 'direct', contactId: contact.contactId },
      sent: false,
      content: { type: 'rcvDirectEvent', rcvDirectEvent: { type: 'contactDeleted' } },
      itemTs: meta.broker.ts,
      createdAt: now,
      sharedMsgId: msgId,
    });
    const chatItems = [await viewDirectItem(ctx, tx, deleted, row)];
    await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
    await ctx.emit(tx, { type: 'contactDeletedByContact', user, contact: deleted });
  },
};
