import type { ApiResponse, GroupInfo, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findContact } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { findItem } from '../items/queries.js';
import { freeUnusedName } from '../users/names.js';
import { deleteUnusedProfile } from '../users/profiles.js';
import { markInvitationItem } from './join.js';
import { deleteGroupLink } from './links.js';
import { getGroup, groupIdByName, listMembers, setMemberStatus } from './queries.js';
import { groupRecipients } from './recipients.js';
import { deleteMembersConnections } from './records.js';
import { isActive, isCurrent, isCurrentOrPending } from './roles.js';
import { placeOwnEvent } from './scope.js';
import { onlyMessage, sendToMembers } from './send.js';
import { emitSentEvent } from './sent-events.js';

async function itemsWithFiles(tx: Tx, groupId: number) {
  return tx.db.selectFrom('chat_items').selectAll().where('group_id', '=', groupId).where('has_file', '=', 1).execute();
}

/** `/_leave` (60, section 7.12). */
async function leave(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const start = await getGroup(tx, user, groupId);
    await ctx.files?.cancelOfItems(ctx, tx, user, await itemsWithFiles(tx, groupId));
    const recipients = (await groupRecipients(tx, groupId)).filter(isCurrentOrPending);
    const sent = await sendToMembers(ctx, tx, start, recipients, [{ event: { type: 'x.grp.leave' } }]);
    const place = await placeOwnEvent(tx, start, ctx.clock.now());
    await emitSentEvent(
      ctx,
      tx,
      user,
      place,
      { type: 'sndGroupEvent', sndGroupEvent: { type: 'userLeft' } },
      onlyMessage(sent),
    );
    await deleteGroupLink(ctx, tx, groupId);
    await deleteMembersConnections(ctx, tx, await listMembers(tx, user, groupId), true);
    const { membership } = place.group;
    await setMemberStatus(tx, membership.groupMemberId, 'left', ctx.clock.now());
    const groupInfo: GroupInfo = { ...place.group, membership: { ...membership, memberStatus: 'left' } };
    return { type: 'leftMemberUser', user, groupInfo };
  });
}

/** `/_delete #`: an owner deletes the group for all; others forget it once they are out of it. */
async function deleteGroup(ctx: ChatContext, user: User, groupId: number): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const group = await getGroup(tx, user, groupId);
    const { membership } = group;
    const owner = membership.memberRole === 'owner';
    if (!owner && isCurrent(membership)) {
      throw chatFailure({ type: 'groupUserRole', groupInfo: group, requiredRole: 'owner' });
    }
    await ctx.files?.removeOfItems(ctx, tx, user, await itemsWithFiles(tx, groupId));
    const tell = owner && isActive(membership);
    if (tell) {
      const recipients = (await groupRecipients(tx, groupId)).filter(isCurrentOrPending);
      await sendToMembers(ctx, tx, group, recipients, [{ event: { type: 'x.grp.del' } }]);
    }
    await deleteGroupLink(ctx, tx, groupId);
    await deleteMembersConnections(ctx, tx, await listMembers(tx, user, groupId), tell);
    await rejectInvitation(ctx, tx, user, groupId);
    await deleteGroupData(tx, user, group);
    return { type: 'groupDeletedUser', user, groupInfo: group };
  });
}

/** The invitation that was not accepted is of no use any more. */
async function rejectInvitation(ctx: ChatContext, tx: Tx, user: User, groupId: number): Promise<void> {
  const row = await tx.db
    .selectFrom('groups')
    .select('chat_item_id')
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  const item = row === undefined || row.chat_item_id === null ? undefined : await findItem(tx, row.chat_item_id);
  if (item === undefined || item.contact_id === null) return;
  const contact = await findContact(tx, user, item.contact_id);
  if (contact !== undefined) await markInvitationItem(ctx, tx, user, contact, groupId, 'rejected');
}

/** Deletes everything that is stored of a group. */
export async function deleteGroupData(tx: Tx, user: User, group: GroupInfo): Promise<void> {
  const { groupId } = group;
  const members = await tx.db
    .selectFrom('group_members')
    .select(['local_display_name', 'contact_profile_id', 'member_profile_id'])
    .where('group_id', '=', groupId)
    .execute();
  const profile = await tx.db
    .selectFrom('groups')
    .select('group_profile_id')
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  for (const statement of [
    'DELETE FROM chat_items WHERE group_id = ?',
    'DELETE FROM messages WHERE group_id = ?',
    'DELETE FROM chat_item_reactions WHERE group_id = ?',
    'DELETE FROM chat_tags_chats WHERE group_id = ?',
    'UPDATE contact_requests SET business_group_id = NULL WHERE business_group_id = ?',
    'UPDATE contacts SET via_group = NULL WHERE via_group = ?',
    'UPDATE contacts SET contact_group_member_id = NULL WHERE contact_group_member_id IN (SELECT group_member_id FROM group_members WHERE group_id = ?)',
    'DELETE FROM groups WHERE group_id = ?',
  ]) {
    await tx.execute(statement, [groupId]);
  }
  if (profile !== undefined) {
    await tx.db.deleteFrom('group_profiles').where('group_profile_id', '=', profile.group_profile_id).execute();
  }
  for (const m of members) {
    await deleteUnusedProfile(tx, m.contact_profile_id);
    if (m.member_profile_id !== null) await deleteUnusedProfile(tx, m.member_profile_id);
    await freeUnusedName(tx, user.userId, m.local_display_name);
  }
  await freeUnusedName(tx, user.userId, group.localDisplayName);
}

const byName = (ctx: ChatContext, user: User, groupName: string): Promise<number> =>
  ctx.store.read((tx) => groupIdByName(tx, user, groupName));

export const leavingCommands: CommandTable = {
  APILeaveGroup: whenRunning((ctx, c, user) => leave(ctx, user, c.groupId)),
  LeaveGroup: whenRunning(async (ctx, c, user) => leave(ctx, user, await byName(ctx, user, c.groupName))),
  DeleteGroup: whenRunning(async (ctx, c, user) => deleteGroup(ctx, user, await byName(ctx, user, c.groupName))),
};

/** `/_delete #id`; how much is to be deleted makes no difference for groups. */
export const deleteGroupCommand: CommandTable = {
  APIDeleteChat: whenRunning(async (ctx, c, user) => {
    if (c.chatRef.chatScope !== undefined) throw commandFailure('not supported');
    return deleteGroup(ctx, user, c.chatRef.chatId);
  }),
};
