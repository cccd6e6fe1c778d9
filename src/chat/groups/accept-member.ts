import type { ApiResponse, GroupInfo, GroupMember, GroupMemberRole, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { type CommandTable, ok, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { removeItems } from '../messages/removal.js';
import { ChatV } from '../protocol/index.js';
import { toProfile } from '../users/profiles.js';
import { acceptMemberRow, emitMemberConnected, introduceAccepted } from './acceptance.js';
import { introduceToModerators } from './intros.js';
import { emitGroupItem } from './items.js';
import { getGroup, getMember, setMemberStatus, updateMemberRow } from './queries.js';
import { groupRecipients, recipientOf, supports } from './recipients.js';
import { atLeast, checkRole, isCurrent, isPending } from './roles.js';
import { updateAttention, withSupportChat } from './scope.js';
import { memberByName } from './selection.js';
import { onlyMessage, sendToMembers } from './send.js';
import { sendToMember } from './send-member.js';

const acceptedText = 'You are accepted to the group.';

/** `/_accept member` (60, section 7.7). */
async function accept(
  ctx: ChatContext,
  user: User,
  groupId: number,
  groupMemberId: number,
  role: GroupMemberRole,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const member = await getMember(tx, user, groupId, groupMemberId);
    checkRole(group, 'moderator');
    // Nobody makes others more than it is itself: the official program does not look.
    checkRole(group, role);
    if (member.memberStatus === 'pending_approval' && member.memberCategory === 'invitee') {
      return approve(ctx, tx, user, group, member, role);
    }
    if (member.memberStatus !== 'pending_review') {
      throw commandFailure('member should be pending approval and invitee, or pending review and not invitee');
    }
    const moderators = (await groupRecipients(tx, groupId)).filter(
      (m) => isCurrent(m) && atLeast(m.memberRole, 'moderator') && m.groupMemberId !== groupMemberId,
    );
    const event = { type: 'x.grp.link.acpt', acceptance: 'accepted', role, memberId: member.memberId } as const;
    onlyMessage(await sendToMembers(ctx, tx, group, [recipientOf(member), ...moderators], [{ event }]));
    if (!supports(member, ChatV.Scopes)) {
      await sendToMember(ctx, tx, member, { type: 'x.msg.new', content: { type: 'text', text: acceptedText } });
    }
    if (member.memberCategory === 'invitee') {
      await introduceAccepted(ctx, tx, user, group, { ...member, memberRole: role });
    }
    return accepted(ctx, tx, user, group, member, role);
  });
}

/** The host lets a joiner in, or on to the review of the moderators. */
async function approve(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  role: GroupMemberRole,
): Promise<ApiResponse> {
  if (member.activeConn === undefined) throw chatFailure({ type: 'groupMemberNotActive' });
  if (group.groupProfile.memberAdmission?.review === 'all') {
    await introduceToModerators(ctx, tx, user, group, member);
    await setMemberStatus(tx, member.groupMemberId, 'pending_review', ctx.clock.now());
    return {
      type: 'memberAccepted',
      user,
      groupInfo: group,
      member: { ...member, memberStatus: 'pending_review' },
    };
  }
  await sendToMember(ctx, tx, member, {
    type: 'x.grp.link.acpt',
    acceptance: 'accepted',
    role,
    memberId: member.memberId,
  });
  await introduceAccepted(ctx, tx, user, group, { ...member, memberRole: role });
  return accepted(ctx, tx, user, group, member, role);
}

async function accepted(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  before: GroupInfo,
  pending: GroupMember,
  role: GroupMemberRole,
): Promise<ApiResponse> {
  const { group, member } = await acceptMemberRow(ctx, tx, user, before, pending, role);
  await emitMemberConnected(ctx, tx, user, group, member);
  const supported = await withSupportChat(tx, member, ctx.clock.now());
  const profile = toProfile(member.memberProfile);
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group, scope: { type: 'member', member: supported } },
    {
      type: 'sndGroupEvent',
      sndGroupEvent: { type: 'memberAccepted', groupMemberId: member.groupMemberId, profile },
    },
  );
  return { type: 'memberAccepted', user, groupInfo: group, member };
}

/** `/_delete member chat`: the support chat of a member with what it says. */
async function deleteSupportChat(
  ctx: ChatContext,
  user: User,
  groupId: number,
  groupMemberId: number,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const member = await getMember(tx, user, groupId, groupMemberId);
    if (member.supportChat === undefined) throw commandFailure('member has no support chat');
    if (isPending(member)) throw commandFailure('member is pending');
    const rows = await tx.db
      .selectFrom('chat_items')
      .selectAll()
      .where('group_id', '=', groupId)
      .where('group_scope_group_member_id', '=', groupMemberId)
      .execute();
    await removeItems(ctx, tx, user, rows);
    await updateMemberRow(
      tx,
      groupMemberId,
      {
        support_chat_ts: null,
        support_chat_items_unread: 0,
        support_chat_items_member_attention: 0,
        support_chat_items_mentions: 0,
        support_chat_last_msg_from_member_ts: null,
      },
      ctx.clock.now(),
    );
    const after: GroupMember = { ...member, supportChat: undefined };
    const groupInfo = await updateAttention(tx, group, member, after);
    return { type: 'memberSupportChatDeleted', user, groupInfo, member: after };
  });
}

export const acceptCommands: CommandTable = {
  APIAcceptMember: whenRunning((ctx, c, user) => accept(ctx, user, c.groupId, c.groupMemberId, c.memberRole)),
  AcceptMember: whenRunning(async (ctx, c, user) => {
    const m = await ctx.store.read((tx) => memberByName(tx, user, c.groupName, c.memberName));
    return accept(ctx, user, m.groupId, m.groupMemberId, c.memberRole);
  }),
  APIDeleteMemberSupportChat: whenRunning((ctx, c, user) => deleteSupportChat(ctx, user, c.groupId, c.groupMemberId)),
  APISetMemberSettings: whenRunning(async (ctx, c, user) => {
    await ctx.store.transaction(async (tx) => {
      await getMember(tx, user, c.groupId, c.groupMemberId);
      const show_messages = c.settings.showMessages ? 1 : 0;
      await updateMemberRow(tx, c.groupMemberId, { show_messages }, ctx.clock.now());
    });
    return ok(user);
  }),
  SetShowMemberMessages: whenRunning(async (ctx, { groupName, memberName, showMessages }, user) => {
    const m = await ctx.store.read(async (tx) => {
      const named = await memberByName(tx, user, groupName, memberName);
      const group = await getGroup(tx, user, named.groupId);
      if (atLeast(group.membership.memberRole, 'moderator')) {
        const member = await getMember(tx, user, named.groupId, named.groupMemberId);
        throw chatFailure({ type: 'cantBlockMemberForSelf', groupInfo: group, member, setShowMessages: showMessages });
      }
      return named;
    });
    return ctx.run({ tag: 'APISetMemberSettings', ...m, settings: { showMessages } });
  }),
};
