import type { AChatItem, Contact } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { chatBanner, newChat } from '../connections/prepared.js';
import { connectionFailed } from '../contacts/errors.js';
import { findContact, getContact, insertContactRow, setContactStatus } from '../contacts/queries.js';
import type { ConnectionHandlers } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure } from '../engine/errors.js';
import type { IncomingRequest } from '../engine/group-hooks.js';
import { editItemContent, removeDirectItem } from '../items/change.js';
import { createDirectItems, type ServiceItem, viewDirectItem } from '../items/create.js';
import { directItemBySharedId } from '../items/queries.js';
import { itemMsgContent } from '../items/view.js';
import { enabledFeatureItems } from '../preferences/items.js';
import { initialOverrides } from '../preferences/merge.js';
import { parseConnInfo } from '../protocol/index.js';
import { allocateName, freeUnusedName } from '../users/names.js';
import { insertProfile } from '../users/profiles.js';
import { sameJson } from '../util/equal.js';
import { acceptAutomatically } from './accept.js';
import { addressSettingsOf, findContactLink } from './queries.js';
import { findRequest, type RequestRow, requestByXContactId, requestView } from './request-rows.js';

/** Events of the connections behind addresses and group links. */
export const addressEvents: ConnectionHandlers = {
  async REQ(ctx, tx, { user, connection, event }) {
    const received = parseConnInfo(event.info, ctx.compression);
    if (received.type === 'error') throw parseFailure(received.error);
    if (received.type !== 'json') return;
    const { event: x, versions } = received.message;
    if (x.type !== 'x.contact' && x.type !== 'x.info') return;
    const linkId = connection.user_contact_link_id;
    const address = linkId === null ? undefined : await findContactLink(tx, linkId);
    if (address === undefined) return;
    const contact = x.type === 'x.contact' ? x : undefined;
    const request: IncomingRequest = {
      user,
      address,
      connection,
      invId: event.invId,
      pqSupport: event.pqSupport,
      versions,
      profile: x.profile,
      xContactId: contact?.contactReqId,
      welcomeMsgId: contact?.welcomeMsgId,
      message:
        contact?.msgId === undefined || contact.content === undefined
          ? undefined
          : { sharedMsgId: contact.msgId, content: contact.content },
    };
    if (address.group_id !== null) await ctx.groups?.linkRequest(ctx, tx, request);
    else await addressRequest(ctx, tx, request);
  },
  MERR: (ctx, tx, { user, connection, event }) => connectionFailed(ctx, tx, user, connection, event.error),
  ERR: (ctx, tx, { user, connection, event }) => connectionFailed(ctx, tx, user, connection, event.error, false),
};

/** A message that cannot be read, as the official program reports it. */
export function parseFailure(problem: string): Error {
  return chatFailure({ type: 'exception', message: `error parsing chat message: ${problem}` });
}

/** A request at an address (50, section 2.8): known, repeated or new. */
async function addressRequest(ctx: ChatContext, tx: Tx, r: IncomingRequest): Promise<void> {
  const { user, xContactId } = r;
  if (xContactId !== undefined) {
    const accepted = await acceptedContact(tx, r, xContactId);
    if (accepted !== undefined) {
      await ctx.emit(tx, { type: 'contactRequestAlreadyAccepted', user, contact: accepted });
      return;
    }
  }
  const settings = addressSettingsOf(r.address);
  if (settings.businessAddress) {
    await ctx.groups?.businessRequest(ctx, tx, r);
    return;
  }
  const before = xContactId === undefined ? undefined : await requestByXContactId(tx, user.userId, xContactId);
  const requestId = before === undefined ? await insertRequest(ctx, tx, r) : await updateRequest(ctx, tx, r, before);
  const row = await findRequest(tx, user.userId, requestId);
  if (row === undefined) return;
  if (row.contact_id === null) {
    await ctx.emit(tx, { type: 'receivedContactRequest', user, contactRequest: requestView(row) });
    return;
  }
  const contact = await getContact(tx, user, row.contact_id);
  const item =
    before === undefined
      ? await firstItems(ctx, tx, r, row, contact)
      : await repeatedMessage(ctx, tx, r, before.request_shared_msg_id ?? undefined, contact);
  if (settings.autoAccept === undefined) {
    const chat_ = newChat(contact, item?.chatItem);
    await ctx.emit(tx, { type: 'receivedContactRequest', user, contactRequest: requestView(row), chat_ });
    return;
  }
  const incognito = r.address.short_link_data_set === 0 && settings.autoAccept.acceptIncognito;
  const accepted = await acceptAutomatically(ctx, tx, user, contact, row, incognito);
  await ctx.emit(tx, { type: 'acceptingContactRequest', user, contact: accepted });
}

/** An accepted contact with this request id. One that was deleted since may ask anew (50, section 2.9). */
async function acceptedContact(tx: Tx, r: IncomingRequest, xContactId: string): Promise<Contact | undefined> {
  const rows = await tx.db
    .selectFrom('contacts')
    .select(['contact_id', 'contact_status'])
    .where('user_id', '=', r.user.userId)
    .where('xcontact_id', '=', xContactId)
    .orderBy('contact_id', 'desc')
    .execute();
  const active = rows.find((row) => row.contact_status === 'active');
  return active === undefined ? undefined : findContact(tx, r.user, active.contact_id);
}

async function insertRequest(ctx: ChatContext, tx: Tx, r: IncomingRequest): Promise<number> {
  const now = ctx.clock.now();
  const { user, profile } = r;
  const localDisplayName = await allocateName(tx, user.userId, profile.displayName, now);
  // The kind of peer comes with the confirmed profile.
  const profileId = await insertProfile(tx, user.userId, { ...profile, peerType: undefined }, now);
  const { contact_request_id: requestId } = await tx.db
    .insertInto('contact_requests')
    .values({
      user_id: user.userId,
      user_contact_link_id: r.address.user_contact_link_id,
      agent_invitation_id: r.invId,
      contact_profile_id: profileId,
      local_display_name: localDisplayName,
      xcontact_id: r.xContactId ?? null,
      peer_chat_min_version: r.versions.min,
      peer_chat_max_version: r.versions.max,
      pq_support: r.pqSupport ? 1 : 0,
      welcome_shared_msg_id: r.welcomeMsgId ?? null,
      request_shared_msg_id: r.message?.sharedMsgId ?? null,
      created_at: now,
      updated_at: now,
    })
    .returning('contact_request_id')
    .executeTakeFirstOrThrow();
  const overrides = initialOverrides(user.profile.preferences, profile.preferences);
  const contact = { profileId, localDisplayName, overrides };
  const contactId = await insertContactRow(tx, user, contact, { contact_request_id: requestId }, now);
  await tx.db
    .updateTable('contact_requests')
    .set({ contact_id: contactId })
    .where('contact_request_id', '=', requestId)
    .execute();
  return requestId;
}

/** A repeated request brings a new invitation and profile; message ids stay those of the first. */
async function updateRequest(ctx: ChatContext, tx: Tx, r: IncomingRequest, before: RequestRow): Promise<number> {
  const now = ctx.clock.now();
  const { user, profile } = r;
  const requestId = before.contact_request_id;
  await tx.db
    .updateTable('contact_profiles')
    .set({
      display_name: profile.displayName,
      full_name: profile.fullName,
      short_descr: profile.shortDescr ?? null,
      image: profile.image ?? null,
      contact_link: profile.contactLink ?? null,
      updated_at: now,
    })
    .where('contact_profile_id', '=', before.contact_profile_id)
    .execute();
  let localDisplayName = before.local_display_name;
  if (profile.displayName !== before.display_name) {
    localDisplayName = await allocateName(tx, user.userId, profile.displayName, now);
    if (before.contact_id !== null) {
      await tx.db
        .updateTable('contacts')
        .set({ local_display_name: localDisplayName, updated_at: now })
        .where('contact_id', '=', before.contact_id)
        .execute();
    }
  }
  await tx.db
    .updateTable('contact_requests')
    .set({
      agent_invitation_id: r.invId,
      pq_support: r.pqSupport ? 1 : 0,
      peer_chat_min_version: r.versions.min,
      peer_chat_max_version: r.versions.max,
      local_display_name: localDisplayName,
      updated_at: now,
    })
    .where('contact_request_id', '=', requestId)
    .execute();
  if (localDisplayName !== before.local_display_name) {
    await freeUnusedName(tx, user.userId, before.local_display_name);
  }
  // Who was deleted here and asks again is a contact again.
  if (before.contact_id !== null) await setContactStatus(tx, before.contact_id, 'active', now);
  return requestId;
}

/** The items of a new request; the one with its message, if it has one. */
async function firstItems(
  ctx: ChatContext,
  tx: Tx,
  r: IncomingRequest,
  row: RequestRow,
  contact: Contact,
): Promise<AChatItem | undefined> {
  const { user } = r;
  await createDirectItems(ctx, tx, user, contact, true, [chatBanner]);
  const encryption: ServiceItem = { content: { type: 'rcvDirectE2EEInfo', e2eeInfo: { pqEnabled: r.pqSupport } } };
  await createDirectItems(ctx, tx, user, contact, false, [encryption, ...enabledFeatureItems(contact)]);
  const { autoReply } = addressSettingsOf(r.address);
  if (autoReply !== undefined && row.welcome_shared_msg_id !== null) {
    const content = { type: 'sndMsgContent', msgContent: autoReply } as const;
    await createDirectItems(ctx, tx, user, contact, true, [{ content, sharedMsgId: row.welcome_shared_msg_id }]);
  }
  return r.message === undefined ? undefined : requestItem(ctx, tx, r, contact, r.message);
}

async function requestItem(
  ctx: ChatContext,
  tx: Tx,
  r: IncomingRequest,
  contact: Contact,
  message: NonNullable<IncomingRequest['message']>,
): Promise<AChatItem | undefined> {
  const content = { type: 'rcvMsgContent', msgContent: message.content } as const;
  const items = await createDirectItems(ctx, tx, r.user, contact, false, [
    { content, sharedMsgId: message.sharedMsgId },
  ]);
  await ctx.emit(tx, { type: 'newChatItems', user: r.user, chatItems: items });
  return items[0];
}

/** The message of a repeated request against that of the request before. */
async function repeatedMessage(
  ctx: ChatContext,
  tx: Tx,
  r: IncomingRequest,
  previousId: string | undefined,
  contact: Contact,
): Promise<AChatItem | undefined> {
  const { message, user } = r;
  if (message !== undefined && previousId === undefined) return requestItem(ctx, tx, r, contact, message);
  if (message !== undefined && previousId === message.sharedMsgId) {
    const row = await directItemBySharedId(tx, contact.contactId, message.sharedMsgId);
    if (row === undefined) return requestItem(ctx, tx, r, contact, message);
    const old = itemMsgContent(row);
    if (row.item_sent !== 0 || old === undefined) return undefined;
    if (sameJson(old, message.content)) return viewDirectItem(ctx, tx, contact, row);
    const content = { type: 'rcvMsgContent', msgContent: message.content } as const;
    const edited = await editItemContent(ctx, tx, row, content, { edited: true, live: undefined });
    const item = await viewDirectItem(ctx, tx, contact, edited);
    await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: item });
    return item;
  }
  if (message === undefined && previousId !== undefined) {
    const row = await directItemBySharedId(tx, contact.contactId, previousId);
    if (row !== undefined && row.item_sent === 0) {
      const deletion = await removeDirectItem(ctx, tx, user, contact, row, {
        full: contact.mergedPreferences.fullDelete.enabled.forContact,
        deletedTs: ctx.clock.now(),
      });
      const chatItemDeletions = [deletion];
      await ctx.emit(tx, { type: 'chatItemsDeleted', user, chatItemDeletions, byUser: false, timed: false });
    }
  }
  return undefined;
}
