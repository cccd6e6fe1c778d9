import type { Selectable } from 'kysely';
import type {
  ChatItem,
  ChatType,
  CIContent,
  CIDeleted,
  CIDirection,
  CIFile,
  CIForwardedFrom,
  CIMention,
  CIQuote,
  CIReactionCount,
  FormattedText,
  GroupMember,
  MsgContent,
} from '../../api/index.js';
import { isoTime, isoTimeOrUndefined } from '../engine/time.js';
import type { ChatItemsTable } from '../schema/index.js';
import { itemStatusOf } from './status.js';
import { contentText } from './text.js';

export type ItemRow = Selectable<ChatItemsTable>;

/** Own messages may be edited and deleted for everybody for this long: 24 hours. */
export const editableMs = 24 * 3600 * 1000;

/** Members that a group's items name, read beforehand. */
export interface GroupParties {
  readonly membership: GroupMember;
  byId(groupMemberId: number): GroupMember | undefined;
  byMemberId(memberId: string): GroupMember | undefined;
}

/** Whose chat the item is in. */
export type ItemParties =
  | { readonly type: 'direct' }
  | { readonly type: 'local' }
  | ({ readonly type: 'group' } & GroupParties);

export const directParties: ItemParties = { type: 'direct' };
export const localParties: ItemParties = { type: 'local' };

/** What other tables say about an item. */
export interface ItemExtras {
  readonly quotedItemId?: number | undefined;
  readonly reactions: readonly CIReactionCount[];
  readonly mentions: Readonly<Record<string, CIMention>>;
  readonly file?: CIFile | undefined;
}

export const noExtras: ItemExtras = { reactions: [], mentions: {} };

/** Markdown of a text, for quotes: items store theirs. Set by the messages capability. */
export type FormatText = (text: string) => readonly FormattedText[] | undefined;

/** The item as the API shows it. `now` decides whether it can still be edited. */
export function itemView(
  row: ItemRow,
  parties: ItemParties,
  extras: ItemExtras,
  now: number,
  formatText: FormatText,
): ChatItem {
  const deletable =
    row.item_content_tag === 'sndMsgContent' &&
    row.item_deleted === 0 &&
    (parties.type === 'local' || now - row.item_ts < editableMs);
  return {
    chatDir: itemDirection(row, parties),
    meta: {
      itemId: row.chat_item_id,
      itemTs: isoTime(row.item_ts),
      itemText: row.item_text,
      itemStatus: itemStatusOf(row.item_status),
      sentViaProxy: row.via_proxy === null ? undefined : row.via_proxy !== 0,
      itemSharedMsgId: row.shared_msg_id ?? undefined,
      itemForwarded: row.item_forwarded === null ? undefined : (JSON.parse(row.item_forwarded) as CIForwardedFrom),
      itemDeleted: itemDeletedView(row, parties),
      itemEdited: row.item_edited !== 0,
      itemTimed:
        row.timed_ttl === null ? undefined : { ttl: row.timed_ttl, deleteAt: isoTimeOrUndefined(row.timed_delete_at) },
      itemLive: row.item_live === null ? undefined : row.item_live !== 0,
      userMention: row.user_mention !== 0,
      deletable,
      editable: deletable && row.item_forwarded === null,
      forwardedByMember: row.forwarded_by_group_member_id ?? undefined,
      showGroupAsSender: row.show_group_as_sender !== 0,
      createdAt: isoTime(row.created_at),
      updatedAt: isoTime(row.updated_at),
    },
    content: itemContent(row),
    mentions: extras.mentions,
    formattedText: row.formatted_text === null ? undefined : (JSON.parse(row.formatted_text) as FormattedText[]),
    quotedItem: quoteView(row, parties, extras.quotedItemId, formatText),
    reactions: extras.reactions,
    file: extras.file,
  };
}

/** The content column; it holds what `insertItem` wrote. */
export function itemContent(row: ItemRow): CIContent {
  return JSON.parse(row.item_content) as CIContent;
}

/** The content of a message item; undefined for items of other kinds. */
export function itemMsgContent(row: ItemRow): MsgContent | undefined {
  const content = itemContent(row);
  return content.type === 'sndMsgContent' || content.type === 'rcvMsgContent' ? content.msgContent : undefined;
}

function itemDirection(row: ItemRow, parties: ItemParties): CIDirection {
  switch (parties.type) {
    case 'direct':
      return { type: row.item_sent !== 0 ? 'directSnd' : 'directRcv' };
    case 'local':
      return { type: row.item_sent !== 0 ? 'localSnd' : 'localRcv' };
    case 'group': {
      if (row.item_sent !== 0 || row.group_member_id === null) return { type: 'groupSnd' };
      const groupMember = parties.byId(row.group_member_id);
      return groupMember === undefined ? { type: 'groupSnd' } : { type: 'groupRcv', groupMember };
    }
  }
}

function itemDeletedView(row: ItemRow, parties: ItemParties): CIDeleted | undefined {
  const deletedTs = isoTimeOrUndefined(row.item_deleted_ts);
  switch (row.item_deleted) {
    case 0:
      return undefined;
    case 2:
      return { type: 'blocked', deletedTs };
    case 3:
      return { type: 'blockedByAdmin', deletedTs };
    default: {
      if (parties.type === 'group' && row.item_deleted_by_group_member_id !== null) {
        const by = row.item_deleted_by_group_member_id;
        const byGroupMember = by === parties.membership.groupMemberId ? parties.membership : parties.byId(by);
        if (byGroupMember !== undefined) return { type: 'moderated', deletedTs, byGroupMember };
      }
      const chatType: ChatType = parties.type === 'direct' ? 'direct' : parties.type;
      return { type: 'deleted', deletedTs, chatType };
    }
  }
}

function quoteView(
  row: ItemRow,
  parties: ItemParties,
  itemId: number | undefined,
  formatText: FormatText,
): CIQuote | undefined {
  if (row.quoted_sent_at === null || row.quoted_content === null) return undefined;
  const content = JSON.parse(row.quoted_content) as MsgContent;
  return {
    chatDir: quoteDirection(row, parties),
    itemId,
    sharedMsgId: row.quoted_shared_msg_id ?? undefined,
    sentAt: isoTime(row.quoted_sent_at),
    content,
    formattedText: formatText(contentText(content)),
  };
}

/** Who wrote what is quoted; null for a member that we do not know. */
function quoteDirection(row: ItemRow, parties: ItemParties): CIDirection | null {
  const sent = row.quoted_sent !== null && row.quoted_sent !== 0;
  if (parties.type !== 'group') {
    return parties.type === 'direct'
      ? { type: sent ? 'directSnd' : 'directRcv' }
      : { type: sent ? 'localSnd' : 'localRcv' };
  }
  if (sent) return { type: 'groupSnd' };
  if (row.quoted_member_id === null) return null;
  if (row.quoted_member_id === parties.membership.memberId) return { type: 'groupSnd' };
  const groupMember = parties.byMemberId(row.quoted_member_id);
  return groupMember === undefined ? null : { type: 'groupRcv', groupMember };
}
