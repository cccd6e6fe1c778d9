import type { GroupChatScope, GroupInfo, GroupMember, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { isoTime } from '../engine/time.js';
import type { MsgScope } from '../protocol/index.js';
import { getMember } from './queries.js';
import { isPending, requiresAttention } from './roles.js';
import type { GroupScope } from './view.js';

/** Where an event belongs, with the objects as they are after the support chat was opened. */
export interface Placed {
  readonly group: GroupInfo;
  readonly member: GroupMember;
  readonly scope: GroupScope | undefined;
}

const openChat = prepare<{ id: number; now: number }>((db, p) =>
  db
    .updateTable('group_members')
    .set({ support_chat_ts: p('now') })
    .where('group_member_id', '=', p('id')),
);

/** The member with a support chat: it is opened when there is none. */
export async function withSupportChat(tx: Tx, member: GroupMember, now: number): Promise<GroupMember> {
  if (member.supportChat !== undefined) return member;
  await openChat.run(tx, { id: member.groupMemberId, now });
  return { ...member, supportChat: { chatTs: isoTime(now), unread: 0, memberAttention: 0, mentions: 0 } };
}

/** The user's own support chat, which is opened when it is not: `group` has the changed membership. */
export async function ownScope(
  tx: Tx,
  group: GroupInfo,
  now: number,
): Promise<{ readonly group: GroupInfo; readonly scope: GroupScope }> {
  const membership = await withSupportChat(tx, group.membership, now);
  return { group: { ...group, membership }, scope: { type: 'own' } };
}

/** The scope of a group event of this member (60, section 2.9): pending members live in support chats. */
export async function placeEvent(tx: Tx, group: GroupInfo, member: GroupMember, now: number): Promise<Placed> {
  if (isPending(group.membership)) return { ...(await ownScope(tx, group, now)), member };
  if (isPending(member)) {
    const opened = await withSupportChat(tx, member, now);
    return { group, member: opened, scope: { type: 'member', member: opened } };
  }
  return { group, member, scope: undefined };
}

/** The scope of own service items: the own support chat while the user is not let in yet. */
export async function placeOwnEvent(
  tx: Tx,
  group: GroupInfo,
  now: number,
): Promise<{ readonly group: GroupInfo; readonly scope: GroupScope | undefined }> {
  return isPending(group.membership) ? ownScope(tx, group, now) : { group, scope: undefined };
}

/** The scope that a command names. `groupMemberNotFound`. */
export async function commandScope(
  tx: Tx,
  user: User,
  groupId: number,
  scope: GroupChatScope | undefined,
): Promise<GroupScope | undefined> {
  if (scope === undefined) return undefined;
  if (scope.groupMemberId_ === undefined) return { type: 'own' };
  return { type: 'member', member: await getMember(tx, user, groupId, scope.groupMemberId_) };
}

/** The scope as it travels. */
export function messageScope(group: GroupInfo, scope: GroupScope | undefined): MsgScope | undefined {
  if (scope === undefined) return undefined;
  return { type: 'member', memberId: scope.type === 'own' ? group.membership.memberId : scope.member.memberId };
}

/** The member id that an item is stored with; the user's own support chat has none. */
export function scopeMemberId(scope: GroupScope | undefined): number | undefined {
  return scope?.type === 'member' ? scope.member.groupMemberId : undefined;
}

/** `membersRequireAttention` by the difference that a change of a member makes (60, section 2.7). */
export async function updateAttention(
  tx: Tx,
  group: GroupInfo,
  before: Pick<GroupMember, 'memberStatus' | 'supportChat'> | undefined,
  after: Pick<GroupMember, 'memberStatus' | 'supportChat'> | undefined,
): Promise<GroupInfo> {
  const did = before !== undefined && requiresAttention(before);
  const does = after !== undefined && requiresAttention(after);
  if (did === does) return group;
  const by = does ? 1 : -1;
  await changeAttention.run(tx, { groupId: group.groupId, by });
  return { ...group, membersRequireAttention: Math.max(0, group.membersRequireAttention + by) };
}

const changeAttention = {
  async run(tx: Tx, p: { readonly groupId: number; readonly by: 1 | -1 }): Promise<void> {
    await tx.execute(
      p.by === 1
        ? 'UPDATE groups SET members_require_attention = members_require_attention + 1 WHERE group_id = ?'
        : `UPDATE groups SET members_require_attention =
             CASE WHEN members_require_attention > 0 THEN members_require_attention - 1 ELSE 0 END WHERE group_id = ?`,
      [p.groupId],
    );
  },
};
