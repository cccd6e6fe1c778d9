import type { CIContent, GroupInfo, GroupMember, GroupMemberRole, GroupMemberStatus, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import type { ChatEventOf } from '../protocol/index.js';
import { toProfile } from '../users/profiles.js';
import { emitJoinedGroupStart } from './create.js';
import type { GroupMessage } from './group-message.js';
import { sendHistory } from './history.js';
import { introduceToRemaining } from './intros.js';
import { emitGroupItem, emitReceivedEvent } from './items.js';
import { messageError, messageWarning } from './member-loading.js';
import { featureAllowed } from './preferences.js';
import { findMemberByMemberId, getMemberById, updateMemberRow } from './queries.js';
import { atLeast, isPending } from './roles.js';
import { ownScope, updateAttention, withSupportChat } from './scope.js';
import { emitWelcome } from './welcome.js';

type Acceptance = GroupMessage<ChatEventOf<'x.grp.link.acpt'>>;

const memberConnected: CIContent = { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'memberConnected' } };

/** The status of a member that was just accepted. */
function acceptedStatus(member: GroupMember): GroupMemberStatus {
  const status = member.activeConn?.connStatus;
  return status === 'ready' || status === 'snd-ready' ? 'connected' : 'announced';
}

/** Lets a member in, here; the group and the member as they are then. */
export async function acceptMemberRow(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  role: GroupMemberRole,
): Promise<{ readonly group: GroupInfo; readonly member: GroupMember }> {
  await updateMemberRow(
    tx,
    member.groupMemberId,
    { member_status: acceptedStatus(member), member_role: role },
    ctx.clock.now(),
  );
  const accepted = await getMemberById(tx, user, member.groupMemberId);
  return { group: await updateAttention(tx, group, member, accepted), member: accepted };
}

/** A member of ours that was let in gets to know the others. */
export async function introduceAccepted(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  await introduceToRemaining(ctx, tx, user, group, member);
  if (featureAllowed(group, 'history')) await sendHistory(ctx, tx, user, group, member);
}

/** The item that shows a member that was let in, in the main chat. */
export async function emitMemberConnected(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
): Promise<void> {
  await emitGroupItem(ctx, tx, user, { group, from: member }, memberConnected);
}

/** `x.grp.link.acpt` (60, section 7.7). Who says it must be allowed to: the official program does not look. */
export async function acceptanceReceived(ctx: ChatContext, tx: Tx, m: Acceptance): Promise<void> {
  const { user, group, member: sender, event } = m;
  const own = event.memberId === group.membership.memberId;
  const allowed = atLeast(sender.memberRole, 'moderator') || (own && sender.memberCategory === 'host');
  if (!allowed || !atLeast(sender.memberRole, event.role)) {
    return messageError(ctx, tx, user, 'x.grp.link.acpt with insufficient member permissions');
  }
  return own ? ownAcceptance(ctx, tx, m) : otherAccepted(ctx, tx, m);
}

/** Who is in the group already would get another role by this, or come back. */
function notPending(ctx: ChatContext, tx: Tx, user: User): Promise<void> {
  return messageWarning(ctx, tx, user, 'x.grp.link.acpt: member is not pending');
}

async function ownAcceptance(ctx: ChatContext, tx: Tx, m: Acceptance): Promise<void> {
  const { user, member: sender, event } = m;
  const { acceptance, role } = event;
  if (!isPending(m.group.membership)) return notPending(ctx, tx, user);
  if (acceptance === 'pending') {
    return messageWarning(ctx, tx, user, 'x.grp.link.acpt: unexpected group acceptance - pending approval');
  }
  const status = acceptance === 'accepted' ? 'connected' : 'pending_review';
  const now = ctx.clock.now();
  await updateMemberRow(tx, m.group.membership.groupMemberId, { member_status: status, member_role: role }, now);
  const membership: GroupMember = { ...m.group.membership, memberStatus: status, memberRole: role };
  const group: GroupInfo = { ...m.group, membership };
  if (acceptance === 'pending_review') {
    const placed = await ownScope(tx, group, now);
    await emitGroupItem(ctx, tx, user, placed, {
      type: 'sndGroupEvent',
      sndGroupEvent: { type: 'userPendingReview' },
    });
    await ctx.emit(tx, {
      type: 'memberAcceptedByOther',
      user,
      groupInfo: group,
      acceptingMember: sender,
      member: membership,
    });
    return;
  }
  const main = { group, from: sender };
  const accepted: CIContent = { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'userAccepted' } };
  await emitJoinedGroupStart(ctx, tx, user, group, undefined, sender);
  await emitWelcome(ctx, tx, user, group, sender);
  await emitGroupItem(ctx, tx, user, main, accepted);
  const placed = await ownScope(tx, group, now);
  await emitGroupItem(ctx, tx, user, { ...placed, from: sender }, accepted);
  await ctx.emit(tx, { type: 'userJoinedGroup', user, groupInfo: group, hostMember: sender });
}

async function otherAccepted(ctx: ChatContext, tx: Tx, m: Acceptance): Promise<void> {
  const { user, member: sender, event } = m;
  const known = await findMemberByMemberId(tx, user, m.group.groupId, event.memberId);
  if (known === undefined) {
    return messageError(ctx, tx, user, 'x.grp.link.acpt error: referenced member does not exist');
  }
  if (!isPending(known)) return notPending(ctx, tx, user);
  const { group, member } = await acceptMemberRow(ctx, tx, user, m.group, known, event.role);
  if (known.memberCategory === 'invitee') await introduceAccepted(ctx, tx, user, group, member);
  await emitMemberConnected(ctx, tx, user, group, member);
  const supported = await withSupportChat(tx, member, ctx.clock.now());
  await emitReceivedEvent(
    ctx,
    tx,
    user,
    { group, scope: { type: 'member', member: supported }, from: sender },
    {
      type: 'rcvGroupEvent',
      rcvGroupEvent: {
        type: 'memberAccepted',
        groupMemberId: member.groupMemberId,
        profile: toProfile(member.memberProfile),
      },
    },
    m,
  );
  await ctx.emit(tx, { type: 'memberAcceptedByOther', user, groupInfo: group, acceptingMember: sender, member });
}
