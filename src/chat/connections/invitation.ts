import type { ApiResponse, CreatedConnLink, Profile, User } from '../../api/index.js';
import { contactLinkData, encodeLinkData } from '../addresses/link-data.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { encodeInfo } from '../messaging/send.js';
import { directProfile } from '../users/direct-profile.js';
import { deleteUnusedProfile } from '../users/profiles.js';
import { incognitoProfile, insertIncognitoProfile, newIncognitoProfile } from './incognito.js';
import { type KnownLink, shownFullLink, shownShortLink } from './links.js';
import {
  connectionById,
  insertConnection,
  pendingConnection,
  updateConnection,
  updateConnectionStatus,
} from './queries.js';
import { type ConnectionRow, pendingConnectionView } from './view.js';

/** The agent's link as the API shows it. */
function shownLink(link: { readonly connFullLink: string; readonly connShortLink?: string }): CreatedConnLink {
  return {
    connFullLink: shownFullLink(link.connFullLink),
    connShortLink: link.connShortLink === undefined ? undefined : shownShortLink(link.connShortLink),
  };
}

/** Makes a one-time invitation (50, section 2.3, step 1). */
export async function createInvitation(ctx: ChatContext, user: User, incognito: boolean): Promise<ApiResponse> {
  const { row, link } = await createInvitationConnection(ctx, user, newIncognitoProfile(ctx, incognito));
  return {
    type: 'invitation',
    user,
    connLinkInvitation: link,
    connection: pendingConnectionView(row),
    connReqInvitation: link.connShortLink ?? link.connFullLink,
  };
}

/** A new connection with an invitation link, with data about the profile behind its short link. */
export async function createInvitationConnection(
  ctx: ChatContext,
  user: User,
  profile: Profile | undefined,
): Promise<{ readonly row: ConnectionRow; readonly link: CreatedConnLink }> {
  let row: ConnectionRow | undefined;
  const data = contactLinkData(directProfile(user, profile, undefined, true), undefined);
  const created = await ctx.agent.createConnection({
    userId: Number(user.agentUserId),
    mode: 'invitation',
    userLinkData: encodeLinkData(ctx.compression, data),
    initialKeys: 'linkPQOn',
    stored: async (tx, { connId, link }) => {
      const now = ctx.clock.now();
      const shown = shownLink(link);
      row = await insertConnection(
        tx,
        {
          user_id: user.userId,
          agent_conn_id: connId,
          conn_type: 'contact',
          conn_status: 'new',
          contact_conn_initiated: 1,
          conn_req_inv: shown.connFullLink,
          short_link_inv: shown.connShortLink ?? null,
          custom_user_profile_id: await insertIncognitoProfile(tx, user, profile, now),
          pq_support: 1,
          pq_encryption: 1,
        },
        now,
      );
    },
  });
  if (row === undefined) throw new Error('the agent did not store the connection');
  return { row, link: shownLink(created.link) };
}

/** The chat version of a connection that we join, from what its link says about the agent's version (50, section 1.5). */
export function chatVersionOfAgent(agentVersion: number): number {
  return agentVersion < 5 ? 1 : 8;
}

/** A connection joined by an invitation. */
export interface JoinedInvitation {
  readonly row: ConnectionRow;
  readonly profile: Profile | undefined;
}

/**
 * Joins a one-time invitation (50, section 2.3, step 3). A connection that was prepared before and failed is tried
 * again with its keys and its profile.
 */
export async function joinInvitation(
  ctx: ChatContext,
  user: User,
  incognito: boolean,
  link: Extract<KnownLink, { form: 'full' }>,
  shortLink: string | undefined,
  contactId: number | undefined,
): Promise<JoinedInvitation> {
  return ctx.locks.run(`link:${link.text}`, async () => {
    const support = ctx.agent.connRequestPQSupport(true, link.text);
    if (support === undefined) throw chatFailure({ type: 'invalidConnReq' });
    const version = chatVersionOfAgent(support.agentVersion);
    const prepared = await ctx.store.transaction(async (tx) => {
      const existing = await tx.db
        .selectFrom('connections')
        .selectAll()
        .where('user_id', '=', user.userId)
        .where('conn_req_inv', '=', link.text)
        .executeTakeFirst();
      if (existing?.conn_status === 'prepared') {
        return { row: existing, profile: await incognitoProfile(tx, existing.custom_user_profile_id) };
      }
      if (existing !== undefined && !(existing.conn_status === 'new' && existing.contact_conn_initiated !== 0)) {
        throw commandFailure(`connection is not RcvDirectMsgConnection: ${existing.conn_type} ${existing.conn_status}`);
      }
      const now = ctx.clock.now();
      const profile = newIncognitoProfile(ctx, incognito);
      const row = await insertConnection(
        tx,
        {
          user_id: user.userId,
          agent_conn_id: await ctx.agent.prepareConnectionToJoin(
            tx,
            Number(user.agentUserId),
            link.text,
            support.pqSupport,
          ),
          conn_type: 'contact',
          conn_status: 'prepared',
          contact_id: contactId ?? null,
          conn_req_inv: link.text,
          short_link_inv: shortLink ?? null,
          custom_user_profile_id: await insertIncognitoProfile(tx, user, profile, now),
          conn_chat_version: version,
          pq_support: support.pqSupport ? 1 : 0,
          pq_encryption: support.pqSupport ? 1 : 0,
        },
        now,
      );
      return { row, profile };
    });
    const info = encodeInfo(
      ctx,
      { type: 'x.info', profile: directProfile(user, prepared.profile, undefined, true) },
      support.pqSupport,
      version,
    );
    const { sndSecured } = await ctx.agent.joinConnection({
      userId: Number(user.agentUserId),
      connId: prepared.row.agent_conn_id,
      link: link.text,
      info,
      pqSupport: support.pqSupport,
    });
    const row = await joined(ctx, user, prepared.row.connection_id, sndSecured ? 'snd-ready' : 'joined');
    return { row, profile: prepared.profile };
  });
}

/** The connection after a join; events of the agent may already have moved it on. */
export async function joined(
  ctx: ChatContext,
  user: User,
  connId: number,
  status: 'joined' | 'snd-ready',
): Promise<ConnectionRow> {
  return ctx.store.transaction(async (tx) => {
    const row = await connectionById(tx, user.userId, connId);
    if (row.conn_status !== 'prepared') return { ...row, conn_status: status };
    await updateConnectionStatus(tx, connId, status, ctx.clock.now());
    return connectionById(tx, user.userId, connId);
  });
}

/** Turns incognito mode of a new invitation on or off; the data behind its link follows. */
export async function setIncognito(
  ctx: ChatContext,
  user: User,
  connId: number,
  incognito: boolean,
): Promise<ApiResponse> {
  const before = await ctx.store.read((tx) => pendingConnection(tx, user, connId));
  const isIncognito = before.custom_user_profile_id !== null;
  if (before.conn_status !== 'new' || isIncognito === incognito) {
    throw chatFailure({ type: 'connectionIncognitoChangeProhibited' });
  }
  const profile = newIncognitoProfile(ctx, incognito);
  if (before.short_link_inv !== null) {
    const data = contactLinkData(directProfile(user, profile, undefined, true), undefined);
    await ctx.agent.setConnShortLink(before.agent_conn_id, 'invitation', encodeLinkData(ctx.compression, data));
  }
  const row = await ctx.store.transaction(async (tx) => {
    const now = ctx.clock.now();
    const custom_user_profile_id = await insertIncognitoProfile(tx, user, profile, now);
    const updated = await updateConnection(tx, connId, { custom_user_profile_id }, now);
    if (before.custom_user_profile_id !== null) await deleteUnusedProfile(tx, before.custom_user_profile_id);
    return updated;
  });
  return {
    type: 'connectionIncognitoUpdated',
    user,
    toConnection: pendingConnectionView(row),
    customUserProfile: profile,
  };
}
