import type { GroupInfo, GroupMember, GroupMemberRole } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { linkAsyncCommand, storeAsyncCommand } from '../connections/async.js';
import { insertConnection } from '../connections/queries.js';
import type { ChatContext } from '../engine/context.js';
import type { GroupHooks, IncomingRequest } from '../engine/group-hooks.js';
import { encodeInfo } from '../messaging/send.js';
import { acceptedChatVersion, ChatV, type JsonChatEvent } from '../protocol/index.js';
import { emitGroupItem } from './items.js';
import { acceptanceStatus } from './join-link.js';
import { messageError } from './member-loading.js';
import { currentMemberCount, getGroup, getMemberById } from './queries.js';
import { freshMemberId, insertMember } from './records.js';
import { placeEvent } from './scope.js';

/** The agent command that answers requests at group links and business addresses. */
export const acceptFunction = 'accept group member';

/** A request at a group link: everybody is accepted, as the group's admission says (60, section 7.5.3). */
export const linkRequest: GroupHooks['linkRequest'] = async (ctx, tx, request) => {
  const { user, address, versions } = request;
  if (address.group_id === null) return;
  const group = await getGroup(tx, user, address.group_id);
  if (versions.max < ChatV.GroupFastLinkJoin) {
    await messageError(
      ctx,
      tx,
      user,
      'processUserContactRequest: chat version range incompatible for accepting group join request',
    );
    return;
  }
  const role = (address.group_link_member_role ?? 'member') as GroupMemberRole;
  const now = ctx.clock.now();
  const memberId = freshMemberId(ctx);
  const groupMemberId = await insertMember(
    tx,
    user.userId,
    group.groupId,
    {
      memberId,
      role,
      category: 'invitee',
      status: acceptanceStatus(group.groupProfile.memberAdmission, 'accepted'),
      who: { type: 'profile', profile: request.profile },
      invitedBy: user.userContactId,
      invitedByGroupMemberId: group.membership.groupMemberId,
      versions,
      xContactId: request.xContactId,
      welcomeMsgId: request.welcomeMsgId,
    },
    now,
  );
  const { membership } = group;
  await acceptRequest(ctx, tx, request, groupMemberId, {
    type: 'x.grp.link.inv',
    groupLinkInvitation: {
      fromMember: { memberId: membership.memberId, memberRole: membership.memberRole },
      fromMemberName: membership.memberProfile.displayName,
      invitedMember: { memberId, memberRole: role },
      groupProfile: group.groupProfile,
      accepted: 'accepted',
      business: group.businessChat,
      groupSize: await currentMemberCount(tx, group.groupId),
    },
  });
  const member = await getMemberById(tx, user, groupMemberId);
  await tellAccepting(ctx, tx, request, group, member);
};

async function tellAccepting(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  const { user } = request;
  const placed = await placeEvent(tx, group, member, ctx.clock.now());
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group: placed.group, scope: placed.scope, from: placed.member },
    { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'invitedViaGroupLink' } },
  );
  await ctx.emit(tx, {
    type: 'acceptingGroupJoinRequestMember',
    user,
    groupInfo: placed.group,
    member: placed.member,
  });
}

/** Accepts a request in the background; its connection is the member's. */
export async function acceptRequest(
  ctx: ChatContext,
  tx: Tx,
  request: IncomingRequest,
  groupMemberId: number,
  answer: JsonChatEvent,
): Promise<void> {
  const { user, address, versions } = request;
  const now = ctx.clock.now();
  const version = acceptedChatVersion(versions);
  const corrId = await storeAsyncCommand(tx, user.userId, acceptFunction, now);
  const agentConnId = await ctx.agent.acceptContactAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    invId: request.invId,
    info: encodeInfo(ctx, answer, false, version),
    pqSupport: false,
  });
  const connection = await insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: agentConnId,
      conn_type: 'member',
      conn_status: 'new',
      group_member_id: groupMemberId,
      via_user_contact_link: address.user_contact_link_id,
      via_group_link: address.group_id === null ? 0 : 1,
      conn_chat_version: version,
      peer_chat_min_version: versions.min,
      peer_chat_max_version: versions.max,
    },
    now,
  );
  await linkAsyncCommand(tx, corrId, connection.connection_id);
}
