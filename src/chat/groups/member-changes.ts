import type { GroupInfo, GroupMember, RcvGroupEvent } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import type { ChatEventOf } from '../protocol/index.js';
import { toProfile } from '../users/profiles.js';
import { type ForwardScope, forwardToAll, forwardToMain, memberForwardScope } from './forward.js';
import type { GroupMessage } from './group-message.js';
import { deleteMemberItems } from './item-deletion.js';
import { emitReceivedEvent } from './items.js';
import { deleteGroupLink } from './links.js';
import { messageError } from './member-loading.js';
import { featureAllowedFor } from './preferences.js';
import { findMemberByMemberId, listMembers, setMemberRole, setMemberStatus, updateMemberRow } from './queries.js';
import { closeMemberConnection, deleteMembersConnections, removeMemberRecord } from './records.js';
import { atLeast } from './roles.js';
import { type Placed, placeEvent, updateAttention } from './scope.js';
import { insertUnknownMember } from './unknown.js';

type Message<T extends 'x.grp.mem.role' | 'x.grp.mem.restrict' | 'x.grp.mem.del' | 'x.grp.leave' | 'x.grp.del'> =
  GroupMessage<ChatEventOf<T>>;

/** Stores and tells the item about what the sender did, where its events belong. */
async function emitEvent(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  group: GroupInfo,
  rcvGroupEvent: RcvGroupEvent,
): Promise<Placed> {
  const placed = await placeEvent(tx, group, m.member, ctx.clock.now());
  const place = { group: placed.group, scope: placed.scope, from: placed.member };
  await emitReceivedEvent(ctx, tx, m.user, place, { type: 'rcvGroupEvent', rcvGroupEvent }, m);
  return placed;
}

function named(member: GroupMember) {
  return { groupMemberId: member.groupMemberId, profile: toProfile(member.memberProfile) };
}

/** `x.grp.mem.role` (60, section 7.13). Nobody makes others more than it is itself. */
export async function roleChanged(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.mem.role'>,
): Promise<ForwardScope | undefined> {
  const { user, group, member: sender, event } = m;
  const { role } = event;
  const own = event.memberId === group.membership.memberId;
  const target = own ? group.membership : await findMemberByMemberId(tx, user, group.groupId, event.memberId);
  if (target === undefined) {
    await messageError(ctx, tx, user, 'x.grp.mem.role with unknown member ID');
    return undefined;
  }
  const fromRole = target.memberRole;
  const { memberRole } = sender;
  if (!atLeast(memberRole, 'admin') || !atLeast(memberRole, fromRole) || !atLeast(memberRole, role)) {
    await messageError(ctx, tx, user, 'x.grp.mem.role with insufficient member permissions');
    return undefined;
  }
  await setMemberRole(tx, target.groupMemberId, role, ctx.clock.now());
  const changed: GroupMember = { ...target, memberRole: role };
  const after: GroupInfo = own ? { ...group, membership: changed } : group;
  const placed = await emitEvent(
    ctx,
    tx,
    m,
    after,
    own ? { type: 'userRole', role } : { type: 'memberRole', ...named(target), role },
  );
  await ctx.emit(tx, {
    type: 'memberRole',
    user,
    groupInfo: placed.group,
    byMember: placed.member,
    member: changed,
    fromRole,
    toRole: role,
  });
  return memberForwardScope(target);
}

/** `x.grp.mem.restrict`: an admin blocks a member for all. */
export async function memberRestricted(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.mem.restrict'>,
): Promise<ForwardScope | undefined> {
  const { user, group, member: sender, event } = m;
  if (event.memberId === group.membership.memberId) {
    await messageError(ctx, tx, user, 'x.grp.mem.restrict: admin blocks you');
    return undefined;
  }
  const { restriction } = event.memberRestrictions;
  const blocked = restriction === 'blocked';
  const now = ctx.clock.now();
  const target = await findMemberByMemberId(tx, user, group.groupId, event.memberId);
  if (target?.blockedByAdmin === blocked) return undefined;
  const least = target?.memberRole ?? 'moderator';
  if (!atLeast(sender.memberRole, 'moderator') || !atLeast(sender.memberRole, least)) {
    await messageError(ctx, tx, user, 'x.grp.mem.restrict with insufficient member permissions');
    return undefined;
  }
  const block = (id: number) =>
    updateMemberRow(tx, id, { member_restriction: blocked ? 'blocked' : 'unrestricted' }, now);
  if (target === undefined) {
    const unknown = await insertUnknownMember(ctx, tx, user, group, event.memberId);
    await block(unknown.groupMemberId);
    await ctx.emit(tx, {
      type: 'unknownMemberBlocked',
      user,
      groupInfo: group,
      blockedByMember: sender,
      member: { ...unknown, blockedByAdmin: blocked },
    });
    return forwardToMain;
  }
  await block(target.groupMemberId);
  const placed = await emitEvent(ctx, tx, m, group, { type: 'memberBlocked', ...named(target), blocked });
  await ctx.emit(tx, {
    type: 'memberBlockedForAll',
    user,
    groupInfo: placed.group,
    byMember: placed.member,
    member: { ...target, blockedByAdmin: blocked },
    blocked,
  });
  return memberForwardScope(target);
}

/** `x.grp.mem.del` (60, section 7.11). */
export async function memberRemoved(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.mem.del'>,
): Promise<ForwardScope | undefined> {
  const { user, group, member: sender, event } = m;
  const withMessages = event.messages === true;
  const own = event.memberId === group.membership.memberId;
  const target = own ? group.membership : await findMemberByMemberId(tx, user, group.groupId, event.memberId);
  if (target === undefined) {
    await messageError(ctx, tx, user, 'x.grp.mem.del with unknown member ID');
    return forwardToAll;
  }
  if (!atLeast(sender.memberRole, 'admin') || !atLeast(sender.memberRole, target.memberRole)) {
    await messageError(ctx, tx, user, 'x.grp.mem.del with insufficient member permissions');
    return undefined;
  }
  const removed: GroupMember = { ...target, memberStatus: 'removed' };
  const deleteItems = async (g: GroupInfo): Promise<void> => {
    if (!withMessages) return;
    await deleteMemberItems(ctx, tx, user, g, target, sender, featureAllowedFor(g, 'fullDelete', sender));
  };
  if (own) {
    await deleteGroupLink(ctx, tx, group.groupId);
    await deleteMembersConnections(ctx, tx, await listMembers(tx, user, group.groupId), false);
    await setMemberStatus(tx, target.groupMemberId, 'removed', ctx.clock.now());
    await deleteItems(group);
    await emitEvent(ctx, tx, m, group, { type: 'userDeleted' });
    const groupInfo = { ...group, membership: removed };
    await ctx.emit(tx, { type: 'deletedMemberUser', user, groupInfo, member: sender, withMessages });
    return undefined;
  }
  await closeMemberConnection(ctx, tx, target);
  const after = await removeMemberRecord(tx, user, group, target, ctx.clock.now());
  await deleteItems(after);
  await emitEvent(ctx, tx, m, after, { type: 'memberDeleted', ...named(target) });
  await ctx.emit(tx, {
    type: 'deletedMember',
    user,
    groupInfo: after,
    byMember: sender,
    deletedMember: removed,
    withMessages,
  });
  return memberForwardScope(target);
}

/** `x.grp.leave` */
export async function memberLeft(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.leave'>,
): Promise<ForwardScope | undefined> {
  const { user, member } = m;
  await closeMemberConnection(ctx, tx, member);
  await setMemberStatus(tx, member.groupMemberId, 'left', ctx.clock.now());
  const group = await updateAttention(tx, m.group, member, undefined);
  const placed = await emitEvent(ctx, tx, m, group, { type: 'memberLeft' });
  await ctx.emit(tx, {
    type: 'leftMember',
    user,
    groupInfo: placed.group,
    member: { ...placed.member, memberStatus: 'left' },
  });
  return memberForwardScope(member);
}

/** `x.grp.del`: an owner deletes the group for all. */
export async function groupDeleted(ctx: ChatContext, tx: Tx, m: Message<'x.grp.del'>): Promise<ForwardScope> {
  const { user, group, member } = m;
  if (member.memberRole !== 'owner') {
    throw chatFailure({ type: 'groupUserRole', groupInfo: group, requiredRole: 'owner' });
  }
  const { membership } = group;
  await setMemberStatus(tx, membership.groupMemberId, 'deleted', ctx.clock.now());
  await deleteMembersConnections(ctx, tx, await listMembers(tx, user, group.groupId), false);
  const placed = await emitEvent(ctx, tx, m, group, { type: 'groupDeleted' });
  await ctx.emit(tx, {
    type: 'groupDeleted',
    user,
    groupInfo: { ...placed.group, membership: { ...placed.group.membership, memberStatus: 'deleted' } },
    member: placed.member,
  });
  return forwardToAll;
}
