import type { ApiResponse, User } from '../../api/index.js';
import { getContact } from '../contacts/queries.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import { deleteUnusedProfile } from '../users/profiles.js';
import { knownUser } from '../users/queries.js';
import { type ContactRequestParams, requestContact } from './address.js';
import { createInvitation, createInvitationConnection, joinInvitation, setIncognito } from './invitation.js';
import { type KnownLink, readFullLink, readLink } from './links.js';
import { type LinkPlan, planConnection, planProceeds, planToConnect } from './plan.js';
import { changePreparedUser, connectPrepared, prepareContact, storedLink, toldOnFailure } from './prepared.js';
import { deleteConnectionRows, pendingConnection, updateConnection } from './queries.js';
import { pendingConnectionView } from './view.js';

type FullLink = Extract<KnownLink, { form: 'full' }>;

/** `/_connect`: what {@link connectByPlan} does when the plan does not stand against it. */
async function connect(
  ctx: ChatContext,
  user: User,
  incognito: boolean,
  full: FullLink,
  shortLink: string | undefined,
): Promise<ApiResponse> {
  if (full.mode === 'inv') {
    const { row, profile } = await joinInvitation(ctx, user, incognito, full, shortLink, undefined);
    const connLinkInv = { connFullLink: full.text, connShortLink: shortLink };
    const connection = { ...pendingConnectionView(row), connLinkInv };
    return { type: 'sentConfirmation', user, connection, customUserProfile: profile };
  }
  const result = await requestContact(ctx, user, { incognito, link: full, shortLink });
  if (result.type === 'connected') return { type: 'contactAlreadyExists', user, contact: result.contact };
  return {
    type: 'sentInvitation',
    user,
    connection: { ...pendingConnectionView(result.row), connLinkInv: undefined },
    customUserProfile: result.profile,
  };
}

/** `/connect`: connects, or shows the plan when that needs a decision. */
async function connectByPlan(
  ctx: ChatContext,
  user: User,
  incognito: boolean,
  { connLink, plan }: LinkPlan,
): Promise<ApiResponse> {
  if (!planProceeds(plan)) return { type: 'connectionPlan', user, connLink, connectionPlan: plan };
  if (plan.type === 'error') {
    await ctx.store.transaction((tx) => ctx.emit(tx, { type: 'chatError', chatError: plan.chatError }));
  }
  if (plan.type === 'contactAddress' && plan.contactAddressPlan.type === 'contactViaAddress') {
    return connectCard(ctx, user, incognito, plan.contactAddressPlan.contact.contactId);
  }
  const { full, shortLink } = storedLink(connLink);
  return connect(ctx, user, incognito, full, shortLink);
}

/** Connects a contact card: a contact without connection whose profile has an address. */
async function connectCard(ctx: ChatContext, user: User, incognito: boolean, contactId: number): Promise<ApiResponse> {
  const contact = await ctx.store.read((tx) => getContact(tx, user, contactId));
  const { contactLink } = contact.profile;
  if (contactLink === undefined) throw commandFailure('no address in contact profile');
  if (contact.activeConn !== undefined && contact.activeConn.connStatus !== 'prepared') {
    throw commandFailure('contact already has connection');
  }
  const { full, shortLink } = await resolveAddress(ctx, user, contactLink);
  const params: ContactRequestParams = { incognito, link: full, shortLink, prepared: { type: 'contact', contact } };
  const result = await toldOnFailure(ctx, user, contactId, () => requestContact(ctx, user, params));
  const after = await ctx.store.read((tx) => getContact(tx, user, contactId));
  return {
    type: 'sentInvitationToContact',
    user,
    contact: after,
    customUserProfile: result.type === 'sent' ? result.profile : undefined,
  };
}

async function resolveAddress(
  ctx: ChatContext,
  user: User,
  text: string,
): Promise<{ readonly full: FullLink; readonly shortLink: string | undefined }> {
  const link = readLink(text);
  if (link === undefined || link.mode !== 'con') throw chatFailure({ type: 'invalidConnReq' });
  if (link.form === 'full') return { full: link, shortLink: undefined };
  const found = await ctx.agent.getConnShortLink(Number(user.agentUserId), link.fullServerText);
  const full = readFullLink(found.link);
  if (!found.direct || full === undefined) throw chatFailure({ type: 'unsupportedConnReq' });
  return { full, shortLink: link.text };
}

/** Gives a new invitation to another profile: it gets a new link. */
async function changeConnectionUser(ctx: ChatContext, user: User, connId: number, newUser: User): Promise<ApiResponse> {
  const before = await ctx.store.read((tx) => pendingConnection(tx, user, connId));
  if (before.conn_status !== 'new' || before.conn_req_inv === null) {
    throw chatFailure({ type: 'connectionUserChangeProhibited' });
  }
  const { row } = await createInvitationConnection(ctx, newUser, undefined);
  await ctx.store.transaction(async (tx) => {
    await ctx.agent.deleteConnectionsAsync(tx, [before.agent_conn_id]);
    await deleteConnectionRows(tx, [connId]);
    if (before.custom_user_profile_id !== null) await deleteUnusedProfile(tx, before.custom_user_profile_id);
  });
  return {
    type: 'connectionUserChanged',
    user,
    fromConnection: pendingConnectionView(before),
    toConnection: pendingConnectionView(row),
    newUser,
  };
}

async function setAlias(ctx: ChatContext, user: User, connId: number, localAlias: string): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    await pendingConnection(tx, user, connId);
    const row = await updateConnection(tx, connId, { local_alias: localAlias }, ctx.clock.now());
    return { type: 'connectionAliasUpdated', user, toConnection: pendingConnectionView(row) };
  });
}

/** The address of the SimpleX team, for `/simplex`. */
const teamAddress =
  'simplex:/contact#/?v=1&smp=smp%3A%2F%2FPQUV2eL0t7OStZOoAsPEV2QYWt4-xilbakvGUGOItUo%3D%40smp6.simplex.im%2FK1rslx-m5bpXVIdMZg9NLUZ_8JBm8xTt%23MCowBQYDK2VuAyEALDeVe-sG8mRY22LsXlPgiwTNs9dbiLrNuA7f3ZMAJ2w%3D';

export const connectionCommands: CommandTable = {
  APIAddContact: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return createInvitation(ctx, user, cmd.incognito);
  }),
  AddContact: whenRunning((ctx, cmd, user) => createInvitation(ctx, user, cmd.incognito)),
  APIConnectPlan: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    const { connLink, plan } = await planConnection(ctx, user, cmd.connectionLink);
    return { type: 'connectionPlan', user, connLink, connectionPlan: plan };
  }),
  APIConnect: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    if (cmd.preparedLink_ === undefined) throw chatFailure({ type: 'invalidConnReq' });
    const { full, shortLink } = storedLink(cmd.preparedLink_);
    return connect(ctx, user, cmd.incognito, full, shortLink);
  }),
  Connect: whenRunning(async (ctx, cmd, user) =>
    connectByPlan(ctx, user, cmd.incognito, await planToConnect(ctx, user, cmd.connLink_)),
  ),
  ConnectSimplex: whenRunning(async (ctx, cmd, user) =>
    connectByPlan(ctx, user, cmd.incognito, await planToConnect(ctx, user, teamAddress)),
  ),
  APIPrepareContact: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return prepareContact(ctx, user, cmd.connLink, cmd.contactShortLinkData);
  }),
  APIConnectPreparedContact: whenRunning((ctx, cmd, user) =>
    connectPrepared(ctx, user, cmd.contactId, cmd.incognito, cmd.msgContent_),
  ),
  APIConnectContactViaAddress: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return connectCard(ctx, user, cmd.incognito, cmd.contactId);
  }),
  APIChangePreparedContactUser: whenRunning((ctx, cmd, user) =>
    changePreparedUser(ctx, user, cmd.contactId, knownUser(ctx.users, cmd.newUserId)),
  ),
  APISetConnectionIncognito: whenRunning((ctx, cmd, user) => setIncognito(ctx, user, cmd.connId, cmd.incognito)),
  APIChangeConnectionUser: whenRunning((ctx, cmd, user) =>
    changeConnectionUser(ctx, user, cmd.connId, knownUser(ctx.users, cmd.newUserId)),
  ),
  APISetConnectionAlias: whenRunning((ctx, cmd, user) => setAlias(ctx, user, cmd.connId, cmd.localAlias)),
};
