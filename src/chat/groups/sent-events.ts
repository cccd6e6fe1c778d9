import type { AChatItem, CIContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { storeItem } from '../items/create.js';
import { formatText } from '../items/format.js';
import { itemView, noExtras } from '../items/view.js';
import { type GroupPlace, itemChat, newItemParties, touchGroup } from './items.js';
import type { GroupMessageRow } from './message-rows.js';
import { groupChatInfo } from './view.js';

/** An own service item that carries the id of the message that told it to the group. */
export async function createSentEvent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace,
  content: CIContent,
  message: GroupMessageRow,
): Promise<AChatItem> {
  const now = ctx.clock.now();
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: itemChat(place),
    sent: true,
    content,
    createdAt: now,
    sharedMsgId: message.sharedMsgId,
    createdByMsgId: message.messageId,
  });
  await touchGroup(tx, place, now);
  return {
    chatInfo: groupChatInfo(place.group, place.scope),
    chatItem: itemView(row, newItemParties(place), noExtras, now, formatText),
  };
}

/** {@link createSentEvent} with its event. */
export async function emitSentEvent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  place: GroupPlace,
  content: CIContent,
  message: GroupMessageRow,
): Promise<void> {
  const item = await createSentEvent(ctx, tx, user, place, content, message);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [item] });
}
