import type { AChatItem, ApiResponse, ChatError, GroupInfo, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, commandFailure } from '../engine/errors.js';
import { toProfile } from '../users/profiles.js';
import { deleteMemberItems } from './item-deletion.js';
import { featureAllowedFor } from './preferences.js';
import { getGroup, groupIdByName, memberIdByName } from './queries.js';
import { groupRecipients, type Recipient, recipientOf } from './recipients.js';
import { deleteMemberRow, deleteMembersConnections, removeMemberRecord } from './records.js';
import { atLeast, checkRole, highestRole, isCurrent } from './roles.js';
import { withSupportChat } from './scope.js';
import { selectMembers } from './selection.js';
import { sendToGroup } from './send.js';
import { createSentEvent } from './sent-events.js';
import type { GroupScope } from './view.js';

interface Removed {
  readonly members: GroupMember[];
  readonly items: AChatItem[];
  readonly errors: ChatError[];
}

function asRemoved(member: GroupMember): GroupMember {
  return { ...member, memberStatus: 'removed' };
}

/** `/_remove` (60, section 7.11). */
async function remove(
  ctx: ChatContext,
  user: User,
  groupId: number,
  ids: readonly number[],
  withMessages: boolean,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const selected = await selectMembers(tx, user, groupId, [...new Set(ids)]);
    if (ids.length > 1 && selected.anyAdmin) {
      throw commandFailure("can't remove multiple members when admins selected");
    }
    checkRole(group, highestRole('admin', selected.maxRole));
    const removed: Removed = { members: [], items: [], errors: [] };
    const all = await groupRecipients(tx, groupId);
    const byStatus = (...statuses: readonly string[]) =>
      selected.members.filter((m) => statuses.includes(m.memberStatus));
    const invited = byStatus('invited');
    await deleteMembersConnections(ctx, tx, invited, false);
    for (const member of invited) {
      if (withMessages) await deleteItems(ctx, tx, user, group, member);
      await deleteMemberRow(tx, user.userId, member);
      removed.members.push(asRemoved(member));
    }
    const rest = selected.members.filter(
      (m) => !['invited', 'pending_approval', 'pending_review'].includes(m.memberStatus),
    );
    const options = { withMessages, removed };
    await removeTold(ctx, tx, user, group, undefined, all.filter(isCurrent), rest, options);
    const moderators = all.filter((m) => atLeast(m.memberRole, 'moderator') && isCurrent(m));
    for (const member of byStatus('pending_approval', 'pending_review')) {
      const supported = await withSupportChat(tx, member, ctx.clock.now());
      const told = member.memberStatus === 'pending_approval' ? [] : moderators;
      const recipients = [recipientOf(member), ...told.filter((m) => m.groupMemberId !== member.groupMemberId)];
      const scope: GroupScope = { type: 'member', member: supported };
      await removeTold(ctx, tx, user, group, scope, recipients, [supported], options);
    }
    const groupInfo = await getGroup(tx, user, groupId);
    const items = removed.items.map((item) =>
      item.chatInfo.type === 'group' ? { ...item, chatInfo: { ...item.chatInfo, groupInfo } } : item,
    );
    if (items.length > 0) await ctx.emit(tx, { type: 'newChatItems', user, chatItems: items });
    if (removed.errors.length > 0) await ctx.emit(tx, { type: 'chatErrors', chatErrors: removed.errors });
    return { type: 'userDeletedMembers', user, groupInfo, members: removed.members, withMessages };
  });
}

/** Removes members and tells it; their connections go when what is queued has been sent. */
async function removeTold(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  recipients: readonly Recipient[],
  members: readonly GroupMember[],
  { withMessages, removed }: { readonly withMessages: boolean; readonly removed: Removed },
): Promise<void> {
  if (members.length === 0) return;
  const events = members.map((m) => ({
    event: {
      type: 'x.grp.mem.del',
      memberId: m.memberId,
      messages: withMessages ? true : undefined,
    } as const,
  }));
  const sent = await sendToGroup(ctx, tx, user, group, scope, recipients, events);
  for (const [i, member] of members.entries()) {
    const message = sent.messages[i];
    if (message instanceof ChatException) removed.errors.push(message.chatError);
    if (message === undefined || message instanceof ChatException) continue;
    const { groupMemberId, memberProfile } = member;
    const profile = toProfile(memberProfile);
    removed.items.push(
      await createSentEvent(
        ctx,
        tx,
        user,
        { group, scope },
        { type: 'sndGroupEvent', sndGroupEvent: { type: 'memberDeleted', groupMemberId, profile } },
        message,
      ),
    );
  }
  await deleteMembersConnections(ctx, tx, members, true);
  for (const member of members) {
    if (withMessages) await deleteItems(ctx, tx, user, group, member);
    await removeMemberRecord(tx, user, group, member, ctx.clock.now());
    removed.members.push(asRemoved(member));
  }
}

async function deleteItems(ctx: ChatContext, tx: Tx, user: User, group: GroupInfo, member: GroupMember): Promise<void> {
  const { membership } = group;
  await deleteMemberItems(ctx, tx, user, group, member, membership, featureAllowedFor(group, 'fullDelete', membership));
}

export const removeCommands: CommandTable = {
  APIRemoveMembers: whenRunning((ctx, c, user) => remove(ctx, user, c.groupId, c.groupMemberIds, c.withMessages)),
  RemoveMembers: whenRunning(async (ctx, c, user) => {
    const { groupId, ids } = await ctx.store.read(async (tx) => {
      const id = await groupIdByName(tx, user, c.groupName);
      const members: number[] = [];
      for (const name of c.memberNames) members.push(await memberIdByName(tx, id, name));
      return { groupId: id, ids: members };
    });
    return remove(ctx, user, groupId, ids, c.withMessages);
  }),
};
