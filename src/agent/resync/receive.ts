import {
  type E2EKeys,
  type E2EParams,
  e2eParamsOf,
  e2eVersions,
  generateKeyPair,
  initRcvRatchet,
  initSndRatchet,
  RatchetError,
  type RatchetState,
  ratchetKeyHash,
} from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import { isInRange } from '../../wire/index.js';
import { type AgentContext, raise } from '../context.js';
import type { AgentEnvelope } from '../envelopes/index.js';
import { cryptoError, internalError, prohibited, versionError } from '../errors.js';
import { ratchetFailure } from '../receiving/ratchet-failure.js';
import type { ReceiveResult } from '../receiving/receive.js';
import { loadConn, saveConn } from '../rows/connections.js';
import { rememberRatchetKey } from '../rows/messages.js';
import { loadE2EKeys, replaceRatchet } from '../rows/ratchets.js';
import { enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind } from '../state/connection.js';
import { connectionStats } from '../state/stats.js';
import { AgentV, lowerVersion } from '../versions.js';
import { resyncKeys, sendRatchetKey } from './keys.js';

/** The peer's new keys (30-agent.md, section 11): both sides make the same new ratchet of them. */
export async function receiveRatchetKey(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  { e2e, agentVersion }: Extract<AgentEnvelope, { type: 'ratchetKey' }>,
): Promise<ReceiveResult> {
  const { connId } = conn;
  if (connKind(conn) !== 'duplex') throw prohibited('ratchet key: not duplex');
  if (!isInRange(e2e.version, e2eVersions)) throw versionError();
  const peerHash = ratchetKeyHash(e2e);
  if (!(await rememberRatchetKey(tx, connId, peerHash, ctx.clock.now()))) return 'ack';
  const version = lowerVersion(agentVersion, AgentV.Current);
  if (version > conn.agentVersion) conn.agentVersion = version;
  if (conn.syncState === 'agreed') {
    conn.syncState = 'required';
    await saveConn(ctx, tx, conn);
    const error = { type: 'RATCHET_SYNC' } as const;
    await raise(ctx, tx, { type: 'RSYNC', connId, state: 'required', error, stats: connectionStats(conn) });
    throw cryptoError(error);
  }
  const keys = await ownKeys(ctx, tx, conn, e2e);
  const { ratchet, isSender } = newRatchet(ctx, conn, keys, e2e, peerHash);
  conn.syncState = 'agreed';
  await saveConn(ctx, tx, conn);
  await replaceRatchet(ctx, tx, conn, ratchet);
  if (isSender) await enqueueMessage(ctx, tx, conn, { type: 'EREADY', lastDecryptedSndMsgId: conn.lastExtSndId });
  await raise(ctx, tx, { type: 'RSYNC', connId, state: 'agreed', stats: connectionStats(conn) });
  return 'ack';
}

/** The keys that we sent when we started, or new ones that are sent now. */
async function ownKeys(ctx: AgentContext, tx: Tx, conn: Conn, e2e: E2EParams): Promise<E2EKeys> {
  if (conn.syncState === 'started') {
    const stored = await loadE2EKeys(tx, conn.connId);
    if (stored === undefined) throw internalError('no keys of the ratchet synchronisation');
    return stored;
  }
  const keys = resyncKeys(ctx, conn.pqSupport);
  await sendRatchetKey(ctx, tx, await loadConn(ctx, tx, conn.connId), keys, e2e.version);
  return keys;
}

/** Who has the lower hash of keys acts as the initiator; the other one sends first. */
function newRatchet(
  ctx: AgentContext,
  conn: Conn,
  keys: E2EKeys,
  e2e: E2EParams,
  peerHash: Uint8Array,
): { ratchet: RatchetState; isSender: boolean } {
  try {
    if (Buffer.compare(ratchetKeyHash(e2eParamsOf(keys, e2e.version)), peerHash) <= 0) {
      return { ratchet: initRcvRatchet(keys, e2e, conn.pqSupport, ctx.kem.kem), isSender: false };
    }
    return { ratchet: initSndRatchet(keys, e2e, generateKeyPair('x448', ctx.random)), isSender: true };
  } catch (error) {
    if (error instanceof RatchetError) throw ratchetFailure(error);
    throw error;
  }
}
