import type { Kysely, Updateable } from 'kysely';
import type { GroupInfo, GroupMember, GroupMemberRole, GroupMemberStatus, User } from '../../api/index.js';
import { prepare, type Tables, type Tx } from '../../store/index.js';
import { memberConnection } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { storeFailure } from '../engine/errors.js';
import type { GroupMembersTable, GroupsTable } from '../schema/index.js';
import { type GroupWithProfile, groupView, type MemberWithProfile, memberView } from './view.js';

const groupById = prepare<{ groupId: number; userId: number }, GroupWithProfile>((db, p) =>
  selectGroups(db).where('groups.group_id', '=', p('groupId')).where('groups.user_id', '=', p('userId')),
);

function selectGroups(db: Kysely<Tables>) {
  return db
    .selectFrom('groups')
    .innerJoin('group_profiles', 'group_profiles.group_profile_id', 'groups.group_profile_id')
    .selectAll('groups')
    .select([
      'group_profiles.display_name',
      'group_profiles.full_name',
      'group_profiles.short_descr',
      'group_profiles.description',
      'group_profiles.image',
      'group_profiles.preferences',
      'group_profiles.member_admission',
    ])
    .select((e) =>
      e
        .selectFrom('chat_tags_chats')
        .select((c) => c.fn.countAll<number>().as('n'))
        .whereRef('chat_tags_chats.group_id', '=', 'groups.group_id')
        .as('tags'),
    )
    .$narrowType<{ tags: number }>();
}

function selectMembers(db: Kysely<Tables>) {
  return db
    .selectFrom('group_members')
    .innerJoin('contact_profiles', (j) =>
      j.on((e) =>
        e(
          'contact_profiles.contact_profile_id',
          '=',
          e.fn.coalesce('group_members.member_profile_id', 'group_members.contact_profile_id'),
        ),
      ),
    )
    .selectAll('group_members')
    .select([
      'contact_profiles.contact_profile_id as profile_id',
      'contact_profiles.display_name',
      'contact_profiles.full_name',
      'contact_profiles.short_descr',
      'contact_profiles.image',
      'contact_profiles.contact_link',
      'contact_profiles.preferences',
      'contact_profiles.peer_type',
      'contact_profiles.local_alias',
    ]);
}

const membershipOf = prepare<{ groupId: number }, MemberWithProfile>((db, p) =>
  selectMembers(db)
    .where('group_members.group_id', '=', p('groupId'))
    .where('group_members.member_category', '=', 'user'),
);
const memberById = prepare<{ id: number }, MemberWithProfile>((db, p) =>
  selectMembers(db).where('group_members.group_member_id', '=', p('id')),
);
const memberByMemberId = prepare<{ groupId: number; memberId: string }, MemberWithProfile>((db, p) =>
  selectMembers(db)
    .where('group_members.group_id', '=', p('groupId'))
    .where('group_members.member_id', '=', p('memberId')),
);
const membersOf = prepare<{ groupId: number }, MemberWithProfile>((db, p) =>
  selectMembers(db)
    .where('group_members.group_id', '=', p('groupId'))
    .where('group_members.member_category', '!=', 'user')
    .orderBy('group_members.group_member_id'),
);
const connectionsOf = prepare<{ groupId: number }, ConnectionRow>((db, p) =>
  db
    .selectFrom('group_members')
    .innerJoin('connections', 'connections.group_member_id', 'group_members.group_member_id')
    .selectAll('connections')
    .where('group_members.group_id', '=', p('groupId'))
    .orderBy('connections.connection_id'),
);
const tagsOf = prepare<{ groupId: number }, { chat_tag_id: number }>((db, p) =>
  db.selectFrom('chat_tags_chats').select('chat_tag_id').where('group_id', '=', p('groupId')).orderBy('chat_tag_id'),
);

/** The group, if it is one of this user. */
export async function findGroup(tx: Tx, user: User, groupId: number): Promise<GroupInfo | undefined> {
  const row = await groupById.first(tx, { groupId, userId: user.userId });
  if (row === undefined) return undefined;
  const membership = await membershipOf.first(tx, { groupId });
  if (membership === undefined) return undefined;
  const tags = Number(row.tags) === 0 ? [] : await tagsOf.all(tx, { groupId });
  return groupView(
    row,
    memberView(user, membership, undefined),
    tags.map((t) => t.chat_tag_id),
  );
}

/** The group; `groupNotFound`. */
export async function getGroup(tx: Tx, user: User, groupId: number): Promise<GroupInfo> {
  const group = await findGroup(tx, user, groupId);
  if (group === undefined) throw storeFailure({ type: 'groupNotFound', groupId });
  return group;
}

/** The id of the group with this local name; `groupNotFoundByName`. */
export async function groupIdByName(tx: Tx, user: User, groupName: string): Promise<number> {
  const row = await tx.db
    .selectFrom('groups')
    .select('group_id')
    .where('user_id', '=', user.userId)
    .where('local_display_name', '=', groupName)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'groupNotFoundByName', groupName });
  return row.group_id;
}

/** All groups of the user, in order of their ids. */
export async function listGroups(tx: Tx, user: User): Promise<GroupInfo[]> {
  const rows = await tx.db
    .selectFrom('groups')
    .select('group_id')
    .where('user_id', '=', user.userId)
    .orderBy('group_id')
    .execute();
  const groups: GroupInfo[] = [];
  for (const { group_id } of rows) {
    const group = await findGroup(tx, user, group_id);
    if (group !== undefined) groups.push(group);
  }
  return groups;
}

async function readMember(tx: Tx, user: User, row: MemberWithProfile): Promise<GroupMember> {
  const connection = row.member_category === 'user' ? undefined : await memberConnection(tx, row.group_member_id);
  return memberView(user, row, connection);
}

const groupOfMember = prepare<{ memberId: number; userId: number }, { group_id: number }>((db, p) =>
  db
    .selectFrom('group_members')
    .select('group_id')
    .where('group_member_id', '=', p('memberId'))
    .where('user_id', '=', p('userId')),
);

/** The group of a member: all that most events of deliveries need. `groupMemberNotFound`. */
export async function groupIdOfMember(tx: Tx, user: User, groupMemberId: number): Promise<number> {
  const row = await groupOfMember.first(tx, { memberId: groupMemberId, userId: user.userId });
  if (row === undefined) throw storeFailure({ type: 'groupMemberNotFound', groupMemberId });
  return row.group_id;
}

/** The member with its connection, in whatever group; `groupMemberNotFound`. */
export async function getMemberById(tx: Tx, user: User, groupMemberId: number): Promise<GroupMember> {
  const member = await findMemberById(tx, user, groupMemberId);
  if (member === undefined) throw storeFailure({ type: 'groupMemberNotFound', groupMemberId });
  return member;
}

/** As {@link getMemberById}; undefined when there is none. */
export async function findMemberById(tx: Tx, user: User, groupMemberId: number): Promise<GroupMember | undefined> {
  const row = await memberById.first(tx, { id: groupMemberId });
  return row === undefined || row.user_id !== user.userId ? undefined : readMember(tx, user, row);
}

/** The member of this group; `groupMemberNotFound`. */
export async function getMember(tx: Tx, user: User, groupId: number, groupMemberId: number): Promise<GroupMember> {
  const member = await getMemberById(tx, user, groupMemberId);
  if (member.groupId !== groupId) throw storeFailure({ type: 'groupMemberNotFound', groupMemberId });
  return member;
}

/** The member with this protocol id, the user's membership included. */
export async function findMemberByMemberId(
  tx: Tx,
  user: User,
  groupId: number,
  memberId: string,
): Promise<GroupMember | undefined> {
  const row = await memberByMemberId.first(tx, { groupId, memberId });
  return row === undefined ? undefined : readMember(tx, user, row);
}

/** All members but the user, with their connections, in order of their ids. */
export async function listMembers(tx: Tx, user: User, groupId: number): Promise<GroupMember[]> {
  const latest = new Map<number, ConnectionRow>();
  for (const c of await connectionsOf.all(tx, { groupId })) {
    if (c.group_member_id !== null) latest.set(c.group_member_id, c);
  }
  const rows = await membersOf.all(tx, { groupId });
  return rows.map((row) => memberView(user, row, latest.get(row.group_member_id)));
}

/** Members whose items are shown: without connection, as the official program shows members of stored items. */
export async function membersWithoutConnection(
  tx: Tx,
  user: User,
  ids: readonly number[],
): Promise<Map<number, GroupMember>> {
  const members = new Map<number, GroupMember>();
  for (const id of new Set(ids)) {
    const row = await memberById.first(tx, { id });
    if (row !== undefined) members.set(id, memberView(user, row, undefined));
  }
  return members;
}

/** As {@link findMemberByMemberId}, without connection. */
export async function memberViewByMemberId(
  tx: Tx,
  user: User,
  groupId: number,
  memberId: string,
): Promise<GroupMember | undefined> {
  const row = await memberByMemberId.first(tx, { groupId, memberId });
  return row === undefined ? undefined : memberView(user, row, undefined);
}

/** The id of the member with this local name; `groupMemberNameNotFound`. */
export async function memberIdByName(tx: Tx, groupId: number, groupMemberName: string): Promise<number> {
  const row = await tx.db
    .selectFrom('group_members')
    .select('group_member_id')
    .where('group_id', '=', groupId)
    .where('local_display_name', '=', groupMemberName)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'groupMemberNameNotFound', groupId, groupMemberName });
  return row.group_member_id;
}

/** The one member that invited the user. */
export async function findHost(tx: Tx, user: User, groupId: number): Promise<GroupMember | undefined> {
  const row = await selectMembers(tx.db)
    .where('group_members.group_id', '=', groupId)
    .where('group_members.member_category', '=', 'host')
    .executeTakeFirst();
  return row === undefined ? undefined : readMember(tx, user, row);
}

const setStatus = prepare<{ id: number; status: GroupMemberStatus; now: number }>((db, p) =>
  db
    .updateTable('group_members')
    .set({ member_status: p('status'), updated_at: p('now') })
    .where('group_member_id', '=', p('id')),
);

/** The status alone: counters that depend on it are the caller's business (60, section 2.7). */
export async function setMemberStatus(tx: Tx, id: number, status: GroupMemberStatus, now: number): Promise<void> {
  await setStatus.run(tx, { id, status, now });
}

/** The role alone: telling it is the caller's business. */
export async function setMemberRole(tx: Tx, id: number, role: GroupMemberRole, now: number): Promise<void> {
  await updateMemberRow(tx, id, { member_role: role }, now);
}

/** `updatedAt` changes with every call. */
export async function updateMemberRow(
  tx: Tx,
  id: number,
  values: Updateable<GroupMembersTable>,
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('group_members')
    .set({ ...values, updated_at: now })
    .where('group_member_id', '=', id)
    .execute();
}

/** Without `now` the group's `updatedAt` stays as it is. */
export async function updateGroupRow(
  tx: Tx,
  groupId: number,
  values: Updateable<GroupsTable>,
  now?: number,
): Promise<void> {
  await tx.db
    .updateTable('groups')
    .set(now === undefined ? values : { ...values, updated_at: now })
    .where('group_id', '=', groupId)
    .execute();
}

/** Members of a group that count as current, the user included (60, section 2.6). */
export async function currentMemberCount(tx: Tx, groupId: number): Promise<number> {
  const { rows } = await tx.execute<{ n: number }>(
    `SELECT count(*) AS n FROM group_members WHERE group_id = ? AND member_status IN
     ('introduced', 'intro-inv', 'accepted', 'announced', 'connected', 'complete', 'creator')`,
    [groupId],
  );
  return Number(rows[0]?.n ?? 0);
}

/** `groupSummary.currentMembers`: another count, with pending members (60, section 2.6). */
export async function summaryMemberCount(tx: Tx, groupId: number): Promise<number> {
  const { rows } = await tx.execute<{ n: number }>(
    `SELECT count(*) AS n FROM group_members WHERE group_id = ? AND member_status NOT IN
     ('rejected', 'removed', 'left', 'unknown', 'invited')`,
    [groupId],
  );
  return Number(rows[0]?.n ?? 0);
}
