import {
  type AuthAlgorithm,
  boxKey,
  type DecryptResult,
  decrypt,
  e2eVersions,
  formatPublicKey,
  initRcvRatchet,
  noSkippedKeys,
  type PublicKey,
  RatchetError,
  sha256,
} from '../../crypto/index.js';
import { formatServer, type SmpClientVersion, smpClientRange } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { isInRange } from '../../wire/index.js';
import { pqSupportedBy } from '../connections/compatibility.js';
import { type AgentContext, newId, raise } from '../context.js';
import { type AgentEnvelope, decodeAgentMessage } from '../envelopes/index.js';
import { internalError, prohibited, versionError } from '../errors.js';
import { findConn, saveConn, saveRcvState } from '../rows/connections.js';
import { updateRcvQueue } from '../rows/queues.js';
import { loadE2EKeys, ratchetOf, replaceRatchet, saveSkipped, skippedKeysOf } from '../rows/ratchets.js';
import { insertConfirmation } from '../rows/requests.js';
import { type Conn, connKind, type RcvQueue } from '../state/connection.js';
import { AgentV, agentVersions, lowerVersion } from '../versions.js';
import { ratchetFailure } from './ratchet-failure.js';
import type { ReceiveResult } from './receive.js';

/** A confirmation with what its queue layer told. */
export interface ReceivedConfirmation {
  readonly confirmation: Extract<AgentEnvelope, { type: 'confirmation' }>;
  /** Of the `K` header. */
  readonly senderKey: PublicKey<AuthAlgorithm> | undefined;
  /** Agreed with the key of the header. */
  readonly secret: Uint8Array;
  readonly clientVersion: SmpClientVersion;
}

/** Sections 6.2 and 6.3, steps 6 (initiator) and 10 (joiner). */
export async function receiveConfirmation(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  received: ReceivedConfirmation,
): Promise<ReceiveResult> {
  const { confirmation, senderKey } = received;
  const { agentVersion, e2e } = confirmation;
  if (!isInRange(agentVersion, agentVersions) && agentVersion > conn.agentVersion) throw versionError();
  if (e2e !== undefined && !isInRange(e2e.version, e2eVersions)) throw versionError();
  const kind = connKind(conn);
  if (rq.status !== 'new') throw prohibited('conf: incorrect state');
  if (kind === 'rcv' && e2e !== undefined) {
    if (senderKey === undefined && rq.queueMode !== 'messaging') throw prohibited('handshake: missing sender key');
    return fromJoiner(ctx, tx, conn, rq, { ...received, e2e });
  }
  if (kind === 'duplex' && e2e === undefined) return fromInitiator(ctx, tx, conn, rq, received);
  throw prohibited('conf: not allowed');
}

type Opened = Extract<DecryptResult, { type: 'decrypted' }>;

/** The result of a decryption, or undefined when it has to wait for a KEM key. Other results are errors. */
function opened(result: DecryptResult): Opened | undefined {
  if (result.type === 'decrypted') return result;
  if (result.type === 'needsKemKeyPair') return undefined;
  throw ratchetFailure(result.error);
}

/** Sets what the queue layer agreed on. */
async function agreeQueue(
  tx: Tx,
  rq: RcvQueue,
  received: ReceivedConfirmation,
  status: RcvQueue['status'],
): Promise<void> {
  rq.e2eKey = boxKey(received.secret);
  rq.status = status;
  rq.clientVersion = lowerVersion(received.clientVersion, smpClientRange.max);
  await updateRcvQueue(tx, rq, received.secret);
}

/** T4: the initiator makes its ratchet. */
async function fromJoiner(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  received: ReceivedConfirmation & {
    readonly e2e: NonNullable<ReceivedConfirmation['confirmation']['e2e']>;
  },
): Promise<ReceiveResult> {
  const { confirmation, e2e } = received;
  const keys = await loadE2EKeys(tx, conn.connId);
  if (keys === undefined) throw internalError('no e2e keys of the invitation');
  const agentVersion = lowerVersion(confirmation.agentVersion, AgentV.Current);
  const pqSupport = conn.pqSupport && pqSupportedBy(agentVersion, e2e.version);
  let result: Opened | undefined;
  try {
    const ratchet = initRcvRatchet(keys, e2e, pqSupport, ctx.kem.kem);
    result = opened(decrypt(ratchet, noSkippedKeys, confirmation.encConnInfo, ctx.ratchetKeys));
  } catch (error) {
    if (error instanceof RatchetError) throw ratchetFailure(error);
    throw error;
  }
  if (result === undefined) return 'needsKem';
  const message = decodeAgentMessage(result.plaintext);
  if (message.type !== 'connInfoReply') throw prohibited('conf: not AgentConnInfoReply');
  conn.agentVersion = agentVersion;
  conn.pqSupport = pqSupport;
  await saveConn(ctx, tx, conn);
  await replaceRatchet(ctx, tx, conn, result.state);
  conn.lastExtSndId = 1;
  conn.lastRcvHash = sha256(result.plaintext);
  await saveRcvState(ctx, tx, conn);
  await agreeQueue(tx, rq, received, 'confirmed');
  const confId = newId(ctx);
  const connInfo = new Uint8Array(message.connInfo);
  await insertConfirmation(tx, {
    id: confId,
    connId: conn.connId,
    senderKey: received.senderKey,
    replyQueues: message.queues,
    peerInfo: connInfo,
    now: ctx.clock.now(),
  });
  await raise(ctx, tx, {
    type: 'CONF',
    connId: conn.connId,
    confId,
    pqSupport,
    servers: message.queues.map((q) => formatServer(q.address.server)),
    info: connInfo,
  });
  return 'ack';
}

/** T5: the joiner learns the initiator's info; in the fast handshake it is connected with that. */
async function fromInitiator(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  received: ReceivedConfirmation,
): Promise<ReceiveResult> {
  const skipped = await skippedKeysOf(tx, conn);
  const result = opened(decrypt(ratchetOf(conn), skipped, received.confirmation.encConnInfo, ctx.ratchetKeys));
  if (result === undefined) return 'needsKem';
  const message = decodeAgentMessage(result.plaintext);
  if (message.type !== 'connInfo') throw prohibited('conf: not AgentConnInfo');
  const { senderKey } = received;
  if (senderKey === undefined && rq.queueMode !== 'messaging') throw prohibited('handshake: missing sender key');
  conn.ratchet = result.state;
  await saveSkipped(ctx, tx, conn, result.skipped, ctx.clock.now());
  conn.lastExtSndId = 1;
  conn.lastRcvHash = sha256(result.plaintext);
  await saveRcvState(ctx, tx, conn);
  await agreeQueue(tx, rq, received, senderKey === undefined ? 'active' : 'confirmed');
  const { connId, pqSupport } = conn;
  await raise(ctx, tx, { type: 'INFO', connId, pqSupport, info: new Uint8Array(message.connInfo) });
  if (senderKey === undefined) {
    await raise(ctx, tx, { type: 'CON', connId, pqEncryption: result.state.rcvKem });
    return 'ack';
  }
  const now = await findConn(ctx, tx, connId);
  if (now === undefined || now.deleted) return 'ack';
  await ctx.commands.enqueue(tx, { connId, serverId: rq.serverId }, '', {
    tag: 'DUPLEX_SECURE',
    rcvQueueId: rq.id,
    senderKey: formatPublicKey(senderKey),
  });
  return 'ack';
}
