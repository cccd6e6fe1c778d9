import type { ApiResponse, Contact, GroupInfo, GroupMember, GroupMemberRole, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { insertConnection } from '../connections/queries.js';
import { contactIdByName, getContact, touchContact } from '../contacts/queries.js';
import type { DirectMessage } from '../engine/capability.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, storeFailure } from '../engine/errors.js';
import { storeItem, viewDirectItem } from '../items/create.js';
import { linkItemMessage, sendDirectMessage } from '../messaging/send.js';
import { chatTtl } from '../preferences/merge.js';
import type { ChatEventOf, GroupInvitation } from '../protocol/index.js';
import { emitGroupItem } from './items.js';
import { joinAutomatically } from './join.js';
import {
  currentMemberCount,
  findHost,
  getGroup,
  getMemberById,
  groupIdByName,
  listMembers,
  setMemberRole,
  updateGroupRow,
  updateMemberRow,
} from './queries.js';
import { freshMemberId, insertGroup, insertMember, insertMembership, updateGroupProfile } from './records.js';
import { atLeast, checkRole, highestRole } from './roles.js';
import { isIncognitoMembership } from './view.js';

/** Sends a contact the invitation of its member record, with an item in the direct chat (60, section 7.2). */
export async function sendInvitation(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  group: GroupInfo,
  member: GroupMember,
  connRequest: string,
): Promise<void> {
  const { membership } = group;
  const groupInvitation: GroupInvitation = {
    fromMember: { memberId: membership.memberId, memberRole: membership.memberRole },
    invitedMember: { memberId: member.memberId, memberRole: member.memberRole },
    connRequest,
    groupProfile: group.groupProfile,
    business: group.businessChat,
    groupSize: await currentMemberCount(tx, group.groupId),
  };
  const message = await sendDirectMessage(ctx, tx, user, contact, { event: { type: 'x.grp.inv', groupInvitation } });
  const now = ctx.clock.now();
  const ttl = chatTtl(contact.mergedPreferences);
  const deleteAt = ttl === undefined ? undefined : now + ttl * 1000;
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: { type: 'direct', contactId: contact.contactId },
    sent: true,
    content: {
      type: 'sndGroupInvitation',
      groupInvitation: {
        groupId: group.groupId,
        groupMemberId: member.groupMemberId,
        localDisplayName: member.localDisplayName,
        groupProfile: group.groupProfile,
        status: 'pending',
      },
      memberRole: member.memberRole,
    },
    createdAt: now,
    sharedMsgId: message.sharedMsgId,
    createdByMsgId: message.messageId,
    timed: ttl === undefined ? undefined : { ttl, deleteAt },
  });
  await linkItemMessage(tx, row.chat_item_id, message.messageId);
  await touchContact(tx, contact.contactId, now);
  if (deleteAt !== undefined) ctx.timed.schedule(tx, row.chat_item_id, deleteAt);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [await viewDirectItem(ctx, tx, contact, row)] });
}

/** The one-time link that a member was invited with; it is sent again when the role changes. */
export async function memberInvitation(tx: Tx, groupMemberId: number): Promise<string | undefined> {
  const row = await tx.db
    .selectFrom('group_members')
    .select('sent_inv_queue_info')
    .where('group_member_id', '=', groupMemberId)
    .executeTakeFirst();
  return row?.sent_inv_queue_info ?? undefined;
}

async function addMember(
  ctx: ChatContext,
  user: User,
  groupId: number,
  contactId: number,
  role: GroupMemberRole,
): Promise<ApiResponse> {
  return ctx.locks.run(`group:${groupId}`, async () => {
    const { group, contact, existing } = await ctx.store.read(async (tx) => ({
      group: await getGroup(tx, user, groupId),
      contact: await getContact(tx, user, contactId),
      existing: (await listMembers(tx, user, groupId)).find(
        (m) =>
          m.memberContactId === contactId &&
          m.memberStatus !== 'rejected' &&
          m.memberStatus !== 'removed' &&
          m.memberStatus !== 'left',
      ),
    }));
    checkRole(group, highestRole('admin', role));
    if (contact.activeConn?.customUserProfileId !== undefined)
      throw chatFailure({ type: 'contactIncognitoCantInvite' });
    if (isIncognitoMembership(group)) throw chatFailure({ type: 'groupIncognitoCantInvite' });
    if (existing === undefined) return inviteNew(ctx, user, group, contact, role);
    if (existing.memberStatus !== 'invited') {
      throw chatFailure({ type: 'groupDuplicateMember', contactName: contact.localDisplayName });
    }
    const member: GroupMember = { ...existing, memberRole: role };
    await ctx.store.transaction((tx) => setMemberRole(tx, existing.groupMemberId, role, ctx.clock.now()));
    return ctx.store.transaction(async (tx) => {
      const link = await memberInvitation(tx, existing.groupMemberId);
      if (link === undefined) {
        throw chatFailure({
          type: 'groupCantResendInvitation',
          groupInfo: group,
          contactName: contact.localDisplayName,
        });
      }
      await sendInvitation(ctx, tx, user, contact, group, member, link);
      return { type: 'sentGroupInvitation', user, groupInfo: group, contact, member };
    });
  });
}

async function inviteNew(
  ctx: ChatContext,
  user: User,
  group: GroupInfo,
  contact: Contact,
  role: GroupMemberRole,
): Promise<ApiResponse> {
  const { activeConn } = contact;
  if (activeConn === undefined) throw storeFailure({ type: 'contactNotReady', contactName: contact.localDisplayName });
  const versions = activeConn.peerChatVRange;
  let groupMemberId = 0;
  const { link } = await ctx.agent.createConnection({
    userId: Number(user.agentUserId),
    mode: 'invitation',
    initialKeys: 'linkPQOff',
    stored: async (tx, created) => {
      const now = ctx.clock.now();
      groupMemberId = await insertMember(
        tx,
        user.userId,
        group.groupId,
        {
          memberId: freshMemberId(ctx),
          role,
          category: 'invitee',
          status: 'invited',
          who: contactIdentity(contact),
          invitedBy: user.userContactId,
          invitedByGroupMemberId: group.membership.groupMemberId,
          sentInvitation: created.link.connFullLink,
        },
        now,
      );
      await updateMemberRow(
        tx,
        groupMemberId,
        { peer_chat_min_version: versions.minVersion, peer_chat_max_version: versions.maxVersion },
        now,
      );
      await insertConnection(
        tx,
        {
          user_id: user.userId,
          agent_conn_id: created.connId,
          conn_type: 'member',
          conn_status: 'new',
          group_member_id: groupMemberId,
          conn_chat_version: activeConn.connChatVersion,
          peer_chat_min_version: versions.minVersion,
          peer_chat_max_version: versions.maxVersion,
        },
        now,
      );
    },
  });
  return ctx.store.transaction(async (tx) => {
    // The answer shows the new member without its connection.
    const member: GroupMember = { ...(await getMemberById(tx, user, groupMemberId)), activeConn: undefined };
    await sendInvitation(ctx, tx, user, contact, group, member, link.connFullLink);
    return { type: 'sentGroupInvitation', user, groupInfo: group, contact, member };
  });
}

function contactIdentity(contact: Contact) {
  return {
    type: 'contact',
    contactId: contact.contactId,
    profileId: contact.profile.profileId,
    localDisplayName: contact.localDisplayName,
  } as const;
}

/** `x.grp.inv` (60, section 7.3). */
export async function receiveInvitation(
  ctx: ChatContext,
  tx: Tx,
  message: DirectMessage<ChatEventOf<'x.grp.inv'>>,
): Promise<void> {
  const { user, contact, connection, event } = message;
  const invitation = event.groupInvitation;
  const { fromMember, invitedMember } = invitation;
  if (!atLeast(fromMember.memberRole, 'admin') || !atLeast(fromMember.memberRole, invitedMember.memberRole)) {
    throw chatFailure({ type: 'groupContactRole', contactName: contact.localDisplayName });
  }
  if (fromMember.memberId === invitedMember.memberId) throw chatFailure({ type: 'groupDuplicateMemberId' });
  const known = await tx.db
    .selectFrom('groups')
    .select(['group_id', 'chat_item_id'])
    .where('user_id', '=', user.userId)
    .where('inv_queue_info', '=', invitation.connRequest)
    .executeTakeFirst();
  const groupId =
    known === undefined
      ? await storeInvitation(ctx, tx, user, contact, connection.custom_user_profile_id, invitation)
      : await updateInvitation(ctx, tx, user, contact, known.group_id, invitation);
  const group = await getGroup(tx, user, groupId);
  if (known === undefined) {
    await emitGroupItem(ctx, tx, user, { group }, { type: 'chatBanner' }, { itemTs: 0 });
  }
  if (invitation.groupLinkId !== undefined && invitation.groupLinkId === connection.group_link_id) {
    await joinAutomatically(ctx, tx, user, group, contact, invitation.connRequest);
    return;
  }
  if (known?.chat_item_id === undefined || known.chat_item_id === null) {
    await emitInvitationItem(ctx, tx, message, group, invitedMember.memberRole);
  }
  await ctx.emit(tx, {
    type: 'receivedGroupInvitation',
    user,
    // As the official program, which does not tell at first that it is a business chat.
    groupInfo: known === undefined ? { ...group, businessChat: undefined } : group,
    contact,
    fromMemberRole: fromMember.memberRole,
    memberRole: invitedMember.memberRole,
  });
}

async function storeInvitation(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  incognitoProfileId: number | null,
  invitation: GroupInvitation,
): Promise<number> {
  const now = ctx.clock.now();
  const { fromMember, invitedMember, business } = invitation;
  const groupId = await insertGroup(
    tx,
    user.userId,
    invitation.groupProfile,
    {
      inv_queue_info: invitation.connRequest,
      host_conn_custom_user_profile_id: incognitoProfileId,
      business_chat: business?.chatType ?? null,
      business_member_id: business?.businessId ?? null,
      customer_member_id: business?.customerId ?? null,
    },
    now,
  );
  const versions = contact.activeConn?.peerChatVRange;
  const hostId = await insertMember(
    tx,
    user.userId,
    groupId,
    {
      memberId: fromMember.memberId,
      role: fromMember.memberRole,
      category: 'host',
      status: 'invited',
      who: contactIdentity(contact),
      invitedBy: null,
    },
    now,
  );
  if (versions !== undefined) {
    await updateMemberRow(
      tx,
      hostId,
      { peer_chat_min_version: versions.minVersion, peer_chat_max_version: versions.maxVersion },
      now,
    );
  }
  await insertMembership(
    tx,
    user,
    groupId,
    {
      memberId: invitedMember.memberId,
      role: invitedMember.memberRole,
      status: 'invited',
      invitedBy: contact.contactId,
      invitedByGroupMemberId: hostId,
      incognitoProfileId,
    },
    now,
  );
  return groupId;
}

/** The same invitation again: the role and profile in it count now. */
async function updateInvitation(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  groupId: number,
  invitation: GroupInvitation,
): Promise<number> {
  const now = ctx.clock.now();
  const group = await getGroup(tx, user, groupId);
  await updateGroupProfile(tx, user, group, invitation.groupProfile, now);
  const host = await findHost(tx, user, groupId);
  const { fromMember, invitedMember } = invitation;
  // The host may have changed the role while the first invitation was accepted.
  const allowed =
    group.membership.memberStatus === 'invited' ||
    (host?.memberContactId === contact.contactId &&
      atLeast(host.memberRole, 'admin') &&
      atLeast(host.memberRole, group.membership.memberRole) &&
      atLeast(host.memberRole, invitedMember.memberRole));
  if (host !== undefined && group.membership.memberStatus === 'invited') {
    const { memberId, memberRole } = fromMember;
    await updateMemberRow(tx, host.groupMemberId, { member_id: memberId, member_role: memberRole }, now);
  }
  if (allowed) {
    const { memberId, memberRole } = invitedMember;
    await updateMemberRow(tx, group.membership.groupMemberId, { member_id: memberId, member_role: memberRole }, now);
  }
  return groupId;
}

async function emitInvitationItem(
  ctx: ChatContext,
  tx: Tx,
  message: DirectMessage<ChatEventOf<'x.grp.inv'>>,
  group: GroupInfo,
  memberRole: GroupMemberRole,
): Promise<void> {
  const { user, contact } = message;
  const now = ctx.clock.now();
  const ttl = chatTtl(contact.mergedPreferences);
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: { type: 'direct', contactId: contact.contactId },
    sent: false,
    content: {
      type: 'rcvGroupInvitation',
      groupInvitation: {
        groupId: group.groupId,
        groupMemberId: group.membership.groupMemberId,
        localDisplayName: group.localDisplayName,
        groupProfile: group.groupProfile,
        status: 'pending',
      },
      memberRole,
    },
    itemTs: message.meta.broker.ts,
    createdAt: now,
    sharedMsgId: message.msgId,
    timed: ttl === undefined ? undefined : { ttl },
  });
  await updateGroupRow(tx, group.groupId, { chat_item_id: row.chat_item_id });
  await touchContact(tx, contact.contactId, now);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [await viewDirectItem(ctx, tx, contact, row)] });
}

export const inviteCommands: CommandTable = {
  APIAddMember: whenRunning((ctx, cmd, user) => addMember(ctx, user, cmd.groupId, cmd.contactId, cmd.memberRole)),
  AddMember: whenRunning(async (ctx, cmd, user) => {
    const [groupId, contactId] = await ctx.store.read(async (tx) => [
      await groupIdByName(tx, user, cmd.groupName),
      await contactIdByName(tx, user, cmd.contactName),
    ]);
    return addMember(ctx, user, groupId ?? 0, contactId ?? 0, cmd.memberRole);
  }),
};
