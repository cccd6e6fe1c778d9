import type { CIContent } from '../../api/index.js';
import { touchContact } from '../contacts/queries.js';
import type { DirectMessageTable } from '../engine/capability.js';
import { contentColumns, storeItem, viewDirectItem } from '../items/create.js';
import { findItem, updateItemRow } from '../items/queries.js';
import { itemContent } from '../items/view.js';

const ignore = async (): Promise<void> => {};

/**
 * Calls of contacts (50, section 6.9): Fanion takes none. A call shows as an item and becomes a missed one when the
 * contact gives up; calls that are not allowed show as refused.
 */
export const callHandlers: DirectMessageTable = {
  async 'x.call.inv'(ctx, tx, { user, contact, event, msgId, meta }) {
    const { contactId } = contact;
    const now = ctx.clock.now();
    const allowed = contact.mergedPreferences.calls.enabled.forContact;
    const content: CIContent = allowed
      ? { type: 'rcvCall', status: 'pending', duration: 0 }
      : { type: 'rcvChatFeatureRejected', feature: 'calls' };
    const row = await storeItem(tx, {
      userId: user.userId,
      chat: { type: 'direct', contactId },
      sent: false,
      content,
      itemTs: meta.broker.ts,
      createdAt: now,
      sharedMsgId: msgId,
    });
    await touchContact(tx, contactId, now);
    if (allowed) {
      await tx.db.deleteFrom('calls').where('contact_id', '=', contactId).execute();
      await tx.db
        .insertInto('calls')
        .values({
          user_id: user.userId,
          contact_id: contactId,
          shared_call_id: event.callId,
          chat_item_id: row.chat_item_id,
          call_state: 'pending',
          call_ts: meta.broker.ts,
          created_at: now,
        })
        .execute();
    }
    await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [await viewDirectItem(ctx, tx, contact, row)] });
  },
  async 'x.call.end'(ctx, tx, { user, contact, event }) {
    const call = await tx.db
      .deleteFrom('calls')
      .where('contact_id', '=', contact.contactId)
      .where('shared_call_id', '=', event.callId)
      .returning('chat_item_id')
      .executeTakeFirst();
    const row = call === undefined ? undefined : await findItem(tx, call.chat_item_id);
    if (row === undefined || itemContent(row).type !== 'rcvCall') return;
    const missed = await updateItemRow(tx, row.chat_item_id, {
      ...contentColumns({ type: 'rcvCall', status: 'missed', duration: 0 }),
      updated_at: ctx.clock.now(),
    });
    await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, missed) });
  },
  'x.call.offer': ignore,
  'x.call.answer': ignore,
  'x.call.extra': ignore,
};
