import { encodeMessageKey, encryptHeader, RatchetError, ratchetPaddedLength, sha256 } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { AgentContext } from '../context.js';
import { type AMessage, encodeAgentMessage, encodeAgentMessageBody, encodeAMessage } from '../envelopes/index.js';
import { cmdError, internalError } from '../errors.js';
import { ratchetFailure } from '../receiving/ratchet-failure.js';
import { saveConn, saveSndCounters, saveSndState } from '../rows/connections.js';
import { insertBody, insertDelivery, insertSndMessage, type SndKind, type SndMessage } from '../rows/messages.js';
import { ratchetOf } from '../rows/ratchets.js';
import { type Conn, hasPqSupport, type SndQueue, sndQueueOf } from '../state/connection.js';
import type { AgentMsgId } from '../types.js';
import { AgentV } from '../versions.js';

const kinds: Readonly<Record<AMessage['type'], SndKind>> = {
  HELLO: 'H',
  A_MSG: 'M',
  A_RCVD: 'V',
  A_QCONT: 'QC',
  QADD: 'QA',
  QKEY: 'QK',
  QUSE: 'QU',
  QTEST: 'QT',
  EREADY: 'E',
};

/** A body that several messages share. Its row is made with the first message that needs it. */
export interface SharedBody {
  readonly encoded: Uint8Array;
  rowId: number | undefined;
}

interface EnqueueOptions {
  readonly notification: boolean;
  readonly pqEncryption?: boolean | undefined;
  readonly shared?: SharedBody | undefined;
  /** Instead of the primary queue and the copies of it (section 10, step 7). */
  readonly only?: SndQueue;
}

/** Bytes of an agent message around its body: tag, number, and the previous hash with its length. */
const framing = (conn: Conn): number => 1 + 8 + 1 + conn.lastSndHash.length;

/**
 * T7: takes a number, a link of the hash chain and a ratchet key for a message, and queues it for delivery. The size
 * is checked first, so that a message that is too large leaves nothing behind.
 * @throws AgentError `CMD LARGE`, `CONN SIMPLEX`
 */
export async function enqueueEncoded(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  kind: SndKind,
  encoded: Uint8Array,
  options: EnqueueOptions,
): Promise<{ msgId: AgentMsgId; pqEncryption: boolean }> {
  const primary = options.only ?? sndQueueOf(conn);
  // PQ needs smaller bodies, which peers before it do not expect (10-crypto-and-ratchet.md, section 5.4).
  const pqEnc =
    options.pqEncryption === true && conn.agentVersion < AgentV.PqRatchet ? undefined : options.pqEncryption;
  const turnOn = pqEnc === true && !conn.pqSupport;
  const pqSupport = turnOn || hasPqSupport(conn);
  const paddedLength = ratchetPaddedLength('message', pqSupport);
  if (framing(conn) + encoded.length > paddedLength - 2) throw cmdError('LARGE', 'sendMessage');
  if (turnOn) {
    conn.pqSupport = true;
    await saveConn(ctx, tx, conn);
  }
  // What can fail comes before the first change: a failed item of a batch does not undo the transaction.
  const { state, messageKey } = takeMessageKey(conn, pqEnc);
  const prevHash = conn.lastSndHash;
  const internalId = ++conn.lastInternalId;
  const sndId = ++conn.lastSndId;
  const hash = sha256(encodeAgentMessageBody(sndId, prevHash, encoded));
  conn.lastSndHash = hash;
  conn.ratchet = state;
  await saveSndState(ctx, tx, conn);
  const { shared } = options;
  if (shared !== undefined && shared.rowId === undefined) {
    const rowId = await insertBody(tx, encoded);
    shared.rowId = rowId;
    tx.onRollback(() => {
      shared.rowId = undefined;
    });
  }
  const msgKey = encodeMessageKey(messageKey);
  const now = ctx.clock.now();
  await insertSndMessage(tx, {
    connId: conn.connId,
    internalId,
    sndId,
    kind,
    notification: options.notification ? 1 : 0,
    body: shared === undefined ? encoded : null,
    bodyId: shared?.rowId ?? null,
    prevHash,
    hash,
    msgKey,
    paddedLength,
    pq: state.sndKem ? 1 : 0,
    createdAt: now,
  });
  await deliver(ctx, tx, conn, options.only === undefined ? queuesFor(conn, primary) : [primary], {
    connId: conn.connId,
    internalId,
    sndId,
    kind,
    notification: options.notification,
    body: encoded,
    prevHash,
    msgKey,
    paddedLength,
    pqEncryption: state.sndKem,
    createdAt: now,
    retrySlow: undefined,
    retryFast: undefined,
    bodyId: shared?.rowId,
  });
  return { msgId: internalId, pqEncryption: state.sndKem };
}

/** The next key of the sending chain; the state after it is not stored yet. */
function takeMessageKey(conn: Conn, pqEnc: boolean | undefined): ReturnType<typeof encryptHeader> {
  try {
    return encryptHeader(ratchetOf(conn), { pqEnc });
  } catch (error) {
    if (error instanceof RatchetError) throw ratchetFailure(error);
    throw error;
  }
}

/** The primary queue, and during a rotation the other queues that can be used. */
function queuesFor(conn: Conn, primary: SndQueue): SndQueue[] {
  return [primary, ...conn.sndQueues.filter((q) => q !== primary && (q.status === 'secured' || q.status === 'active'))];
}

async function deliver(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  queues: readonly SndQueue[],
  message: SndMessage & { readonly bodyId: number | undefined },
): Promise<void> {
  // A key that encrypted what was sent must never encrypt anything else.
  tx.mustSync();
  for (const sq of queues) {
    await insertDelivery(tx, conn.connId, sq.id, message.internalId);
    const { userId } = conn;
    tx.onCommit(() => ctx.deliveries.offer(userId, sq, message));
  }
}

/** Queues one of the agent's own messages. EREADY notifies like HELLO, the others do not (section 5.4). */
export async function enqueueMessage(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  message: AMessage,
  only?: SndQueue,
): Promise<{ msgId: AgentMsgId; pqEncryption: boolean }> {
  const notification = message.type === 'HELLO' || message.type === 'EREADY';
  return enqueueEncoded(ctx, tx, conn, kinds[message.type], encodeAMessage(message), {
    notification,
    ...(only === undefined ? {} : { only }),
  });
}

/**
 * Queues a confirmation (kinds C and D): `body` is the whole agent message. T3 of the asynchronous handshake.
 * @throws AgentError `CMD LARGE`
 */
export async function enqueueConfirmation(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  sq: SndQueue,
  kind: 'C' | 'D',
  body: Uint8Array,
): Promise<void> {
  const step = confirmationStep(conn, body);
  await saveSndState(ctx, tx, conn);
  const now = ctx.clock.now();
  const message = {
    connId: conn.connId,
    internalId: conn.lastInternalId,
    sndId: conn.lastSndId,
    kind,
    notification: true,
    body,
    prevHash: step.prevHash,
    msgKey: step.msgKey,
    paddedLength: step.paddedLength,
    pqEncryption: step.pqEncryption,
    createdAt: now,
    retrySlow: undefined,
    retryFast: undefined,
    bodyId: undefined,
  } satisfies SndMessage & { bodyId: undefined };
  await insertSndMessage(tx, {
    connId: conn.connId,
    internalId: message.internalId,
    sndId: message.sndId,
    kind,
    notification: 1,
    body,
    bodyId: null,
    prevHash: step.prevHash,
    hash: conn.lastSndHash,
    msgKey: step.msgKey,
    paddedLength: step.paddedLength,
    pq: step.pqEncryption ? 1 : 0,
    createdAt: now,
  });
  await deliver(ctx, tx, conn, [sq], message);
}

/** Advances counters, hash chain and ratchet of `conn` for a confirmation; the caller saves them. */
export function confirmationStep(
  conn: Conn,
  body: Uint8Array,
): { prevHash: Uint8Array; msgKey: Uint8Array; paddedLength: number; pqEncryption: boolean } {
  const paddedLength = ratchetPaddedLength('connInfo', hasPqSupport(conn));
  if (body.length > paddedLength - 2) throw cmdError('LARGE', 'connection info');
  const { state, messageKey } = takeMessageKey(conn, conn.pqSupport);
  const prevHash = conn.lastSndHash;
  conn.lastInternalId++;
  conn.lastSndId++;
  conn.lastSndHash = sha256(body);
  conn.ratchet = state;
  return { prevHash, msgKey: encodeMessageKey(messageKey), paddedLength, pqEncryption: state.sndKem };
}

/**
 * Queues our ratchet key (kind S): `envelope` is the whole agent envelope, which no ratchet encrypts. In the hash chain
 * stands its placeholder.
 */
export async function enqueueRatchetKey(ctx: AgentContext, tx: Tx, conn: Conn, envelope: Uint8Array): Promise<void> {
  const primary = sndQueueOf(conn);
  const prevHash = conn.lastSndHash;
  const internalId = ++conn.lastInternalId;
  const sndId = ++conn.lastSndId;
  conn.lastSndHash = sha256(encodeAgentMessage({ type: 'ratchetInfo', info: new Uint8Array() }));
  await saveSndCounters(ctx, tx, conn);
  const now = ctx.clock.now();
  await insertSndMessage(tx, {
    connId: conn.connId,
    internalId,
    sndId,
    kind: 'S',
    notification: 1,
    body: envelope,
    bodyId: null,
    prevHash,
    hash: conn.lastSndHash,
    msgKey: null,
    paddedLength: 0,
    pq: 0,
    createdAt: now,
  });
  await deliver(ctx, tx, conn, queuesFor(conn, primary), {
    connId: conn.connId,
    internalId,
    sndId,
    kind: 'S',
    notification: true,
    body: envelope,
    prevHash,
    msgKey: undefined,
    paddedLength: 0,
    pqEncryption: false,
    createdAt: now,
    retrySlow: undefined,
    retryFast: undefined,
    bodyId: undefined,
  });
}

/** The kind of a message must fit what is stored with it. */
export function messageKeyOf(m: SndMessage): Uint8Array {
  if (m.msgKey === undefined) throw internalError(`no key for a message of kind ${m.kind}`);
  return m.msgKey;
}
