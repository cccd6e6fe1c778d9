import type { Tx } from '../../store/index.js';
import { type AgentContext, newId } from '../context.js';
import { cmdError, connError, internalError, versionError } from '../errors.js';
import { findConn, insertConn, loadConn } from '../rows/connections.js';
import {
  acceptConfirmation,
  deleteInvitation,
  findConfirmation,
  openInvitation,
  setInvitationAccepted,
} from '../rows/requests.js';
import { connKind, rcvQueueOf } from '../state/connection.js';
import type { Agent, ConnId, JoinParams, JoinResult, UserId } from '../types.js';
import { compatible, linkPqSupport, parseLink, requireCompatible } from './compatibility.js';
import { joinContact } from './contact.js';
import { type JoinRequest, joinInvitation } from './join.js';

/** undefined: a version does not fit. */
export function connRequestPQSupport(pqSupport: boolean, link: string): ReturnType<Agent['connRequestPQSupport']> {
  const found = compatible(parseLink(link));
  if (found === undefined) return undefined;
  return { agentVersion: found.agentVersion, pqSupport: linkPqSupport(pqSupport, found) };
}

/** The record of a connection that will join a link; nothing is sent. */
export async function prepareToJoin(
  ctx: AgentContext,
  tx: Tx,
  userId: UserId,
  link: string,
  pqSupport: boolean,
): Promise<ConnId> {
  const found = requireCompatible(link);
  const connId = newId(ctx);
  await insertConn(ctx, tx, {
    connId,
    userId,
    mode: 'invitation',
    agentVersion: found.agentVersion,
    pqSupport: linkPqSupport(pqSupport, found),
  });
  return connId;
}

/** {@link prepareToJoin} with the invitation of a request. @throws AgentError `CMD PROHIBITED` when it was answered */
export async function prepareToAccept(
  ctx: AgentContext,
  tx: Tx,
  userId: UserId,
  invId: string,
  pqSupport: boolean,
): Promise<ConnId> {
  const { link } = await openInvitation(tx, invId, 'prepareConnectionToAccept');
  return prepareToJoin(ctx, tx, userId, link, pqSupport);
}

/** Joins an invitation or a contact address and waits for the result. */
export async function joinConnection(
  ctx: AgentContext,
  p: JoinParams,
  joined?: JoinRequest['joined'],
): Promise<JoinResult> {
  const link = requireCompatible(p.link);
  const request: JoinRequest = {
    userId: p.userId,
    connId: p.connId,
    link,
    info: p.info,
    pqSupport: p.pqSupport,
    choose: (avoid) => ctx.users.chooseStorage(p.userId, avoid),
    urgency: 'interactive',
    ...(joined === undefined ? {} : { joined }),
  };
  // The same link must not be joined twice at a time: the second would find the queue secured by another key.
  return ctx.locks.runAll([`link ${p.link}`, p.connId], async () => {
    if (link.mode === 'contact') {
      await joinContact(ctx, request);
      return { sndSecured: false };
    }
    return { sndSecured: await joinInvitation(ctx, request) };
  });
}

/** Section 6.4: accepting a request is joining its invitation. */
export async function acceptContact(
  ctx: AgentContext,
  p: {
    readonly userId: UserId;
    readonly connId: ConnId;
    readonly invId: string;
    readonly info: Uint8Array;
    readonly pqSupport: boolean;
  },
): Promise<JoinResult> {
  const { link } = await ctx.store.read((tx) => openInvitation(tx, p.invId, 'acceptContact'));
  return joinConnection(ctx, { ...p, link }, (tx) => setInvitationAccepted(tx, p.invId, true, p.info));
}

/** Section 6.5: the worker joins. */
export async function joinConnectionAsync(
  ctx: AgentContext,
  tx: Tx,
  corrId: string,
  p: Omit<JoinParams, 'connId'> & { readonly connId?: ConnId },
  invId?: string,
): Promise<ConnId> {
  const found = compatible(parseLink(p.link));
  if (found === undefined) throw versionError();
  let connId = p.connId;
  if (connId === undefined) {
    connId = await prepareToJoin(ctx, tx, p.userId, p.link, p.pqSupport);
  } else {
    const kind = connKind(await loadConn(ctx, tx, connId));
    if (kind !== 'new') throw cmdError('PROHIBITED', `joinConnAsync: bad connection ${kind}`);
  }
  await ctx.commands.enqueue(tx, { connId, serverId: undefined }, corrId, {
    tag: 'JOIN',
    link: p.link,
    info: Buffer.from(p.info).toString('base64'),
    pqSupport: p.pqSupport,
    ...(invId === undefined ? {} : { invId }),
  });
  return connId;
}

/** Section 6.4: accepted from now on, so that it is not answered twice; undone when the join fails for good. */
export async function acceptContactAsync(
  ctx: AgentContext,
  tx: Tx,
  corrId: string,
  p: {
    readonly userId: UserId;
    readonly connId?: ConnId;
    readonly invId: string;
    readonly info: Uint8Array;
    readonly pqSupport: boolean;
  },
): Promise<ConnId> {
  const { link } = await openInvitation(tx, p.invId, 'acceptContactAsync');
  const connId = await joinConnectionAsync(ctx, tx, corrId, { ...p, link }, p.invId);
  await setInvitationAccepted(tx, p.invId, true, p.info);
  return connId;
}

/** The requester is not told. @throws AgentError `CMD PROHIBITED` when there is no such request */
export async function rejectContact(tx: Tx, invId: string): Promise<void> {
  if (!(await deleteInvitation(tx, invId)))
    throw cmdError('PROHIBITED', `SEInvitationNotFound "rejectContact" "${invId}"`);
}

/** T6: the handshake goes on in the background. */
export async function allowConnection(
  ctx: AgentContext,
  tx: Tx,
  connId: ConnId,
  confId: string,
  info: Uint8Array,
): Promise<void> {
  const conn = await findConn(ctx, tx, connId);
  if (conn === undefined || conn.deleted) throw connError('NOT_FOUND');
  if (connKind(conn) !== 'rcv') throw cmdError('PROHIBITED', 'allowConnection: not RcvConnection');
  const confirmation = await findConfirmation(tx, connId, confId);
  if (confirmation === undefined) throw internalError('SEConfirmationNotFound');
  // Allowed already: the command is stored.
  if (confirmation.accepted) return;
  await acceptConfirmation(tx, confId, info);
  const rq = rcvQueueOf(conn);
  await ctx.commands.enqueue(tx, { connId, serverId: rq.serverId }, '', {
    tag: 'ALLOW_SECURE',
    confId,
    rcvQueueId: rq.id,
  });
}
