import type { ApiResponse, ChatItemDeletion, CIDeleteMode, GroupInfo, ReportReason, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { itemIdByText } from '../items/chat-items.js';
import type { ItemRow } from '../items/view.js';
import { findItems } from '../messages/delete.js';
import { archiveReports, deleteGroupItems, markGroupItems } from './item-deletion.js';
import { itemAuthor } from './items.js';
import { featureAllowedFor } from './preferences.js';
import { getGroup, groupIdByName } from './queries.js';
import { groupRecipients, type Recipient } from './recipients.js';
import { atLeast, checkRole, isCurrent } from './roles.js';
import { sendToMembers } from './send.js';
import { sendToGroupChat } from './send-content.js';

/** Deletes items of others for all of these members, as moderator (60, section 8.8). */
async function moderate(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  recipients: readonly Recipient[],
  rows: readonly ItemRow[],
): Promise<ChatItemDeletion[]> {
  const { membership } = group;
  const authors = new Map<number, string>();
  for (const row of rows) {
    const author = await itemAuthor(tx, user, group, row);
    if (row.shared_msg_id === null || !atLeast(membership.memberRole, author.memberRole)) {
      throw chatFailure({ type: 'invalidChatItemDelete' });
    }
    authors.set(row.chat_item_id, author.memberId);
  }
  checkRole(group, 'moderator');
  const events = rows.flatMap((r) => {
    const memberId = authors.get(r.chat_item_id);
    if (r.shared_msg_id === null || memberId === undefined) return [];
    return [{ event: { type: 'x.msg.del', msgId: r.shared_msg_id, memberId } as const }];
  });
  if (events.length > 0) await sendToMembers(ctx, tx, group, recipients, events);
  const now = ctx.clock.now();
  const reports: number[] = [];
  for (const row of rows) {
    const author = authors.get(row.chat_item_id) ?? '';
    reports.push(...(await archiveReports(tx, group, row, author, membership, now)));
  }
  if (reports.length > 0) {
    await ctx.emit(tx, {
      type: 'groupChatItemsDeleted',
      user,
      groupInfo: group,
      chatItemIDs: reports,
      byUser: true,
      member_: membership,
    });
  }
  const remove = featureAllowedFor(group, 'fullDelete', membership) ? deleteGroupItems : markGroupItems;
  return remove(ctx, tx, user, group, undefined, rows, membership, now);
}

async function deleteMemberItems(
  ctx: ChatContext,
  user: User,
  groupId: number,
  itemIds: readonly number[],
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const rows = await findItems(ctx, tx, { kind: 'group', groupId }, itemIds);
    const recipients = (await groupRecipients(tx, groupId)).filter(isCurrent);
    const chatItemDeletions = await moderate(ctx, tx, user, group, recipients, rows);
    return { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: true, timed: false };
  });
}

/** `/_report` (60, section 8.7): to the moderators, in the own support chat. */
async function report(
  ctx: ChatContext,
  user: User,
  groupId: number,
  itemId: number,
  reason: ReportReason,
  text: string,
): Promise<ApiResponse> {
  return sendToGroupChat(ctx, user, groupId, { type: 'memberSupport' }, [
    { content: { type: 'report', text, reason }, quotedItemId: itemId },
  ]);
}

/** `/_archive reports`: all received reports are done with. */
async function archiveAll(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const now = ctx.clock.now();
    const { rows } = await tx.execute<{ chat_item_id: number }>(
      `UPDATE chat_items SET item_deleted = 1, item_deleted_ts = ?, item_deleted_by_group_member_id = ?, updated_at = ?
       WHERE group_id = ? AND msg_content_tag = 'report' AND item_deleted = 0 AND item_sent = 0
       RETURNING chat_item_id`,
      [now, group.membership.groupMemberId, now, groupId],
    );
    return {
      type: 'groupChatItemsDeleted',
      user,
      groupInfo: group,
      chatItemIDs: rows.map((r) => r.chat_item_id),
      byUser: true,
      member_: group.membership,
    };
  });
}

async function deleteReports(
  ctx: ChatContext,
  user: User,
  groupId: number,
  itemIds: readonly number[],
  mode: CIDeleteMode,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const rows = await findItems(ctx, tx, { kind: 'group', groupId }, itemIds);
    if (!rows.every((r) => r.item_sent === 0 && r.msg_content_tag === 'report')) {
      throw commandFailure('some items are not received reports');
    }
    const now = ctx.clock.now();
    let chatItemDeletions: ChatItemDeletion[];
    if (mode === 'broadcast') {
      const moderators = (await groupRecipients(tx, groupId)).filter(
        (m) => isCurrent(m) && atLeast(m.memberRole, 'moderator'),
      );
      chatItemDeletions = await moderate(ctx, tx, user, group, moderators, rows);
    } else {
      const remove = mode === 'internal' ? deleteGroupItems : markGroupItems;
      chatItemDeletions = await remove(ctx, tx, user, group, undefined, rows, undefined, now);
    }
    return { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: true, timed: false };
  });
}

export const moderationCommands: CommandTable = {
  APIDeleteMemberChatItem: whenRunning((ctx, c, user) => deleteMemberItems(ctx, user, c.groupId, c.chatItemIds)),
  APIReportMessage: whenRunning((ctx, c, user) =>
    report(ctx, user, c.groupId, c.chatItemId, c.reportReason, c.reportText),
  ),
  ReportMessage: whenRunning(async (ctx, c, user) => {
    const { groupId, itemId } = await ctx.store.read(async (tx) => {
      const id = await groupIdByName(tx, user, c.groupName);
      const by = c.memberName === undefined ? {} : { memberName: c.memberName };
      return { groupId: id, itemId: await itemIdByText(tx, { kind: 'group', groupId: id }, c.text, by) };
    });
    return report(ctx, user, groupId, itemId, c.reportReason, '');
  }),
  APIArchiveReceivedReports: whenRunning((ctx, c, user) => archiveAll(ctx, user, c.groupId)),
  APIDeleteReceivedReports: whenRunning((ctx, c, user) =>
    deleteReports(ctx, user, c.groupId, c.chatItemIds, c.deleteMode),
  ),
};
