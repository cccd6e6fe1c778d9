import type { ApiResponse, Contact, Profile, User, UserProfileUpdateSummary } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { updateAddressData } from '../addresses/link-data.js';
import { listContacts } from '../contacts/queries.js';
import { withMergedPreferences } from '../contacts/view.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, storeFailure } from '../engine/errors.js';
import { canSendTo, sendDirectMessages } from '../messaging/send.js';
import { createChangedFeatureItems } from '../preferences/items.js';
import { sameJson } from '../util/equal.js';
import { directProfile } from './direct-profile.js';
import { checkName, freeName, takeName } from './names.js';
import { toProfile, updateProfile } from './profiles.js';
import { reloadUser } from './queries.js';

/** A contact whose view of the user changes. */
interface ChangedContact {
  readonly before: Contact;
  readonly after: Contact;
  readonly profile: Profile;
}

/**
 * Replaces the profile of the active user (50, section 2.12): stores it, updates the data behind the address, and
 * queues it for all contacts that see a difference.
 */
export async function replaceUserProfile(
  ctx: ChatContext,
  user: User,
  profile: Profile,
  options: { readonly addressData: boolean } = { addressData: true },
): Promise<ApiResponse> {
  const fromProfile = toProfile(user.profile);
  if (sameJson(fromProfile, toProfile(profile))) return { type: 'userProfileNoChange', user };
  if (profile.displayName !== user.profile.displayName) checkName(profile.displayName);
  const stored = await ctx.store.transaction(async (tx) => {
    const contacts = await listContacts(tx, user, () => true);
    return { contacts, user: await storeUserProfile(ctx, tx, user, profile) };
  });
  if (options.addressData) await updateAddressData(ctx, stored.user);
  const updateSummary = await ctx.store.transaction((tx) => tellContacts(ctx, tx, user, stored.user, stored.contacts));
  return { type: 'userProfileUpdated', user: stored.user, fromProfile, toProfile: toProfile(profile), updateSummary };
}

async function storeUserProfile(ctx: ChatContext, tx: Tx, user: User, profile: Profile): Promise<User> {
  const now = ctx.clock.now();
  const name = profile.displayName;
  if (name !== user.profile.displayName && name !== user.localDisplayName) {
    if (ctx.users.all().some((u) => u.localDisplayName === name)) throw storeFailure({ type: 'duplicateName' });
    await takeName(tx, user.userId, name, now);
    await tx.db
      .updateTable('users')
      .set({ local_display_name: name, updated_at: now })
      .where('user_id', '=', user.userId)
      .execute();
    await tx.db
      .updateTable('contacts')
      .set({ local_display_name: name, updated_at: now })
      .where('contact_id', '=', user.userContactId)
      .execute();
    await freeName(tx, user.userId, user.localDisplayName);
  }
  await updateProfile(tx, user.profile.profileId, profile, now);
  // Groups compare this with what they were told last.
  await tx.db
    .updateTable('users')
    .set({ user_member_profile_updated_at: memberProfileChanged(user, profile) ? now : undefined, updated_at: now })
    .where('user_id', '=', user.userId)
    .execute();
  const fresh = await reloadUser(tx, ctx.users, user.userId, true);
  // The copy of the active user keeps the settings that it had.
  const shown: User = {
    ...fresh,
    sendRcptsContacts: user.sendRcptsContacts,
    sendRcptsSmallGroups: user.sendRcptsSmallGroups,
    autoAcceptMemberContacts: user.autoAcceptMemberContacts,
  };
  if (fresh.activeUser) ctx.users.setActive(tx, shown);
  return shown;
}

/** Members see name, full name, description and image only. */
function memberProfileChanged(user: User, profile: Profile): boolean {
  const p = user.profile;
  return (
    p.displayName !== profile.displayName ||
    p.fullName !== profile.fullName ||
    p.shortDescr !== profile.shortDescr ||
    p.image !== profile.image
  );
}

async function tellContacts(
  ctx: ChatContext,
  tx: Tx,
  before: User,
  user: User,
  contacts: readonly Contact[],
): Promise<UserProfileUpdateSummary> {
  const changed: ChangedContact[] = [];
  for (const contact of contacts) {
    const after = withMergedPreferences(user, contact);
    if (!canSendTo(after) || after.activeConn?.customUserProfileId !== undefined) continue;
    const profile = directProfile(user, undefined, after, false);
    if (!sameJson(directProfile(before, undefined, contact, false), profile)) {
      changed.push({ before: contact, after, profile });
    }
  }
  if (changed.length === 0) return { updateSuccesses: 0, updateFailures: 0, changedContacts: [] };
  const told: ChangedContact[] = [];
  const errors: ChatException[] = [];
  for (const c of changed) {
    const [sent] = await sendDirectMessages(ctx, tx, user, c.after, [
      { event: { type: 'x.info', profile: c.profile } },
    ]);
    if (sent instanceof ChatException) errors.push(sent);
    else told.push(c);
  }
  if (errors.length > 0) await ctx.emit(tx, { type: 'chatErrors', chatErrors: errors.map((e) => e.chatError) });
  const preferencesChanged = told.filter(
    (c) => c.after.contactUsed && !sameJson(c.before.mergedPreferences, c.after.mergedPreferences),
  );
  const chatItems = [];
  for (const c of preferencesChanged) {
    chatItems.push(...(await createChangedFeatureItems(ctx, tx, user, c.before, c.after, true)));
  }
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
  return {
    updateSuccesses: told.length,
    updateFailures: errors.length,
    changedContacts: preferencesChanged.map((c) => c.after),
  };
}
