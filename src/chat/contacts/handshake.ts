import type { Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { welcome } from '../addresses/accept.js';
import { parseFailure } from '../addresses/receive.js';
import { findRequest } from '../addresses/request-rows.js';
import { incognitoProfile } from '../connections/incognito.js';
import { readFullLink } from '../connections/links.js';
import { chatBanner, linkPq } from '../connections/prepared.js';
import { connectionById, updateConnection, updateConnectionStatus } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ConnectionInput } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { emitDirectItems } from '../items/create.js';
import { encodeInfo, sendDirectMessages } from '../messaging/send.js';
import { enabledFeatureItems } from '../preferences/items.js';
import { ChatV, type JsonChatEvent, newProbe, parseConnInfo } from '../protocol/index.js';
import { directProfile } from '../users/direct-profile.js';
import { messageProblem } from './frame.js';
import { contactProfileReceived } from './profile-update.js';
import { getContact, insertContact, updateContactRow } from './queries.js';
import { updatePeerVersions } from './versions.js';

/** The one message in connection information, with the versions of its sender noted. */
async function readInfo(
  ctx: ChatContext,
  tx: Tx,
  connection: ConnectionRow,
  info: Uint8Array,
): Promise<{ readonly row: ConnectionRow; readonly event: JsonChatEvent }> {
  const received = parseConnInfo(info, ctx.compression);
  if (received.type === 'error') throw parseFailure(received.error);
  if (received.type !== 'json') throw parseFailure('binary message in connection information');
  const { event, versions } = received.message;
  return { row: await updatePeerVersions(ctx, tx, connection, versions), event };
}

/** Whether the peer supports post-quantum encryption, as CONF says it (50, section 2.15). */
async function confirmPq(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ConnectionRow,
  pqSupport: boolean,
): Promise<ConnectionRow> {
  if (row.pq_support !== 0 && !pqSupport) {
    return updateConnection(tx, row.connection_id, { pq_support: 0, pq_encryption: 0 }, ctx.clock.now());
  }
  if ((row.pq_support !== 0) !== pqSupport) {
    await messageProblem(ctx, tx, user, 'warning', 'processCONFpqSupport: unexpected pqSupport change');
  }
  return row;
}

async function withStatus(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ConnectionRow,
  status: 'requested' | 'snd-ready' | 'ready' | 'accepted',
): Promise<ConnectionRow> {
  await updateConnectionStatus(tx, row.connection_id, status, ctx.clock.now());
  return connectionById(tx, user.userId, row.connection_id);
}

/** CONF: the peer wants to connect (50, sections 2.3 and 6.2). */
export async function confirmationReceived(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'CONF'>,
): Promise<void> {
  // A one-time link that a second party has used: the first one is being connected.
  if (['accepted', 'snd-ready', 'ready', 'deleted'].includes(connection.conn_status)) return;
  const requested = await withStatus(ctx, tx, user, connection, 'requested');
  const checked = await confirmPq(ctx, tx, user, requested, event.pqSupport);
  const { row, event: x } = await readInfo(ctx, tx, checked, event.info);
  const contact = row.contact_id === null ? undefined : await getContact(tx, user, row.contact_id);
  if (x.type === 'x.grp.link.inv' || x.type === 'x.grp.link.reject') {
    await ctx.groups?.linkInvitation(ctx, tx, { user, connection: row, contact, confId: event.confId, event: x });
    return;
  }
  const allow = (reply: JsonChatEvent): Promise<void> =>
    ctx.agent.allowConnection(
      tx,
      row.agent_conn_id,
      event.confId,
      encodeInfo(ctx, reply, row.pq_support !== 0, row.conn_chat_version),
    );
  const incognito = await incognitoProfile(tx, row.custom_user_profile_id);
  if (contact === undefined) {
    if (x.type === 'x.info') await connectingContact(ctx, tx, user, row, x.profile);
    await allow({ type: 'x.info', profile: directProfile(user, incognito, undefined, true) });
  } else if (x.type === 'x.grp.mem.info') {
    await allow({ type: 'x.ok' });
  } else if (x.type === 'x.info') {
    const updated = await contactProfileReceived(ctx, tx, user, contact, x.profile, false);
    await allow({ type: 'x.info', profile: directProfile(user, incognito, updated, true) });
    await updateContactRow(
      tx,
      contact.contactId,
      { contact_group_member_id: null, contact_grp_inv_sent: 0 },
      ctx.clock.now(),
    );
  } else {
    await messageProblem(ctx, tx, user, 'error', 'CONF for existing contact must have x.grp.mem.info or x.info');
    return;
  }
  await updateConnectionStatus(tx, row.connection_id, 'accepted', ctx.clock.now());
}

/** The peer's profile is known now: its contact, and event `contactConnecting`. */
async function connectingContact(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  row: ConnectionRow,
  profile: Parameters<typeof insertContact>[2],
): Promise<void> {
  const now = ctx.clock.now();
  const incognito = row.custom_user_profile_id !== null;
  const contactId = await insertContact(tx, user, profile, {}, now, { incognito });
  // An alias that was given to the pending connection is the contact's now.
  const alias = row.local_alias;
  await updateConnection(tx, row.connection_id, { contact_id: contactId, local_alias: '' }, now);
  if (alias !== '') {
    const { profile: stored } = await getContact(tx, user, contactId);
    await tx.db
      .updateTable('contact_profiles')
      .set({ local_alias: alias })
      .where('contact_profile_id', '=', stored.profileId)
      .execute();
  }
  await ctx.emit(tx, { type: 'contactConnecting', user, contact: await getContact(tx, user, contactId) });
}

/** INFO: the other side of the handshake has our request confirmed. */
export async function infoReceived(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'INFO'>,
): Promise<void> {
  const ready =
    connection.conn_status === 'ready' ? connection : await withStatus(ctx, tx, user, connection, 'snd-ready');
  if ((ready.pq_support !== 0) !== event.pqSupport) {
    await messageProblem(ctx, tx, user, 'warning', 'processINFOpqSupport: unexpected pqSupport change');
  }
  const { row, event: x } = await readInfo(ctx, tx, ready, event.info);
  const contact = row.contact_id === null ? undefined : await getContact(tx, user, row.contact_id);
  if (x.type === 'x.grp.link.inv' || x.type === 'x.grp.link.reject') {
    await ctx.groups?.linkInvitation(ctx, tx, { user, connection: row, contact, confId: undefined, event: x });
  } else if (contact === undefined) {
    if (x.type === 'x.info') await connectingContact(ctx, tx, user, row, x.profile);
  } else if (x.type === 'x.info') {
    const createItems = contact.preparedContact !== undefined || contact.contactRequestId !== undefined;
    await contactProfileReceived(ctx, tx, user, contact, x.profile, createItems);
  } else if (x.type !== 'x.grp.mem.info' && x.type !== 'x.ok') {
    await messageProblem(ctx, tx, user, 'error', 'INFO for existing contact must have x.grp.mem.info, x.info or x.ok');
  }
}

/** CON: the connection stands (50, section 6.2). */
export async function connected(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'CON'>,
): Promise<void> {
  const row = await withStatus(ctx, tx, user, connection, 'ready');
  if (row.contact_id === null) return;
  const pq = event.pqEncryption;
  if (pq) await updateConnection(tx, row.connection_id, { pq_snd_enabled: 1, pq_rcv_enabled: 1 }, ctx.clock.now());
  const stored = await getContact(tx, user, row.contact_id);
  const contact: Contact =
    stored.activeConn === undefined
      ? stored
      : { ...stored, activeConn: { ...stored.activeConn, pqSndEnabled: pq, pqRcvEnabled: pq } };
  const userCustomProfile = await incognitoProfile(tx, row.custom_user_profile_id);
  await ctx.emit(tx, { type: 'contactConnected', user, contact, userCustomProfile });
  if (contact.contactUsed) await firstItems(ctx, tx, user, contact, pq);
  if (row.contact_conn_initiated !== 0) {
    // A probe that is never compared: who is known otherwise is not our business, but silence would show it.
    await sendDirectMessages(ctx, tx, user, contact, [
      { event: { type: 'x.info.probe', probe: newProbe(ctx.random) } },
    ]);
    await updateConnection(tx, row.connection_id, { contact_conn_initiated: 0 }, ctx.clock.now());
  }
  if (row.via_user_contact_link !== null && row.conn_chat_version < ChatV.DirectBatch) {
    await welcome(ctx, tx, user, contact, row);
  }
}

/** Items that a connected contact gets, unless its chat had them before it was connected. */
async function firstItems(ctx: ChatContext, tx: Tx, user: User, contact: Contact, pq: boolean): Promise<void> {
  const encryption = { content: { type: 'rcvDirectE2EEInfo', e2eeInfo: { pqEnabled: pq } } } as const;
  if (contact.preparedContact !== undefined) {
    const link = readFullLink(contact.preparedContact.connLinkToConnect.connFullLink);
    if (link === undefined || linkPq(ctx, link) !== pq) {
      await emitDirectItems(ctx, tx, user, contact, false, [encryption]);
    }
    return;
  }
  if (contact.contactRequestId !== undefined) {
    const request = await findRequest(tx, user.userId, contact.contactRequestId);
    if (request === undefined || (request.pq_support !== 0) !== pq) {
      await emitDirectItems(ctx, tx, user, contact, false, [encryption]);
    }
    return;
  }
  const any = await tx.db
    .selectFrom('chat_items')
    .select('chat_item_id')
    .where('contact_id', '=', contact.contactId)
    .limit(1)
    .executeTakeFirst();
  if (any === undefined) await emitDirectItems(ctx, tx, user, contact, true, [chatBanner]);
  await emitDirectItems(ctx, tx, user, contact, false, [encryption]);
  await emitDirectItems(ctx, tx, user, contact, false, enabledFeatureItems(contact));
}
