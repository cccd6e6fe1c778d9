import type { GroupMember } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { linkAsyncCommand, storeAsyncCommand } from '../connections/async.js';
import { insertConnection } from '../connections/queries.js';
import type { ChatContext } from '../engine/context.js';
import { storeFailure } from '../engine/errors.js';
import { encodeInfo } from '../messaging/send.js';
import {
  acceptedChatVersion,
  type ChatEventOf,
  ChatV,
  type ChatVersionRange,
  chatVersion,
  initialChatVersions,
} from '../protocol/index.js';
import type { GroupMessage } from './group-message.js';
import { findIntro, saveIntroInvitation, setIntroStatus } from './intros.js';
import { checkHostRole, infoVersions, insertAnnounced } from './member-announcements.js';
import { memberInfo } from './member-info.js';
import { messageError, messageWarning } from './member-loading.js';
import { findMemberByMemberId, updateMemberRow } from './queries.js';
import { insertMember } from './records.js';
import { isPending, isRemoved } from './roles.js';
import { sendOrKeep } from './send-member.js';
import { isIncognitoMembership, memberProfile } from './view.js';

type Message<T extends 'x.grp.mem.intro' | 'x.grp.mem.inv' | 'x.grp.mem.fwd' | 'x.grp.mem.con'> = GroupMessage<
  ChatEventOf<T>
>;

/** A connection that goes through the host: one level farther away than the host's own. */
async function insertIntroduced(
  ctx: ChatContext,
  tx: Tx,
  m: GroupMessage,
  groupMemberId: number,
  agentConnId: string,
  versions: ChatVersionRange,
): Promise<number> {
  const { user, group, member: host, direct } = m;
  const row = await insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: agentConnId,
      conn_type: 'member',
      conn_status: 'new',
      conn_level: (direct?.connection.conn_level ?? 0) + 1,
      via_contact: host.memberContactId ?? null,
      group_member_id: groupMemberId,
      custom_user_profile_id: isIncognitoMembership(group) ? group.membership.memberProfile.profileId : null,
      conn_chat_version: acceptedChatVersion(versions),
      peer_chat_min_version: versions.min,
      peer_chat_max_version: versions.max,
    },
    ctx.clock.now(),
  );
  return row.connection_id;
}

/** `x.grp.mem.intro`: our host tells us about a member; we make a link for it. */
export async function memberIntroduced(ctx: ChatContext, tx: Tx, m: Message<'x.grp.mem.intro'>): Promise<void> {
  const { user, group, member: host, event } = m;
  const info = event.memberInfo;
  if (host.memberCategory !== 'host') {
    return messageError(ctx, tx, user, 'x.grp.mem.intro can be only sent by host member');
  }
  if ((await findMemberByMemberId(tx, user, group.groupId, info.memberId)) !== undefined) {
    return messageError(ctx, tx, user, 'x.grp.mem.intro ignored: member already exists');
  }
  checkHostRole(host, 'observer');
  const versions = infoVersions(info);
  if (versions === undefined || versions.max < ChatV.GroupDirectInvitation) {
    return messageError(ctx, tx, user, 'x.grp.mem.intro: member chat version range incompatible');
  }
  const now = ctx.clock.now();
  const corrId = await storeAsyncCommand(tx, user.userId, 'createMemberConnection', now);
  const connId = await ctx.agent.createConnectionAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    mode: 'invitation',
    initialKeys: 'linkPQOff',
  });
  const id = await insertMember(
    tx,
    user.userId,
    group.groupId,
    {
      memberId: info.memberId,
      role: info.memberRole,
      category: 'pre',
      status: 'introduced',
      who: { type: 'profile', profile: memberProfile(info.profile) },
      restriction: event.memberRestrictions?.restriction === 'blocked' ? 'blocked' : undefined,
      versions,
    },
    now,
  );
  await linkAsyncCommand(tx, corrId, await insertIntroduced(ctx, tx, m, id, connId, versions));
  return undefined;
}

/** `x.grp.mem.inv`: our invitee's link for a member; we pass it on. */
export async function introInvitationReceived(ctx: ChatContext, tx: Tx, m: Message<'x.grp.mem.inv'>): Promise<void> {
  const { user, group, member: invitee, event } = m;
  if (invitee.memberCategory !== 'invitee') {
    return messageError(ctx, tx, user, 'x.grp.mem.inv can be only sent by invitee member');
  }
  const re = await findMemberByMemberId(tx, user, group.groupId, event.memberId);
  if (re === undefined) {
    return messageError(ctx, tx, user, 'x.grp.mem.inv error: referenced member does not exist');
  }
  const intro = await findIntro(tx, re.groupMemberId, invitee.groupMemberId);
  if (intro === undefined) throw storeFailure({ type: 'introNotFound' });
  const { memberIntro } = event;
  const introId = intro.group_member_intro_id;
  await saveIntroInvitation(tx, introId, memberIntro, ctx.clock.now());
  const sent = await sendOrKeep(
    ctx,
    tx,
    group,
    re,
    { type: 'x.grp.mem.fwd', memberInfo: memberInfo(invitee), memberIntro },
    introId,
  );
  if (sent) await setIntroStatus(tx, introId, 'fwd', ctx.clock.now());
  return undefined;
}

function isConnected({ memberStatus, activeConn }: GroupMember): boolean {
  const status = activeConn?.connStatus;
  return memberStatus === 'connected' || status === 'ready' || status === 'snd-ready';
}

/** `x.grp.mem.fwd`: a new member's link; we connect with it. */
export async function introForwarded(ctx: ChatContext, tx: Tx, m: Message<'x.grp.mem.fwd'>): Promise<void> {
  const { user, group, member: host, event } = m;
  const info = event.memberInfo;
  checkHostRole(host, info.memberRole);
  if (info.memberId === group.membership.memberId) {
    return messageWarning(ctx, tx, user, 'x.grp.mem.fwd ignored: own member ID');
  }
  const known = await findMemberByMemberId(tx, user, group.groupId, info.memberId);
  if (known !== undefined) {
    checkHostRole(host, known.memberRole);
    // Otherwise any admin could put itself in the place of a member, or bring one back.
    if (isConnected(known) || isRemoved(known)) {
      return messageError(ctx, tx, user, 'x.grp.mem.fwd ignored: member is connected or has left');
    }
  }
  // Its announcement should have come before; it may have been lost.
  const member = known ?? (await insertAnnounced(ctx, tx, user, host, info, 'announced'));
  const now = ctx.clock.now();
  const { groupConnReq } = event.memberIntro;
  await updateMemberRow(
    tx,
    member.groupMemberId,
    {
      member_status: isPending(member) ? member.memberStatus : 'intro-inv',
      group_queue_info: groupConnReq,
      direct_queue_info: event.memberIntro.directConnReq ?? null,
    },
    now,
  );
  const { membership } = group;
  const reply = {
    type: 'x.grp.mem.info',
    memberId: membership.memberId,
    profile: memberProfile(membership.memberProfile),
  } as const;
  const corrId = await storeAsyncCommand(tx, user.userId, 'joinMemberConnection', now);
  const connId = await ctx.agent.joinConnectionAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    link: groupConnReq,
    info: encodeInfo(ctx, reply, false, chatVersion(1)),
    pqSupport: false,
  });
  const versions = infoVersions(info) ?? initialChatVersions;
  await linkAsyncCommand(tx, corrId, await insertIntroduced(ctx, tx, m, member.groupMemberId, connId, versions));
  return undefined;
}

/** `x.grp.mem.con`: two members that one of us introduced are connected (60, section 7.6). */
export async function membersConnected(ctx: ChatContext, tx: Tx, m: Message<'x.grp.mem.con'>): Promise<void> {
  const { user, group, member: sender, event } = m;
  const ref = await findMemberByMemberId(tx, user, group.groupId, event.memberId);
  if (ref === undefined) throw storeFailure({ type: 'groupMemberNotFoundByMemberId', memberId: event.memberId });
  const now = ctx.clock.now();
  const connected = async (re: GroupMember, to: GroupMember, own: string, other: string): Promise<boolean> => {
    const intro = await findIntro(tx, re.groupMemberId, to.groupMemberId);
    if (intro === undefined) return false;
    const { group_member_intro_id: id, intro_status: status } = intro;
    if (status === other) await setIntroStatus(tx, id, 'con', now);
    else if (status !== own && status !== 'con') await setIntroStatus(tx, id, own, now);
    return true;
  };
  const invitee = sender.memberCategory === 'invitee';
  const refInvitee = ref.memberCategory === 'invitee';
  if (!invitee && !refInvitee) return messageWarning(ctx, tx, user, 'x.grp.mem.con: neither member is invitee');
  if (invitee && (await connected(ref, sender, 'to-con', 're-con'))) return undefined;
  if (refInvitee && (await connected(sender, ref, 're-con', 'to-con'))) return undefined;
  return messageWarning(ctx, tx, user, 'x.grp.mem.con: no introduction');
}
