import { AgentError, type AgentErrorJson } from '../../agent/index.js';
import type { ConnectionEntity, SndError, SrvError, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { contactLinkConnection, findContactLink } from '../addresses/queries.js';
import { updateConnection } from '../connections/queries.js';
import { type ConnectionRow, connectionView } from '../connections/view.js';
import type { ChatContext } from '../engine/context.js';
import { toChatError } from '../engine/errors.js';
import { maxAuthErrors } from '../messaging/send.js';
import { findContact } from './queries.js';

/** Quota errors in a row after which a connection counts as inactive; more than this means it is known (50, section 6.2). */
const inactiveAfter = 5;
const inactiveNow = 999;

/** The delivery error of an item (50, section 4.2). */
export function sndError(error: AgentErrorJson): SndError {
  const other = (): SndError => ({ type: 'other', sndError: new AgentError(error).message });
  switch (error.type) {
    case 'SMP':
      if (error.smpErr.type === 'AUTH') return { type: 'auth' };
      if (error.smpErr.type === 'QUOTA') return { type: 'quota' };
      if (error.smpErr.type === 'PROXY' && error.smpErr.proxyErr.type === 'BROKER') {
        const proxyServer = error.serverAddress;
        return ofBroker(error.smpErr.proxyErr.brokerErr, (srvError) => ({ type: 'proxy', proxyServer, srvError }));
      }
      return other();
    case 'BROKER':
      return ofBroker(error.brokerErr, (srvError) => ({ type: 'relay', srvError }));
    case 'PROXY': {
      const e = error.proxyErr;
      const { proxyServer } = error;
      if (e.type === 'protocolError' && e.protocolErr.type === 'PROXY' && e.protocolErr.proxyErr.type === 'BROKER') {
        const { brokerErr } = e.protocolErr.proxyErr;
        return ofBroker(brokerErr, (srvError) => ({ type: 'proxyRelay', proxyServer, srvError }));
      }
      return other();
    }
    default:
      return other();
  }
}

type Broker = Extract<AgentErrorJson, { type: 'BROKER' }>['brokerErr'];

function ofBroker(error: Broker, at: (e: SrvError) => SndError): SndError {
  if (error.type === 'NETWORK' || error.type === 'TIMEOUT') return { type: 'expired' };
  if (error.type === 'HOST') return at({ type: 'host' });
  if (error.type === 'TRANSPORT' && error.transportErr.type === 'version') return at({ type: 'version' });
  return at({ type: 'other', srvError: error.type });
}

/** What a connection is for, as errors and events show it. */
export async function connectionEntity(tx: Tx, user: User, row: ConnectionRow): Promise<ConnectionEntity | undefined> {
  const connection = connectionView(row);
  if (row.conn_type === 'contact') {
    const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
    return { type: 'rcvDirectMsgConnection', entityConnection: connection, contact };
  }
  if (row.conn_type === 'user_contact' && row.user_contact_link_id !== null) {
    const link = await findContactLink(tx, row.user_contact_link_id);
    if (link === undefined || (await contactLinkConnection(tx, row.user_contact_link_id)) === undefined)
      return undefined;
    return {
      type: 'userContactConnection',
      entityConnection: connection,
      userContact: {
        userContactLinkId: link.user_contact_link_id,
        connReqContact: link.conn_full_link,
        groupId: link.group_id ?? undefined,
      },
    };
  }
  return undefined;
}

/** A permanent failure: event `chatError`, and the counters that disable a connection or make it inactive. */
export async function connectionFailed(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
  error: AgentErrorJson,
  count = true,
): Promise<void> {
  const entity = await connectionEntity(tx, user, connection);
  await ctx.emit(tx, { type: 'chatError', chatError: toChatError(new AgentError(error), entity) });
  if (!count || error.type !== 'SMP') return;
  if (error.smpErr.type === 'AUTH') await countAuthError(ctx, tx, user, connection);
  else if (error.smpErr.type === 'QUOTA') await setInactive(ctx, tx, user, connection, true, inactiveNow);
}

/** A temporary failure of a delivery: the peer's queue may be full. */
export async function connectionWarned(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
  error: AgentErrorJson,
): Promise<void> {
  if (error.type !== 'SMP' || error.smpErr.type !== 'QUOTA') return;
  await setInactive(ctx, tx, user, connection, true, connection.quota_err_counter + 1);
}

async function countAuthError(ctx: ChatContext, tx: Tx, user: User, connection: ConnectionRow): Promise<void> {
  const counter = connection.auth_err_counter + 1;
  const row = await updateConnection(tx, connection.connection_id, { auth_err_counter: counter }, ctx.clock.now());
  if (counter < maxAuthErrors) return;
  const contact = row.contact_id === null ? undefined : await findContact(tx, user, row.contact_id);
  if (contact !== undefined) {
    await ctx.emit(tx, { type: 'contactDisabled', user, contact });
    return;
  }
  const entity = await connectionEntity(tx, user, row);
  if (entity !== undefined) await ctx.emit(tx, { type: 'connectionDisabled', connectionEntity: entity });
}

async function setInactive(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
  inactive: boolean,
  counter: number,
): Promise<void> {
  const wasInactive = connection.quota_err_counter >= inactiveAfter;
  const row = await updateConnection(tx, connection.connection_id, { quota_err_counter: counter }, ctx.clock.now());
  const isInactive = counter >= inactiveAfter;
  if (isInactive === wasInactive) return;
  const entity = await connectionEntity(tx, user, row);
  if (entity !== undefined) await ctx.emit(tx, { type: 'connectionInactive', connectionEntity: entity, inactive });
}

/** The peer takes messages: a connection that was inactive is active again. */
export async function connectionContinues(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
): Promise<void> {
  if (connection.quota_err_counter === 0) return;
  await setInactive(ctx, tx, user, connection, false, 0);
}
