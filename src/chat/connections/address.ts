import type { Contact, MsgContent, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { findContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { encodeInfo } from '../messaging/send.js';
import { newXContactId } from '../protocol/index.js';
import { directProfile, memberProfile } from '../users/direct-profile.js';
import { incognitoProfile, insertIncognitoProfile, newIncognitoProfile } from './incognito.js';
import { chatVersionOfAgent, joined } from './invitation.js';
import { type KnownLink, linkHash } from './links.js';
import { activeConnection, contactConnections, insertConnection } from './queries.js';
import type { ConnectionRow } from './view.js';

/** What a contact link is joined for. */
export type PreparedChat =
  | { readonly type: 'contact'; readonly contact: Contact }
  | {
      readonly type: 'group';
      /** Our record of the member behind the link. */
      readonly groupMemberId: number;
      /** Its connection, if it has one. */
      readonly connection: ConnectionRow | undefined;
      /** Runs in the transaction that stores a new connection. */
      readonly stored: (tx: Tx, connection: ConnectionRow) => Promise<void>;
    };

/** What {@link requestContact} sends. A `message` is for contact addresses alone: group links refuse it. */
export interface ContactRequestParams {
  readonly incognito: boolean;
  readonly link: Extract<KnownLink, { form: 'full' }>;
  readonly shortLink: string | undefined;
  readonly prepared?: PreparedChat | undefined;
  readonly welcomeSharedMsgId?: string | undefined;
  readonly message?: { readonly sharedMsgId: string; readonly content: MsgContent } | undefined;
}

export type RequestResult =
  | { readonly type: 'connected'; readonly contact: Contact }
  | { readonly type: 'sent'; readonly row: ConnectionRow; readonly profile: Profile | undefined };

/** The connection to use: an existing one to try again, or a new one with the id of an earlier request. */
type Plan =
  | { readonly type: 'connected'; readonly contact: Contact }
  | { readonly type: 'retry'; readonly row: ConnectionRow }
  | { readonly type: 'new'; readonly xContactId: string | undefined };

/** Connects by a contact address or group link (50, section 2.6). */
export async function requestContact(ctx: ChatContext, user: User, p: ContactRequestParams): Promise<RequestResult> {
  return ctx.locks.run(`link:${p.link.text}`, async () => {
    const inGroup = p.link.groupLinkId !== undefined;
    if (p.message !== undefined && inGroup) throw chatFailure({ type: 'connReqMessageProhibited' });
    const plan = await ctx.store.read((tx) => planRequest(tx, user, p));
    if (plan.type === 'connected') return plan;
    const support = ctx.agent.connRequestPQSupport(!inGroup, p.link.text);
    if (support === undefined) throw chatFailure({ type: 'invalidConnReq' });
    const version = chatVersionOfAgent(support.agentVersion);
    const pqSupport = !inGroup;
    const start = await ctx.store.transaction((tx) =>
      plan.type === 'retry'
        ? retried(ctx, tx, plan.row, p.incognito)
        : prepare(ctx, tx, user, p, plan.xContactId, pqSupport, version),
    );
    const sent = inGroup ? memberProfile(user, start.profile) : directProfile(user, start.profile, undefined, true);
    const info = encodeInfo(
      ctx,
      {
        type: 'x.contact',
        profile: sent,
        contactReqId: start.xContactId,
        welcomeMsgId: p.welcomeSharedMsgId,
        msgId: p.message?.sharedMsgId,
        content: p.message?.content,
      },
      pqSupport,
      start.row.conn_chat_version,
    );
    await ctx.agent.joinConnection({
      userId: Number(user.agentUserId),
      connId: start.row.agent_conn_id,
      link: p.link.text,
      info,
      pqSupport,
    });
    const row = await joined(ctx, user, start.row.connection_id, 'joined');
    return { type: 'sent', row, profile: start.profile };
  });
}

async function planRequest(tx: Tx, user: User, p: ContactRequestParams): Promise<Plan> {
  const { prepared } = p;
  if (prepared?.type === 'contact') {
    const row = activeConnection(await contactConnections(tx, prepared.contact.contactId));
    if (row === undefined) return { type: 'new', xContactId: undefined };
    return row.conn_status === 'prepared' ? { type: 'retry', row } : { type: 'connected', contact: prepared.contact };
  }
  if (prepared?.type === 'group') {
    const row = prepared.connection;
    if (row?.conn_status === 'prepared') return { type: 'retry', row };
    return { type: 'new', xContactId: row?.xcontact_id ?? undefined };
  }
  const rows = await tx.db
    .selectFrom('connections')
    .selectAll()
    .where('user_id', '=', user.userId)
    .where('via_contact_uri_hash', '=', linkHash(p.link.text))
    .orderBy('created_at', 'desc')
    .execute();
  for (const row of rows) {
    if (row.contact_id === null || row.conn_status === 'deleted') continue;
    const contact = await findContact(tx, user, row.contact_id);
    if (contact === undefined || contact.contactStatus !== 'active') continue;
    // Old group links made contacts: a repeated request is allowed.
    if (p.link.groupLinkId !== undefined) return { type: 'new', xContactId: undefined };
    return row.conn_status === 'prepared' ? { type: 'retry', row } : { type: 'connected', contact };
  }
  const [row] = rows.filter((r) => r.contact_id === null);
  if (row?.conn_status === 'prepared') return { type: 'retry', row };
  return { type: 'new', xContactId: row?.xcontact_id ?? undefined };
}

interface Start {
  readonly row: ConnectionRow;
  readonly xContactId: string;
  readonly profile: Profile | undefined;
}

async function retried(ctx: ChatContext, tx: Tx, row: ConnectionRow, incognito: boolean): Promise<Start> {
  if (incognito !== (row.custom_user_profile_id !== null)) {
    throw commandFailure('incognito mode is different from prepared connection');
  }
  const xContactId = row.xcontact_id ?? newXContactId(ctx.random);
  return { row, xContactId, profile: await incognitoProfile(tx, row.custom_user_profile_id) };
}

async function prepare(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  p: ContactRequestParams,
  knownId: string | undefined,
  pqSupport: boolean,
  version: number,
): Promise<Start> {
  const now = ctx.clock.now();
  const xContactId = knownId ?? newXContactId(ctx.random);
  const profile = newIncognitoProfile(ctx, p.incognito);
  const { prepared } = p;
  const agentUserId = Number(user.agentUserId);
  const row = await insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: await ctx.agent.prepareConnectionToJoin(tx, agentUserId, p.link.text, pqSupport),
      conn_type: prepared?.type === 'group' ? 'member' : 'contact',
      conn_status: 'prepared',
      contact_conn_initiated: 1,
      contact_id: prepared?.type === 'contact' ? prepared.contact.contactId : null,
      group_member_id: prepared?.type === 'group' ? prepared.groupMemberId : null,
      via_contact_uri_hash: linkHash(p.link.text),
      via_contact_uri: p.link.text,
      via_short_link: p.shortLink ?? null,
      via_group_link: p.link.groupLinkId === undefined ? 0 : 1,
      group_link_id: p.link.groupLinkId ?? null,
      xcontact_id: xContactId,
      custom_user_profile_id: await insertIncognitoProfile(tx, user, profile, now),
      conn_chat_version: version,
      pq_support: pqSupport ? 1 : 0,
      pq_encryption: pqSupport ? 1 : 0,
    },
    now,
  );
  if (prepared?.type === 'group') await prepared.stored(tx, row);
  return { row, xContactId, profile };
}
