import type {
  AChatItem,
  ApiResponse,
  ChatError,
  GroupInfo,
  GroupMember,
  GroupMemberRole,
  Profile,
  SndGroupEvent,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, commandFailure } from '../engine/errors.js';
import { toProfile } from '../users/profiles.js';
import { memberInvitation, sendInvitation } from './invite.js';
import { getGroup, setMemberRole, updateMemberRow } from './queries.js';
import { groupRecipients } from './recipients.js';
import { atLeast, checkRole, highestRole, isCurrent } from './roles.js';
import { memberByName, selectMembers } from './selection.js';
import { type GroupSendResult, sendToGroup, sendToMembers } from './send.js';
import { createSentEvent } from './sent-events.js';

/** What a change of some members gives. */
interface Changed {
  readonly members: GroupMember[];
  readonly items: AChatItem[];
  readonly errors: ChatError[];
}

async function emitChanged(ctx: ChatContext, tx: Tx, user: User, { items, errors }: Changed): Promise<void> {
  if (items.length > 0) await ctx.emit(tx, { type: 'newChatItems', user, chatItems: items });
  if (errors.length > 0) await ctx.emit(tx, { type: 'chatErrors', chatErrors: errors });
}

/** `/_member role` (60, section 7.13). */
async function changeRoles(
  ctx: ChatContext,
  user: User,
  groupId: number,
  ids: readonly number[],
  role: GroupMemberRole,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    if (ids.includes(group.membership.groupMemberId)) throw commandFailure("can't change role for self");
    const selected = await selectMembers(tx, user, groupId, ids);
    if (ids.length > 1 && (selected.anyAdmin || atLeast(role, 'admin'))) {
      throw commandFailure("can't change role of multiple members when admins selected, or new role is admin");
    }
    if (selected.anyPending) throw commandFailure("can't change role of members pending approval");
    checkRole(group, highestRole('admin', selected.maxRole, role));
    const changed: Changed = { members: [], items: [], errors: [] };
    const others = selected.members.filter((m) => m.memberRole !== role);
    for (const member of others.filter((m) => m.memberStatus === 'invited')) {
      await changeInvited(ctx, tx, user, group, member, role, changed);
    }
    const rest = others.filter((m) => m.memberStatus !== 'invited');
    await changeCurrent(ctx, tx, user, group, rest, role, changed);
    await emitChanged(ctx, tx, user, changed);
    return { type: 'membersRoleUser', user, groupInfo: group, members: changed.members, toRole: role };
  });
}

/** Who has not joined yet gets another invitation. */
async function changeInvited(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  role: GroupMemberRole,
  changed: Changed,
): Promise<void> {
  try {
    await tx.savepoint(async () => {
      const link = await memberInvitation(tx, member.groupMemberId);
      if (member.memberContactId === undefined || link === undefined) {
        throw chatFailure({
          type: 'groupCantResendInvitation',
          groupInfo: group,
          contactName: member.localDisplayName,
        });
      }
      const contact = await getContact(tx, user, member.memberContactId);
      const updated: GroupMember = { ...member, memberRole: role };
      await sendInvitation(ctx, tx, user, contact, group, updated, link);
      await setMemberRole(tx, member.groupMemberId, role, ctx.clock.now());
      changed.members.push(updated);
    });
  } catch (error) {
    if (!(error instanceof ChatException)) throw error;
    changed.errors.push(error.chatError);
  }
}

async function changeCurrent(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  members: readonly GroupMember[],
  role: GroupMemberRole,
  changed: Changed,
): Promise<void> {
  if (members.length === 0) return;
  const recipients = (await groupRecipients(tx, group.groupId)).filter(isCurrent);
  const events = members.map((m) => ({ event: { type: 'x.grp.mem.role', memberId: m.memberId, role } as const }));
  const { messages } = await sendToGroup(ctx, tx, user, group, undefined, recipients, events);
  await recordChanges(ctx, tx, user, group, members, messages, changed, {
    event: (groupMemberId, profile) => ({ type: 'memberRole', groupMemberId, profile, role }),
    columns: { member_role: role },
    member: { memberRole: role },
  });
}

/** What a change makes of each member, when its message was sent. */
interface MemberChange {
  readonly event: (groupMemberId: number, profile: Profile) => SndGroupEvent;
  readonly columns: Parameters<typeof updateMemberRow>[2];
  readonly member: Partial<GroupMember>;
}

/** Stores a change of each member with an item that tells of it. `messages`: one for each, or why it was not sent. */
async function recordChanges(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  members: readonly GroupMember[],
  messages: GroupSendResult['messages'],
  changed: Changed,
  change: MemberChange,
): Promise<void> {
  for (const [i, member] of members.entries()) {
    const message = messages[i];
    if (message === undefined) continue;
    if (message instanceof ChatException) {
      changed.errors.push(message.chatError);
      continue;
    }
    const { groupMemberId, memberProfile } = member;
    const sndGroupEvent = change.event(groupMemberId, toProfile(memberProfile));
    changed.items.push(
      await createSentEvent(ctx, tx, user, { group }, { type: 'sndGroupEvent', sndGroupEvent }, message),
    );
    await updateMemberRow(tx, groupMemberId, change.columns, ctx.clock.now());
    changed.members.push({ ...member, ...change.member });
  }
}

/** `/_block` (60, section 7.13): all but the blocked ones are told. */
async function blockForAll(
  ctx: ChatContext,
  user: User,
  groupId: number,
  ids: readonly number[],
  blocked: boolean,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    if (ids.includes(group.membership.groupMemberId)) throw commandFailure("can't block/unblock self");
    const selected = await selectMembers(tx, user, groupId, ids);
    if (ids.length > 1 && selected.anyAdmin) {
      throw commandFailure("can't block/unblock multiple members when admins selected");
    }
    if (selected.anyPending) throw commandFailure("can't block/unblock members pending approval");
    checkRole(group, highestRole('moderator', selected.maxRole));
    const restriction = blocked ? 'blocked' : 'unrestricted';
    const recipients = (await groupRecipients(tx, groupId)).filter(
      (m) => isCurrent(m) && !ids.includes(m.groupMemberId),
    );
    const events = selected.members.map((m) => ({
      event: {
        type: 'x.grp.mem.restrict',
        memberId: m.memberId,
        memberRestrictions: { restriction },
      } as const,
    }));
    const { messages } = await sendToMembers(ctx, tx, group, recipients, events);
    const changed: Changed = { members: [], items: [], errors: [] };
    await recordChanges(ctx, tx, user, group, selected.members, messages, changed, {
      event: (groupMemberId, profile) => ({ type: 'memberBlocked', groupMemberId, profile, blocked }),
      columns: { member_restriction: restriction },
      member: { blockedByAdmin: blocked },
    });
    await emitChanged(ctx, tx, user, changed);
    return { type: 'membersBlockedForAllUser', user, groupInfo: group, members: changed.members, blocked };
  });
}

export const roleCommands: CommandTable = {
  APIMembersRole: whenRunning((ctx, c, user) => changeRoles(ctx, user, c.groupId, c.groupMemberIds, c.memberRole)),
  MemberRole: whenRunning(async (ctx, c, user) => {
    const m = await ctx.store.read((tx) => memberByName(tx, user, c.groupName, c.memberName));
    return changeRoles(ctx, user, m.groupId, [m.groupMemberId], c.memberRole);
  }),
  APIBlockMembersForAll: whenRunning((ctx, c, user) => blockForAll(ctx, user, c.groupId, c.groupMemberIds, c.blocked)),
  BlockForAll: whenRunning(async (ctx, c, user) => {
    const m = await ctx.store.read((tx) => memberByName(tx, user, c.groupName, c.memberName));
    return blockForAll(ctx, user, m.groupId, [m.groupMemberId], c.blocked);
  }),
};
