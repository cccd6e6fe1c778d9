import type {
  AChatItem,
  ChatInfo,
  CIContent,
  CIForwardedFrom,
  CIStatus,
  Contact,
  MsgContent,
  User,
} from '../../api/index.js';
import { tagOf } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { touchContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { formatText } from './format.js';
import { insertItemRow, itemExtras, plainItemColumns } from './queries.js';
import { statusColumn } from './status.js';
import { itemText, requiresAttention } from './text.js';
import { directParties, type ItemParties, type ItemRow, itemView, noExtras } from './view.js';

/** The chat that an item is in. */
export type ItemChat =
  | { readonly type: 'direct'; readonly contactId: number }
  | {
      readonly type: 'group';
      readonly groupId: number;
      /** Author of a received item. */
      readonly groupMemberId?: number | undefined;
      readonly scope?: { readonly type: 'memberSupport'; readonly groupMemberId?: number | undefined } | undefined;
    }
  | { readonly type: 'local'; readonly noteFolderId: number };

/** What is quoted. `sent`: by us. */
export interface NewQuote {
  readonly sharedMsgId: string | undefined;
  readonly sentAt: number;
  readonly content: MsgContent;
  readonly sent: boolean;
  readonly memberId?: string | undefined;
}

/** An item to store; times in milliseconds. */
export interface NewItem {
  readonly userId: number;
  readonly chat: ItemChat;
  readonly sent: boolean;
  readonly content: CIContent;
  /** Default: when it is stored. */
  readonly itemTs?: number | undefined;
  readonly createdAt: number;
  /** Default: `sndNew`, `rcvNew` or `rcvRead` by the content. */
  readonly status?: CIStatus | undefined;
  readonly sharedMsgId?: string | undefined;
  readonly createdByMsgId?: number | undefined;
  readonly forwarded?: CIForwardedFrom | undefined;
  readonly timed?: { readonly ttl: number; readonly deleteAt?: number | undefined } | undefined;
  readonly live?: boolean | undefined;
  readonly edited?: boolean | undefined;
  readonly quote?: NewQuote | undefined;
  readonly userMention?: boolean | undefined;
  readonly includeInHistory?: boolean | undefined;
  readonly forwardedByMemberId?: number | undefined;
  readonly showGroupAsSender?: boolean | undefined;
  readonly hasFile?: boolean | undefined;
  readonly hasReactions?: boolean | undefined;
  readonly hasMentions?: boolean | undefined;
}

/** The message in a content; undefined for service items. */
export function msgContentOf(content: CIContent): MsgContent | undefined {
  return content.type === 'sndMsgContent' || content.type === 'rcvMsgContent' ? content.msgContent : undefined;
}

/** Columns that follow from the content: also for edits. */
export function contentColumns(content: CIContent) {
  const text = itemText(content);
  const msgContent = msgContentOf(content);
  const formatted = msgContent === undefined ? undefined : formatText(text);
  return {
    item_content_tag: content.type,
    item_content: JSON.stringify(content),
    msg_content_tag: msgContent === undefined ? null : tagOf(msgContent),
    item_text: text,
    formatted_text: formatted === undefined ? null : JSON.stringify(formatted),
  };
}

/** Status of a new received item: reports are read, what requires attention is not (50, section 4.2). */
function initialStatus(item: NewItem): CIStatus {
  if (item.sent) return { type: 'sndNew' };
  const report = msgContentOf(item.content)?.type === 'report';
  return { type: !report && requiresAttention(item.content) ? 'rcvNew' : 'rcvRead' };
}

/** Stores an item. Chat times, events and links to messages are the caller's business. */
export async function storeItem(tx: Tx, item: NewItem): Promise<ItemRow> {
  const { chat, quote, timed } = item;
  const scope = chat.type === 'group' ? chat.scope : undefined;
  return insertItemRow(tx, {
    ...plainItemColumns,
    user_id: item.userId,
    contact_id: chat.type === 'direct' ? chat.contactId : null,
    group_id: chat.type === 'group' ? chat.groupId : null,
    note_folder_id: chat.type === 'local' ? chat.noteFolderId : null,
    group_member_id: chat.type === 'group' ? (chat.groupMemberId ?? null) : null,
    group_scope_tag: scope === undefined ? null : 'member_support',
    group_scope_group_member_id: scope?.groupMemberId ?? null,
    item_sent: item.sent ? 1 : 0,
    item_ts: item.itemTs ?? item.createdAt,
    ...contentColumns(item.content),
    item_status: statusColumn(item.status ?? initialStatus(item)),
    shared_msg_id: item.sharedMsgId ?? null,
    created_by_msg_id: item.createdByMsgId ?? null,
    item_forwarded: item.forwarded === undefined ? null : JSON.stringify(item.forwarded),
    item_edited: item.edited === true ? 1 : 0,
    item_live: item.live === undefined ? null : item.live ? 1 : 0,
    timed_ttl: timed?.ttl ?? null,
    timed_delete_at: timed?.deleteAt ?? null,
    user_mention: item.userMention === true ? 1 : 0,
    include_in_history: item.includeInHistory === true ? 1 : 0,
    forwarded_by_group_member_id: item.forwardedByMemberId ?? null,
    show_group_as_sender: item.showGroupAsSender === true ? 1 : 0,
    quoted_shared_msg_id: quote?.sharedMsgId ?? null,
    quoted_sent_at: quote?.sentAt ?? null,
    quoted_content: quote === undefined ? null : JSON.stringify(quote.content),
    quoted_sent: quote === undefined ? null : quote.sent ? 1 : 0,
    quoted_member_id: quote?.memberId ?? null,
    has_mentions: item.hasMentions === true ? 1 : 0,
    has_reactions: item.hasReactions === true ? 1 : 0,
    has_file: item.hasFile === true ? 1 : 0,
    created_at: item.createdAt,
    updated_at: item.createdAt,
  });
}

/** A stored item with all that belongs to it, as the API shows it. */
export async function viewItem(
  ctx: ChatContext,
  tx: Tx,
  chatInfo: ChatInfo,
  row: ItemRow,
  parties: ItemParties,
): Promise<AChatItem> {
  return { chatInfo, chatItem: itemView(row, parties, await itemExtras(tx, row), ctx.clock.now(), formatText) };
}

/** As {@link viewItem} for a direct chat. */
export function viewDirectItem(ctx: ChatContext, tx: Tx, contact: Contact, row: ItemRow): Promise<AChatItem> {
  return viewItem(ctx, tx, { type: 'direct', contact }, row, directParties);
}

/** A service item of a direct chat. */
export interface ServiceItem {
  readonly content: CIContent;
  /** Default: now. */
  readonly itemTs?: number | undefined;
  readonly sharedMsgId?: string | undefined;
}

/**
 * Stores items that the engine makes itself (50, section 4.4: internal): no message, no shared id unless given. The
 * caller emits `newChatItems`, because some flows show them in other ways.
 */
export async function createDirectItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  sent: boolean,
  items: readonly ServiceItem[],
): Promise<AChatItem[]> {
  const now = ctx.clock.now();
  const out: AChatItem[] = [];
  let attention = contact.chatDeleted;
  for (const item of items) {
    attention ||= sent || requiresAttention(item.content);
    const row = await storeItem(tx, {
      userId: user.userId,
      chat: { type: 'direct', contactId: contact.contactId },
      sent,
      content: item.content,
      itemTs: item.itemTs,
      sharedMsgId: item.sharedMsgId,
      createdAt: now,
    });
    out.push({
      chatInfo: { type: 'direct', contact },
      // As in the official program, events and answers show these items without the shared id that they have.
      chatItem: itemView({ ...row, shared_msg_id: null }, directParties, noExtras, now, formatText),
    });
  }
  if (attention && items.length > 0) await touchContact(tx, contact.contactId, now);
  return out;
}

/** {@link createDirectItems} and the event `newChatItems` with all of them, also with none. */
export async function emitDirectItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  sent: boolean,
  items: readonly ServiceItem[],
): Promise<void> {
  const chatItems = await createDirectItems(ctx, tx, user, contact, sent, items);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
}
