import type { Contact, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { emitDirectItems } from '../items/create.js';
import { changedFeatureItems } from '../preferences/items.js';
import { overridesAfter } from '../preferences/merge.js';
import { allocateName, freeUnusedName } from '../users/names.js';
import { toProfile, updateProfile } from '../users/profiles.js';
import { sameJson } from '../util/equal.js';
import { getContact, setContactOverrides, updateContactRow } from './queries.js';

/** A profile that a contact sent (50, section 2.12); the contact as it is afterwards. */
export async function contactProfileReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  received: Profile,
  createItems: boolean,
): Promise<Contact> {
  const fromProfile = toProfile(contact.profile);
  const toReceived = toProfile(received);
  if (sameJson(fromProfile, toReceived)) return contact;
  const now = ctx.clock.now();
  const overrides = overridesAfter(user.profile.preferences, contact.userPreferences, received.preferences);
  if (overrides !== contact.userPreferences) await setContactOverrides(tx, contact.contactId, overrides, now);
  await updateProfile(tx, contact.profile.profileId, toReceived, now);
  if (received.displayName !== contact.profile.displayName) {
    const name = await allocateName(tx, user.userId, received.displayName, now);
    await updateContactRow(tx, contact.contactId, { local_display_name: name }, now);
    await tx.db
      .updateTable('group_members')
      .set({ local_display_name: name, updated_at: now })
      .where('contact_id', '=', contact.contactId)
      .execute();
    await forgetRequest(tx, contact);
    await freeUnusedName(tx, user.userId, contact.localDisplayName);
  } else {
    await updateContactRow(tx, contact.contactId, {}, now);
  }
  const updated = await getContact(tx, user, contact.contactId);
  const toContact = { ...updated, contactRequestId: contact.contactRequestId };
  if (createItems && toContact.contactUsed) {
    if (isVisibleChange(fromProfile, toReceived)) {
      const rcvDirectEvent = { type: 'profileUpdated', fromProfile, toProfile: toReceived } as const;
      await emitDirectItems(ctx, tx, user, toContact, false, [{ content: { type: 'rcvDirectEvent', rcvDirectEvent } }]);
    }
    await emitDirectItems(ctx, tx, user, toContact, false, changedFeatureItems(contact, toContact, false));
  }
  await ctx.emit(tx, { type: 'contactUpdated', user, fromContact: contact, toContact });
  return toContact;
}

/** The request of a connected contact has the name that the contact gives up: as in the official program it goes. */
async function forgetRequest(tx: Tx, contact: Contact): Promise<void> {
  if (contact.contactRequestId === undefined || contact.activeConn?.connStatus !== 'ready') return;
  await tx.db.deleteFrom('contact_requests').where('contact_request_id', '=', contact.contactRequestId).execute();
  await tx.db
    .updateTable('contacts')
    .set({ contact_request_id: null })
    .where('contact_id', '=', contact.contactId)
    .execute();
}

function isVisibleChange(a: Profile, b: Profile): boolean {
  return (
    a.displayName !== b.displayName ||
    a.fullName !== b.fullName ||
    a.shortDescr !== b.shortDescr ||
    a.image !== b.image ||
    a.contactLink !== b.contactLink
  );
}
