import type { CIContent, GroupInfo, GroupMember, GroupProfile, MsgContent, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { addressSettingsOf } from '../addresses/queries.js';
import type { ChatContext } from '../engine/context.js';
import type { GroupHooks, IncomingRequest } from '../engine/group-hooks.js';
import { itemMsgContent } from '../items/view.js';
import { updateItemContent } from '../messages/updates.js';
import { addVersions } from '../messages/versions.js';
import { toProfile, updateProfile } from '../users/profiles.js';
import { sameJson } from '../util/equal.js';
import { emitOwnGroupStart } from './create.js';
import { deleteGroupItems, markGroupItems } from './item-deletion.js';
import { createGroupItems, emitGroupItem, groupItemBySharedId, viewGroupItem } from './items.js';
import { acceptRequest } from './link-requests.js';
import { businessPreferences, featureAllowedFor } from './preferences.js';
import { findGroup, getGroup, getMemberById, listMembers, updateGroupRow } from './queries.js';
import { freshMemberId, insertGroup, insertMember, insertMembership } from './records.js';

/** A request at a business address: a group with the customer (60, section 7.8). */
export const businessRequest: GroupHooks['businessRequest'] = async (ctx, tx, request) => {
  const { user, xContactId } = request;
  if (xContactId !== undefined) {
    const accepted = await acceptedGroup(tx, user, xContactId);
    if (accepted !== undefined) {
      await ctx.emit(tx, { type: 'businessRequestAlreadyAccepted', user, groupInfo: accepted });
      return;
    }
    const repeated = await repeatedRequest(ctx, tx, request, xContactId);
    if (repeated) return;
  }
  const { group, customer } = await storeBusinessGroup(ctx, tx, request);
  await accept(ctx, tx, request, group, customer);
  await emitOwnGroupStart(ctx, tx, user, group);
  await createGroupItems(ctx, tx, user, { group }, [{ content: { type: 'chatBanner' }, itemTs: 0 }]);
  const reply = addressSettingsOf(request.address).autoReply;
  if (reply !== undefined && request.welcomeMsgId !== undefined) {
    // The customer has it from the link data, under this id.
    await createGroupItems(ctx, tx, user, { group }, [
      { content: { type: 'sndMsgContent', msgContent: reply }, sharedMsgId: request.welcomeMsgId },
    ]);
  }
  if (request.message !== undefined) await emitRequestItem(ctx, tx, user, group, customer, request.message);
  await ctx.emit(tx, { type: 'acceptingBusinessRequest', user, groupInfo: group });
};

async function acceptedGroup(tx: Tx, user: User, xContactId: string): Promise<GroupInfo | undefined> {
  const row = await tx.db
    .selectFrom('groups')
    .select('group_id')
    .where('user_id', '=', user.userId)
    .where('business_xcontact_id', '=', xContactId)
    .executeTakeFirst();
  return row === undefined ? undefined : findGroup(tx, user, row.group_id);
}

function emitRequestItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  customer: GroupMember,
  message: { readonly sharedMsgId: string; readonly content: MsgContent },
): Promise<void> {
  const content: CIContent = { type: 'rcvMsgContent', msgContent: message.content };
  return emitGroupItem(ctx, tx, user, { group, from: customer }, content, { sharedMsgId: message.sharedMsgId });
}

/** The group profile of a business chat: the main member's, with the chat's preferences. */
export function businessProfile(p: Profile, groupPreferences: GroupProfile['groupPreferences']): GroupProfile {
  return {
    displayName: p.displayName,
    fullName: p.fullName,
    shortDescr: p.shortDescr,
    image: p.image,
    groupPreferences,
  };
}

async function storeBusinessGroup(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
): Promise<{ readonly group: GroupInfo; readonly customer: GroupMember }> {
  const { user, profile, versions, address } = request;
  const now = ctx.clock.now();
  const own = freshMemberId(ctx);
  const theirs = freshMemberId(ctx);
  const preferences = businessPreferences(user.profile.preferences);
  const groupId = await insertGroup(
    tx,
    user.userId,
    businessProfile(profile, preferences),
    { business_chat: 'customer', business_member_id: own, customer_member_id: theirs },
    now,
  );
  const membershipId = await insertMembership(
    tx,
    user,
    groupId,
    { memberId: own, role: 'owner', status: 'creator', invitedBy: user.userContactId },
    now,
  );
  const customerId = await insertMember(
    tx,
    user.userId,
    groupId,
    {
      memberId: theirs,
      role: 'member',
      category: 'invitee',
      status: 'accepted',
      who: { type: 'profile', profile },
      invitedBy: user.userContactId,
      invitedByGroupMemberId: membershipId,
      versions,
    },
    now,
  );
  const group = await getGroup(tx, user, groupId);
  const customer = await getMemberById(tx, user, customerId);
  await tx.db
    .insertInto('contact_requests')
    .values({
      user_id: user.userId,
      user_contact_link_id: address.user_contact_link_id,
      agent_invitation_id: request.invId,
      business_group_id: groupId,
      contact_profile_id: customer.memberContactProfileId,
      local_display_name: group.localDisplayName,
      xcontact_id: request.xContactId ?? null,
      peer_chat_min_version: versions.min,
      peer_chat_max_version: versions.max,
      pq_support: request.pqSupport ? 1 : 0,
      welcome_shared_msg_id: request.welcomeMsgId ?? null,
      request_shared_msg_id: request.message?.sharedMsgId ?? null,
      created_at: now,
      updated_at: now,
    })
    .execute();
  return { group, customer };
}

async function accept(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
  group: GroupInfo,
  customer: GroupMember,
): Promise<void> {
  const { user, xContactId } = request;
  const { membership } = group;
  const own = toProfile(user.profile);
  await acceptRequest(ctx, tx, request, customer.groupMemberId, {
    type: 'x.grp.link.inv',
    groupLinkInvitation: {
      fromMember: { memberId: membership.memberId, memberRole: membership.memberRole },
      fromMemberName: own.displayName,
      invitedMember: { memberId: customer.memberId, memberRole: 'member' },
      groupProfile: businessProfile(own, group.groupProfile.groupPreferences),
      accepted: 'accepted',
      business: { chatType: 'business', businessId: membership.memberId, customerId: customer.memberId },
      groupSize: 1,
    },
  });
  if (xContactId !== undefined) await updateGroupRow(tx, group.groupId, { business_xcontact_id: xContactId });
}

/** A request that came before and was not accepted then: updated, its message too. False: there is none. */
async function repeatedRequest(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
  xContactId: string,
): Promise<boolean> {
  const { user } = request;
  const row = await tx.db
    .selectFrom('contact_requests')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('xcontact_id', '=', xContactId)
    .where('business_group_id', 'is not', null)
    .executeTakeFirst();
  if (row === undefined || row.business_group_id === null) return false;
  const group = await findGroup(tx, user, row.business_group_id);
  const customerId = group?.businessChat?.customerId;
  if (group === undefined || customerId === undefined) return false;
  const customer = (await listMembers(tx, user, group.groupId)).find((m) => m.memberId === customerId);
  if (customer === undefined) return false;
  const now = ctx.clock.now();
  await updateProfile(tx, row.contact_profile_id, request.profile, now);
  await tx.db
    .updateTable('contact_requests')
    .set({
      agent_invitation_id: request.invId,
      peer_chat_min_version: request.versions.min,
      peer_chat_max_version: request.versions.max,
      pq_support: request.pqSupport ? 1 : 0,
      updated_at: now,
    })
    .where('contact_request_id', '=', row.contact_request_id)
    .execute();
  await accept(ctx, tx, request, group, customer);
  await repeatedMessage(ctx, tx, request, group, customer, row.request_shared_msg_id ?? undefined);
  await ctx.emit(tx, { type: 'acceptingBusinessRequest', user, groupInfo: group });
  return true;
}

async function repeatedMessage(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
  group: GroupInfo,
  customer: GroupMember,
  before: string | undefined,
): Promise<void> {
  const { user, message } = request;
  const now = ctx.clock.now();
  const row = before === undefined ? undefined : await groupItemBySharedId(tx, group, customer.memberId, before);
  if (message === undefined) {
    if (row === undefined) return;
    const chatItemDeletions = featureAllowedFor(group, 'fullDelete', customer)
      ? await deleteGroupItems(ctx, tx, user, group, undefined, [row], undefined, now)
      : await markGroupItems(ctx, tx, user, group, undefined, [row], undefined, now);
    await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: false, timed: false });
    return;
  }
  if (before === undefined || (before === message.sharedMsgId && row === undefined)) {
    await emitRequestItem(ctx, tx, user, group, customer, message);
    return;
  }
  const old = row === undefined ? undefined : itemMsgContent(row);
  if (before !== message.sharedMsgId || row === undefined || old === undefined || sameJson(old, message.content))
    return;
  await addVersions(tx, row, old, message.content, now, now);
  const updated = await updateItemContent(ctx, tx, row, { type: 'rcvMsgContent', msgContent: message.content }, false);
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewGroupItem(ctx, tx, user, group, updated) });
}
