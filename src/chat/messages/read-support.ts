import type { GroupChatScope, GroupInfo, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getGroup, getMember } from '../groups/queries.js';
import { updateAttention } from '../groups/scope.js';
import type { ReadItem } from './read.js';

/** Items of a support chat were read: its counters go down by them; the group as it is afterwards. */
export async function countRead(
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupChatScope | undefined,
  read: readonly ReadItem[],
): Promise<GroupInfo> {
  if (scope === undefined || read.length === 0) return group;
  const own = scope.groupMemberId_ === undefined;
  const memberId = scope.groupMemberId_ ?? group.membership.groupMemberId;
  const before = own ? group.membership : await getMember(tx, user, group.groupId, memberId);
  const unanswered = own ? 0 : read.filter((i) => i.group_member_id === memberId).length;
  const mentions = read.filter((i) => i.user_mention !== 0).length;
  const less = (column: string): string => `${column} = CASE WHEN ${column} > ? THEN ${column} - ? ELSE 0 END`;
  await tx.execute(
    `UPDATE group_members SET ${less('support_chat_items_unread')}, ${less('support_chat_items_member_attention')},
       ${less('support_chat_items_mentions')} WHERE group_member_id = ?`,
    [read.length, read.length, unanswered, unanswered, mentions, mentions, memberId],
  );
  return attentionAfter(tx, user, group, before, memberId);
}

/** A whole support chat was read. */
export async function readSupportChat(tx: Tx, user: User, groupId: number, scope: GroupChatScope): Promise<void> {
  const group = await getGroup(tx, user, groupId);
  const memberId = scope.groupMemberId_ ?? group.membership.groupMemberId;
  const before = scope.groupMemberId_ === undefined ? group.membership : await getMember(tx, user, groupId, memberId);
  await tx.execute(
    `UPDATE group_members SET support_chat_items_unread = 0, support_chat_items_member_attention = 0,
       support_chat_items_mentions = 0 WHERE group_member_id = ?`,
    [memberId],
  );
  await attentionAfter(tx, user, group, before, memberId);
}

async function attentionAfter(
  tx: Tx,
  user: User,
  group: GroupInfo,
  before: GroupInfo['membership'],
  memberId: number,
): Promise<GroupInfo> {
  if (memberId === group.membership.groupMemberId) return getGroup(tx, user, group.groupId);
  await updateAttention(tx, group, before, await getMember(tx, user, group.groupId, memberId));
  return getGroup(tx, user, group.groupId);
}
