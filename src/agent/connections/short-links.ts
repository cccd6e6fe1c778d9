import { CryptoError, generateKeyPair, openLinkData } from '../../crypto/index.js';
import type { LinkAnswer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { DecodeError } from '../../wire/index.js';
import { type AgentContext, transaction } from '../context.js';
import { type AgentError, agentError, cmdError, cryptoError, messageError } from '../errors.js';
import {
  type ConnectionMode,
  formatConnectionRequest,
  formatShortLink,
  parseShortLink,
  type ShortLink,
  verifyLinkData,
} from '../links/index.js';
import { loadConn } from '../rows/connections.js';
import { updateRcvQueue } from '../rows/queues.js';
import { connKind, type RcvQueue, rcvQueueOf } from '../state/connection.js';
import type { ConnId, ShortLinkData, ShortLinkText, UserId } from '../types.js';
import { deleteInvLink, invLinkKey, saveInvLinkQueue } from './inv-links.js';
import { linkKeys, ownRequest, sealLink, sealUserData, shortLinkOf } from './links.js';
import { addressOf } from './queue.js';

/** @throws AgentError `CMD SYNTAX` */
function parse(text: string): ShortLink {
  try {
    return parseShortLink(text);
  } catch (error) {
    if (error instanceof DecodeError) throw cmdError('SYNTAX', 'short link');
    throw error;
  }
}

function linkProblem(error: unknown): AgentError | undefined {
  if (error instanceof DecodeError) return messageError(error);
  if (error instanceof CryptoError) {
    return error.code === 'CRYPTO_LINK'
      ? agentError({ type: 'A_LINK', linkErr: error.message }, error)
      : cryptoError({ type: 'DECRYPT_CB' }, error);
  }
  return undefined;
}

/** Reads and verifies what is behind a short link (section 4.8). */
export async function getConnShortLink(ctx: AgentContext, userId: UserId, text: ShortLinkText): Promise<ShortLinkData> {
  const link = parse(text);
  const answer =
    link.mode === 'contact' ? await getContact(ctx, userId, link) : await lockInvitation(ctx, userId, link);
  try {
    const { key } = linkKeys(link.mode, link.linkKey);
    const fixed = openLinkData(key, answer.data.fixed);
    const user = openLinkData(key, answer.data.user);
    const verified = verifyLinkData(link, answer.senderId, fixed, user);
    return {
      link: formatConnectionRequest(verified.request),
      mode: verified.request.mode,
      userData: new Uint8Array(verified.user.userData),
      agentVersion: verified.user.agentVersions,
      direct: verified.user.mode === 'invitation' || verified.user.direct,
    };
  } catch (error) {
    throw linkProblem(error) ?? error;
  }
}

function getContact(ctx: AgentContext, userId: UserId, link: ShortLink): Promise<LinkAnswer> {
  const { linkId } = linkKeys('contact', link.linkKey);
  if (linkId === undefined) throw cmdError('SYNTAX', 'short link');
  return ctx.operations.run(() => ctx.network.getLink(userId, link.server, linkId));
}

/** Reading a one-time link secures its queue: the key is stored first, and is the same when it is read again. */
async function lockInvitation(
  ctx: AgentContext,
  userId: UserId,
  link: Extract<ShortLink, { mode: 'invitation' }>,
): Promise<LinkAnswer> {
  const key = await transaction(ctx, 'link-key', (tx) => invLinkKey(ctx, tx, link));
  const answer = await ctx.operations.run(() => ctx.network.lockLink(userId, link.server, link.linkId, key));
  await transaction(ctx, 'link-read', (tx) => saveInvLinkQueue(ctx, tx, link, answer.senderId));
  return answer;
}

/** Contact links have no key here: nothing happens. @throws AgentError `CMD SYNTAX` */
export async function deleteLocalInvShortLink(ctx: AgentContext, tx: Tx, text: ShortLinkText): Promise<void> {
  const link = parse(text);
  if (link.mode === 'invitation') await deleteInvLink(ctx, tx, link);
}

/** Sets or replaces the user data of a link. The fixed part goes as it is stored: the server compares it. */
export async function setConnShortLink(
  ctx: AgentContext,
  connId: ConnId,
  mode: ConnectionMode,
  userData: Uint8Array,
  clientData: string | undefined,
): Promise<ShortLinkText> {
  return ctx.locks.run(connId, async () => {
    const { userId, rq, creds } = await transaction(ctx, 'link-creds', async (tx) => {
      const conn = await loadConn(ctx, tx, connId);
      const expected = mode === 'contact' ? 'contact' : 'rcv';
      if (connKind(conn) !== expected) throw cmdError('PROHIBITED', 'setConnShortLink: invalid connection or mode');
      const queue = rcvQueueOf(conn);
      queue.link ??= await newCreds(ctx, tx, queue, mode, clientData);
      return { userId: conn.userId, rq: queue, creds: queue.link };
    });
    const { linkId, key } = linkKeys(mode, creds.linkKey);
    if (linkId !== undefined && Buffer.compare(linkId, creds.linkId) !== 0) {
      throw cmdError('PROHIBITED', 'setConnShortLink: link ID is not consistent');
    }
    const user = sealUserData(ctx, key, creds.privateKey, mode, userData);
    await ctx.operations.run(() =>
      ctx.network.setLinkData(
        { userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey },
        creds.linkId,
        { fixed: creds.fixed, user },
      ),
    );
    return formatShortLink(shortLinkOf(mode, rq.server, creds, clientData), 'server');
  });
}

/** Link data for a contact address that was made without: stored before the server gets it. */
async function newCreds(
  ctx: AgentContext,
  tx: Tx,
  rq: RcvQueue,
  mode: ConnectionMode,
  clientData: string | undefined,
): Promise<NonNullable<RcvQueue['link']>> {
  if (mode !== 'contact') throw cmdError('PROHIBITED', 'setConnShortLink: no ShortLinkCreds in invitation');
  const rootKey = generateKeyPair('ed25519', ctx.random);
  const request = ownRequest('contact', addressOf(rq, 'contact'), undefined, clientData);
  const sealed = sealLink(ctx, rootKey, request, new Uint8Array());
  if (sealed.linkId === undefined) throw cmdError('PROHIBITED', 'setConnShortLink: no link ID');
  const creds = {
    linkId: sealed.linkId,
    linkKey: sealed.linkKey,
    privateKey: rootKey.privateKey,
    fixed: sealed.data.fixed,
  };
  rq.link = creds;
  await updateRcvQueue(tx, rq);
  return creds;
}

/** LDEL. The link cannot be used after that; a contact address gets other link data if it is set again. */
export async function deleteConnShortLink(ctx: AgentContext, connId: ConnId, mode: ConnectionMode): Promise<void> {
  await ctx.locks.run(connId, async () => {
    const { userId, rq } = await ctx.store.read(async (tx) => {
      const conn = await loadConn(ctx, tx, connId);
      const expected = mode === 'contact' ? 'contact' : 'rcv';
      if (connKind(conn) !== expected) throw cmdError('PROHIBITED', 'deleteConnShortLink: invalid connection or mode');
      return { userId: conn.userId, rq: rcvQueueOf(conn) };
    });
    await ctx.operations.run(() =>
      ctx.network.deleteLinkData({ userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey }),
    );
    await transaction(ctx, 'link-deleted', async (tx) => {
      const current = rcvQueueOf(await loadConn(ctx, tx, connId));
      current.link = undefined;
      await updateRcvQueue(tx, current);
    });
  });
}
