import type {
  ConnectionPlan,
  ContactAddressPlan,
  ContactShortLinkData,
  CreatedConnLink,
  GroupInfo,
  GroupLinkPlan,
  GroupShortLinkData,
  InvitationLinkPlan,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { decodeLinkData } from '../addresses/link-data.js';
import { findContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, commandFailure, toChatError } from '../engine/errors.js';
import { type KnownLink, linkHash, readFullLink, readLink } from './links.js';
import type { ConnectionRow } from './view.js';

type FullLink = Extract<KnownLink, { form: 'full' }>;
type ShortLink = Extract<KnownLink, { form: 'short' }>;

/** A link with what connecting by it would do. */
export interface LinkPlan {
  readonly connLink: CreatedConnLink;
  readonly plan: ConnectionPlan;
}

const invitation = (invitationLinkPlan: InvitationLinkPlan): ConnectionPlan => ({
  type: 'invitationLink',
  invitationLinkPlan,
});
const address = (contactAddressPlan: ContactAddressPlan): ConnectionPlan => ({
  type: 'contactAddress',
  contactAddressPlan,
});
const group = (groupLinkPlan: GroupLinkPlan): ConnectionPlan => ({ type: 'groupLink', groupLinkPlan });

/** What a link leads to (50, section 2.5). `invalidConnReq` when the word is no link. */
export async function planConnection(ctx: ChatContext, user: User, text: string): Promise<LinkPlan> {
  const link = readLink(text);
  if (link === undefined) throw chatFailure({ type: 'invalidConnReq' });
  if (link.form === 'full') return planFullLink(ctx, user, link);
  return link.mode === 'inv' ? planShortInvitation(ctx, user, link) : planShortContact(ctx, user, link);
}

/** Failures become the plan `error`. */
async function orError(plan: () => Promise<ConnectionPlan>): Promise<ConnectionPlan> {
  try {
    return await plan();
  } catch (error) {
    return { type: 'error', chatError: toChatError(error) };
  }
}

async function planFullLink(ctx: ChatContext, user: User, link: FullLink): Promise<LinkPlan> {
  const connLink = { connFullLink: link.text };
  const plan = await orError(() =>
    ctx.store.read(async (tx) => {
      if (link.mode === 'inv') return invitationPlan(tx, user, link, undefined);
      return link.groupLinkId === undefined
        ? addressPlan(ctx, tx, user, link, undefined)
        : groupPlan(ctx, tx, user, link, undefined);
    }),
  );
  return { connLink, plan };
}

async function planShortInvitation(ctx: ChatContext, user: User, short: ShortLink): Promise<LinkPlan> {
  const known = await ctx.store.read(async (tx): Promise<LinkPlan | undefined> => {
    const row = await tx.db
      .selectFrom('connections')
      .selectAll()
      .where('user_id', '=', user.userId)
      .where('short_link_inv', '=', short.text)
      .where('conn_req_inv', 'is not', null)
      .executeTakeFirst();
    if (row !== undefined && row.conn_req_inv !== null) {
      const connLink = { connFullLink: row.conn_req_inv, connShortLink: short.text };
      return { connLink, plan: await connectionPlanOf(tx, user, row, undefined) };
    }
    const prepared = await preparedContact(tx, user, short.text);
    // A deleted contact is known too: an invitation cannot be used again.
    return prepared === undefined
      ? undefined
      : { connLink: prepared.connLink, plan: invitation({ type: 'known', contact: prepared.contact }) };
  });
  if (known !== undefined) return known;
  const { full, data } = await resolve(ctx, user, short);
  const connLink = { connFullLink: full.text, connShortLink: short.text };
  const plan = await orError(() =>
    ctx.store.read((tx) => invitationPlan(tx, user, full, data as ContactShortLinkData | undefined)),
  );
  return { connLink, plan };
}

/** The full link and the data behind a short one. */
async function resolve(
  ctx: ChatContext,
  user: User,
  short: ShortLink,
): Promise<{ readonly full: FullLink; readonly data: object | undefined }> {
  const found = await ctx.agent.getConnShortLink(Number(user.agentUserId), short.fullServerText);
  const full = readFullLink(found.link);
  if (!found.direct || full === undefined) throw chatFailure({ type: 'unsupportedConnReq' });
  return { full, data: decodeLinkData(ctx.compression, found.userData) };
}

async function invitationPlan(
  tx: Tx,
  user: User,
  link: FullLink,
  data: ContactShortLinkData | undefined,
): Promise<ConnectionPlan> {
  const row = await tx.db
    .selectFrom('connections')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('conn_req_inv', '=', link.text)
    .executeTakeFirst();
  if (row === undefined) return invitation({ type: 'ok', contactSLinkData_: data });
  return connectionPlanOf(tx, user, row, data);
}

async function connectionPlanOf(
  tx: Tx,
  user: User,
  row: ConnectionRow,
  data: ContactShortLinkData | undefined,
): Promise<ConnectionPlan> {
  if (row.conn_type !== 'contact') throw commandFailure('found connection entity is not RcvDirectMsgConnection');
  const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
  if (contact !== undefined) {
    return contact.contactStatus === 'active'
      ? invitation({ type: 'known', contact })
      : invitation({ type: 'ok', contactSLinkData_: data });
  }
  if (row.conn_status === 'new' && row.contact_conn_initiated !== 0) return invitation({ type: 'ownLink' });
  if (row.conn_status === 'prepared') return invitation({ type: 'ok', contactSLinkData_: data });
  return invitation({ type: 'connecting' });
}

/** The contact that was prepared from a short link. */
async function preparedContact(tx: Tx, user: User, shortLink: string) {
  const row = await tx.db
    .selectFrom('contacts')
    .select('contact_id')
    .where('user_id', '=', user.userId)
    .where('conn_short_link_to_connect', '=', shortLink)
    .executeTakeFirst();
  const contact = row === undefined ? undefined : await findContact(tx, user, row.contact_id);
  const connLink = contact?.preparedContact?.connLinkToConnect;
  return contact === undefined || connLink === undefined ? undefined : { contact, connLink };
}

async function planShortContact(ctx: ChatContext, user: User, short: ShortLink): Promise<LinkPlan> {
  if (short.type === 'channel') throw commandFailure('channel links are not supported in this version');
  const isGroup = short.type === 'group';
  const known = await ctx.store.read((tx) =>
    isGroup ? knownGroup(ctx, tx, user, short) : knownAddress(ctx, tx, user, short),
  );
  if (known !== undefined) return known;
  const { full, data } = await resolve(ctx, user, short);
  const connLink = { connFullLink: full.text, connShortLink: short.text };
  const plan = await ctx.store.read(async (tx) => {
    if (isGroup) return groupPlan(ctx, tx, user, full, data as GroupShortLinkData | undefined);
    const card = await contactCard(tx, user, short.text);
    return card ?? addressPlan(ctx, tx, user, full, data as ContactShortLinkData | undefined);
  });
  return { connLink, plan };
}

async function knownAddress(ctx: ChatContext, tx: Tx, user: User, short: ShortLink): Promise<LinkPlan | undefined> {
  const own = await tx.db
    .selectFrom('user_contact_links')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('group_id', 'is', null)
    .where('conn_short_link', '=', short.text)
    .executeTakeFirst();
  const withShort = (connFullLink: string): CreatedConnLink => ({ connFullLink, connShortLink: short.text });
  if (own !== undefined) return { connLink: withShort(own.conn_full_link), plan: address({ type: 'ownLink' }) };
  const prepared = await preparedContact(tx, user, short.text);
  if (prepared !== undefined) {
    const { contact, connLink } = prepared;
    return contact.contactStatus === 'active' ? { connLink, plan: address({ type: 'known', contact }) } : undefined;
  }
  return preparedGroup(ctx, tx, user, short);
}

async function preparedGroup(ctx: ChatContext, tx: Tx, user: User, short: ShortLink): Promise<LinkPlan | undefined> {
  const found = await ctx.groups?.preparedByShortLink(tx, user, short.text);
  if (found === undefined || isRemoved(found.groupInfo)) return undefined;
  return {
    connLink: { connFullLink: found.fullLink, connShortLink: short.text },
    plan: group({ type: 'known', groupInfo: found.groupInfo }),
  };
}

async function knownGroup(ctx: ChatContext, tx: Tx, user: User, short: ShortLink): Promise<LinkPlan | undefined> {
  const own = await ctx.groups?.ownByShortLink(tx, user, short.text);
  if (own !== undefined) {
    return {
      connLink: { connFullLink: own.fullLink, connShortLink: short.text },
      plan: group({ type: 'ownLink', groupInfo: own.groupInfo }),
    };
  }
  return preparedGroup(ctx, tx, user, short);
}

/** A contact without connection whose profile holds this link. */
async function contactCard(tx: Tx, user: User, link: string): Promise<ConnectionPlan | undefined> {
  const rows = await tx.db
    .selectFrom('contacts')
    .innerJoin('contact_profiles', 'contact_profiles.contact_profile_id', 'contacts.contact_profile_id')
    .select('contacts.contact_id')
    .where('contacts.user_id', '=', user.userId)
    .where('contacts.is_user', '=', 0)
    .where('contact_profiles.contact_link', '=', link)
    .orderBy('contacts.contact_id')
    .execute();
  for (const row of rows) {
    const contact = await findContact(tx, user, row.contact_id);
    if (contact !== undefined && contact.activeConn === undefined && contact.contactStatus === 'active') {
      return address({ type: 'contactViaAddress', contact });
    }
  }
  return undefined;
}

/** The connection by a contact link: one with a contact before others, then the newest; deleted ones do not count. */
async function connectionByLink(tx: Tx, user: User, link: FullLink): Promise<ConnectionRow | undefined> {
  const rows = await tx.db
    .selectFrom('connections')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('via_contact_uri_hash', '=', linkHash(link.text))
    .where('conn_status', '!=', 'deleted')
    .orderBy('created_at', 'desc')
    .execute();
  return rows.find((r) => r.contact_id !== null) ?? rows[0];
}

async function addressPlan(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  link: FullLink,
  data: ContactShortLinkData | undefined,
): Promise<ConnectionPlan> {
  const own = await tx.db
    .selectFrom('user_contact_links')
    .select('user_contact_link_id')
    .where('user_id', '=', user.userId)
    .where('group_id', 'is', null)
    .where('conn_full_link', '=', link.text)
    .executeTakeFirst();
  if (own !== undefined) return address({ type: 'ownLink' });
  const row = await connectionByLink(tx, user, link);
  const fresh = address({ type: 'ok', contactSLinkData_: data });
  if (row === undefined) return (await contactCard(tx, user, link.text)) ?? fresh;
  if (row.conn_type === 'member') {
    const groupInfo = await ctx.groups?.groupOfConnection(tx, user, row);
    if (groupInfo !== undefined) return membershipPlan(groupInfo, undefined);
  }
  if (row.conn_type !== 'contact') {
    throw commandFailure('found connection entity is not RcvDirectMsgConnection or RcvGroupMsgConnection');
  }
  const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
  if (contact === undefined) {
    return row.conn_status === 'prepared' ? fresh : address({ type: 'connectingConfirmReconnect' });
  }
  const active = contact.contactStatus === 'active';
  const ready = contact.activeConn?.connStatus === 'ready' || contact.activeConn?.connStatus === 'snd-ready';
  if (!ready && active) return address({ type: 'connectingProhibit', contact });
  return active ? address({ type: 'known', contact }) : fresh;
}

async function groupPlan(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  link: FullLink,
  data: GroupShortLinkData | undefined,
): Promise<ConnectionPlan> {
  const own = await ctx.groups?.ownByFullLink(tx, user, link.text);
  if (own !== undefined) return group({ type: 'ownLink', groupInfo: own });
  const joined = await ctx.groups?.joinedByLink(tx, user, linkHash(link.text));
  if (joined !== undefined) return membershipPlan(joined, data);
  const row = await connectionByLink(tx, user, link);
  if (row === undefined) return group({ type: 'ok', groupSLinkData_: data });
  if (row.conn_type !== 'contact') throw commandFailure('found connection entity is not RcvDirectMsgConnection');
  const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
  if (contact === undefined) return group({ type: 'connectingConfirmReconnect' });
  const ready = contact.activeConn?.connStatus === 'ready' || contact.activeConn?.connStatus === 'snd-ready';
  return !ready && contact.contactStatus === 'active'
    ? group({ type: 'connectingProhibit' })
    : group({ type: 'ok', groupSLinkData_: data });
}

const activeStatuses: ReadonlySet<string> = new Set([
  'pending_approval',
  'pending_review',
  'connected',
  'complete',
  'creator',
]);
const removedStatuses: ReadonlySet<string> = new Set(['rejected', 'removed', 'left', 'deleted']);

function isRemoved(groupInfo: GroupInfo): boolean {
  return removedStatuses.has(groupInfo.membership.memberStatus);
}

function membershipPlan(groupInfo: GroupInfo, data: GroupShortLinkData | undefined): ConnectionPlan {
  const status = groupInfo.membership.memberStatus;
  if (status === 'rejected' || activeStatuses.has(status)) return group({ type: 'known', groupInfo });
  if (!removedStatuses.has(status)) return group({ type: 'connectingProhibit', groupInfo_: groupInfo });
  return group({ type: 'ok', groupSLinkData_: data });
}

/** Whether `/connect` goes on without asking (50, section 2.5). */
export function planProceeds(plan: ConnectionPlan): boolean {
  switch (plan.type) {
    case 'invitationLink':
      return plan.invitationLinkPlan.type === 'ok' || plan.invitationLinkPlan.type === 'ownLink';
    case 'contactAddress': {
      const { type } = plan.contactAddressPlan;
      return (
        type === 'ok' || type === 'ownLink' || type === 'connectingConfirmReconnect' || type === 'contactViaAddress'
      );
    }
    case 'groupLink': {
      const { type } = plan.groupLinkPlan;
      return type === 'ok' || type === 'ownLink' || type === 'connectingConfirmReconnect';
    }
    case 'error':
      return true;
  }
}

/** For `/connect` with a full link: a plan that cannot be made does not keep it from connecting. */
export async function planToConnect(ctx: ChatContext, user: User, text: string): Promise<LinkPlan> {
  try {
    return await planConnection(ctx, user, text);
  } catch (error) {
    const full = readFullLink(text);
    if (full === undefined || !(error instanceof ChatException)) throw error;
    return { connLink: { connFullLink: full.text }, plan: invitation({ type: 'ok' }) };
  }
}
