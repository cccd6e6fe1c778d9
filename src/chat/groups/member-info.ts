import type { GroupMember } from '../../api/index.js';
import { formatVersionRange } from '../../wire/index.js';
import { type ChatVersionRange, chatVersion, type MemberInfo, type MemberRestrictions } from '../protocol/index.js';
import { memberProfile } from './view.js';

/** The versions that a member speaks, last seen from it. */
export function memberVersions(m: GroupMember): ChatVersionRange {
  const range = m.activeConn?.peerChatVRange ?? m.memberChatVRange;
  return { min: chatVersion(range.minVersion), max: chatVersion(range.maxVersion) };
}

/** A member as others are told about it (60, section 4.1). */
export function memberInfo(m: GroupMember): MemberInfo {
  return {
    memberId: m.memberId,
    memberRole: m.memberRole,
    v: m.activeConn === undefined ? undefined : formatVersionRange(memberVersions(m)),
    profile: memberProfile(m.memberProfile),
  };
}

/** What a new member is told with an introduction: only blocks for all, not those of the user. */
export function memberRestrictions(m: GroupMember): MemberRestrictions | undefined {
  return m.blockedByAdmin ? { restriction: 'blocked' } : undefined;
}
