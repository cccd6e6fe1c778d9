import type { CIContent, GroupMember } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { parseFailure } from '../addresses/receive.js';
import { incognitoProfile } from '../connections/incognito.js';
import { updateConnectionStatus } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { findContact } from '../contacts/queries.js';
import type { AsyncReply, ConnectionHandlers } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { encodeInfo, maxAuthErrors } from '../messaging/send.js';
import { ChatV, type JsonChatEvent, parseConnInfo } from '../protocol/index.js';
import { emitJoinedGroupStart } from './create.js';
import { sendHistory } from './history.js';
import { introduceToAll, introduceToModerators } from './intros.js';
import { emitGroupItem } from './items.js';
import { preparedInvited, preparedRejected } from './join-link.js';
import { loadMember, type MemberEntity, messageError, withConnection, withVersions } from './member-loading.js';
import { featureAllowed } from './preferences.js';
import { probeMember } from './probes.js';
import { findMemberById, getMember, setMemberStatus, updateMemberRow } from './queries.js';
import { closeMemberConnection, deleteMemberRow } from './records.js';
import { isPending, isRemoved } from './roles.js';
import { placeEvent, updateAttention } from './scope.js';
import { connectionOf, sendPending, sendToMember } from './send-member.js';
import { memberProfile } from './view.js';
import { emitWelcome, sendBusinessReply } from './welcome.js';

const memberConnected: CIContent = { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'memberConnected' } };

async function setStatus(
  ctx: ChatContext,
  tx: Tx,
  row: ConnectionRow,
  status: 'requested' | 'accepted' | 'snd-ready' | 'ready',
): Promise<ConnectionRow> {
  await updateConnectionStatus(tx, row.connection_id, status, ctx.clock.now());
  return { ...row, conn_status: status };
}

/** The message in connection information; the entity knows the versions of its sender then. */
async function readInfo(
  ctx: ChatContext,
  tx: Tx,
  entity: MemberEntity,
  info: Uint8Array,
): Promise<{ readonly entity: MemberEntity; readonly event: JsonChatEvent }> {
  const received = parseConnInfo(info, ctx.compression);
  if (received.type === 'error') throw parseFailure(received.error);
  if (received.type !== 'json') throw parseFailure('binary message in connection information');
  const { event, versions } = received.message;
  return { entity: await withVersions(ctx, tx, entity, versions), event };
}

/** Lets the handshake of a member's connection go on, with our information. */
export async function allowMember(
  ctx: ChatContext,
  tx: Tx,
  connection: ConnectionRow,
  confId: string,
  event: JsonChatEvent,
): Promise<ConnectionRow> {
  const info = encodeInfo(ctx, event, connection.pq_support !== 0, connection.conn_chat_version);
  await ctx.agent.allowConnection(tx, connection.agent_conn_id, confId, info);
  return setStatus(ctx, tx, connection, 'accepted');
}

async function confirmed(ctx: ChatContext, tx: Tx, entity: MemberEntity, confId: string, event: JsonChatEvent) {
  const { user, group, member, connection } = entity;
  switch (member.memberCategory) {
    case 'invitee':
      if (event.type !== 'x.grp.acpt') {
        return messageError(ctx, tx, user, 'CONF from invited member must have x.grp.acpt');
      }
      if (event.memberId !== member.memberId) {
        return messageError(ctx, tx, user, 'x.grp.acpt: memberId is different from expected');
      }
      await setMemberStatus(tx, member.groupMemberId, 'accepted', ctx.clock.now());
      await allowMember(ctx, tx, connection, confId, { type: 'x.ok' });
      return undefined;
    case 'host':
      if (event.type === 'x.grp.link.inv') {
        const after = await preparedInvited(ctx, tx, entity, event.groupLinkInvitation);
        const profile = (await incognitoProfile(tx, connection.custom_user_profile_id)) ?? user.profile;
        await allowMember(ctx, tx, connection, confId, { type: 'x.info', profile: memberProfile(profile) });
        await ctx.emit(tx, { type: 'groupLinkConnecting', user, groupInfo: after.group, hostMember: after.member });
        return undefined;
      }
      if (event.type === 'x.grp.link.reject') {
        const after = await preparedRejected(ctx, tx, entity, event.groupLinkRejection);
        await ctx.emit(tx, { type: 'groupLinkConnecting', user, groupInfo: after.group, hostMember: after.member });
        return undefined;
      }
      return messageError(
        ctx,
        tx,
        user,
        'CONF from host member in prepared group must have x.grp.link.inv or x.grp.link.reject',
      );
    default: {
      if (event.type !== 'x.grp.mem.info') {
        return messageError(ctx, tx, user, 'CONF from member must have x.grp.mem.info');
      }
      if (event.memberId !== member.memberId) {
        return messageError(ctx, tx, user, 'x.grp.mem.info: memberId is different from expected');
      }
      const { membership } = group;
      await allowMember(ctx, tx, connection, confId, {
        type: 'x.grp.mem.info',
        memberId: membership.memberId,
        profile: memberProfile(membership.memberProfile),
      });
      return undefined;
    }
  }
}

async function informed(ctx: ChatContext, tx: Tx, entity: MemberEntity, event: JsonChatEvent): Promise<void> {
  const { user, member } = entity;
  switch (event.type) {
    case 'x.grp.mem.info':
      if (event.memberId !== member.memberId) {
        await messageError(ctx, tx, user, 'x.grp.mem.info: memberId is different from expected');
      }
      return;
    case 'x.info':
      if (member.memberStatus === 'rejected') {
        await closeMemberConnection(ctx, tx, member, true);
        await deleteMemberRow(tx, user.userId, member);
      }
      return;
    case 'x.ok':
      return;
    default:
      await messageError(ctx, tx, user, 'INFO from member must have x.grp.mem.info, x.info or x.ok');
  }
}

/** CON with the member that invited us: we are in the group (60, section 7.4). */
async function hostConnected(ctx: ChatContext, tx: Tx, entity: MemberEntity): Promise<void> {
  const { user } = entity;
  const now = ctx.clock.now();
  await setMemberStatus(tx, entity.member.groupMemberId, 'connected', now);
  const host: GroupMember = { ...entity.member, memberStatus: 'connected' };
  let { group } = entity;
  if (!isPending(group.membership)) {
    await setMemberStatus(tx, group.membership.groupMemberId, 'connected', now);
    group = { ...group, membership: { ...group.membership, memberStatus: 'connected' } };
  }
  await ctx.emit(tx, { type: 'userJoinedGroup', user, groupInfo: group, hostMember: host });
  const placed = await placeEvent(tx, group, host, now);
  await emitJoinedGroupStart(ctx, tx, user, placed.group, placed.scope, placed.member);
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group: placed.group, scope: placed.scope, from: placed.member },
    memberConnected,
  );
  if (!isPending(group.membership)) await emitWelcome(ctx, tx, user, placed.group, placed.member);
}

/** CON with a member that we invited: it gets to know the others (60, section 7.4). */
async function inviteeConnected(ctx: ChatContext, tx: Tx, entity: MemberEntity): Promise<void> {
  const { user, connection } = entity;
  const now = ctx.clock.now();
  const { member } = entity;
  const pending = isPending(member);
  let { group } = entity;
  if (pending) group = await updateAttention(tx, group, undefined, member);
  else await setMemberStatus(tx, member.groupMemberId, 'connected', now);
  const placed = await placeEvent(tx, group, member, now);
  const place = { group: placed.group, scope: placed.scope, from: placed.member };
  await emitGroupItem(ctx, tx, user, place, memberConnected);
  if (placed.scope !== undefined) {
    await emitGroupItem(ctx, tx, user, place, {
      type: 'rcvGroupEvent',
      rcvGroupEvent: { type: 'newMemberPendingReview' },
    });
  }
  const connected: GroupMember = pending ? placed.member : { ...placed.member, memberStatus: 'connected' };
  await ctx.emit(tx, { type: 'joinedGroupMember', user, groupInfo: placed.group, member: connected });
  if (connection.via_user_contact_link !== null && member.memberContactId === undefined) {
    const profile = memberProfile(placed.group.membership.memberProfile);
    await sendToMember(ctx, tx, connected, { type: 'x.grp.link.mem', profile });
  }
  if (connection.conn_chat_version < ChatV.DirectBatch) await sendBusinessReply(ctx, tx, user, placed.group, connected);
  if (connected.memberStatus === 'pending_approval') return;
  if (connected.memberStatus === 'pending_review') {
    await introduceToModerators(ctx, tx, user, placed.group, connected);
    return;
  }
  await introduceToAll(ctx, tx, user, placed.group, connected);
  const { businessChat } = placed.group;
  const isCustomer = businessChat?.chatType === 'customer' && businessChat.customerId === connected.memberId;
  if (featureAllowed(placed.group, 'history') && !isCustomer) {
    await sendHistory(ctx, tx, user, placed.group, connected);
  }
}

/** CON with a member that somebody introduced (60, section 7.6). */
async function introducedConnected(ctx: ChatContext, tx: Tx, entity: MemberEntity): Promise<void> {
  const { user, group, member } = entity;
  const now = ctx.clock.now();
  if (!isPending(member)) await setMemberStatus(tx, member.groupMemberId, 'connected', now);
  const placed = await placeEvent(tx, group, member, now);
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group: placed.group, scope: placed.scope, from: placed.member },
    memberConnected,
  );
  await ctx.emit(tx, {
    type: 'connectedToGroupMember',
    user,
    groupInfo: placed.group,
    member: placed.member,
    memberContact: await viaContact(tx, entity),
  });
  const pre = member.memberCategory === 'pre';
  if (pre) probeMember(ctx, tx, user, member);
  const inviterId = pre ? group.membership.invitedByGroupMemberId : member.invitedByGroupMemberId;
  if (inviterId === undefined) return;
  const inviter = await findMemberById(tx, user, inviterId);
  if (inviter?.groupId === group.groupId)
    await sendToMember(ctx, tx, inviter, { type: 'x.grp.mem.con', memberId: member.memberId });
}

/** The contact that old clients made together with a member. */
async function viaContact(tx: Tx, { user, group, member }: MemberEntity) {
  const row = await tx.db
    .selectFrom('contacts')
    .select('contact_id')
    .where('user_id', '=', user.userId)
    .where('via_group', '=', group.groupId)
    .where('contact_id', '=', member.memberContactId ?? -1)
    .executeTakeFirst();
  return row === undefined ? undefined : findContact(tx, user, row.contact_id);
}

export const handshakeHandlers: ConnectionHandlers = {
  CONF: async (ctx, tx, { user, connection, event }) => {
    const row = await setStatus(ctx, tx, connection, 'requested');
    const { entity, event: info } = await readInfo(ctx, tx, await loadMember(tx, user, row), event.info);
    await confirmed(ctx, tx, entity, event.confId, info);
  },
  INFO: async (ctx, tx, { user, connection, event }) => {
    const before = connection.conn_status;
    const row = await setStatus(ctx, tx, connection, 'snd-ready');
    const { entity, event: info } = await readInfo(ctx, tx, await loadMember(tx, user, row), event.info);
    await informed(ctx, tx, entity, info);
    // The reply waits for a connection that can send; JOINED was the first chance.
    const { conn_chat_version: version } = entity.connection;
    if (before !== 'snd-ready' && connection.via_user_contact_link !== null && version >= ChatV.DirectBatch) {
      await sendBusinessReply(ctx, tx, user, entity.group, entity.member);
    }
  },
  CON: async (ctx, tx, { user, connection }) => {
    const row = await setStatus(ctx, tx, connection, 'ready');
    const entity = await loadMember(tx, user, row);
    const { member, group } = entity;
    if (member.memberStatus === 'rejected' || group.membership.memberStatus === 'rejected') return;
    if (row.auth_err_counter < maxAuthErrors) await sendPending(ctx, tx, member.groupMemberId, connectionOf(row));
    if (member.memberCategory === 'host') await hostConnected(ctx, tx, entity);
    else if (member.memberCategory === 'invitee') await inviteeConnected(ctx, tx, entity);
    else await introducedConnected(ctx, tx, entity);
  },
};

/** INV: the link for an introduced member goes to it by our host (60, section 7.6). */
export async function memberLinkCreated(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: AsyncReply,
): Promise<void> {
  if (event.type !== 'INV') return;
  const { group, member } = await loadMember(tx, user, connection);
  // Gone while the link was made.
  if (isRemoved(member)) return;
  const hostId = group.membership.invitedByGroupMemberId;
  if (hostId === undefined) return;
  const host = await getMember(tx, user, group.groupId, hostId);
  await sendToMember(ctx, tx, host, {
    type: 'x.grp.mem.inv',
    memberId: member.memberId,
    memberIntro: { groupConnReq: event.link.connFullLink },
  });
  const now = ctx.clock.now();
  await updateMemberRow(tx, member.groupMemberId, { group_queue_info: event.link.connFullLink }, now);
  await setMemberStatus(tx, member.groupMemberId, 'intro-inv', now);
}

/** JOINED: of a member that we join, or whose request we accepted. */
export async function memberJoined(ctx: ChatContext, tx: Tx, { user, connection, event }: AsyncReply): Promise<void> {
  if (event.type !== 'JOINED' || !event.sndSecured || connection.group_member_id === null) return;
  // A handshake that has gone on already is not set back.
  if (connection.conn_status === 'ready') return;
  const row = await setStatus(ctx, tx, connection, 'snd-ready');
  if (row.via_user_contact_link === null || row.conn_chat_version < ChatV.DirectBatch) return;
  const { group, member } = await loadMember(tx, user, row);
  await sendBusinessReply(ctx, tx, user, group, withConnection(member, row));
}
