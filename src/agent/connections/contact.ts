import { dh, generateKeyPair } from '../../crypto/index.js';
import { sealClientMessage } from '../../smp/index.js';
import { type AgentContext, transaction } from '../context.js';
import { encodeAgentEnvelope } from '../envelopes/index.js';
import { cmdError, internalError } from '../errors.js';
import { addRcvQueue, loadConn, saveConn } from '../rows/connections.js';
import { loadE2EKeys, saveE2EKeys } from '../rows/ratchets.js';
import { type Conn, connKind, rcvQueueOf } from '../state/connection.js';
import { linkPqSupport } from './compatibility.js';
import { invitationKeys } from './create.js';
import type { JoinRequest } from './join.js';
import { e2eUriOf, ownRequest } from './links.js';
import { addressOf, makeQueue } from './queue.js';

/**
 * Sends a request to a contact address (section 6.4): an invitation of our own, to which the owner answers as its
 * joiner. A repeated call sends the same invitation again. The caller holds the lock.
 */
export async function joinContact(ctx: AgentContext, r: JoinRequest): Promise<void> {
  const { kind, accepted } = await ctx.store.read(async (tx) => {
    const conn = await loadConn(ctx, tx, r.connId);
    const queue = conn.rcvQueues[0];
    return { kind: connKind(conn), accepted: queue !== undefined && queue.status !== 'new' };
  });
  if (kind === 'new') await makeOwnQueue(ctx, r);
  else if (kind !== 'rcv') throw cmdError('PROHIBITED', `joinConnSrv: bad connection ${kind}`);
  // The owner answered an attempt of which we do not know that it arrived.
  if (accepted) return;
  const body = await ctx.store.read(async (tx) => {
    const conn = await loadConn(ctx, tx, r.connId);
    const keys = await loadE2EKeys(tx, r.connId);
    if (keys === undefined) throw internalError('no e2e keys of the invitation');
    return requestBody(ctx, r, conn, keys);
  });
  await ctx.operations.run(() =>
    ctx.network.send(
      { userId: r.userId, server: r.link.queue.server, sndId: r.link.queue.senderId },
      undefined,
      true,
      body,
      r.urgency,
    ),
  );
}

async function makeOwnQueue(ctx: AgentContext, r: JoinRequest): Promise<void> {
  const pqSupport = linkPqSupport(r.pqSupport, r.link);
  // The invitation goes inside of a message: there is room for the KEM key.
  const keys = await invitationKeys(ctx, pqSupport);
  const server = r.choose([r.link.queue.server]);
  const made = await makeQueue(ctx, r.userId, server, { mode: 'messaging', subscribe: true }, r.urgency);
  await transaction(ctx, 'contact-queue', async (tx) => {
    const conn = await loadConn(ctx, tx, r.connId);
    conn.pqSupport = pqSupport;
    await saveConn(ctx, tx, conn);
    const rq = await addRcvQueue(ctx, tx, conn, made.queue);
    await saveE2EKeys(tx, r.connId, keys);
    tx.onCommit(() => ctx.subscriptions.added(r.userId, rq, made.client));
  });
}

/** The body of SEND: not encrypted by a ratchet, with a key pair for this message alone. */
function requestBody(
  ctx: AgentContext,
  r: JoinRequest,
  conn: Conn,
  keys: NonNullable<Awaited<ReturnType<typeof loadE2EKeys>>>,
): Uint8Array {
  const request = ownRequest('invitation', addressOf(rcvQueueOf(conn)), e2eUriOf(keys));
  if (request.mode !== 'invitation') throw internalError('not an invitation');
  const envelope = encodeAgentEnvelope({
    type: 'invitation',
    agentVersion: r.link.agentVersion,
    request,
    connInfo: r.info,
  });
  const ephemeral = generateKeyPair('x25519', ctx.random);
  const secret = dh(r.link.queue.dhPublicKey, ephemeral.privateKey);
  return sealClientMessage(
    secret,
    { version: r.link.clientVersion, dhKey: ephemeral.publicKey, nonce: ctx.random.bytes(24) },
    { senderKey: undefined, body: envelope },
  );
}
