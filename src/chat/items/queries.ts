import type { Insertable, Updateable } from 'kysely';
import type {
  CIFile,
  CIMention,
  CIReactionCount,
  FileProtocol,
  GroupMemberRole,
  MsgReaction,
} from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ChatItemsTable } from '../schema/index.js';
import { fileStatusOf } from './status.js';
import type { ItemExtras, ItemRow } from './view.js';
import { noExtras } from './view.js';

const itemById = prepare<{ itemId: number }, ItemRow>((db, p) =>
  db.selectFrom('chat_items').selectAll().where('chat_item_id', '=', p('itemId')),
);
const directByShared = prepare<{ contactId: number; sharedMsgId: string }, ItemRow>((db, p) =>
  db
    .selectFrom('chat_items')
    .selectAll()
    .where('contact_id', '=', p('contactId'))
    .where('shared_msg_id', '=', p('sharedMsgId')),
);

/** An item of any chat and any user. */
export function findItem(tx: Tx, itemId: number): Promise<ItemRow | undefined> {
  return itemById.first(tx, { itemId });
}

/** The item of a direct chat with this shared id. */
export function directItemBySharedId(tx: Tx, contactId: number, sharedMsgId: string): Promise<ItemRow | undefined> {
  return directByShared.first(tx, { contactId, sharedMsgId });
}

/** An item without its id. */
export type NewItemRow = Omit<ItemRow, 'chat_item_id'>;

/** Columns as they are when nothing is said about them. */
export const plainItemColumns = {
  contact_id: null,
  group_id: null,
  note_folder_id: null,
  group_member_id: null,
  group_scope_tag: null,
  group_scope_group_member_id: null,
  msg_content_tag: null,
  formatted_text: null,
  shared_msg_id: null,
  created_by_msg_id: null,
  via_proxy: null,
  item_forwarded: null,
  item_deleted: 0,
  item_deleted_ts: null,
  item_deleted_by_group_member_id: null,
  item_edited: 0,
  item_live: null,
  timed_ttl: null,
  timed_delete_at: null,
  user_mention: 0,
  include_in_history: 0,
  forwarded_by_group_member_id: null,
  show_group_as_sender: 0,
  quoted_shared_msg_id: null,
  quoted_sent_at: null,
  quoted_content: null,
  quoted_sent: null,
  quoted_member_id: null,
  has_mentions: 0,
  has_reactions: 0,
  has_file: 0,
} as const satisfies Partial<NewItemRow>;

const insertItem = prepare<NewItemRow, { chat_item_id: number }>((db, p) => {
  const columns: (keyof NewItemRow)[] = [
    ...(Object.keys(plainItemColumns) as (keyof typeof plainItemColumns)[]),
    'user_id',
    'item_sent',
    'item_ts',
    'item_content_tag',
    'item_content',
    'item_text',
    'item_status',
    'created_at',
    'updated_at',
  ];
  // `fromEntries` forgets the names, which are those of columns of the table.
  const values = Object.fromEntries(columns.map((c) => [c, p(c)])) as unknown as Insertable<ChatItemsTable>;
  return db.insertInto('chat_items').values(values).returning('chat_item_id');
});

/** Stores an item as it is; `items/create.ts` fills the columns. */
export async function insertItemRow(tx: Tx, row: NewItemRow): Promise<ItemRow> {
  const inserted = await insertItem.first(tx, row);
  if (inserted === undefined) throw new Error('an insert returned no row');
  return { ...row, chat_item_id: inserted.chat_item_id };
}

/** The item as it then is. `updated_at` only changes when `values` has it. */
export async function updateItemRow(tx: Tx, itemId: number, values: Updateable<ChatItemsTable>): Promise<ItemRow> {
  return tx.db
    .updateTable('chat_items')
    .set(values)
    .where('chat_item_id', '=', itemId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Quoted items, reactions, mentions and files of items; nothing is read for plain ones. */
export async function itemExtras(tx: Tx, row: ItemRow): Promise<ItemExtras> {
  const quoted = row.quoted_shared_msg_id !== null;
  if (!quoted && row.has_reactions === 0 && row.has_mentions === 0 && row.has_file === 0) return noExtras;
  return {
    quotedItemId: quoted ? await quotedItemIdOf(tx, row) : undefined,
    reactions: row.has_reactions === 0 ? [] : await itemReactions(tx, row),
    mentions: row.has_mentions === 0 ? {} : await itemMentions(tx, row.chat_item_id),
    file: row.has_file === 0 ? undefined : await itemFile(tx, row.chat_item_id),
  };
}

/** The item that an item quotes, while it is there. */
export async function quotedItemIdOf(tx: Tx, row: ItemRow): Promise<number | undefined> {
  if (row.quoted_shared_msg_id === null) return undefined;
  if (row.contact_id !== null) {
    return (await directItemBySharedId(tx, row.contact_id, row.quoted_shared_msg_id))?.chat_item_id;
  }
  if (row.group_id === null) return undefined;
  const { rows } = await tx.execute<{ chat_item_id: number }>(
    `SELECT i.chat_item_id FROM chat_items i LEFT JOIN group_members m ON m.group_member_id = i.group_member_id
     WHERE i.group_id = ? AND i.shared_msg_id = ?
       AND ((i.item_sent = 1 AND ? = 1) OR (i.item_sent = 0 AND m.member_id = ?))`,
    [row.group_id, row.quoted_shared_msg_id, row.quoted_sent ?? 0, row.quoted_member_id ?? ''],
  );
  return rows[0]?.chat_item_id;
}

/** Reactions to an item, counted, in the order of their texts. */
export async function itemReactions(tx: Tx, row: ItemRow): Promise<CIReactionCount[]> {
  if (row.shared_msg_id === null) return [];
  const query = tx.db
    .selectFrom('chat_item_reactions')
    .select((e) => ['reaction', e.fn.max('reaction_sent').as('own'), e.fn.countAll().as('total')])
    .where('shared_msg_id', '=', row.shared_msg_id)
    .groupBy('reaction');
  const rows = await (row.contact_id !== null
    ? query.where('contact_id', '=', row.contact_id)
    : // Shared ids are only unique for their author.
      query.where('group_id', '=', row.group_id).where('item_member_id', '=', (e) => {
        const author = e.selectFrom('group_members').select('member_id');
        return row.group_member_id === null
          ? author.where('group_id', '=', row.group_id).where('member_category', '=', 'user')
          : author.where('group_member_id', '=', row.group_member_id);
      })
  ).execute();
  // Not in SQL: collations differ.
  rows.sort((a, b) => (a.reaction < b.reaction ? -1 : 1));
  return rows.map((r) => ({
    reaction: JSON.parse(r.reaction) as MsgReaction,
    userReacted: Number(r.own) !== 0,
    totalReacted: Number(r.total),
  }));
}

async function itemMentions(tx: Tx, itemId: number): Promise<Record<string, CIMention>> {
  const { rows } = await tx.execute<{
    display_name: string;
    member_id: string;
    group_member_id: number | null;
    member_display_name: string | null;
    local_alias: string | null;
    member_role: string | null;
  }>(
    `SELECT n.display_name, n.member_id, m.group_member_id, p.display_name AS member_display_name, p.local_alias, m.member_role
     FROM chat_item_mentions n
     LEFT JOIN group_members m ON m.group_id = n.group_id AND m.member_id = n.member_id
     LEFT JOIN contact_profiles p ON p.contact_profile_id = coalesce(m.member_profile_id, m.contact_profile_id)
     WHERE n.chat_item_id = ? ORDER BY n.chat_item_mention_id`,
    [itemId],
  );
  return Object.fromEntries(
    rows.map((r) => [
      r.display_name,
      {
        memberId: r.member_id,
        memberRef:
          r.group_member_id === null || r.member_display_name === null || r.member_role === null
            ? undefined
            : {
                groupMemberId: r.group_member_id,
                displayName: r.member_display_name,
                localAlias: r.local_alias ?? undefined,
                memberRole: r.member_role as GroupMemberRole,
              },
      },
    ]),
  );
}

/** The file of an item. */
export async function itemFile(tx: Tx, itemId: number): Promise<CIFile | undefined> {
  const row = await tx.db.selectFrom('files').selectAll().where('chat_item_id', '=', itemId).executeTakeFirst();
  if (row === undefined) return undefined;
  return {
    fileId: row.file_id,
    fileName: row.file_name,
    fileSize: row.file_size,
    fileSource:
      row.file_path === null
        ? undefined
        : {
            filePath: row.file_path,
            cryptoArgs:
              row.file_crypto_key === null || row.file_crypto_nonce === null
                ? undefined
                : { fileKey: row.file_crypto_key, fileNonce: row.file_crypto_nonce },
          },
    fileStatus: fileStatusOf(row.ci_file_status),
    fileProtocol: row.protocol as FileProtocol,
  };
}
