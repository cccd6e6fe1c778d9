import type { AChatItem, CIContent, Contact, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { touchContact } from '../contacts/queries.js';
import type { DirectMessage, DirectMessageTable } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { isoTime, parseIsoTime } from '../engine/time.js';
import { type NewItem, storeItem, viewDirectItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { directItemBySharedId, itemReactions, updateItemRow } from '../items/queries.js';
import { requiresAttention } from '../items/text.js';
import { directParties, type ItemRow, itemMsgContent, itemView, noExtras } from '../items/view.js';
import type { ChatEventOf } from '../protocol/index.js';
import { sameJson } from '../util/equal.js';
import { acceptDeleteMs, markDirectItems, removeDirectItems } from './delete.js';
import {
  directReactions,
  hasDirectReactions,
  maxReactions,
  reactionColumn,
  setDirectReaction,
} from './reaction-rows.js';
import { canReactTo } from './reactions.js';
import { contactTimed, receiveTimed } from './timed.js';
import { updateItemContent } from './updates.js';
import { addVersion, addVersions } from './versions.js';

type Received<T extends 'x.msg.new' | 'x.msg.update' | 'x.msg.del' | 'x.msg.react'> = DirectMessage<ChatEventOf<T>>;

export const messageHandlers: DirectMessageTable = {
  'x.msg.new': newMessage,
  'x.msg.update': updateMessage,
  'x.msg.del': deleteMessage,
  'x.msg.react': reactToMessage,
};

/** The peer has done what it may not do. */
async function messageError(ctx: ChatContext, tx: Tx, user: User, errorMessage: string): Promise<void> {
  await ctx.emit(tx, { type: 'messageError', user, severity: 'error', errorMessage });
}

const quotedId = prepare<{ contactId: number; sharedMsgId: string; sent: number }, { chat_item_id: number }>((db, p) =>
  db
    .selectFrom('chat_items')
    .select('chat_item_id')
    .where('contact_id', '=', p('contactId'))
    .where('shared_msg_id', '=', p('sharedMsgId'))
    .where('item_sent', '=', p('sent')),
);

/** Stores a received item; the chat goes up when it wants attention. */
async function storeReceived(tx: Tx, contact: Contact, item: NewItem): Promise<ItemRow> {
  const row = await storeItem(tx, item);
  if (contact.chatDeleted || requiresAttention(item.content)) await touchContact(tx, contact.contactId, item.createdAt);
  return row;
}

async function newMessage(ctx: ChatContext, tx: Tx, m: Received<'x.msg.new'>): Promise<void> {
  const { user, contact, event, msgId, meta } = m;
  const { contactId, mergedPreferences: allowed } = contact;
  const now = ctx.clock.now();
  const base = {
    userId: user.userId,
    chat: { type: 'direct', contactId },
    sent: false,
    itemTs: meta.broker.ts,
    createdAt: now,
    sharedMsgId: msgId,
  } as const;
  if (event.content.type === 'voice' && !allowed.voice.enabled.forContact) {
    const content: CIContent = { type: 'rcvChatFeatureRejected', feature: 'voice' };
    const row = await storeReceived(tx, contact, { ...base, content });
    await emitNew(ctx, tx, user, await viewDirectItem(ctx, tx, contact, row));
    return;
  }
  const file =
    event.file === undefined
      ? undefined
      : await ctx.files?.storeReceived(ctx, tx, user, { type: 'direct', contact }, event.file, event.content);
  const ref = event.quote?.msgRef;
  const hasReactions = msgId !== undefined && (await hasDirectReactions(tx, contactId, msgId));
  const row = await storeReceived(tx, contact, {
    ...base,
    content: { type: 'rcvMsgContent', msgContent: event.content },
    timed: receiveTimed(contactTimed(allowed), event.ttl),
    live: event.live === true ? true : undefined,
    forwarded: event.forward === true ? { type: 'unknown' } : undefined,
    quote:
      event.quote === undefined || ref === undefined
        ? undefined
        : {
            sharedMsgId: ref.msgId,
            sentAt: parseIsoTime(ref.sentAt) ?? meta.broker.ts,
            content: event.quote.content,
            sent: !ref.sent,
          },
    hasFile: file !== undefined,
    hasReactions,
  });
  if (file !== undefined) await ctx.files?.linkItem(tx, file.fileId, row.chat_item_id, msgId);
  const quoted =
    ref?.msgId === undefined
      ? undefined
      : await quotedId.first(tx, { contactId, sharedMsgId: ref.msgId, sent: ref.sent ? 0 : 1 });
  const extras = {
    ...noExtras,
    quotedItemId: quoted?.chat_item_id,
    file: file?.file,
    reactions: hasReactions ? await itemReactions(tx, row) : [],
  };
  await emitNew(ctx, tx, user, {
    chatInfo: { type: 'direct', contact },
    chatItem: itemView(row, directParties, extras, now, formatText),
  });
  if (file !== undefined) await ctx.files?.received(ctx, tx, user, file);
}

async function emitNew(ctx: ChatContext, tx: Tx, user: User, item: AChatItem): Promise<void> {
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [item] });
}

async function updateMessage(ctx: ChatContext, tx: Tx, m: Received<'x.msg.update'>): Promise<void> {
  const { user, contact, event, meta } = m;
  const { contactId } = contact;
  const content: CIContent = { type: 'rcvMsgContent', msgContent: event.content };
  const live = event.live === true;
  const now = ctx.clock.now();
  const row = await directItemBySharedId(tx, contactId, event.msgId);
  if (row === undefined) {
    // Deleted here, or never seen: the edit brings it back, and shows as an edit.
    const stored = await storeReceived(tx, contact, {
      userId: user.userId,
      chat: { type: 'direct', contactId },
      sent: false,
      content,
      itemTs: meta.broker.ts,
      createdAt: now,
      sharedMsgId: event.msgId,
      timed: receiveTimed(contactTimed(contact.mergedPreferences), event.ttl),
      live: live ? true : undefined,
      edited: true,
    });
    await addVersion(tx, stored.chat_item_id, event.content, meta.broker.ts, now);
    await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, stored) });
    return;
  }
  const before = row.item_sent === 0 && row.item_forwarded === null ? itemMsgContent(row) : undefined;
  if (before === undefined) {
    await messageError(ctx, tx, user, 'x.msg.update: contact attempted invalid message update');
    return;
  }
  const changed = !sameJson(before, event.content);
  if (!changed && row.item_live !== 1) {
    await ctx.emit(tx, { type: 'chatItemNotChanged', user, chatItem: await viewDirectItem(ctx, tx, contact, row) });
    return;
  }
  if (changed) await addVersions(tx, row, before, event.content, meta.broker.ts, now);
  const updated = await updateItemContent(ctx, tx, row, content, live);
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, updated) });
}

async function deleteMessage(ctx: ChatContext, tx: Tx, m: Received<'x.msg.del'>): Promise<void> {
  const { user, contact, event, meta } = m;
  const row = await directItemBySharedId(tx, contact.contactId, event.msgId);
  if (row === undefined) {
    await ctx.emit(tx, { type: 'chatItemDeletedNotFound', user, contact, sharedMsgId: event.msgId });
    return;
  }
  if (row.item_sent !== 0 || row.item_deleted !== 0 || meta.broker.ts - row.item_ts >= acceptDeleteMs) {
    await messageError(ctx, tx, user, 'x.msg.del: contact attempted invalid message delete');
    return;
  }
  const chatItemDeletions = contact.mergedPreferences.fullDelete.enabled.forContact
    ? await removeDirectItems(ctx, tx, user, contact, [row])
    : await markDirectItems(ctx, tx, user, contact, [row], meta.broker.ts);
  await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: false, timed: false });
}

async function reactToMessage(ctx: ChatContext, tx: Tx, m: Received<'x.msg.react'>): Promise<void> {
  const { user, contact, event, meta } = m;
  const { contactId } = contact;
  if (!contact.mergedPreferences.reactions.enabled.forContact) return;
  const { msgId: sharedMsgId, reaction, add } = event;
  const theirs = await directReactions(tx, contactId, sharedMsgId, false);
  const exists = theirs.includes(reactionColumn(reaction));
  if (exists === add || (add && theirs.length >= maxReactions)) return;
  const row = await directItemBySharedId(tx, contactId, sharedMsgId);
  if (row !== undefined && !canReactTo(row)) return;
  await setDirectReaction(
    tx,
    { contactId, sharedMsgId },
    { userId: user.userId, sent: false, reaction, add, ts: meta.broker.ts, now: ctx.clock.now() },
  );
  // A reaction may come before its item, which then arrives with it.
  if (row === undefined) return;
  const marked = row.has_reactions === 1 ? row : await updateItemRow(tx, row.chat_item_id, { has_reactions: 1 });
  const { chatInfo, chatItem } = await viewDirectItem(ctx, tx, contact, marked);
  await ctx.emit(tx, {
    type: 'chatItemReaction',
    user,
    added: add,
    reaction: {
      chatInfo,
      chatReaction: { chatDir: { type: 'directRcv' }, chatItem, sentAt: isoTime(meta.broker.ts), reaction },
    },
  });
}
