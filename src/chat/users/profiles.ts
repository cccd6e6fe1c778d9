import type { ChatPeerType, LocalProfile, Preferences, Profile } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';

/** The columns of a profile as joins of contacts, members and requests select them. */
export interface ProfileColumns {
  readonly contact_profile_id: number;
  readonly display_name: string;
  readonly full_name: string;
  readonly short_descr: string | null;
  readonly image: string | null;
  readonly contact_link: string | null;
  readonly preferences: string | null;
  readonly peer_type: string | null;
  readonly local_alias: string;
}

/** Column names of {@link ProfileColumns} in `contact_profiles`, for selects. */
export const profileColumns = [
  'contact_profiles.contact_profile_id',
  'contact_profiles.display_name',
  'contact_profiles.full_name',
  'contact_profiles.short_descr',
  'contact_profiles.image',
  'contact_profiles.contact_link',
  'contact_profiles.preferences',
  'contact_profiles.peer_type',
  'contact_profiles.local_alias',
] as const;

const peerTypes: readonly string[] = ['human', 'bot'] satisfies ChatPeerType[];

function peerType(s: string | null): ChatPeerType | undefined {
  return s !== null && peerTypes.includes(s) ? (s as ChatPeerType) : undefined;
}

/** Parsed preferences; the column holds what {@link insertProfile} wrote. */
function storedPreferences(json: string | null): Preferences | undefined {
  return json === null ? undefined : (JSON.parse(json) as Preferences);
}

/** With the local id and alias. A kind of peer that we do not know is left out. */
export function localProfileView(row: ProfileColumns): LocalProfile {
  return {
    profileId: row.contact_profile_id,
    displayName: row.display_name,
    fullName: row.full_name,
    shortDescr: row.short_descr ?? undefined,
    image: row.image ?? undefined,
    contactLink: row.contact_link ?? undefined,
    preferences: storedPreferences(row.preferences),
    peerType: peerType(row.peer_type),
    localAlias: row.local_alias,
  };
}

/** The profile as it travels: without id and alias. */
export function toProfile(p: Profile | LocalProfile): Profile {
  return {
    displayName: p.displayName,
    fullName: p.fullName,
    shortDescr: p.shortDescr,
    image: p.image,
    contactLink: p.contactLink,
    preferences: p.preferences,
    peerType: p.peerType,
  };
}

const insert = prepare<
  {
    userId: number;
    displayName: string;
    fullName: string;
    shortDescr: string | null;
    image: string | null;
    contactLink: string | null;
    preferences: string | null;
    peerType: string | null;
    incognito: number;
    now: number;
  },
  { contact_profile_id: number }
>((db, p) =>
  db
    .insertInto('contact_profiles')
    .values({
      user_id: p('userId'),
      display_name: p('displayName'),
      full_name: p('fullName'),
      short_descr: p('shortDescr'),
      image: p('image'),
      contact_link: p('contactLink'),
      preferences: p('preferences'),
      peer_type: p('peerType'),
      incognito: p('incognito'),
      created_at: p('now'),
      updated_at: p('now'),
    })
    .returning('contact_profile_id'),
);

function values(profile: Profile) {
  return {
    displayName: profile.displayName,
    fullName: profile.fullName,
    shortDescr: profile.shortDescr ?? null,
    image: profile.image ?? null,
    contactLink: profile.contactLink ?? null,
    preferences: profile.preferences === undefined ? null : JSON.stringify(profile.preferences),
    peerType: profile.peerType ?? null,
  };
}

/** Stores a profile; its id. */
export async function insertProfile(
  tx: Tx,
  userId: number,
  profile: Profile,
  now: number,
  incognito = false,
): Promise<number> {
  const row = await insert.first(tx, { userId, ...values(profile), incognito: incognito ? 1 : 0, now });
  if (row === undefined) throw new Error('an insert returned no row');
  return row.contact_profile_id;
}

/** Replaces all fields of a profile but its alias. */
export async function updateProfile(tx: Tx, profileId: number, profile: Profile, now: number): Promise<void> {
  const v = values(profile);
  await tx.db
    .updateTable('contact_profiles')
    .set({
      display_name: v.displayName,
      full_name: v.fullName,
      short_descr: v.shortDescr,
      image: v.image,
      contact_link: v.contactLink,
      preferences: v.preferences,
      peer_type: v.peerType,
      updated_at: now,
    })
    .where('contact_profile_id', '=', profileId)
    .execute();
}

/** The profile of this id, if it is there. */
export async function getProfile(tx: Tx, profileId: number): Promise<LocalProfile | undefined> {
  const row = await tx.db
    .selectFrom('contact_profiles')
    .select(profileColumns)
    .where('contact_profile_id', '=', profileId)
    .executeTakeFirst();
  return row === undefined ? undefined : localProfileView(row);
}

/** Deletes a profile unless a contact, request, member or connection uses it. */
export async function deleteUnusedProfile(tx: Tx, profileId: number): Promise<void> {
  await tx.execute(
    `DELETE FROM contact_profiles WHERE contact_profile_id = ?
     AND NOT EXISTS (SELECT 1 FROM contacts WHERE contact_profile_id = ?)
     AND NOT EXISTS (SELECT 1 FROM contact_requests WHERE contact_profile_id = ?)
     AND NOT EXISTS (SELECT 1 FROM group_members WHERE contact_profile_id = ? OR member_profile_id = ?)
     AND NOT EXISTS (SELECT 1 FROM connections WHERE custom_user_profile_id = ?)`,
    [profileId, profileId, profileId, profileId, profileId, profileId],
  );
}
