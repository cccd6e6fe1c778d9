import type { AChatItem, ApiResponse, ChatItem, Contact, FormattedText, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact, touchContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, commandFailure } from '../engine/errors.js';
import type { FileToSend, StoredFile } from '../engine/file-hooks.js';
import { isoTime } from '../engine/time.js';
import { getItemOf } from '../items/chat-items.js';
import { type NewQuote, storeItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { itemFile } from '../items/queries.js';
import { directParties, itemView, noExtras } from '../items/view.js';
import { linkItemMessage, type OutMessage, type SentMessage, sendDirectMessages } from '../messaging/send.js';
import { featureNames } from '../preferences/merge.js';
import type { MsgContainer } from '../protocol/index.js';
import { type Composed, checkMultiSend, checkNoMentions, inspectFiles } from './composed.js';
import { quotableContent, quotedContent } from './quote.js';
import { contactTimed, sendTimed, type Timed } from './timed.js';

/** `live`: the text will grow by updates (50, section 5.6). */
export interface SendOptions {
  readonly live?: boolean | undefined;
  /** Seconds; absent: as the chat is set. */
  readonly ttl?: number | undefined;
}

/** Sends messages to a contact (50, section 5.1); the answer is `newChatItems`. */
export async function sendToContact(
  ctx: ChatContext,
  user: User,
  contactId: number,
  messages: readonly Composed[],
  options: SendOptions = {},
): Promise<ApiResponse> {
  checkNoMentions(messages);
  checkMultiSend(messages, options.live === true);
  let files: readonly (FileToSend | undefined)[] = [];
  if (messages.some((m) => m.file !== undefined)) {
    await ctx.store.read(async (tx) => checkFeatures(await getContact(tx, user, contactId), messages));
    files = await inspectFiles(ctx, messages);
  }
  const result = await ctx.store.transaction((tx) => sendItems(ctx, tx, user, contactId, messages, files, options));
  if (result.type === 'sent') return { type: 'newChatItems', user, chatItems: result.items };
  // Nothing could be sent and more than one message was asked for: all reasons are told, the first is the answer.
  await ctx.store.transaction((tx) => emitErrors(ctx, tx, result.errors));
  throw result.errors[0] ?? new Error('no reason for a failure');
}

function checkFeatures(contact: Contact, messages: readonly Composed[]): void {
  if (!contact.mergedPreferences.voice.enabled.forUser && messages.some((m) => m.content.type === 'voice')) {
    throw commandFailure(`feature not allowed ${featureNames.voice}`);
  }
}

async function emitErrors(ctx: ChatContext, tx: Tx, errors: readonly ChatException[]): Promise<void> {
  await ctx.emit(tx, { type: 'chatErrors', chatErrors: errors.map((e) => e.chatError) });
}

/** A quote with what the new item shows of the quoted one. */
interface Quote {
  readonly stored: NewQuote;
  readonly itemId: number;
  readonly formattedText: readonly FormattedText[] | undefined;
}

interface Draft {
  readonly composed: Composed;
  readonly quote: Quote | undefined;
  readonly file: StoredFile | undefined;
  readonly message: OutMessage;
}

type SendResult =
  | { readonly type: 'sent'; readonly items: readonly AChatItem[] }
  | { readonly type: 'failed'; readonly errors: readonly ChatException[] };

async function sendItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contactId: number,
  messages: readonly Composed[],
  files: readonly (FileToSend | undefined)[],
  options: SendOptions,
): Promise<SendResult> {
  const contact = await getContact(tx, user, contactId);
  checkFeatures(contact, messages);
  const now = ctx.clock.now();
  const live = options.live === true;
  const timed = sendTimed(contactTimed(contact.mergedPreferences), options.ttl, live, now);
  const drafts: Draft[] = [];
  for (const [i, composed] of messages.entries()) {
    const file = files[i];
    const sent =
      file === undefined ? undefined : await ctx.files?.storeSent(ctx, tx, user, { type: 'direct', contact }, file);
    const quote = composed.quotedItemId === undefined ? undefined : await readQuote(tx, contactId, composed);
    const container: MsgContainer = {
      content: composed.content,
      quote: quote === undefined ? undefined : quotedMessage(quote.stored),
      forward: composed.forwarded === undefined ? undefined : true,
      file: sent?.invitation,
      ttl: timed?.ttl,
      live: live ? true : undefined,
    };
    drafts.push({ composed, quote, file: sent, message: { event: { type: 'x.msg.new', ...container } } });
  }
  const results = await sendDirectMessages(
    ctx,
    tx,
    user,
    contact,
    drafts.map((d) => d.message),
  );
  const items: AChatItem[] = [];
  const errors: ChatException[] = [];
  for (const [i, draft] of drafts.entries()) {
    const result = results[i];
    if (result === undefined || result instanceof ChatException) {
      if (result !== undefined) errors.push(result);
      if (draft.file !== undefined) await ctx.files?.discard(ctx, tx, user, draft.file.fileId);
      continue;
    }
    items.push({
      chatInfo: { type: 'direct', contact },
      chatItem: await storeSent(ctx, tx, user, contact, draft, result, { timed, live, now }),
    });
  }
  if (items.length === 0) {
    // One failure is the answer; its transaction is undone.
    if (errors.length === 1 && errors[0] !== undefined) throw errors[0];
    return { type: 'failed', errors };
  }
  await touchContact(tx, contactId, now);
  if (errors.length > 0) await emitErrors(ctx, tx, errors);
  return { type: 'sent', items };
}

async function storeSent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  draft: Draft,
  sent: SentMessage,
  how: { readonly timed: Timed | undefined; readonly live: boolean; readonly now: number },
): Promise<ChatItem> {
  const { composed, quote, file } = draft;
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: { type: 'direct', contactId: contact.contactId },
    sent: true,
    content: { type: 'sndMsgContent', msgContent: composed.content },
    createdAt: how.now,
    sharedMsgId: sent.sharedMsgId,
    createdByMsgId: sent.messageId,
    forwarded: composed.forwarded,
    timed: how.timed,
    live: how.live ? true : undefined,
    quote: quote?.stored,
    hasFile: file !== undefined,
  });
  await linkItemMessage(tx, row.chat_item_id, sent.messageId);
  if (file !== undefined) await ctx.files?.linkItem(tx, file.fileId, row.chat_item_id, sent.sharedMsgId);
  if (how.timed?.deleteAt !== undefined) ctx.timed.schedule(tx, row.chat_item_id, how.timed.deleteAt);
  return itemView(
    row,
    directParties,
    { ...noExtras, quotedItemId: quote?.itemId, file: file?.file },
    how.now,
    // The quote is shown as the quoted item is.
    quote === undefined ? formatText : () => quote.formattedText,
  );
}

async function readQuote(tx: Tx, contactId: number, composed: Composed): Promise<Quote | undefined> {
  if (composed.quotedItemId === undefined) return undefined;
  const row = await getItemOf(tx, { kind: 'direct', contactId }, composed.quotedItemId);
  const quoted = quotableContent(row);
  const file = row.has_file === 0 ? undefined : await itemFile(tx, row.chat_item_id);
  return {
    stored: {
      sharedMsgId: row.shared_msg_id ?? undefined,
      sentAt: row.item_ts,
      content: quotedContent(composed.content, quoted, file?.fileName),
      sent: row.item_sent !== 0,
    },
    itemId: row.chat_item_id,
    formattedText: row.formatted_text === null ? undefined : (JSON.parse(row.formatted_text) as FormattedText[]),
  };
}

function quotedMessage(quote: NewQuote): NonNullable<MsgContainer['quote']> {
  return {
    msgRef: {
      msgId: quote.sharedMsgId,
      sentAt: isoTime(quote.sentAt),
      sent: quote.sent,
      memberId: quote.memberId,
    },
    content: quote.content,
  };
}
