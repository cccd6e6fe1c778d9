import type { CIContent } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { contentColumns } from '../items/create.js';
import { updateItemRow } from '../items/queries.js';
import type { ItemRow } from '../items/view.js';

/**
 * Gives an item new content (50, sections 5.2, 5.6, 6.4): a live item that goes on is not edited; a timed item that
 * stops being live starts its time, unless it is not read yet.
 */
export async function updateItemContent(
  ctx: ChatContext,
  tx: Tx,
  row: ItemRow,
  content: CIContent,
  live: boolean,
): Promise<ItemRow> {
  const now = ctx.clock.now();
  const wasLive = row.item_live === 1;
  const stops = wasLive && !live;
  const starts =
    stops && row.timed_ttl !== null && row.timed_delete_at === null && row.item_status !== 'rcvNew'
      ? now + row.timed_ttl * 1000
      : undefined;
  const updated = await updateItemRow(tx, row.chat_item_id, {
    ...contentColumns(content),
    item_edited: row.item_edited === 1 || !wasLive ? 1 : 0,
    item_live: row.item_live === null ? null : wasLive && live ? 1 : 0,
    timed_delete_at: starts ?? row.timed_delete_at,
    updated_at: now,
  });
  if (starts !== undefined) ctx.timed.schedule(tx, row.chat_item_id, starts);
  return updated;
}
