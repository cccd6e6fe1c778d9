import type {
  GroupInfo,
  GroupMember,
  GroupMemberAdmission,
  GroupMemberStatus,
  GroupProfile,
  Profile,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { incognitoProfile } from '../connections/incognito.js';
import { updateConnection } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { deleteContact } from '../contacts/deletion.js';
import type { ChatContext } from '../engine/context.js';
import type { GroupHooks } from '../engine/group-hooks.js';
import {
  chatVersion,
  type GroupAcceptance,
  type GroupLinkInvitation,
  type GroupLinkRejection,
  type MemberIdRole,
} from '../protocol/index.js';
import { freeUnusedName } from '../users/names.js';
import { sameJson } from '../util/equal.js';
import { allowMember } from './handshake.js';
import { emitGroupItem } from './items.js';
import type { MemberEntity } from './member-loading.js';
import { withConnection } from './member-loading.js';
import { updateMemberProfile } from './member-profile.js';
import { getGroup, getMemberById, updateGroupRow, updateMemberRow } from './queries.js';
import { insertGroup, insertMember, insertMembership, nameFromMemberId, updateGroupProfile } from './records.js';
import { memberProfile } from './view.js';

/** The status of somebody who joins by a link (60, section 7.5.3). */
export function acceptanceStatus(
  admission: GroupMemberAdmission | undefined,
  acceptance: GroupAcceptance | undefined,
): GroupMemberStatus {
  switch (acceptance) {
    case 'pending':
      return 'pending_approval';
    case 'pending_review':
      return 'pending_review';
    case 'accepted':
      return admission?.review === 'all' ? 'pending_review' : 'accepted';
    default:
      // Hosts of old versions know nothing of admission.
      return 'accepted';
  }
}

/** What the host's first message says about us and it. */
interface HostAnswer {
  readonly host: MemberIdRole;
  readonly hostProfile: Profile;
  readonly invited: MemberIdRole;
  readonly groupProfile: GroupProfile;
  readonly business: GroupLinkInvitation['business'];
  readonly status: GroupMemberStatus;
}

function invitation(i: GroupLinkInvitation): HostAnswer {
  return {
    host: i.fromMember,
    hostProfile: { displayName: i.fromMemberName, fullName: '' },
    invited: i.invitedMember,
    groupProfile: i.groupProfile,
    business: i.business,
    status: acceptanceStatus(i.groupProfile.memberAdmission, i.accepted),
  };
}

function rejection(r: GroupLinkRejection): HostAnswer {
  return {
    host: r.fromMember,
    hostProfile: { displayName: nameFromMemberId(r.fromMember.memberId), fullName: '' },
    invited: r.invitedMember,
    groupProfile: r.groupProfile,
    business: undefined,
    status: 'rejected',
  };
}

/** The answer to a join by link on a connection that had no group yet: it becomes that of the host. */
export const linkInvitation: GroupHooks['linkInvitation'] = async (ctx, tx, input) => {
  const { user, contact, confId, event } = input;
  const answer =
    event.type === 'x.grp.link.inv' ? invitation(event.groupLinkInvitation) : rejection(event.groupLinkRejection);
  // A contact card turned out to be a business: the group takes its place.
  if (contact !== undefined) await deleteContact(tx, user, contact, { keepName: true });
  const { group, host, connection } = await storeJoinedGroup(ctx, tx, user, input.connection, answer);
  const incognito = await incognitoProfile(tx, connection.custom_user_profile_id);
  if (contact === undefined) {
    await ctx.emit(tx, { type: 'groupLinkConnecting', user, groupInfo: group, hostMember: host });
  } else {
    await freeUnusedName(tx, user.userId, contact.localDisplayName);
    await emitGroupItem(ctx, tx, user, { group }, { type: 'chatBanner' }, { itemTs: 0 });
  }
  if (confId !== undefined) {
    await allowMember(ctx, tx, connection, confId, {
      type: 'x.info',
      profile: memberProfile(incognito ?? user.profile),
    });
  }
  if (contact !== undefined) {
    await ctx.emit(tx, {
      type: 'businessLinkConnecting',
      user,
      groupInfo: group,
      hostMember: host,
      fromContact: contact,
    });
  }
};

async function storeJoinedGroup(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ConnectionRow,
  answer: HostAnswer,
): Promise<{ readonly group: GroupInfo; readonly host: GroupMember; readonly connection: ConnectionRow }> {
  const now = ctx.clock.now();
  const { business } = answer;
  const groupId = await insertGroup(
    tx,
    user.userId,
    answer.groupProfile,
    {
      business_chat: business?.chatType ?? null,
      business_member_id: business?.businessId ?? null,
      customer_member_id: business?.customerId ?? null,
      via_group_link_uri: row.via_contact_uri,
      via_group_link_uri_hash: row.via_contact_uri_hash,
    },
    now,
  );
  const hostId = await insertMember(
    tx,
    user.userId,
    groupId,
    {
      memberId: answer.host.memberId,
      role: answer.host.memberRole,
      category: 'host',
      status: 'accepted',
      who: { type: 'profile', profile: answer.hostProfile },
      invitedBy: null,
      versions: { min: chatVersion(row.peer_chat_min_version), max: chatVersion(row.peer_chat_max_version) },
    },
    now,
  );
  await insertMembership(
    tx,
    user,
    groupId,
    {
      memberId: answer.invited.memberId,
      role: answer.invited.memberRole,
      status: answer.status,
      invitedBy: null,
      invitedByGroupMemberId: hostId,
      incognitoProfileId: row.custom_user_profile_id,
    },
    now,
  );
  const connection = await updateConnection(
    tx,
    row.connection_id,
    { conn_type: 'member', group_member_id: hostId, contact_id: null },
    now,
  );
  const host = withConnection(await getMemberById(tx, user, hostId), connection);
  return { group: await getGroup(tx, user, groupId), host, connection };
}

/** The host's answer in a group that was prepared from link data: records get their real ids. */
async function preparedAnswered(
  ctx: ChatContext,
  tx: Tx,
  entity: MemberEntity,
  answer: HostAnswer,
): Promise<{ readonly group: GroupInfo; readonly member: GroupMember }> {
  const { user, group, member, connection } = entity;
  const now = ctx.clock.now();
  await updateMemberRow(
    tx,
    group.membership.groupMemberId,
    {
      member_id: answer.invited.memberId,
      member_role: answer.invited.memberRole,
      member_status: answer.status,
    },
    now,
  );
  await updateMemberProfile(tx, user, member, answer.hostProfile, now);
  await updateMemberRow(
    tx,
    member.groupMemberId,
    { member_id: answer.host.memberId, member_role: answer.host.memberRole },
    now,
  );
  if (!sameJson(group.groupProfile, answer.groupProfile)) {
    await updateGroupProfile(tx, user, group, answer.groupProfile, now);
  }
  const { business } = answer;
  if (group.businessChat !== undefined && business !== undefined) {
    await updateGroupRow(tx, group.groupId, {
      business_chat: business.chatType,
      business_member_id: business.businessId,
      customer_member_id: business.customerId,
    });
  }
  return {
    group: await getGroup(tx, user, group.groupId),
    member: withConnection(await getMemberById(tx, user, member.groupMemberId), connection),
  };
}

/** `x.grp.link.inv` in a prepared group (60, section 7.5.3). */
export function preparedInvited(ctx: ChatContext, tx: Tx, entity: MemberEntity, i: GroupLinkInvitation) {
  return preparedAnswered(ctx, tx, entity, invitation(i));
}

/** `x.grp.link.reject` in a prepared group (60, section 7.5.3): the membership becomes `rejected`. */
export function preparedRejected(ctx: ChatContext, tx: Tx, entity: MemberEntity, r: GroupLinkRejection) {
  return preparedAnswered(ctx, tx, entity, rejection(r));
}

/** The group that was joined by this link; `hash`: of the full link. Groups that were left do not count. */
export const joinedByLink: GroupHooks['joinedByLink'] = async (tx, user, hash) => {
  const row = await tx.db
    .selectFrom('groups')
    .innerJoin('group_members', 'group_members.group_id', 'groups.group_id')
    .select('groups.group_id')
    .where('groups.user_id', '=', user.userId)
    .where('groups.via_group_link_uri_hash', '=', hash)
    .where('group_members.member_category', '=', 'user')
    .where('group_members.member_status', 'not in', ['removed', 'left', 'deleted', 'unknown'])
    .orderBy('groups.group_id')
    .executeTakeFirst();
  return row === undefined ? undefined : getGroup(tx, user, row.group_id);
};
