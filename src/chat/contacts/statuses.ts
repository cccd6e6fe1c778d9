import type { AChatItem, CIStatus, Contact, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ChatContext } from '../engine/context.js';
import { viewDirectItem } from '../items/create.js';
import { statusColumn } from '../items/status.js';
import type { ItemRow } from '../items/view.js';
import { getContact } from './queries.js';

const itemsOfMessage = prepare<{ connId: number; agentMsgId: number }, ItemRow>((db, p) =>
  db
    .selectFrom('msg_deliveries')
    .innerJoin('chat_item_messages', 'chat_item_messages.message_id', 'msg_deliveries.message_id')
    .innerJoin('chat_items', 'chat_items.chat_item_id', 'chat_item_messages.chat_item_id')
    .selectAll('chat_items')
    .where('msg_deliveries.connection_id', '=', p('connId'))
    // No condition on the chat: it would make SQLite go through all of its items.
    .where('msg_deliveries.agent_msg_id', '=', p('agentMsgId')),
);

const setStatus = prepare<{ itemId: number; status: string; viaProxy: number | null; now: number }>((db, p) =>
  db
    .updateTable('chat_items')
    .set({ item_status: p('status'), via_proxy: p('viaProxy'), updated_at: p('now') })
    .where('chat_item_id', '=', p('itemId')),
);

/** A receipt is the last word about an item. */
function isFinal(row: ItemRow): boolean {
  return row.item_status.startsWith('{"type":"sndRcvd"');
}

/**
 * What became of agent messages that carry items of a contact (50, section 4.2): new statuses, one event for all items
 * that changed. `viaProxy`: whether they were sent through a proxy; undefined: as it was.
 */
export async function updateDirectStatuses(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
  agentMsgIds: readonly number[],
  status: CIStatus,
  viaProxy?: boolean,
): Promise<void> {
  if (connection.contact_id === null) return;
  const contactId = connection.contact_id;
  const column = statusColumn(status);
  const now = ctx.clock.now();
  const chatItems: AChatItem[] = [];
  let contact: Contact | undefined;
  const seen = new Set<number>();
  for (const agentMsgId of agentMsgIds) {
    for (const row of await itemsOfMessage.all(tx, { connId: connection.connection_id, agentMsgId })) {
      if (row.contact_id !== contactId || row.item_sent === 0 || isFinal(row) || row.item_status === column) continue;
      if (seen.has(row.chat_item_id)) continue;
      seen.add(row.chat_item_id);
      const via_proxy = viaProxy === undefined ? row.via_proxy : viaProxy ? 1 : 0;
      await setStatus.run(tx, { itemId: row.chat_item_id, status: column, viaProxy: via_proxy, now });
      contact ??= await getContact(tx, user, contactId);
      const changed = { ...row, item_status: column, via_proxy, updated_at: now };
      chatItems.push(await viewDirectItem(ctx, tx, contact, changed));
    }
  }
  if (chatItems.length > 0) await ctx.emit(tx, { type: 'chatItemsStatusesUpdated', user, chatItems });
}
