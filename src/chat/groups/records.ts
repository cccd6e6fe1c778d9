import type { Insertable } from 'kysely';
import type {
  GroupInfo,
  GroupMember,
  GroupMemberCategory,
  GroupMemberRole,
  GroupMemberStatus,
  GroupPreferences,
  GroupProfile,
  Profile,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { decodeBase64url } from '../../wire/index.js';
import { deleteConnectionRows } from '../connections/queries.js';
import type { ChatContext } from '../engine/context.js';
import { type ChatVersionRange, initialChatVersions, newMemberId, ourChatVersions } from '../protocol/index.js';
import type { GroupsTable } from '../schema/index.js';
import { allocateName, freeUnusedName } from '../users/names.js';
import { deleteUnusedProfile, insertProfile } from '../users/profiles.js';
import { setMemberStatus, updateGroupRow } from './queries.js';
import { updateAttention } from './scope.js';

/** Columns of a new group beside its profile. */
export type NewGroupColumns = Omit<
  Insertable<GroupsTable>,
  'user_id' | 'local_display_name' | 'group_profile_id' | 'created_at' | 'updated_at'
>;

function profileValues(p: GroupProfile) {
  return {
    display_name: p.displayName,
    full_name: p.fullName,
    short_descr: p.shortDescr ?? null,
    description: p.description ?? null,
    image: p.image ?? null,
    preferences: p.groupPreferences === undefined ? null : JSON.stringify(p.groupPreferences),
    member_admission: p.memberAdmission === undefined ? null : JSON.stringify(p.memberAdmission),
  };
}

/** Stores a group with its profile and a local name of its own; its id. */
export async function insertGroup(
  tx: Tx,
  userId: number,
  profile: GroupProfile,
  columns: NewGroupColumns,
  now: number,
): Promise<number> {
  const { group_profile_id } = await tx.db
    .insertInto('group_profiles')
    .values({ user_id: userId, ...profileValues(profile), created_at: now, updated_at: now })
    .returning('group_profile_id')
    .executeTakeFirstOrThrow();
  const row = await tx.db
    .insertInto('groups')
    .values({
      user_id: userId,
      local_display_name: await allocateName(tx, userId, profile.displayName, now),
      group_profile_id,
      chat_ts: now,
      user_member_profile_sent_at: now,
      ...columns,
      created_at: now,
      updated_at: now,
    })
    .returning('group_id')
    .executeTakeFirstOrThrow();
  return row.group_id;
}

/** Replaces the profile of a group; another display name gets another local name. */
export async function updateGroupProfile(
  tx: Tx,
  user: User,
  group: GroupInfo,
  profile: GroupProfile,
  now: number,
): Promise<void> {
  await tx.execute(
    `UPDATE group_profiles SET display_name = ?, full_name = ?, short_descr = ?, description = ?, image = ?,
       preferences = ?, member_admission = ?, updated_at = ?
     WHERE group_profile_id = (SELECT group_profile_id FROM groups WHERE group_id = ?)`,
    [...Object.values(profileValues(profile)), now, group.groupId],
  );
  if (profile.displayName === group.groupProfile.displayName) {
    await updateGroupRow(tx, group.groupId, {}, now);
    return;
  }
  const name = await allocateName(tx, user.userId, profile.displayName, now);
  await updateGroupRow(tx, group.groupId, { local_display_name: name }, now);
  await freeUnusedName(tx, user.userId, group.localDisplayName);
}

/** As {@link updateGroupProfile} for preferences alone. */
export async function updateGroupPreferences(
  tx: Tx,
  groupId: number,
  preferences: GroupPreferences,
  now: number,
): Promise<void> {
  await tx.execute(
    `UPDATE group_profiles SET preferences = ?, updated_at = ?
     WHERE group_profile_id = (SELECT group_profile_id FROM groups WHERE group_id = ?)`,
    [JSON.stringify(preferences), now, groupId],
  );
}

/** Who a new member is: a contact, whose profile and name it shares, or somebody known by a profile. */
export type NewMemberIdentity =
  | {
      readonly type: 'contact';
      readonly contactId: number;
      readonly profileId: number;
      readonly localDisplayName: string;
    }
  | { readonly type: 'profile'; readonly profile: Profile };

/** A member as it is first stored. Without `versions` it is taken for one of version 1. */
export interface NewMember {
  readonly memberId: string;
  readonly role: GroupMemberRole;
  readonly category: GroupMemberCategory;
  readonly status: GroupMemberStatus;
  readonly who: NewMemberIdentity;
  /** A contact's id; the user's own contact: invited by the user; null: unknown. */
  readonly invitedBy?: number | null;
  readonly invitedByGroupMemberId?: number | undefined;
  readonly versions?: ChatVersionRange | undefined;
  readonly restriction?: string | undefined;
  readonly sentInvitation?: string | undefined;
  readonly xContactId?: string | undefined;
  readonly welcomeMsgId?: string | undefined;
}

/** Gives the local id. A contact keeps its local name, others get one of their own. */
export async function insertMember(
  tx: Tx,
  userId: number,
  groupId: number,
  m: NewMember,
  now: number,
): Promise<number> {
  const { who } = m;
  const versions = m.versions ?? initialChatVersions;
  const row = await tx.db
    .insertInto('group_members')
    .values({
      user_id: userId,
      group_id: groupId,
      member_id: m.memberId,
      member_role: m.role,
      member_category: m.category,
      member_status: m.status,
      member_restriction: m.restriction ?? null,
      invited_by: m.invitedBy ?? null,
      invited_by_group_member_id: m.invitedByGroupMemberId ?? null,
      sent_inv_queue_info: m.sentInvitation ?? null,
      local_display_name:
        who.type === 'contact' ? who.localDisplayName : await allocateName(tx, userId, who.profile.displayName, now),
      contact_id: who.type === 'contact' ? who.contactId : null,
      contact_profile_id:
        who.type === 'profile' ? await insertMemberProfile(tx, userId, who.profile, now) : who.profileId,
      peer_chat_min_version: versions.min,
      peer_chat_max_version: versions.max,
      member_xcontact_id: m.xContactId ?? null,
      member_welcome_shared_msg_id: m.welcomeMsgId ?? null,
      created_at: now,
      updated_at: now,
    })
    .returning('group_member_id')
    .executeTakeFirstOrThrow();
  return row.group_member_id;
}

/** As the official program does, the kind of peer is not kept: only contacts have it. */
function insertMemberProfile(tx: Tx, userId: number, profile: Profile, now: number): Promise<number> {
  return insertProfile(tx, userId, { ...profile, peerType: undefined }, now);
}

/** The user in a new group; `incognitoProfileId` when under a random name. */
export interface NewMembership {
  readonly memberId: string;
  readonly role: GroupMemberRole;
  readonly status: GroupMemberStatus;
  readonly invitedBy: number | null;
  readonly invitedByGroupMemberId?: number | undefined;
  readonly incognitoProfileId?: number | null | undefined;
}

/** The user's own member record. */
export async function insertMembership(
  tx: Tx,
  user: User,
  groupId: number,
  m: NewMembership,
  now: number,
): Promise<number> {
  const row = await tx.db
    .insertInto('group_members')
    .values({
      user_id: user.userId,
      group_id: groupId,
      member_id: m.memberId,
      member_role: m.role,
      member_category: 'user',
      member_status: m.status,
      invited_by: m.invitedBy,
      invited_by_group_member_id: m.invitedByGroupMemberId ?? null,
      local_display_name: user.localDisplayName,
      contact_id: user.userContactId,
      contact_profile_id: user.profile.profileId,
      member_profile_id: m.incognitoProfileId ?? null,
      peer_chat_min_version: ourChatVersions.min,
      peer_chat_max_version: ourChatVersions.max,
      created_at: now,
      updated_at: now,
    })
    .returning('group_member_id')
    .executeTakeFirstOrThrow();
  return row.group_member_id;
}

/** A new id, random: no other member has it. */
export function freshMemberId(ctx: ChatContext): string {
  return newMemberId(ctx.random);
}

/** The name of a member of whom only the id is known (60, section 1.2). */
export function nameFromMemberId(memberId: string): string {
  return Buffer.from(decodeBase64url(memberId)).toString('base64').slice(0, 7);
}

/** Deletes a member's record with all that only it used. */
export async function deleteMemberRow(tx: Tx, userId: number, member: GroupMember): Promise<void> {
  const id = member.groupMemberId;
  const rows = await tx.db
    .selectFrom('connections')
    .select('connection_id')
    .where('group_member_id', '=', id)
    .execute();
  await deleteConnectionRows(
    tx,
    rows.map((r) => r.connection_id),
  );
  await tx.db.deleteFrom('group_members').where('group_member_id', '=', id).execute();
  await deleteUnusedProfile(tx, member.memberContactProfileId);
  await freeUnusedName(tx, userId, member.localDisplayName);
}

/** A member that is gone: its record goes too, unless the chat shows something of it. The group as it is then. */
export async function removeMemberRecord(
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  now: number,
): Promise<GroupInfo> {
  const after = await updateAttention(tx, group, member, undefined);
  const item = await tx.db
    .selectFrom('chat_items')
    .select('chat_item_id')
    .where('group_member_id', '=', member.groupMemberId)
    .limit(1)
    .executeTakeFirst();
  if (item === undefined) await deleteMemberRow(tx, user.userId, member);
  else await setMemberStatus(tx, member.groupMemberId, 'removed', now);
  return after;
}

/** Ends the connections of members and forgets them. With `waitDelivery` what is queued is still sent. */
export async function deleteMembersConnections(
  ctx: ChatContext,
  tx: Tx,
  members: readonly GroupMember[],
  waitDelivery: boolean,
): Promise<void> {
  if (members.length === 0) return;
  const rows: { readonly connection_id: number; readonly agent_conn_id: string }[] = [];
  const ids = members.map((m) => m.groupMemberId);
  for (let i = 0; i < ids.length; i += 100) {
    rows.push(
      ...(await tx.db
        .selectFrom('connections')
        .select(['connection_id', 'agent_conn_id'])
        .where('group_member_id', 'in', ids.slice(i, i + 100))
        .execute()),
    );
  }
  if (rows.length === 0) return;
  await ctx.agent.deleteConnectionsAsync(
    tx,
    rows.map((r) => r.agent_conn_id),
    waitDelivery,
  );
  for (let i = 0; i < rows.length; i += 100) {
    await deleteConnectionRows(
      tx,
      rows.slice(i, i + 100).map((r) => r.connection_id),
    );
  }
}

/** Ends a member's connection; its record stays, as deleted. */
export async function closeMemberConnection(
  ctx: ChatContext,
  tx: Tx,
  member: GroupMember,
  waitDelivery = false,
): Promise<void> {
  const rows = await tx.db
    .selectFrom('connections')
    .select(['connection_id', 'agent_conn_id'])
    .where('group_member_id', '=', member.groupMemberId)
    .where('conn_status', '!=', 'deleted')
    .execute();
  if (rows.length === 0) return;
  await ctx.agent.deleteConnectionsAsync(
    tx,
    rows.map((r) => r.agent_conn_id),
    waitDelivery,
  );
  await tx.db
    .updateTable('connections')
    .set({ conn_status: 'deleted', updated_at: ctx.clock.now() })
    .where('group_member_id', '=', member.groupMemberId)
    .execute();
}
