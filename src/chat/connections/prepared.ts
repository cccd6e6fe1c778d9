import type {
  AChat,
  AChatItem,
  ApiResponse,
  ChatItem,
  Contact,
  ContactShortLinkData,
  CreatedConnLink,
  MsgContent,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { getContact, insertContact, updateContactRow } from '../contacts/queries.js';
import { withMergedPreferences } from '../contacts/view.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { createDirectItems, emitDirectItems, type ServiceItem } from '../items/create.js';
import { sendContent } from '../messaging/content.js';
import { createChangedFeatureItems, enabledFeatureItems } from '../preferences/items.js';
import { initialOverrides } from '../preferences/merge.js';
import { newSharedMsgId } from '../protocol/index.js';
import { allocateName, freeName } from '../users/names.js';
import { requestContact } from './address.js';
import { joinInvitation } from './invitation.js';
import { type KnownLink, readFullLink, readLink } from './links.js';

type FullLink = Extract<KnownLink, { form: 'full' }>;

/** The first item of a chat: before all others. */
export const chatBanner: ServiceItem = { content: { type: 'chatBanner' }, itemTs: 0 };

/** A chat as commands and events show it whose only item is `item`, unread. */
export function newChat(contact: Contact, item: ChatItem | undefined): AChat {
  return {
    chatInfo: { type: 'direct', contact },
    chatItems: item === undefined ? [] : [item],
    chatStats: {
      unreadCount: item === undefined ? 0 : 1,
      unreadMentions: 0,
      reportsCount: 0,
      minUnreadItemId: item?.meta.itemId ?? 0,
      unreadChat: false,
    },
  };
}

/** Links of a prepared chat, in their stored form; `invalidConnReq`. */
export function storedLink(link: CreatedConnLink): { readonly full: FullLink; readonly shortLink: string | undefined } {
  const full = readFullLink(link.connFullLink);
  const short = link.connShortLink === undefined ? undefined : readLink(link.connShortLink);
  if (full === undefined) throw chatFailure({ type: 'invalidConnReq' });
  return { full, shortLink: short?.form === 'short' ? short.text : undefined };
}

/** `/_prepare contact`: a contact with what its link says about it, before connecting (50, section 2.7). */
export async function prepareContact(
  ctx: ChatContext,
  user: User,
  link: CreatedConnLink,
  data: ContactShortLinkData,
): Promise<ApiResponse> {
  const { full, shortLink } = storedLink(link);
  if (data.business && full.mode === 'con') {
    if (ctx.groups === undefined) throw commandFailure('not supported');
    return ctx.groups.prepareBusiness(ctx, user, { connFullLink: full.text, connShortLink: shortLink }, data);
  }
  return ctx.store.transaction(async (tx) => {
    const welcome = data.message === undefined ? undefined : newSharedMsgId(ctx.random);
    const contactId = await insertContact(
      tx,
      user,
      data.profile,
      {
        conn_full_link_to_connect: full.text,
        conn_short_link_to_connect: shortLink ?? null,
        conn_link_mode: full.mode,
        welcome_shared_msg_id: welcome ?? null,
      },
      ctx.clock.now(),
    );
    const contact = await getContact(tx, user, contactId);
    await createDirectItems(ctx, tx, user, contact, true, [chatBanner]);
    const pqEnabled = linkPq(ctx, full);
    await createDirectItems(ctx, tx, user, contact, false, [
      { content: { type: 'rcvDirectE2EEInfo', e2eeInfo: { pqEnabled } } },
      ...enabledFeatureItems(contact),
    ]);
    let item: AChatItem | undefined;
    if (data.message !== undefined) {
      const content = { type: 'rcvMsgContent', msgContent: data.message } as const;
      [item] = await createDirectItems(ctx, tx, user, contact, false, [{ content, sharedMsgId: welcome }]);
    }
    return { type: 'newPreparedChat', user, chat: newChat(contact, item?.chatItem) };
  });
}

/** Whether a connection by this link will use post-quantum encryption; undefined for addresses, which do not say. */
export function linkPq(ctx: ChatContext, link: FullLink): boolean | undefined {
  return link.mode === 'inv' ? ctx.agent.connRequestPQSupport(true, link.text)?.pqSupport : undefined;
}

/** `/_connect contact`: connects a prepared contact, with an optional message. */
export async function connectPrepared(
  ctx: ChatContext,
  user: User,
  contactId: number,
  incognito: boolean,
  content: MsgContent | undefined,
): Promise<ApiResponse> {
  const contact = await ctx.store.read((tx) => getContact(tx, user, contactId));
  const prepared = contact.preparedContact;
  if (prepared === undefined) throw commandFailure("contact doesn't have link to connect");
  const { full, shortLink } = storedLink(prepared.connLinkToConnect);
  if (full.mode === 'inv') {
    const joined = await toldOnFailure(ctx, user, contactId, () =>
      joinInvitation(ctx, user, incognito, full, shortLink, contactId),
    );
    return ctx.store.transaction(async (tx) => {
      const after = await started(ctx, tx, user, contact, incognito);
      if (content !== undefined) await sendContent(ctx, tx, user, after, content);
      return { type: 'startedConnectionToContact', user, contact: after, customUserProfile: joined.profile };
    });
  }
  const message =
    content === undefined
      ? undefined
      : { content, sharedMsgId: prepared.requestSharedMsgId ?? (await newRequestMessageId(ctx, contactId)) };
  const result = await toldOnFailure(ctx, user, contactId, () =>
    requestContact(ctx, user, {
      incognito,
      link: full,
      shortLink,
      prepared: { type: 'contact', contact },
      welcomeSharedMsgId: prepared.welcomeSharedMsgId,
      message,
    }),
  );
  if (result.type === 'connected') return { type: 'contactAlreadyExists', user, contact: result.contact };
  return ctx.store.transaction(async (tx) => {
    const after = await started(ctx, tx, user, contact, incognito);
    if (message !== undefined) {
      // It went with the request: there is no delivery whose status it could show.
      const item = { type: 'sndMsgContent', msgContent: message.content } as const;
      await emitDirectItems(ctx, tx, user, after, true, [{ content: item, sharedMsgId: message.sharedMsgId }]);
    }
    return { type: 'startedConnectionToContact', user, contact: after, customUserProfile: result.profile };
  });
}

/** The id of the request message: made once, so that a repeated request updates the message of the first. */
async function newRequestMessageId(ctx: ChatContext, contactId: number): Promise<string> {
  const sharedMsgId = newSharedMsgId(ctx.random);
  await ctx.store.transaction((tx) =>
    updateContactRow(tx, contactId, { request_shared_msg_id: sharedMsgId }, ctx.clock.now()),
  );
  return sharedMsgId;
}

/** The contact with its connection; incognito, the preferences are not the profile's any more. */
async function started(ctx: ChatContext, tx: Tx, user: User, before: Contact, incognito: boolean): Promise<Contact> {
  const contact = await getContact(tx, user, before.contactId);
  if (incognito) {
    const chatItems = await createChangedFeatureItems(ctx, tx, user, before, contact, true);
    await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
  }
  return contact;
}

/** When connecting fails the connection may have been prepared: clients are told what the contact is like now. */
export async function toldOnFailure<T>(
  ctx: ChatContext,
  user: User,
  contactId: number,
  task: () => Promise<T>,
): Promise<T> {
  try {
    return await task();
  } catch (error) {
    await ctx.store.transaction(async (tx) => {
      const contact = await getContact(tx, user, contactId);
      await ctx.emit(tx, { type: 'chatInfoUpdated', user, chatInfo: { type: 'direct', contact } });
    });
    throw error;
  }
}

/** Moves a prepared contact that is not connected yet to another profile. */
export async function changePreparedUser(
  ctx: ChatContext,
  user: User,
  contactId: number,
  newUser: User,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    if (contact.preparedContact === undefined) throw commandFailure("contact doesn't have link to connect");
    if (contact.activeConn !== undefined) throw commandFailure('contact already has connection');
    await moveContact(ctx, tx, user, contact, newUser);
    const toContact = withMergedPreferences(newUser, await getContact(tx, newUser, contactId));
    const chatItems = await createChangedFeatureItems(ctx, tx, newUser, contact, toContact, true);
    await ctx.emit(tx, { type: 'newChatItems', user, chatItems });
    return { type: 'contactUserChanged', user, fromContact: contact, newUser, toContact };
  });
}

async function moveContact(ctx: ChatContext, tx: Tx, user: User, contact: Contact, newUser: User): Promise<void> {
  const now = ctx.clock.now();
  await freeName(tx, user.userId, contact.localDisplayName);
  const name = await allocateName(tx, newUser.userId, contact.profile.displayName, now);
  const { contactId } = contact;
  const overrides = initialOverrides(newUser.profile.preferences, contact.profile.preferences);
  await tx.db
    .updateTable('contacts')
    .set({
      user_id: newUser.userId,
      local_display_name: name,
      user_preferences: JSON.stringify(overrides),
      updated_at: now,
    })
    .where('contact_id', '=', contactId)
    .execute();
  await tx.db
    .updateTable('contact_profiles')
    .set({ user_id: newUser.userId, updated_at: now })
    .where('contact_profile_id', '=', contact.profile.profileId)
    .execute();
  await tx.db.updateTable('chat_items').set({ user_id: newUser.userId }).where('contact_id', '=', contactId).execute();
}
