import type { GroupMember, GroupMemberRole, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { ChatException, chatFailure } from '../engine/errors.js';
import { getMember, groupIdByName, memberIdByName } from './queries.js';
import { atLeast, highestRole, isPending } from './roles.js';

/** Members that a command names. */
export interface Selection {
  /** In the order of their ids. */
  readonly members: readonly GroupMember[];
  readonly maxRole: GroupMemberRole;
  readonly anyAdmin: boolean;
  readonly anyPending: boolean;
}

/** Reads the members that a command names; `groupMemberNotFound` when one is not there, is the user, or named twice. */
export async function selectMembers(tx: Tx, user: User, groupId: number, ids: readonly number[]): Promise<Selection> {
  const members: GroupMember[] = [];
  for (const id of [...new Set(ids)].sort((a, b) => a - b)) {
    try {
      const member = await getMember(tx, user, groupId, id);
      if (member.memberCategory !== 'user') members.push(member);
    } catch (error) {
      if (!(error instanceof ChatException)) throw error;
    }
  }
  if (members.length !== ids.length) throw chatFailure({ type: 'groupMemberNotFound' });
  return {
    members,
    maxRole: highestRole(...members.map((m) => m.memberRole)),
    anyAdmin: members.some((m) => atLeast(m.memberRole, 'admin')),
    anyPending: members.some(isPending),
  };
}

/** The group and the member that a typed command names. */
export async function memberByName(
  tx: Tx,
  user: User,
  groupName: string,
  memberName: string,
): Promise<{ readonly groupId: number; readonly groupMemberId: number }> {
  const groupId = await groupIdByName(tx, user, groupName);
  return { groupId, groupMemberId: await memberIdByName(tx, groupId, memberName) };
}
