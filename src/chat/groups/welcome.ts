import type { GroupInfo, GroupMember, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { addressSettingsOf, findAddress } from '../addresses/queries.js';
import type { ChatContext } from '../engine/context.js';
import { storeItem } from '../items/create.js';
import { linkItemMessage } from '../messaging/send.js';
import { ChatV } from '../protocol/index.js';
import { storeDeliveries } from './delivery.js';
import { emitGroupItem, itemChat, touchGroup, viewGroupItem } from './items.js';
import { featureAllowed } from './preferences.js';
import { recipientOf, supports } from './recipients.js';
import { onlyMessage, sendToMembers } from './send.js';

/** The welcome message of a group that the host will not send with the history (60, section 7.4). */
export async function emitWelcome(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  host: GroupMember,
): Promise<void> {
  if (group.preparedGroup?.welcomeSharedMsgId !== undefined) return;
  if (featureAllowed(group, 'history') && supports(host, ChatV.GroupWelcomeWithHistory)) return;
  const { description } = group.groupProfile;
  if (description === undefined) return;
  const msgContent: MsgContent = { type: 'text', text: description };
  await emitGroupItem(ctx, tx, user, { group, from: host }, { type: 'rcvMsgContent', msgContent });
}

/** The reply of the business address to its customer, once (60, section 7.8). */
export async function sendBusinessReply(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  const { businessChat } = group;
  if (businessChat?.chatType !== 'customer' || businessChat.customerId !== member.memberId) return;
  const address = await findAddress(tx, user.userId);
  const reply = address === undefined ? undefined : addressSettingsOf(address).autoReply;
  if (reply === undefined) return;
  const request = await tx.db
    .selectFrom('contact_requests')
    .select('welcome_shared_msg_id')
    .where('business_group_id', '=', group.groupId)
    .executeTakeFirst();
  const recipients = [recipientOf(member)];
  if (request !== undefined && request.welcome_shared_msg_id !== null) {
    // The customer has the reply from the link data: it may have changed since.
    await sendToMembers(ctx, tx, group, recipients, [
      { event: { type: 'x.msg.update', msgId: request.welcome_shared_msg_id, content: reply } },
    ]);
    return;
  }
  const result = await sendToMembers(ctx, tx, group, recipients, [{ event: { type: 'x.msg.new', content: reply } }]);
  const message = onlyMessage(result);
  const now = ctx.clock.now();
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: itemChat({ group }),
    sent: true,
    content: { type: 'sndMsgContent', msgContent: reply },
    createdAt: now,
    sharedMsgId: message.sharedMsgId,
    createdByMsgId: message.messageId,
    includeInHistory: true,
  });
  await linkItemMessage(tx, row.chat_item_id, message.messageId);
  await storeDeliveries(tx, [row.chat_item_id], result.deliveries, now);
  await touchGroup(tx, { group }, now);
  await ctx.emit(tx, {
    type: 'newChatItems',
    user,
    chatItems: [await viewGroupItem(ctx, tx, user, group, row)],
  });
}
