import type { GroupInfo, GroupMember, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { canSendTo } from '../messaging/send.js';
import { allocateName, freeUnusedName } from '../users/names.js';
import { updateProfile } from '../users/profiles.js';
import { sameJson } from '../util/equal.js';
import { emitGroupItem } from './items.js';
import { getGroup, getMemberById, updateMemberRow } from './queries.js';
import { updateGroupProfile } from './records.js';
import { placeEvent } from './scope.js';
import { memberProfile } from './view.js';

/**
 * Stores a member's new profile; another display name gets another local name. The member as it is then. As the
 * official program does, the kind of peer is not kept: only contacts have it.
 */
export async function updateMemberProfile(
  tx: Tx,
  user: User,
  member: GroupMember,
  profile: Profile,
  now: number,
): Promise<GroupMember> {
  await updateProfile(tx, member.memberProfile.profileId, { ...profile, peerType: undefined }, now);
  if (profile.displayName !== member.memberProfile.displayName) {
    const name = await allocateName(tx, user.userId, profile.displayName, now);
    await updateMemberRow(tx, member.groupMemberId, { local_display_name: name }, now);
    await freeUnusedName(tx, user.userId, member.localDisplayName);
  }
  return getMemberById(tx, user, member.groupMemberId);
}

/** The profile that defines a business chat: that of the business, or of the customer. */
function isMainMember(group: GroupInfo, member: GroupMember): boolean {
  const business = group.businessChat;
  if (business === undefined) return false;
  return member.memberId === (business.chatType === 'business' ? business.businessId : business.customerId);
}

/**
 * A member's profile came (60, section 7.10): by `x.info`, with an item at `itemTs`, or by `x.grp.link.mem`, without.
 * The member as it is then.
 */
export async function memberProfileReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  received: Profile,
  itemTs: number | undefined,
): Promise<GroupMember> {
  const profile = memberProfile(received);
  if (sameJson(memberProfile(member.memberProfile), profile)) return member;
  const now = ctx.clock.now();
  let known = group;
  if (isMainMember(group, member)) known = await followMainMember(ctx, tx, user, group, member, profile);
  if (member.memberContactId === undefined) {
    const updated = await updateMemberProfile(tx, user, member, profile, now);
    await emitProfileItem(ctx, tx, user, known, updated, memberProfile(member.memberProfile), profile, itemTs);
    await ctx.emit(tx, {
      type: 'groupMemberUpdated',
      user,
      groupInfo: known,
      fromMember: member,
      toMember: updated,
    });
    return updated;
  }
  // The contact's own connection is the better source, while it works.
  const contact = await findContact(tx, user, member.memberContactId);
  if (contact === undefined || (canSendTo(contact) && contact.activeConn?.authErrCounter === 0)) return member;
  await updateProfile(tx, contact.profile.profileId, { ...profile, preferences: contact.profile.preferences }, now);
  if (profile.displayName !== contact.profile.displayName) {
    const name = await allocateName(tx, user.userId, profile.displayName, now);
    await tx.db
      .updateTable('contacts')
      .set({ local_display_name: name, updated_at: now })
      .where('contact_id', '=', contact.contactId)
      .execute();
    await tx.db
      .updateTable('group_members')
      .set({ local_display_name: name, updated_at: now })
      .where('contact_id', '=', contact.contactId)
      .where('member_category', '!=', 'user')
      .execute();
    await freeUnusedName(tx, user.userId, contact.localDisplayName);
  }
  const updated = await getMemberById(tx, user, member.groupMemberId);
  await emitProfileItem(ctx, tx, user, known, updated, memberProfile(member.memberProfile), profile, itemTs);
  await ctx.emit(tx, { type: 'groupMemberUpdated', user, groupInfo: known, fromMember: member, toMember: updated });
  const toContact = await findContact(tx, user, contact.contactId);
  if (toContact !== undefined) await ctx.emit(tx, { type: 'contactUpdated', user, fromContact: contact, toContact });
  return updated;
}

async function emitProfileItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  fromProfile: Profile,
  toProfile: Profile,
  itemTs: number | undefined,
): Promise<void> {
  if (itemTs === undefined) return;
  const placed = await placeEvent(tx, group, member, ctx.clock.now());
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group: placed.group, scope: placed.scope, from: placed.member },
    { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'memberProfileUpdated', fromProfile, toProfile } },
    { itemTs },
  );
}

/** A business chat shows its main member's name and image. */
async function followMainMember(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  profile: Profile,
): Promise<GroupInfo> {
  const { displayName, fullName, shortDescr, image } = profile;
  const groupProfile = { ...group.groupProfile, displayName, fullName, shortDescr, image };
  if (sameJson(groupProfile, group.groupProfile)) return group;
  await updateGroupProfile(tx, user, group, groupProfile, ctx.clock.now());
  const toGroup = await getGroup(tx, user, group.groupId);
  await ctx.emit(tx, { type: 'groupUpdated', user, fromGroup: group, toGroup, member_: member });
  return toGroup;
}
