import type { Preferences, Profile, UIThemeEntityOverrides, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { base64url, decodeBase64url } from '../../wire/index.js';
import { chatFailure } from '../engine/errors.js';
import { isoTimeOrUndefined } from '../engine/time.js';
import { fullPreferences } from '../preferences/merge.js';
import type { UserCache } from './cache.js';
import { takeName } from './names.js';
import { insertProfile, localProfileView, type ProfileColumns, profileColumns, toProfile } from './profiles.js';

/** All users of the database. */
export async function readUsers(tx: Tx): Promise<User[]> {
  const rows = await selectUsers(tx).execute();
  return rows.map(userView);
}

function selectUsers(tx: Tx) {
  return tx.db
    .selectFrom('users')
    .innerJoin('contacts', 'contacts.contact_id', 'users.contact_id')
    .innerJoin('contact_profiles', 'contact_profiles.contact_profile_id', 'contacts.contact_profile_id')
    .select(profileColumns)
    .select([
      'users.user_id',
      'users.agent_user_id',
      'users.contact_id',
      'users.local_display_name',
      'users.active_user',
      'users.active_order',
      'users.view_pwd_hash',
      'users.view_pwd_salt',
      'users.show_ntfs',
      'users.send_rcpts_contacts',
      'users.send_rcpts_small_groups',
      'users.auto_accept_member_contacts',
      'users.user_member_profile_updated_at',
      'users.ui_themes',
    ])
    .orderBy('users.user_id');
}

interface UserRow extends ProfileColumns {
  readonly user_id: number;
  readonly agent_user_id: number;
  readonly contact_id: number;
  readonly local_display_name: string;
  readonly active_user: number;
  readonly active_order: number;
  readonly view_pwd_hash: Uint8Array | null;
  readonly view_pwd_salt: Uint8Array | null;
  readonly show_ntfs: number;
  readonly send_rcpts_contacts: number;
  readonly send_rcpts_small_groups: number;
  readonly auto_accept_member_contacts: number;
  readonly user_member_profile_updated_at: number | null;
  readonly ui_themes: string | null;
}

function userView(row: UserRow): User {
  const profile = localProfileView(row);
  return {
    userId: row.user_id,
    agentUserId: String(row.agent_user_id),
    userContactId: row.contact_id,
    localDisplayName: row.local_display_name,
    profile,
    fullPreferences: fullPreferences(profile.preferences),
    activeUser: row.active_user !== 0,
    activeOrder: row.active_order,
    viewPwdHash:
      row.view_pwd_hash === null || row.view_pwd_salt === null
        ? undefined
        : { hash: base64url(row.view_pwd_hash), salt: base64url(row.view_pwd_salt) },
    showNtfs: row.show_ntfs !== 0,
    sendRcptsContacts: row.send_rcpts_contacts !== 0,
    sendRcptsSmallGroups: row.send_rcpts_small_groups !== 0,
    autoAcceptMemberContacts: row.auto_accept_member_contacts !== 0,
    userMemberProfileUpdatedAt: isoTimeOrUndefined(row.user_member_profile_updated_at),
    uiThemes: row.ui_themes === null ? undefined : (JSON.parse(row.ui_themes) as UIThemeEntityOverrides),
  };
}

/** Reads one user again after a change and puts it into the cache. */
export async function reloadUser(tx: Tx, cache: UserCache, userId: number, keepSettings = false): Promise<User> {
  const row = await selectUsers(tx).where('users.user_id', '=', userId).executeTakeFirst();
  if (row === undefined) throw chatFailure({ type: 'userUnknown' });
  const user = userView(row);
  cache.set(tx, user, keepSettings);
  return user;
}

/** The user of this id; `userUnknown` when there is none. */
export function knownUser(cache: UserCache, userId: number): User {
  const user = cache.get(userId);
  if (user === undefined) throw chatFailure({ type: 'userUnknown' });
  return user;
}

/** Stores a new user with its contact, profile and notes folder. It is not active yet. `duplicateName` as thrown. */
export async function insertUser(
  tx: Tx,
  agentUserId: number,
  profile: Profile,
  now: number,
): Promise<{ readonly userId: number }> {
  const { user_id: userId } = await tx.db
    .insertInto('users')
    .values({
      agent_user_id: agentUserId,
      local_display_name: profile.displayName,
      active_order: 0,
      created_at: now,
      updated_at: now,
    })
    .returning('user_id')
    .executeTakeFirstOrThrow();
  await takeName(tx, userId, profile.displayName, now);
  const profileId = await insertProfile(tx, userId, { ...profile, contactLink: undefined }, now);
  const { contact_id: contactId } = await tx.db
    .insertInto('contacts')
    .values({
      user_id: userId,
      contact_profile_id: profileId,
      local_display_name: profile.displayName,
      is_user: 1,
      created_at: now,
      updated_at: now,
      chat_ts: now,
    })
    .returning('contact_id')
    .executeTakeFirstOrThrow();
  await tx.db.updateTable('users').set({ contact_id: contactId }).where('user_id', '=', userId).execute();
  await tx.db
    .insertInto('note_folders')
    .values({ user_id: userId, chat_ts: now, created_at: now, updated_at: now })
    .execute();
  return { userId };
}

/** Makes a user the active one: it gets the highest order. */
export async function activateUser(tx: Tx, cache: UserCache, userId: number): Promise<User> {
  const before = cache.active();
  await tx.db.updateTable('users').set({ active_user: 0 }).where('active_user', '=', 1).execute();
  const { highest } = await tx.db
    .selectFrom('users')
    .select((e) => e.fn.max('active_order').as('highest'))
    .executeTakeFirstOrThrow();
  await tx.db
    .updateTable('users')
    .set({ active_user: 1, active_order: Number(highest) + 1 })
    .where('user_id', '=', userId)
    .execute();
  if (before !== undefined && before.userId !== userId) await reloadUser(tx, cache, before.userId);
  return reloadUser(tx, cache, userId);
}

/** Settings of a user that commands change one by one. */
export interface UserSettings {
  readonly show_ntfs?: number;
  readonly view_pwd_hash?: Uint8Array | null;
  readonly view_pwd_salt?: Uint8Array | null;
  readonly send_rcpts_contacts?: number;
  readonly send_rcpts_small_groups?: number;
  readonly auto_accept_member_contacts?: number;
  readonly ui_themes?: string | null;
  readonly chat_item_ttl?: number | null;
  readonly local_display_name?: string;
  readonly user_member_profile_updated_at?: number;
}

/** The user as it then is. `keepSettings`: the active user goes on being shown as before, see {@link UserCache}. */
export async function updateUser(
  tx: Tx,
  cache: UserCache,
  userId: number,
  settings: UserSettings,
  now: number,
  keepSettings = false,
): Promise<User> {
  await tx.db
    .updateTable('users')
    .set({ ...settings, updated_at: now })
    .where('user_id', '=', userId)
    .execute();
  return reloadUser(tx, cache, userId, keepSettings);
}

/** The password hash of `viewPwdHash`, as bytes. */
export function passwordHash(user: User): { readonly hash: Uint8Array; readonly salt: Uint8Array } | undefined {
  const p = user.viewPwdHash;
  return p === undefined ? undefined : { hash: decodeBase64url(p.hash), salt: decodeBase64url(p.salt) };
}

/** Unread items of chats with notifications on, for `usersList`. */
export async function unreadCounts(tx: Tx): Promise<Map<number, number>> {
  const { rows } = await tx.execute<{ user_id: number; n: number }>(
    `SELECT i.user_id AS user_id, count(*) AS n FROM chat_items i
     LEFT JOIN contacts c ON c.contact_id = i.contact_id
     LEFT JOIN groups g ON g.group_id = i.group_id
     WHERE i.item_status = 'rcvNew'
       AND (c.enable_ntfs = 'all' OR g.enable_ntfs = 'all' OR (g.enable_ntfs = 'mentions' AND i.user_mention = 1))
     GROUP BY i.user_id`,
  );
  return new Map(rows.map((r) => [r.user_id, Number(r.n)]));
}

/** The user's own profile as it travels, with its preferences as they are stored. */
export function userProfile(user: User): Profile {
  return toProfile(user.profile);
}

/** As stored: what is absent has the default. */
export function userPreferences(user: User): Preferences | undefined {
  return user.profile.preferences;
}
