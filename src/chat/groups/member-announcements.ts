import type { GroupMember, GroupMemberStatus, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import { type ChatEventOf, type ChatVersionRange, type MemberInfo, versionsOf } from '../protocol/index.js';
import { toProfile } from '../users/profiles.js';
import { type ForwardScope, forwardToMain } from './forward.js';
import type { GroupMessage } from './group-message.js';
import { emitGroupItem, emitReceivedEvent } from './items.js';
import { messageError } from './member-loading.js';
import { updateMemberProfile } from './member-profile.js';
import { findMemberByMemberId, getMemberById, updateMemberRow } from './queries.js';
import { insertMember } from './records.js';
import { atLeast, isPending } from './roles.js';
import { updateAttention, withSupportChat } from './scope.js';
import { type GroupScope, memberProfile } from './view.js';

/** Who introduces members must be an admin, and not make them more than it is itself. */
export function checkHostRole(sender: GroupMember, role: GroupMember['memberRole']): void {
  if (!atLeast(sender.memberRole, 'admin') || !atLeast(sender.memberRole, role)) {
    throw chatFailure({ type: 'groupContactRole', contactName: sender.localDisplayName });
  }
}

/** Versions in a member's description. */
export function infoVersions(info: MemberInfo): ChatVersionRange | undefined {
  return info.v === undefined ? undefined : versionsOf(info.v);
}

/** Stores a member that its host told us about. */
export async function insertAnnounced(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  host: GroupMember,
  info: MemberInfo,
  status: GroupMemberStatus,
): Promise<GroupMember> {
  const id = await insertMember(
    tx,
    user.userId,
    host.groupId,
    {
      memberId: info.memberId,
      role: info.memberRole,
      category: 'post',
      status,
      who: { type: 'profile', profile: memberProfile(info.profile) },
      invitedByGroupMemberId: host.groupMemberId,
      versions: infoVersions(info),
    },
    ctx.clock.now(),
  );
  const member = await getMemberById(tx, user, id);
  // Its first events show the profile as it was received, with the kind of peer, which is not kept.
  return { ...member, memberProfile: { ...member.memberProfile, peerType: info.profile.peerType } };
}

/** A member that was known by its id only is introduced. */
async function becomeAnnounced(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  host: GroupMember,
  unknown: GroupMember,
  info: MemberInfo,
  status: GroupMemberStatus,
): Promise<GroupMember> {
  const now = ctx.clock.now();
  await updateMemberProfile(tx, user, unknown, memberProfile(info.profile), now);
  const versions = infoVersions(info);
  await updateMemberRow(
    tx,
    unknown.groupMemberId,
    {
      member_role: info.memberRole,
      member_category: 'post',
      member_status: status,
      invited_by_group_member_id: host.groupMemberId,
      ...(versions === undefined ? {} : { peer_chat_min_version: versions.min, peer_chat_max_version: versions.max }),
    },
    now,
  );
  return getMemberById(tx, user, unknown.groupMemberId);
}

/** `x.grp.mem.new` (60, section 7.6). */
export async function memberAnnounced(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage<ChatEventOf<'x.grp.mem.new'>>,
): Promise<ForwardScope | undefined> {
  const { user, member: host, event } = m;
  const { memberInfo, scope } = event;
  checkHostRole(host, memberInfo.memberRole);
  if (memberInfo.memberId === m.group.membership.memberId) return undefined;
  const known = await findMemberByMemberId(tx, user, m.group.groupId, memberInfo.memberId);
  const status = scope === undefined ? 'announced' : 'pending_review';
  if (known !== undefined && known.memberStatus !== 'unknown') {
    await messageError(ctx, tx, user, 'x.grp.mem.new error: member already exists');
    return undefined;
  }
  let member =
    known === undefined
      ? await insertAnnounced(ctx, tx, user, host, memberInfo, status)
      : await becomeAnnounced(ctx, tx, user, host, known, memberInfo, status);
  const group = isPending(member) ? await updateAttention(tx, m.group, undefined, member) : m.group;
  if (known !== undefined) {
    await ctx.emit(tx, {
      type: 'unknownMemberAnnounced',
      user,
      groupInfo: group,
      announcingMember: host,
      unknownMember: known,
      announcedMember: member,
    });
  }
  let itemScope: GroupScope | undefined;
  if (scope !== undefined) {
    member = await withSupportChat(tx, member, ctx.clock.now());
    itemScope = { type: 'member', member };
  }
  const place = { group, scope: itemScope, from: host };
  await emitReceivedEvent(
    ctx,
    tx,
    user,
    place,
    {
      type: 'rcvGroupEvent',
      rcvGroupEvent: {
        type: 'memberAdded',
        groupMemberId: member.groupMemberId,
        profile: toProfile(member.memberProfile),
      },
    },
    m,
  );
  if (itemScope !== undefined) {
    await emitGroupItem(
      ctx,
      tx,
      user,
      place,
      { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'newMemberPendingReview' } },
      { itemTs: m.brokerTs },
    );
  }
  await ctx.emit(tx, { type: 'joinedGroupMemberConnecting', user, groupInfo: group, hostMember: host, member });
  return member.memberStatus === 'pending_review'
    ? { type: 'support', groupMemberId: member.groupMemberId }
    : forwardToMain;
}
