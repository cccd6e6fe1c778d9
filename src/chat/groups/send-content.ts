import type { AChatItem, ApiResponse, FormattedText, GroupChatScope, GroupInfo, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, commandFailure } from '../engine/errors.js';
import type { FileToSend, StoredFile } from '../engine/file-hooks.js';
import { isoTime } from '../engine/time.js';
import { getItemOf } from '../items/chat-items.js';
import { type NewQuote, storeItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { itemFile } from '../items/queries.js';
import { groupFeatureNames } from '../items/text.js';
import { itemView } from '../items/view.js';
import { type Composed, checkMultiSend, inspectFiles } from '../messages/composed.js';
import { quotableContent, quotedContent } from '../messages/quote.js';
import type { SendOptions } from '../messages/send.js';
import { sendTimed, type Timed } from '../messages/timed.js';
import { linkItemMessage, type OutMessage } from '../messaging/send.js';
import { ChatV } from '../protocol/index.js';
import { checkMayWrite, type Target, targetOf } from './audience.js';
import { prohibitedContent } from './content-rules.js';
import { storeDeliveries } from './delivery.js';
import { groupParties, inHistory, itemAuthor, itemChat, touchGroup } from './items.js';
import { hasMentions, type Mentions, messageMentions, sentMentions, storeMentions } from './mentions.js';
import type { GroupMessageRow } from './message-rows.js';
import { featureAllowed } from './preferences.js';
import { messageScope } from './scope.js';
import { sendToGroup } from './send.js';
import { groupChatInfo } from './view.js';

/** Sends messages to a group or to a support chat (60, section 8.1); the answer is `newChatItems`. */
export async function sendToGroupChat(
  ctx: ChatContext,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  messages: readonly Composed[],
  options: SendOptions = {},
): Promise<ApiResponse> {
  checkMultiSend(messages, options.live === true);
  let files: readonly (FileToSend | undefined)[] = [];
  if (messages.some((m) => m.file !== undefined)) {
    await ctx.store.transaction((tx) => sendTarget(ctx, tx, user, groupId, chatScope, messages));
    files = await inspectFiles(ctx, messages);
  }
  const result = await ctx.store.transaction(async (tx) =>
    sendItems(ctx, tx, user, await sendTarget(ctx, tx, user, groupId, chatScope, messages), messages, files, options),
  );
  if (result.items.length > 0 || result.errors.length === 0) {
    return { type: 'newChatItems', user, chatItems: result.items };
  }
  throw result.errors[0] ?? new Error('no reason for a failure');
}

/** What must hold before anything is sent. */
async function sendTarget(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  groupId: number,
  chatScope: GroupChatScope | undefined,
  messages: readonly Composed[],
): Promise<Target> {
  const report = messages.some((m) => m.content.type === 'report');
  const target = await targetOf(ctx, tx, user, groupId, chatScope, report ? ChatV.Reports : ChatV.Scopes);
  const { group, scope } = target;
  checkMayWrite(group, scope);
  for (const m of messages) {
    const feature = prohibitedContent(group, group.membership, scope, m.content, m.file !== undefined, true);
    if (feature !== undefined) throw commandFailure(`feature not allowed ${groupFeatureNames[feature]}`);
  }
  return target;
}

interface Quote {
  readonly stored: NewQuote;
  readonly itemId: number;
  readonly formattedText: readonly FormattedText[] | undefined;
}

interface Draft {
  readonly composed: Composed;
  readonly quote: Quote | undefined;
  readonly mentions: Mentions;
  readonly file: StoredFile | undefined;
  readonly message: OutMessage;
}

interface Sent {
  readonly items: readonly AChatItem[];
  readonly errors: readonly ChatException[];
}

async function sendItems(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  target: Target,
  messages: readonly Composed[],
  files: readonly (FileToSend | undefined)[],
  options: SendOptions,
): Promise<Sent> {
  const { group, scope, recipients } = target;
  const now = ctx.clock.now();
  const live = options.live === true;
  const { ttl } = group.fullGroupPreferences.timedMessages;
  const timed = sendTimed(featureAllowed(group, 'timedMessages') ? { ttl } : undefined, options.ttl, live, now);
  const drafts: Draft[] = [];
  for (const [i, composed] of messages.entries()) {
    drafts.push(await draft(ctx, tx, user, target, composed, files[i], timed, live));
  }
  const outgoing = drafts.map((d) => d.message);
  const sent = await sendToGroup(ctx, tx, user, group, scope, recipients, outgoing);
  const items: AChatItem[] = [];
  const itemIds: (number | undefined)[] = [];
  const errors: ChatException[] = [];
  for (const [i, d] of drafts.entries()) {
    const message = sent.messages[i];
    if (message === undefined || message instanceof ChatException) {
      if (message !== undefined) errors.push(message);
      if (d.file !== undefined) await ctx.files?.discard(ctx, tx, user, d.file.fileId);
      continue;
    }
    const item = await storeSent(ctx, tx, user, target, d, message, { timed, live, now });
    itemIds[i] = item.chatItem.meta.itemId;
    items.push(item);
  }
  await storeDeliveries(tx, itemIds, sent.deliveries, now);
  if (items.length === 0) {
    // One failure is the answer; its transaction is undone.
    if (errors.length === 1 && errors[0] !== undefined) throw errors[0];
  } else {
    await touchGroup(tx, { group, scope }, now);
  }
  if (errors.length > 0) await ctx.emit(tx, { type: 'chatErrors', chatErrors: errors.map((e) => e.chatError) });
  return { items, errors };
}

async function draft(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  target: Target,
  composed: Composed,
  file: FileToSend | undefined,
  timed: Timed | undefined,
  live: boolean,
): Promise<Draft> {
  const { group, scope, recipients } = target;
  const { content } = composed;
  const stored =
    file === undefined
      ? undefined
      : await ctx.files?.storeSent(ctx, tx, user, { type: 'group', group, members: recipients }, file);
  const quote =
    composed.quotedItemId === undefined ? undefined : await readQuote(tx, user, group, composed.quotedItemId, composed);
  const mentions = await sentMentions(tx, user, group, content, composed.mentions);
  const message: OutMessage = {
    event: {
      type: 'x.msg.new',
      content,
      quote: quote === undefined ? undefined : quotedMessage(quote.stored),
      forward: composed.forwarded === undefined ? undefined : true,
      file: stored?.invitation,
      ttl: timed?.ttl,
      live: live ? true : undefined,
      mentions: messageMentions(mentions),
      scope: messageScope(group, scope),
    },
  };
  return { composed, quote, mentions, file: stored, message };
}

async function storeSent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  { group, scope }: Target,
  { composed, quote, mentions, file }: Draft,
  sent: GroupMessageRow,
  how: { readonly timed: Timed | undefined; readonly live: boolean; readonly now: number },
): Promise<AChatItem> {
  const content = { type: 'sndMsgContent', msgContent: composed.content } as const;
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: itemChat({ group, scope }),
    sent: true,
    content,
    createdAt: how.now,
    sharedMsgId: sent.sharedMsgId,
    createdByMsgId: sent.messageId,
    forwarded: composed.forwarded,
    timed: how.timed,
    live: how.live ? true : undefined,
    quote: quote?.stored,
    includeInHistory: inHistory(scope, content),
    hasFile: file !== undefined,
    hasMentions: hasMentions(mentions),
  });
  await linkItemMessage(tx, row.chat_item_id, sent.messageId);
  if (hasMentions(mentions)) await storeMentions(tx, row.chat_item_id, group.groupId, mentions);
  if (file !== undefined) await ctx.files?.linkItem(tx, file.fileId, row.chat_item_id, sent.sharedMsgId);
  if (how.timed?.deleteAt !== undefined) ctx.timed.schedule(tx, row.chat_item_id, how.timed.deleteAt);
  const chatItem = itemView(
    row,
    await groupParties(tx, user, group, [row]),
    { reactions: [], mentions, quotedItemId: quote?.itemId, file: file?.file },
    how.now,
    // The quote is shown as the quoted item is.
    quote === undefined ? formatText : () => quote.formattedText,
  );
  return { chatInfo: groupChatInfo(group, scope), chatItem };
}

async function readQuote(tx: Tx, user: User, group: GroupInfo, itemId: number, { content }: Composed): Promise<Quote> {
  const row = await getItemOf(tx, { kind: 'group', groupId: group.groupId }, itemId);
  const quoted = quotableContent(row);
  const file = row.has_file === 0 ? undefined : await itemFile(tx, row.chat_item_id);
  const author = await itemAuthor(tx, user, group, row);
  return {
    stored: {
      sharedMsgId: row.shared_msg_id ?? undefined,
      sentAt: row.item_ts,
      content: quotedContent(content, quoted, file?.fileName),
      sent: row.item_sent !== 0,
      memberId: author.memberId,
    },
    itemId: row.chat_item_id,
    formattedText: row.formatted_text === null ? undefined : (JSON.parse(row.formatted_text) as FormattedText[]),
  };
}

function quotedMessage(quote: NewQuote) {
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
