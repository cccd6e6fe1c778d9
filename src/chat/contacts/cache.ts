import type { Contact, User } from '../../api/index.js';
import type { TableVersions, Tx } from '../../store/index.js';
import { isoTime } from '../engine/time.js';

/** Everything that a contact is read from, and the tables whose deletions take those rows with them. */
const tables = ['contacts', 'contact_profiles', 'connections', 'chat_tags_chats', 'chat_tags', 'users'] as const;

const maxContacts = 1000;

interface Entry {
  readonly stamp: number;
  /** Of the user's profile: contacts hold what follows from them. */
  readonly preferences: unknown;
  readonly userId: number;
  readonly contact: Contact;
}

/**
 * Contacts as they were read last: every message reads its contact several times. An entry is good while none of the
 * tables was written, and for {@link contactTouched}, which every message does and which changes nothing else.
 */
class ContactCache {
  readonly #entries = new Map<number, Entry>();
  #touches = 0;

  /** What the tables were at, without the writes that the cache knows of. */
  stamp(tx: Tx): number {
    return tx.versions.of(tables) - this.#touches;
  }

  get(tx: Tx, user: User, contactId: number): Contact | undefined {
    const entry = this.#entries.get(contactId);
    if (
      entry === undefined ||
      entry.stamp !== this.stamp(tx) ||
      entry.userId !== user.userId ||
      entry.preferences !== user.profile.preferences
    ) {
      return undefined;
    }
    return entry.contact;
  }

  set(tx: Tx, user: User, contact: Contact): void {
    if (this.#entries.size >= maxContacts) this.#entries.clear();
    const { userId } = user;
    this.#entries.set(contact.contactId, {
      stamp: this.stamp(tx),
      preferences: user.profile.preferences,
      userId,
      contact,
    });
  }

  touched(contactId: number, ts: number): void {
    this.#touches++;
    const entry = this.#entries.get(contactId);
    if (entry === undefined) return;
    const contact = { ...entry.contact, chatTs: isoTime(ts), chatDeleted: false };
    this.#entries.set(contactId, { ...entry, contact });
  }
}

const caches = new WeakMap<TableVersions, ContactCache>();

/** The cache of the database of this transaction. */
export function contactCache(tx: Tx): ContactCache {
  let cache = caches.get(tx.versions);
  if (cache === undefined) {
    cache = new ContactCache();
    caches.set(tx.versions, cache);
  }
  return cache;
}
