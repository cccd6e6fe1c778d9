import { createHash } from 'node:crypto';
import type { Contact, GroupInfo, GroupMember, LocalProfile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { base64url, decodeBase64url } from '../../wire/index.js';
import { findContact, getContact, updateContactRow } from '../contacts/queries.js';
import type { DirectMessageTable } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { canSendTo, sendDirectMessage } from '../messaging/send.js';
import { newProbe } from '../protocol/index.js';
import { freeUnusedName } from '../users/names.js';
import { deleteUnusedProfile } from '../users/profiles.js';
import { messageWarning } from './member-loading.js';
import { findGroup, findMemberById, getGroup, updateMemberRow } from './queries.js';
import { isCurrent } from './roles.js';
import { sendToMember } from './send-member.js';
import { isIncognitoMembership } from './view.js';

/** A contact or a member: probes find out that they are the same person (60, section 7.14; 50, section 2.13). */
type Peer =
  | { readonly type: 'contact'; readonly contact: Contact }
  | { readonly type: 'member'; readonly group: GroupInfo; readonly member: GroupMember };

function hashOf(probe: string): string {
  return base64url(new Uint8Array(createHash('sha256').update(decodeBase64url(probe)).digest()));
}

function ids(peer: Peer): { readonly contact_id: number | null; readonly group_member_id: number | null } {
  return peer.type === 'contact'
    ? { contact_id: peer.contact.contactId, group_member_id: null }
    : { contact_id: null, group_member_id: peer.member.groupMemberId };
}

function isIncognito(peer: Peer): boolean {
  return peer.type === 'contact'
    ? peer.contact.activeConn?.customUserProfileId !== undefined
    : isIncognitoMembership(peer.group);
}

function profilesMatch(a: LocalProfile, b: LocalProfile): boolean {
  return a.displayName === b.displayName && a.fullName === b.fullName && a.image === b.image;
}

/** Joining comes first: what a new member is told and asked right away does not wait for probes. */
const probeDelayMs = 18;

/** Asks a member that we are connected with now whether it is one of our contacts, when this has become quiet. */
export function probeMember(ctx: ChatContext, tx: Tx, user: User, member: GroupMember): void {
  const run = (): Promise<void> =>
    ctx.store.transaction(async (later) => {
      const current = await findMemberById(later, user, member.groupMemberId);
      const group = current === undefined ? undefined : await findGroup(later, user, current.groupId);
      if (current === undefined || group === undefined || !isCurrent(group.membership) || !isCurrent(current)) return;
      if (current.activeConn?.connStatus === 'ready') await probe(ctx, later, user, group, current);
    });
  tx.onCommit(() => {
    ctx.clock.after(
      probeDelayMs,
      () => {
        if (ctx.state.started) ctx.background('probe', run);
      },
      { unref: true },
    );
  });
}

async function probe(ctx: ChatContext, tx: Tx, user: User, group: GroupInfo, member: GroupMember): Promise<void> {
  const text = newProbe(ctx.random);
  await sendToMember(ctx, tx, member, { type: 'x.info.probe', probe: text });
  // Who is incognito sends a probe too, so that it cannot be told from others; nothing is compared with it.
  if (isIncognitoMembership(group)) return;
  const now = ctx.clock.now();
  const { sent_probe_id } = await tx.db
    .insertInto('sent_probes')
    .values({ user_id: user.userId, group_member_id: member.groupMemberId, probe: text, created_at: now })
    .returning('sent_probe_id')
    .executeTakeFirstOrThrow();
  for (const contact of await matchingContacts(tx, user, member)) {
    if (!canSendTo(contact)) continue;
    const sent = await tx
      .savepoint(() =>
        sendDirectMessage(ctx, tx, user, contact, { event: { type: 'x.info.probe.check', probeHash: hashOf(text) } }),
      )
      .catch(() => undefined);
    if (sent === undefined) continue;
    await tx.db
      .insertInto('sent_probe_hashes')
      .values({ user_id: user.userId, sent_probe_id, contact_id: contact.contactId, created_at: now })
      .execute();
  }
}

async function matchingContacts(tx: Tx, user: User, member: GroupMember): Promise<Contact[]> {
  if (member.memberContactId !== undefined) return [];
  const p = member.memberProfile;
  const { rows } = await tx.execute<{ contact_id: number }>(
    `SELECT c.contact_id FROM contacts c JOIN contact_profiles p ON p.contact_profile_id = c.contact_profile_id
     WHERE c.user_id = ? AND c.contact_status = 'active' AND c.is_user = 0 AND p.display_name = ? AND p.full_name = ?
       AND coalesce(p.short_descr, '') = ? AND coalesce(p.image, '') = ?`,
    [user.userId, p.displayName, p.fullName, p.shortDescr ?? '', p.image ?? ''],
  );
  const contacts: Contact[] = [];
  for (const row of rows) contacts.push(await getContact(tx, user, row.contact_id));
  return contacts;
}

async function readPeer(
  tx: Tx,
  user: User,
  row: { readonly contact_id: number | null; readonly group_member_id: number | null },
): Promise<Peer | undefined> {
  if (row.contact_id !== null) {
    const contact = await findContact(tx, user, row.contact_id);
    return contact === undefined ? undefined : { type: 'contact', contact };
  }
  if (row.group_member_id === null) return undefined;
  const member = await findMemberById(tx, user, row.group_member_id);
  if (member === undefined) return undefined;
  return { type: 'member', member, group: await getGroup(tx, user, member.groupId) };
}

/** `x.info.probe` */
export async function probeReceived(ctx: ChatContext, tx: Tx, user: User, from: Peer, probe: string): Promise<void> {
  if (isIncognito(from)) return;
  const probeHash = hashOf(probe);
  const checked = await tx.db
    .selectFrom('received_probes')
    .select(['contact_id', 'group_member_id'])
    .where('user_id', '=', user.userId)
    .where('probe_hash', '=', probeHash)
    .where('probe', 'is', null)
    .execute();
  await storeReceived(ctx, tx, user, from, probeHash, probe);
  let current: Peer = from;
  for (const row of checked) {
    const other = await readPeer(tx, user, row);
    if (other === undefined || isIncognito(other)) continue;
    const contact = await match(ctx, tx, user, other, current, probe);
    if (contact !== undefined) current = { type: 'contact', contact };
  }
}

/** `x.info.probe.check` */
export async function probeCheckReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  from: Peer,
  probeHash: string,
): Promise<void> {
  if (isIncognito(from)) return;
  const probed = await tx.db
    .selectFrom('received_probes')
    .select(['contact_id', 'group_member_id', 'probe'])
    .where('user_id', '=', user.userId)
    .where('probe_hash', '=', probeHash)
    .where('probe', 'is not', null)
    .executeTakeFirst();
  await storeReceived(ctx, tx, user, from, probeHash, undefined);
  if (probed === undefined || probed.probe === null) return;
  const other = await readPeer(tx, user, probed);
  if (other !== undefined && !isIncognito(other)) await match(ctx, tx, user, from, other, probed.probe);
}

async function storeReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  from: Peer,
  probeHash: string,
  probe: string | undefined,
): Promise<void> {
  await tx.db
    .insertInto('received_probes')
    .values({
      user_id: user.userId,
      ...ids(from),
      probe: probe ?? null,
      probe_hash: probeHash,
      created_at: ctx.clock.now(),
    })
    .execute();
}

/** `checker` sent the hash of the probe that `prober` sent: one contact and one member become one person. */
async function match(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  checker: Peer,
  prober: Peer,
  probe: string,
): Promise<Contact | undefined> {
  const contact = checker.type === 'contact' ? checker.contact : prober.type === 'contact' ? prober.contact : undefined;
  const found = checker.type === 'member' ? checker : prober.type === 'member' ? prober : undefined;
  if (contact === undefined || found === undefined) return undefined;
  const { member } = found;
  if (
    member.memberContactId !== undefined ||
    !profilesMatch(contact.profile, member.memberProfile) ||
    (checker.type === 'member' && !isCurrent(member))
  ) {
    await messageWarning(ctx, tx, user, "probeMatch ignored: profiles don't match or member already has contact");
    return undefined;
  }
  const answer = { type: 'x.info.probe.ok', probe } as const;
  if (checker.type === 'member') await sendToMember(ctx, tx, member, answer);
  else await sendDirectMessage(ctx, tx, user, contact, { event: answer });
  return associate(ctx, tx, user, contact, found.group, member);
}

/** `x.info.probe.ok` */
export async function probeOkReceived(ctx: ChatContext, tx: Tx, user: User, from: Peer, probe: string): Promise<void> {
  const { contact_id, group_member_id } = ids(from);
  const { rows } = await tx.execute<{ contact_id: number | null; group_member_id: number | null }>(
    `SELECT s.contact_id, s.group_member_id FROM sent_probes s
     JOIN sent_probe_hashes h ON h.sent_probe_id = s.sent_probe_id
     WHERE s.user_id = ? AND s.probe = ? AND (h.contact_id = ? OR h.group_member_id = ?) LIMIT 1`,
    [user.userId, probe, contact_id ?? -1, group_member_id ?? -1],
  );
  const row = rows[0];
  const other = row === undefined ? undefined : await readPeer(tx, user, row);
  if (other === undefined || other.type === from.type) return;
  const contact = from.type === 'contact' ? from.contact : other.type === 'contact' ? other.contact : undefined;
  const found = from.type === 'member' ? from : other.type === 'member' ? other : undefined;
  if (contact === undefined || found === undefined) return;
  if (found.member.memberContactId !== undefined) {
    await messageWarning(ctx, tx, user, 'xInfoProbeOk ignored: member already has contact');
    return;
  }
  await associate(ctx, tx, user, contact, found.group, found.member);
}

/** The number that a local name has after the display name; undefined when it was made of another one. */
function suffixOf(displayName: string, localDisplayName: string): number | undefined {
  if (displayName === localDisplayName) return 0;
  const suffix = localDisplayName.startsWith(`${displayName}_`) ? localDisplayName.slice(displayName.length + 1) : '';
  return /^\d+$/.test(suffix) ? Number(suffix) : undefined;
}

/** Contact and member share profile and name from now on: those of which was known first. */
async function associate(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  group: GroupInfo,
  member: GroupMember,
): Promise<Contact | undefined> {
  const { displayName } = contact.profile;
  const ofContact = suffixOf(displayName, contact.localDisplayName);
  const ofMember = suffixOf(displayName, member.localDisplayName);
  if (ofContact === undefined || ofMember === undefined || ofContact === ofMember) return undefined;
  const now = ctx.clock.now();
  if (ofContact < ofMember) {
    await updateMemberRow(
      tx,
      member.groupMemberId,
      {
        contact_id: contact.contactId,
        local_display_name: contact.localDisplayName,
        contact_profile_id: contact.profile.profileId,
      },
      now,
    );
    await deleteUnusedProfile(tx, member.memberProfile.profileId);
    await freeUnusedName(tx, user.userId, member.localDisplayName);
  } else {
    await updateMemberRow(tx, member.groupMemberId, { contact_id: contact.contactId }, now);
    await updateContactRow(tx, contact.contactId, { local_display_name: member.localDisplayName }, now);
    await tx.db
      .updateTable('contacts')
      .set({ contact_profile_id: member.memberProfile.profileId })
      .where('contact_id', '=', contact.contactId)
      .execute();
    await deleteUnusedProfile(tx, contact.profile.profileId);
    await freeUnusedName(tx, user.userId, contact.localDisplayName);
  }
  const updatedContact = await getContact(tx, user, contact.contactId);
  await ctx.emit(tx, {
    type: 'contactAndMemberAssociated',
    user,
    contact,
    groupInfo: await getGroup(tx, user, group.groupId),
    member,
    updatedContact,
  });
  return updatedContact;
}

/** Probes on connections with contacts. */
export const directProbes: DirectMessageTable = {
  'x.info.probe': (ctx, tx, m) =>
    probeReceived(ctx, tx, m.user, { type: 'contact', contact: m.contact }, m.event.probe),
  'x.info.probe.check': (ctx, tx, m) =>
    probeCheckReceived(ctx, tx, m.user, { type: 'contact', contact: m.contact }, m.event.probeHash),
  'x.info.probe.ok': (ctx, tx, m) =>
    probeOkReceived(ctx, tx, m.user, { type: 'contact', contact: m.contact }, m.event.probe),
};
