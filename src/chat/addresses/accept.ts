import type { ApiResponse, Contact, MsgContent, Profile, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { linkAsyncCommand, storeAsyncCommand } from '../connections/async.js';
import { incognitoProfile, insertIncognitoProfile, newIncognitoProfile } from '../connections/incognito.js';
import { connectionById, insertConnection, updateConnectionStatus } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { deleteContact } from '../contacts/deletion.js';
import { getContact, insertContact, updateContactRow } from '../contacts/queries.js';
import type { AsyncReplies } from '../engine/capability.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { commandFailure } from '../engine/errors.js';
import { sendWelcome } from '../messaging/content.js';
import { encodeInfo } from '../messaging/send.js';
import { acceptedChatVersion, ChatV, chatVersion } from '../protocol/index.js';
import { directProfile } from '../users/direct-profile.js';
import { localProfileView, toProfile } from '../users/profiles.js';
import { addressSettingsOf, findContactLink } from './queries.js';
import { findRequest, getRequest, type RequestRow, requestIdByName, requestView } from './request-rows.js';

const acceptFunction = 'accept contact';

/** What a new connection with who asked has (50, section 2.9). */
function acceptedColumns(user: User, row: RequestRow, contactId: number) {
  const peer = { min: chatVersion(row.peer_chat_min_version), max: chatVersion(row.peer_chat_max_version) };
  return {
    user_id: user.userId,
    conn_type: 'contact',
    conn_status: 'new',
    contact_id: contactId,
    via_user_contact_link: row.user_contact_link_id,
    conn_chat_version: acceptedChatVersion(peer),
    peer_chat_min_version: peer.min,
    peer_chat_max_version: peer.max,
    pq_support: row.pq_support,
    pq_encryption: row.pq_support,
  } as const;
}

function info(
  ctx: ChatContext,
  user: User,
  contact: Contact,
  profile: Profile | undefined,
  row: RequestRow,
  version: number,
) {
  const event = { type: 'x.info', profile: directProfile(user, profile, contact, true) } as const;
  return encodeInfo(ctx, event, row.pq_support !== 0, version);
}

/** Accepts a request in the background; the contact with its new connection. */
export async function acceptAutomatically(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  row: RequestRow,
  incognito: boolean,
): Promise<Contact> {
  const now = ctx.clock.now();
  const profile = newIncognitoProfile(ctx, incognito);
  const columns = acceptedColumns(user, row, contact.contactId);
  const corrId = await storeAsyncCommand(tx, user.userId, acceptFunction, now);
  const agentConnId = await ctx.agent.acceptContactAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    invId: row.agent_invitation_id,
    info: info(ctx, user, contact, profile, row, columns.conn_chat_version),
    pqSupport: row.pq_support !== 0,
  });
  if (row.xcontact_id !== null) await updateContactRow(tx, contact.contactId, { xcontact_id: row.xcontact_id }, now);
  const connection = await insertConnection(
    tx,
    {
      ...columns,
      agent_conn_id: agentConnId,
      custom_user_profile_id: await insertIncognitoProfile(tx, user, profile, now),
    },
    now,
  );
  await linkAsyncCommand(tx, corrId, connection.connection_id);
  return getContact(tx, user, contact.contactId);
}

/** JOINED after an automatic acceptance: messages can be sent when the queue was secured at once. */
export const acceptReplies: AsyncReplies = {
  async [acceptFunction](ctx, tx, { user, connection, event }) {
    if (event.type !== 'JOINED' || !event.sndSecured || connection.contact_id === null) return;
    if (connection.conn_status === 'new') {
      await updateConnectionStatus(tx, connection.connection_id, 'snd-ready', ctx.clock.now());
    }
    const contact = await getContact(tx, user, connection.contact_id);
    await ctx.emit(tx, { type: 'contactSndReady', user, contact });
    if (connection.conn_chat_version >= ChatV.DirectBatch) await welcome(ctx, tx, user, contact, connection);
  },
};

/** Sends the address's welcome message to a contact that it has brought. */
export async function welcome(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  connection: ConnectionRow,
): Promise<void> {
  const autoReply = await autoReplyOf(tx, connection.via_user_contact_link);
  if (autoReply === undefined) return;
  const request =
    contact.contactRequestId === undefined ? undefined : await findRequest(tx, user.userId, contact.contactRequestId);
  await sendWelcome(ctx, tx, user, contact, autoReply, request?.welcome_shared_msg_id ?? undefined);
}

async function autoReplyOf(tx: Tx, userContactLinkId: number | null): Promise<MsgContent | undefined> {
  const address = userContactLinkId === null ? undefined : await findContactLink(tx, userContactLinkId);
  return address === undefined ? undefined : addressSettingsOf(address).autoReply;
}

/** `/_accept`: joins the invitation in the request, and waits for it. */
async function accept(ctx: ChatContext, user: User, requestId: number, incognito: boolean): Promise<ApiResponse> {
  return ctx.locks.run(`request:${requestId}`, async () => {
    const start = await ctx.store.transaction((tx) => prepareAcceptance(ctx, tx, user, requestId, incognito));
    const { row, contact, connection } = start;
    const { sndSecured } = await ctx.agent.acceptContact({
      userId: Number(user.agentUserId),
      connId: connection.agent_conn_id,
      invId: row.agent_invitation_id,
      info: info(ctx, user, contact, start.profile, row, connection.conn_chat_version),
      pqSupport: row.pq_support !== 0,
    });
    return ctx.store.transaction(async (tx) => {
      if (sndSecured) {
        const now = await connectionById(tx, user.userId, connection.connection_id);
        if (now.conn_status === 'new') {
          await updateConnectionStatus(tx, connection.connection_id, 'snd-ready', ctx.clock.now());
        }
      }
      // As it is before the welcome message changes it.
      const accepted = await getContact(tx, user, contact.contactId);
      if (sndSecured) await welcome(ctx, tx, user, accepted, connection);
      return { type: 'acceptingContactRequest', user, contact: accepted };
    });
  });
}

interface Acceptance {
  readonly row: RequestRow;
  readonly contact: Contact;
  readonly connection: ConnectionRow;
  readonly profile: Profile | undefined;
}

/** Contact and connection of a request that is being accepted; those of an attempt that failed are used again. */
async function prepareAcceptance(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  requestId: number,
  incognito: boolean,
): Promise<Acceptance> {
  const row = await getRequest(tx, user, requestId);
  const address = row.user_contact_link_id === null ? undefined : await findContactLink(tx, row.user_contact_link_id);
  if (incognito && address === undefined) throw commandFailure('incognito not allowed when address is not found');
  if (incognito && address?.short_link_data_set === 1) {
    throw commandFailure('incognito not allowed for address with short link data');
  }
  const now = ctx.clock.now();
  const contactId = row.contact_id ?? (await contactOfRequest(tx, user, row, now));
  const contact = await getContact(tx, user, contactId);
  if (contact.activeConn !== undefined) {
    const connection = await connectionById(tx, user.userId, contact.activeConn.connId);
    return { row, contact, connection, profile: await incognitoProfile(tx, connection.custom_user_profile_id) };
  }
  const profile = newIncognitoProfile(ctx, incognito);
  const agentConnId = await ctx.agent.prepareConnectionToAccept(
    tx,
    Number(user.agentUserId),
    row.agent_invitation_id,
    row.pq_support !== 0,
  );
  if (row.xcontact_id !== null) await updateContactRow(tx, contactId, { xcontact_id: row.xcontact_id }, now);
  const connection = await insertConnection(
    tx,
    {
      ...acceptedColumns(user, row, contactId),
      agent_conn_id: agentConnId,
      custom_user_profile_id: await insertIncognitoProfile(tx, user, profile, now),
    },
    now,
  );
  return { row, contact, connection, profile };
}

/** Requests without a contact come from databases of old versions only. */
async function contactOfRequest(tx: Tx, user: User, row: RequestRow, now: number): Promise<number> {
  const profile = toProfile(localProfileView(row));
  const contactId = await insertContact(tx, user, profile, { contact_request_id: row.contact_request_id }, now);
  await tx.db
    .updateTable('contact_requests')
    .set({ contact_id: contactId })
    .where('contact_request_id', '=', row.contact_request_id)
    .execute();
  return contactId;
}

/** `/_reject`: forgets the request and its contact; the other side is not told. */
async function reject(ctx: ChatContext, user: User, requestId: number): Promise<ApiResponse> {
  return ctx.locks.run(`request:${requestId}`, () =>
    ctx.store.transaction(async (tx) => {
      const row = await getRequest(tx, user, requestId);
      const contactRequest = requestView(row);
      const contact_ = row.contact_id === null ? undefined : await getContact(tx, user, row.contact_id);
      if (contact_ !== undefined) await deleteContact(tx, user, contact_);
      await tx.db.deleteFrom('contact_requests').where('contact_request_id', '=', requestId).execute();
      await ctx.agent.rejectContact(tx, row.agent_invitation_id);
      return { type: 'contactRequestRejected', user, contactRequest, contact_ };
    }),
  );
}

export const requestCommands: CommandTable = {
  APIAcceptContact: whenRunning((ctx, cmd, user) => accept(ctx, user, cmd.contactReqId, cmd.incognito)),
  AcceptContact: whenRunning(async (ctx, cmd, user) =>
    accept(ctx, user, await ctx.store.read((tx) => requestIdByName(tx, user, cmd.contactName)), cmd.incognito),
  ),
  APIRejectContact: whenRunning((ctx, cmd, user) => reject(ctx, user, cmd.contactReqId)),
  RejectContact: whenRunning(async (ctx, cmd, user) =>
    reject(ctx, user, await ctx.store.read((tx) => requestIdByName(tx, user, cmd.contactName))),
  ),
};
