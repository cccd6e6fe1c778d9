import type { GroupInfo, GroupPreferences, GroupProfile } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import type { ChatEventOf } from '../protocol/index.js';
import { sameJson } from '../util/equal.js';
import { type ForwardScope, forwardToAll, memberForwardScope } from './forward.js';
import type { GroupMessage } from './group-message.js';
import { emitGroupItem, emitReceivedEvent } from './items.js';
import { messageError } from './member-loading.js';
import { memberProfileReceived } from './member-profile.js';
import { businessPreferences, changedFeatureContents } from './preferences.js';
import { probeMember } from './probes.js';
import { getGroup, updateMemberRow } from './queries.js';
import { updateGroupPreferences, updateGroupProfile } from './records.js';
import { type Placed, placeEvent } from './scope.js';

type Message<T extends 'x.info' | 'x.grp.link.mem' | 'x.grp.info' | 'x.grp.prefs'> = GroupMessage<ChatEventOf<T>>;

/** `x.info` of a member. */
export async function memberInfoReceived(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.info'>,
): Promise<ForwardScope | undefined> {
  await memberProfileReceived(ctx, tx, m.user, m.group, m.member, m.event.profile, m.brokerTs);
  return memberForwardScope(m.member);
}

/** `x.grp.link.mem`: the profile of the host whose link we joined; once. */
export async function hostProfileReceived(ctx: ChatContext, tx: Tx, m: Message<'x.grp.link.mem'>): Promise<void> {
  const { user, group, member, direct, event } = m;
  const row = await tx.db
    .selectFrom('group_members')
    .select('xgrplinkmem_received')
    .where('group_member_id', '=', member.groupMemberId)
    .executeTakeFirst();
  const viaLink = direct?.connection.via_group_link === 1 || group.businessChat !== undefined;
  if (
    !viaLink ||
    member.memberContactId !== undefined ||
    member.memberCategory !== 'host' ||
    row?.xgrplinkmem_received !== 0
  ) {
    return messageError(ctx, tx, user, 'x.grp.link.mem error: invalid group link host profile update');
  }
  const updated = await memberProfileReceived(ctx, tx, user, group, member, event.profile, undefined);
  await updateMemberRow(tx, member.groupMemberId, { xgrplinkmem_received: 1 }, ctx.clock.now());
  probeMember(ctx, tx, user, updated);
  return undefined;
}

/** Whether all but the preferences is the same: else an item tells the new profile. */
export function sameProfileInfo(a: GroupProfile, b: GroupProfile): boolean {
  return sameJson({ ...a, groupPreferences: undefined }, { ...b, groupPreferences: undefined });
}

/** Tells the change. */
async function emitUpdated(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  before: GroupInfo,
  after: GroupInfo,
): Promise<Placed> {
  const { user } = m;
  const placed = await placeEvent(tx, after, m.member, ctx.clock.now());
  await ctx.emit(tx, {
    type: 'groupUpdated',
    user,
    fromGroup: before,
    toGroup: placed.group,
    member_: placed.member,
  });
  return placed;
}

/** Each feature that changed is an item of the member. */
async function emitFeatures(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  before: GroupInfo,
  placed: Placed,
): Promise<void> {
  const place = { group: placed.group, scope: placed.scope, from: placed.member };
  for (const c of changedFeatureContents(before.fullGroupPreferences, placed.group.fullGroupPreferences, false)) {
    await emitGroupItem(ctx, tx, m.user, place, c);
  }
}

async function preferencesReceived(ctx: ChatContext, tx: Tx, m: GroupMessage, p: GroupPreferences): Promise<void> {
  const { user, group } = m;
  if (sameJson(group.groupProfile.groupPreferences, p)) return;
  await updateGroupPreferences(tx, group.groupId, p, ctx.clock.now());
  const placed = await emitUpdated(ctx, tx, m, group, await getGroup(tx, user, group.groupId));
  await emitFeatures(ctx, tx, m, group, placed);
}

/** `x.grp.info` (60, section 7.16). Of business chats only the preferences are taken. */
export async function groupInfoReceived(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.info'>,
): Promise<ForwardScope | undefined> {
  const { user, group, member, event } = m;
  if (member.memberRole !== 'owner') {
    await messageError(ctx, tx, user, 'x.grp.info with insufficient member permissions');
    return undefined;
  }
  const { groupProfile: before } = group;
  const { groupProfile: profile } = event;
  if (group.businessChat !== undefined) {
    await preferencesReceived(ctx, tx, m, profile.groupPreferences ?? businessPreferences(undefined));
    return forwardToAll;
  }
  if (sameJson(before, profile)) return forwardToAll;
  await updateGroupProfile(tx, user, group, profile, ctx.clock.now());
  const placed = await emitUpdated(ctx, tx, m, group, await getGroup(tx, user, group.groupId));
  if (!sameProfileInfo(before, profile)) {
    await emitReceivedEvent(
      ctx,
      tx,
      user,
      { group: placed.group, scope: placed.scope, from: placed.member },
      { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'groupUpdated', groupProfile: profile } },
      m,
    );
  }
  await emitFeatures(ctx, tx, m, group, placed);
  return forwardToAll;
}

/** `x.grp.prefs` */
export async function groupPrefsReceived(
  ctx: ChatContext,
  tx: Tx,
  m: Message<'x.grp.prefs'>,
): Promise<ForwardScope | undefined> {
  if (m.member.memberRole !== 'owner') {
    await messageError(ctx, tx, m.user, 'x.grp.prefs with insufficient member permissions');
    return undefined;
  }
  await preferencesReceived(ctx, tx, m, m.event.groupPreferences);
  return forwardToAll;
}
