import { decrypt, type RatchetState, sha256 } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import { DecodeError } from '../../wire/index.js';
import { type AgentContext, raise } from '../context.js';
import { type AgentEnvelope, type AgentMessage, decodeAgentMessage } from '../envelopes/index.js';
import { type AgentError, messageError, prohibited } from '../errors.js';
import { onFirstMessage } from '../rotation/recipient.js';
import { findConn, saveConn, saveRcvState } from '../rows/connections.js';
import { isKnownHash, rememberHash } from '../rows/messages.js';
import { updateRcvQueue } from '../rows/queues.js';
import { ratchetOf, saveRatchet, saveSkipped, skippedKeysOf } from '../rows/ratchets.js';
import { type Conn, connKind, type QueueStatus, type RcvQueue } from '../state/connection.js';
import { connectionStats } from '../state/stats.js';
import type { MsgMeta } from '../types.js';
import { AgentV, lowerVersion } from '../versions.js';
import { act } from './act.js';
import { checkIntegrity } from './integrity.js';
import { cryptoErrorOf, ratchetFailure, syncStateAfter } from './ratchet-failure.js';
import type { Arrival, ReceiveResult } from './receive.js';

/** A decrypted and counted message, on its way to what it does. */
export interface ReceivedMessage {
  readonly message: Extract<AgentMessage, { type: 'message' }>['message'];
  readonly meta: MsgMeta;
  readonly arrival: Arrival;
  /** SHA-256 of the agent message: what a receipt names. */
  readonly hash: Uint8Array;
  /** Status of the queue before this message made it active. */
  readonly statusBefore: QueueStatus;
  /** The ratchet could send before this message came. */
  readonly couldSend: boolean;
}

/** Section 8.2, `M`. */
export async function receiveAgentMessage(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  arrival: Arrival,
  envelope: Extract<AgentEnvelope, { type: 'message' }>,
): Promise<ReceiveResult> {
  const before = ratchetOf(conn);
  const skipped = await skippedKeysOf(tx, conn);
  const result = decrypt(before, skipped, envelope.encAgentMessage, ctx.ratchetKeys);
  // Before anything is written: the caller comes again when a key pair is ready.
  if (result.type === 'needsKemKeyPair') return 'needsKem';
  const statusBefore = rq.status;
  await raiseVersion(ctx, tx, conn, envelope.agentVersion);
  if (statusBefore !== 'active') {
    rq.status = 'active';
    await updateRcvQueue(tx, rq);
  }
  if (connKind(conn) === 'duplex' && rq.replacesId !== undefined) await onFirstMessage(ctx, tx, conn, rq);
  const encHash = sha256(envelope.encAgentMessage);
  if (result.type !== 'decrypted') {
    if (result.type === 'bodyError') {
      conn.ratchet = result.state;
      await saveSkipped(ctx, tx, conn, result.skipped, ctx.clock.now());
      await saveRatchet(ctx, tx, conn);
    }
    await notDecrypted(ctx, tx, conn, encHash, ratchetFailure(result.error));
    return 'ack';
  }
  conn.ratchet = result.state;
  await saveSkipped(ctx, tx, conn, result.skipped, ctx.clock.now());
  const parsed = parse(result.plaintext);
  if (parsed.type !== 'message') {
    await saveRatchet(ctx, tx, conn);
    const error = parsed.type === 'unreadable' ? parsed.error : prohibited('msg: bad agent msg');
    await notDecrypted(ctx, tx, conn, encHash, error);
    return 'ack';
  }
  const hash = sha256(result.plaintext);
  const now = ctx.clock.now();
  const integrity = checkIntegrity(conn.lastExtSndId, conn.lastRcvHash, parsed.sndMsgId, parsed.prevMsgHash);
  conn.lastInternalId++;
  conn.lastExtSndId = parsed.sndMsgId;
  conn.lastRcvHash = hash;
  await saveRcvState(ctx, tx, conn);
  await rememberHash(tx, conn.connId, encHash, now);
  const received: ReceivedMessage = {
    message: parsed.message,
    meta: {
      integrity,
      recipient: { msgId: conn.lastInternalId, ts: now },
      broker: { msgId: arrival.brokerMsgId, ts: arrival.brokerTs },
      sndMsgId: parsed.sndMsgId,
      pqEncryption: result.state.rcvKem,
    },
    arrival,
    hash,
    statusBefore,
    couldSend: canSend(before),
  };
  const current = await ratchetWorks(ctx, tx, conn);
  if (current !== undefined) await act(ctx, tx, current, rq, received);
  return 'ack';
}

const canSend = (ratchet: RatchetState): boolean => ratchet.snd !== undefined;

/** A peer that was updated writes a higher version into its messages. */
async function raiseVersion(ctx: AgentContext, tx: Tx, conn: Conn, theirs: Conn['agentVersion']): Promise<void> {
  const version = lowerVersion(theirs, AgentV.Current);
  if (version <= conn.agentVersion) return;
  conn.agentVersion = version;
  await saveConn(ctx, tx, conn);
}

function parse(
  plaintext: Uint8Array,
): Extract<AgentMessage, { type: 'message' }> | { type: 'unreadable'; error: AgentError } | { type: 'other' } {
  try {
    const message = decodeAgentMessage(plaintext);
    return message.type === 'message' ? message : { type: 'other' };
  } catch (error) {
    if (error instanceof DecodeError) return { type: 'unreadable', error: messageError(error) };
    throw error;
  }
}

/** A decrypted message ends every state of synchronisation but the one that waits for the peer's keys. */
async function ratchetWorks(ctx: AgentContext, tx: Tx, conn: Conn): Promise<Conn | undefined> {
  if (conn.syncState === 'ok' || conn.syncState === 'started') return conn;
  conn.syncState = 'ok';
  await saveConn(ctx, tx, conn);
  await raise(ctx, tx, { type: 'RSYNC', connId: conn.connId, state: 'ok', stats: connectionStats(conn) });
  return findConn(ctx, tx, conn.connId);
}

/** Section 8.4: a repetition is acknowledged silently; anything else is reported, crypto errors as RSYNC. */
async function notDecrypted(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  encHash: Uint8Array,
  error: AgentError,
): Promise<void> {
  const { connId } = conn;
  if (await isKnownHash(tx, connId, encHash)) return;
  const crypto = cryptoErrorOf(error);
  if (crypto === undefined) {
    await raise(ctx, tx, { type: 'ERR', connId, error: error.json });
    return;
  }
  if (conn.syncState === 'started' || conn.syncState === 'agreed') return;
  conn.syncState = syncStateAfter(crypto);
  await saveConn(ctx, tx, conn);
  await raise(ctx, tx, {
    type: 'RSYNC',
    connId,
    state: conn.syncState,
    error: crypto,
    stats: connectionStats(conn),
  });
}
