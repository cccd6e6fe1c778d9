import type { Tx } from '../../store/index.js';
import { storeFailure } from '../engine/errors.js';
import { findItem } from './queries.js';
import type { ItemRow } from './view.js';

/** The items of one chat. */
export type ItemsOf =
  | { readonly kind: 'direct'; readonly contactId: number }
  | { readonly kind: 'local'; readonly noteFolderId: number }
  | {
      readonly kind: 'group';
      readonly groupId: number;
      /** A support chat: of this member, or the user's own. Absent: the main chat. */
      readonly scope?: { readonly groupMemberId: number | undefined } | undefined;
      /** Only messages with content of this type, in whatever scope. */
      readonly contentTag?: string | undefined;
    };

/** A condition of a query over `chat_items`, and the column that orders it together with the id. */
export interface ItemsCondition {
  readonly sql: string;
  readonly params: readonly (string | number)[];
  readonly order: 'created_at' | 'item_ts';
}

/** Selects the items of a chat. */
export function whereItems(of: ItemsOf): ItemsCondition {
  if (of.kind === 'direct') return { sql: 'contact_id = ?', params: [of.contactId], order: 'created_at' };
  if (of.kind === 'local') return { sql: 'note_folder_id = ?', params: [of.noteFolderId], order: 'created_at' };
  const { groupId, scope, contentTag } = of;
  if (contentTag !== undefined) {
    return { sql: 'group_id = ? AND msg_content_tag = ?', params: [groupId, contentTag], order: 'item_ts' };
  }
  if (scope === undefined) {
    return { sql: 'group_id = ? AND group_scope_tag IS NULL', params: [groupId], order: 'item_ts' };
  }
  if (scope.groupMemberId === undefined) {
    return {
      sql: "group_id = ? AND group_scope_tag = 'member_support' AND group_scope_group_member_id IS NULL",
      params: [groupId],
      order: 'item_ts',
    };
  }
  return {
    sql: "group_id = ? AND group_scope_tag = 'member_support' AND group_scope_group_member_id = ?",
    params: [groupId, scope.groupMemberId],
    order: 'item_ts',
  };
}

/** Whether an item is in a chat; scopes of groups do not matter here. */
export function isItemOf(row: ItemRow, of: ItemsOf): boolean {
  switch (of.kind) {
    case 'direct':
      return row.contact_id === of.contactId;
    case 'local':
      return row.note_folder_id === of.noteFolderId;
    case 'group':
      return row.group_id === of.groupId;
  }
}

/** The item of this id in a chat; `chatItemNotFound`. */
export async function getItemOf(tx: Tx, of: ItemsOf, itemId: number): Promise<ItemRow> {
  const row = await findItem(tx, itemId);
  if (row === undefined || !isItemOf(row, of)) throw storeFailure({ type: 'chatItemNotFound', itemId });
  return row;
}

/** How to look for an item by the beginning of its text. */
export interface ByText {
  /** Only own (true) or received (false) items. */
  readonly sent?: boolean | undefined;
  /** Only items of this member; null: of the user. */
  readonly memberName?: string | null | undefined;
}

/** The id of the newest item whose text begins so; `chatItemNotFoundByText`. */
export async function itemIdByText(tx: Tx, of: ItemsOf, text: string, by: ByText = {}): Promise<number> {
  const { column, id } = chatColumn(of);
  const conditions = [`i.${column} = ?`, 'i.item_text LIKE ?'];
  const params: (string | number)[] = [id, `${text}%`];
  if (by.sent !== undefined) {
    conditions.push('i.item_sent = ?');
    params.push(by.sent ? 1 : 0);
  }
  let join = '';
  if (by.memberName === null) conditions.push('i.group_member_id IS NULL');
  else if (by.memberName !== undefined) {
    join = 'JOIN group_members m ON m.group_member_id = i.group_member_id';
    conditions.push('m.local_display_name = ?');
    params.push(by.memberName);
  }
  const { rows } = await tx.execute<{ chat_item_id: number }>(
    `SELECT i.chat_item_id FROM chat_items i ${join} WHERE ${conditions.join(' AND ')} ORDER BY i.chat_item_id DESC LIMIT 1`,
    params,
  );
  const found = rows[0];
  if (found === undefined) throw storeFailure({ type: 'chatItemNotFoundByText', text });
  return found.chat_item_id;
}

/** The column that holds the chat of an item, in all scopes. */
export function chatColumn(of: ItemsOf): {
  readonly column: 'contact_id' | 'note_folder_id' | 'group_id';
  readonly id: number;
} {
  if (of.kind === 'direct') return { column: 'contact_id', id: of.contactId };
  return of.kind === 'local'
    ? { column: 'note_folder_id', id: of.noteFolderId }
    : { column: 'group_id', id: of.groupId };
}
