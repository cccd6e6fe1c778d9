import type { Updateable } from 'kysely';
import type { Contact, ContactStatus, Preferences, Profile, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { activeConnection, contactConnections } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { storeFailure } from '../engine/errors.js';
import { initialOverrides } from '../preferences/merge.js';
import type { ContactsTable } from '../schema/index.js';
import { allocateName } from '../users/names.js';
import { insertProfile, profileColumns } from '../users/profiles.js';
import { contactCache } from './cache.js';
import { type ContactWithProfile, contactView } from './view.js';

const contactById = prepare<{ contactId: number; userId: number }, ContactWithProfile>((db, p) =>
  db
    .selectFrom('contacts')
    .innerJoin('contact_profiles', 'contact_profiles.contact_profile_id', 'contacts.contact_profile_id')
    .selectAll('contacts')
    .select(profileColumns)
    .select((e) =>
      e
        .selectFrom('chat_tags_chats')
        .select((c) => c.fn.countAll<number>().as('n'))
        .whereRef('chat_tags_chats.contact_id', '=', 'contacts.contact_id')
        .as('tags'),
    )
    .where('contacts.contact_id', '=', p('contactId'))
    .where('contacts.user_id', '=', p('userId'))
    .$narrowType<{ tags: number }>(),
);

/** The contact, if it is one of this user (the user's own contact included). */
export async function findContact(tx: Tx, user: User, contactId: number): Promise<Contact | undefined> {
  const cache = contactCache(tx);
  const known = cache.get(tx, user, contactId);
  if (known !== undefined) return known;
  const row = await contactById.first(tx, { contactId, userId: user.userId });
  if (row === undefined) return undefined;
  const contact = await readContact(tx, user, row);
  cache.set(tx, user, contact);
  return contact;
}

/** The contact; `contactNotFound`. */
export async function getContact(tx: Tx, user: User, contactId: number): Promise<Contact> {
  const contact = await findContact(tx, user, contactId);
  if (contact === undefined) throw storeFailure({ type: 'contactNotFound', contactId });
  return contact;
}

/** Tags and connection of a contact row; `connection` saves a look-up when it is known. */
async function readContact(tx: Tx, user: User, row: ContactWithProfile): Promise<Contact> {
  const connection = activeConnection(await contactConnections(tx, row.contact_id));
  return contactView(user, row, connection, Number(row.tags) === 0 ? [] : await chatTagIds(tx, row.contact_id));
}

async function chatTagIds(tx: Tx, contactId: number): Promise<number[]> {
  const rows = await tx.db
    .selectFrom('chat_tags_chats')
    .select('chat_tag_id')
    .where('contact_id', '=', contactId)
    .orderBy('chat_tag_id')
    .execute();
  return rows.map((r) => r.chat_tag_id);
}

/** The id of the contact with this local name; `contactNotFoundByName`. */
export async function contactIdByName(tx: Tx, user: User, contactName: string): Promise<number> {
  const row = await tx.db
    .selectFrom('contacts')
    .select('contact_id')
    .where('user_id', '=', user.userId)
    .where('local_display_name', '=', contactName)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'contactNotFoundByName', contactName });
  return row.contact_id;
}

/** Contacts for which `where` holds; those whose chat was used last come last, as in the official program. */
export async function listContacts(
  tx: Tx,
  user: User,
  where: (row: ContactWithProfile, connection: ConnectionRow | undefined) => boolean,
): Promise<Contact[]> {
  const rows = await tx.db
    .selectFrom('contacts')
    .innerJoin('contact_profiles', 'contact_profiles.contact_profile_id', 'contacts.contact_profile_id')
    .selectAll('contacts')
    .select(profileColumns)
    .where('contacts.user_id', '=', user.userId)
    .where('contacts.is_user', '=', 0)
    .orderBy('contacts.chat_ts')
    .orderBy('contacts.contact_id')
    .execute();
  const connections = new Map<number, ConnectionRow[]>();
  const all = await tx.db
    .selectFrom('connections')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('contact_id', 'is not', null)
    .execute();
  for (const c of all) {
    if (c.contact_id === null) continue;
    const list = connections.get(c.contact_id);
    if (list === undefined) connections.set(c.contact_id, [c]);
    else list.push(c);
  }
  const tags = new Map<number, number[]>();
  const tagged = await tx.db
    .selectFrom('chat_tags_chats')
    .innerJoin('chat_tags', 'chat_tags.chat_tag_id', 'chat_tags_chats.chat_tag_id')
    .select(['chat_tags_chats.contact_id', 'chat_tags_chats.chat_tag_id'])
    .where('chat_tags.user_id', '=', user.userId)
    .where('chat_tags_chats.contact_id', 'is not', null)
    .execute();
  for (const t of tagged) {
    if (t.contact_id !== null) tags.set(t.contact_id, [...(tags.get(t.contact_id) ?? []), t.chat_tag_id]);
  }
  const contacts: Contact[] = [];
  for (const r of rows) {
    const row = { ...r, tags: 0 };
    const connection = activeConnection(connections.get(row.contact_id) ?? []);
    if (where(row, connection)) contacts.push(contactView(user, row, connection, tags.get(row.contact_id) ?? []));
  }
  return contacts;
}

/** Columns that a new contact may set beside its profile. */
export type NewContactColumns = Omit<
  Updateable<ContactsTable>,
  'contact_id' | 'user_id' | 'contact_profile_id' | 'local_display_name' | 'created_at' | 'updated_at'
>;

/** Stores a contact with a new profile and a local name of its own; its id. */
export async function insertContact(
  tx: Tx,
  user: User,
  profile: Profile,
  columns: NewContactColumns,
  now: number,
  options: { readonly incognito?: boolean } = {},
): Promise<number> {
  const profileId = await insertProfile(tx, user.userId, profile, now);
  const localDisplayName = await allocateName(tx, user.userId, profile.displayName, now);
  const overrides = initialOverrides(
    options.incognito === true ? undefined : user.profile.preferences,
    profile.preferences,
  );
  return insertContactRow(tx, user, { profileId, localDisplayName, overrides }, columns, now);
}

/** Stores a contact whose profile and local name are stored already; its id. */
export async function insertContactRow(
  tx: Tx,
  user: User,
  contact: { readonly profileId: number; readonly localDisplayName: string; readonly overrides: Preferences },
  columns: NewContactColumns,
  now: number,
): Promise<number> {
  const row = await tx.db
    .insertInto('contacts')
    .values({
      user_id: user.userId,
      contact_profile_id: contact.profileId,
      local_display_name: contact.localDisplayName,
      contact_used: 1,
      user_preferences: JSON.stringify(contact.overrides),
      chat_ts: now,
      ...columns,
      created_at: now,
      updated_at: now,
    })
    .returning('contact_id')
    .executeTakeFirstOrThrow();
  return row.contact_id;
}

/** `updatedAt` changes with every call. */
export async function updateContactRow(
  tx: Tx,
  contactId: number,
  columns: NewContactColumns & { readonly local_display_name?: string },
  now: number,
): Promise<void> {
  await tx.db
    .updateTable('contacts')
    .set({ ...columns, updated_at: now })
    .where('contact_id', '=', contactId)
    .execute();
}

/** `deleted`: by the contact; `deletedByUser`: here (50, section 2.1). */
export async function setContactStatus(tx: Tx, contactId: number, status: ContactStatus, now: number): Promise<void> {
  await updateContactRow(tx, contactId, { contact_status: status }, now);
}

/** Preferences for this contact alone (50, section 3.3); telling the contact is the caller's business. */
export async function setContactOverrides(
  tx: Tx,
  contactId: number,
  overrides: Preferences,
  now: number,
): Promise<void> {
  await updateContactRow(tx, contactId, { user_preferences: JSON.stringify(overrides) }, now);
}

const touch = prepare<{ contactId: number; ts: number }>((db, p) =>
  db
    .updateTable('contacts')
    .set({ chat_ts: p('ts'), chat_deleted: 0 })
    .where('contact_id', '=', p('contactId')),
);

/** The chat goes to the top of the list, and is there again if it was deleted. */
export async function touchContact(tx: Tx, contactId: number, ts: number): Promise<void> {
  await touch.run(tx, { contactId, ts });
  contactCache(tx).touched(contactId, ts);
}
