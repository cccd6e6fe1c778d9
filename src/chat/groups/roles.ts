import type { GroupInfo, GroupMember, GroupMemberRole, GroupMemberStatus } from '../../api/index.js';
import { chatFailure } from '../engine/errors.js';

const ranks: Readonly<Record<GroupMemberRole, number>> = {
  observer: 0,
  author: 1,
  member: 2,
  moderator: 3,
  admin: 4,
  owner: 5,
};

/** `role` may do what `required` may (60, section 3.1). */
export function atLeast(role: GroupMemberRole, required: GroupMemberRole): boolean {
  return ranks[role] >= ranks[required];
}

/** `observer`, the lowest, when there is none. */
export function highestRole(...roles: readonly GroupMemberRole[]): GroupMemberRole {
  return roles.reduce((a, b) => (ranks[b] > ranks[a] ? b : a), 'observer');
}

const of = (...statuses: GroupMemberStatus[]): ReadonlySet<GroupMemberStatus> => new Set(statuses);
const pending = of('pending_approval', 'pending_review');
const active = of('pending_approval', 'pending_review', 'connected', 'complete', 'creator');
const current = of('introduced', 'intro-inv', 'accepted', 'announced', 'connected', 'complete', 'creator');
const removed = of('rejected', 'removed', 'left', 'deleted');
/** Statuses that `groupSummary.currentMembers` leaves out (60, section 2.6). */
export const notInSummary: readonly GroupMemberStatus[] = ['rejected', 'removed', 'left', 'unknown', 'invited'];
export const currentStatuses: readonly GroupMemberStatus[] = [...current];

interface HasStatus {
  readonly memberStatus: GroupMemberStatus;
}

// Predicates of 60-groups.md, section 2.6.
export const isPending = (m: HasStatus): boolean => pending.has(m.memberStatus);
export const isActive = (m: HasStatus): boolean => active.has(m.memberStatus);
export const isCurrent = (m: HasStatus): boolean => current.has(m.memberStatus);
export const isCurrentOrPending = (m: HasStatus): boolean => isCurrent(m) || isPending(m);
export const isRemoved = (m: HasStatus): boolean => removed.has(m.memberStatus);

/** What counts into `membersRequireAttention` (60, section 2.7). */
export function requiresAttention(m: Pick<GroupMember, 'memberStatus' | 'supportChat'>): boolean {
  return isPending(m) || (m.supportChat?.memberAttention ?? 0) > 0 || (m.supportChat?.mentions ?? 0) > 0;
}

/** Blocked by the user or by an admin. */
export function isBlocked(m: GroupMember): boolean {
  return m.blockedByAdmin || !m.memberSettings.showMessages;
}

/** The user must have this role and be in the group; the errors come in this order (60, section 3.2). */
export function checkRole(group: GroupInfo, requiredRole: GroupMemberRole): void {
  const { membership } = group;
  if (!atLeast(membership.memberRole, requiredRole)) {
    throw chatFailure({ type: 'groupUserRole', groupInfo: group, requiredRole });
  }
  if (membership.memberStatus === 'invited') throw chatFailure({ type: 'groupNotJoined', groupInfo: group });
  if (isRemoved(membership)) throw chatFailure({ type: 'groupMemberUserRemoved' });
  if (!isActive(membership)) throw chatFailure({ type: 'groupMemberNotActive' });
}
