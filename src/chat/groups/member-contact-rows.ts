import type { Contact, GroupInfo, GroupMember, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { incognitoProfile } from '../connections/incognito.js';
import { insertConnection } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { getContact, insertContactRow, type NewContactColumns } from '../contacts/queries.js';
import { directProfile } from '../users/direct-profile.js';
import { isIncognitoMembership } from './view.js';

/** The random profile under which the user is in the group. */
export function incognitoOf(group: GroupInfo): number | undefined {
  return isIncognitoMembership(group) ? group.membership.memberProfile.profileId : undefined;
}

/** A contact that is a member: both have one profile and one name. */
export async function insertMemberContact(
  tx: Tx,
  user: User,
  group: GroupInfo,
  member: GroupMember,
  columns: NewContactColumns,
  now: number,
): Promise<Contact> {
  const overrides = isIncognitoMembership(group) ? (user.profile.preferences ?? {}) : {};
  const { memberContactProfileId: profileId, localDisplayName } = member;
  const contact_id = await insertContactRow(tx, user, { profileId, localDisplayName, overrides }, columns, now);
  await tx.db
    .updateTable('group_members')
    .set({ contact_id, updated_at: now })
    .where('contact_profile_id', '=', member.memberContactProfileId)
    .execute();
  return getContact(tx, user, contact_id);
}

/** A connection with a member's contact; it has the level and versions of the member's connection. */
export function insertContactConnection(
  tx: Tx,
  user: User,
  group: GroupInfo,
  memberConnection: Pick<
    ConnectionRow,
    'conn_level' | 'conn_chat_version' | 'peer_chat_min_version' | 'peer_chat_max_version'
  >,
  c: {
    readonly contactId: number;
    readonly agentConnId: string;
    readonly status: 'new' | 'prepared' | 'joined';
    /** Of ours: the full link. */
    readonly link?: string | undefined;
  },
  now: number,
): Promise<ConnectionRow> {
  return insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: c.agentConnId,
      conn_type: 'contact',
      conn_status: c.status,
      conn_level: memberConnection.conn_level,
      contact_id: c.contactId,
      contact_conn_initiated: c.link === undefined ? 0 : 1,
      conn_req_inv: c.link ?? null,
      custom_user_profile_id: incognitoOf(group) ?? null,
      conn_chat_version: memberConnection.conn_chat_version,
      peer_chat_min_version: memberConnection.peer_chat_min_version,
      peer_chat_max_version: memberConnection.peer_chat_max_version,
    },
    now,
  );
}

/** The profile that the contact gets: the one that the group knows. */
export async function contactProfile(tx: Tx, user: User, group: GroupInfo): Promise<Profile> {
  return directProfile(user, await incognitoProfile(tx, incognitoOf(group)), undefined, true);
}
