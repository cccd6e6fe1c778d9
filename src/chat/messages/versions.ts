import type { ChatItemVersion, MsgContent } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { isoTime } from '../engine/time.js';
import { formatText } from '../items/format.js';
import { contentText } from '../items/text.js';
import { type ItemRow, itemMsgContent } from '../items/view.js';

/** Stores a version of an edited item; versions keep the text only. `ts`: when it was written (ms). */
export async function addVersion(tx: Tx, itemId: number, content: MsgContent, ts: number, now: number): Promise<void> {
  await tx.db
    .insertInto('chat_item_versions')
    .values({
      chat_item_id: itemId,
      msg_content: JSON.stringify({ type: 'text', text: contentText(content) }),
      item_version_ts: ts,
      created_at: now,
    })
    .execute();
}

/** Stores the new version of an item and, at its first edit, the one before. */
export async function addVersions(
  tx: Tx,
  row: ItemRow,
  before: MsgContent,
  after: MsgContent,
  ts: number,
  now: number,
): Promise<void> {
  const first = await tx.db
    .selectFrom('chat_item_versions')
    .select('chat_item_version_id')
    .where('chat_item_id', '=', row.chat_item_id)
    .limit(1)
    .executeTakeFirst();
  if (first === undefined) await addVersion(tx, row.chat_item_id, before, row.item_ts, now);
  await addVersion(tx, row.chat_item_id, after, ts, now);
}

/** Versions of an item, newest first; an item that was never edited has the one that it is. */
export async function itemVersions(tx: Tx, row: ItemRow): Promise<ChatItemVersion[]> {
  const rows = await tx.db
    .selectFrom('chat_item_versions')
    .selectAll()
    .where('chat_item_id', '=', row.chat_item_id)
    .orderBy('chat_item_version_id', 'desc')
    .execute();
  if (rows.length > 0) {
    return rows.map((v) => {
      const msgContent = JSON.parse(v.msg_content) as MsgContent;
      return {
        chatItemVersionId: v.chat_item_version_id,
        msgContent,
        formattedText: formatText(contentText(msgContent)),
        itemVersionTs: isoTime(v.item_version_ts),
        createdAt: isoTime(v.created_at),
      };
    });
  }
  const msgContent = itemMsgContent(row);
  if (msgContent === undefined) return [];
  return [
    {
      chatItemVersionId: row.chat_item_id,
      msgContent,
      formattedText: formatText(contentText(msgContent)),
      itemVersionTs: isoTime(row.item_ts),
      createdAt: isoTime(row.created_at),
    },
  ];
}
