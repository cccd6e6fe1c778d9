import { boxKey, CryptoError, dh } from '../../crypto/index.js';
import {
  type ClientEnvelope,
  type ClientMessage,
  decodeClientEnvelope,
  openClientMessage,
  openRcvBody,
  smpClientRange,
} from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { DecodeError, detached, inScratch, isInRange } from '../../wire/index.js';
import { type AgentContext, raise } from '../context.js';
import { type AgentEnvelope, decodeAgentEnvelope } from '../envelopes/index.js';
import { AgentError, cryptoError, messageError, prohibited, versionError } from '../errors.js';
import { receiveRatchetKey } from '../resync/receive.js';
import { findConn } from '../rows/connections.js';
import { isKnownHash, rememberHash } from '../rows/messages.js';
import { enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind, type RcvQueue } from '../state/connection.js';
import type { ConnId, MsgFlags } from '../types.js';
import { receiveConfirmation } from './confirmation.js';
import { receiveInvitation } from './invitation.js';
import { receiveAgentMessage } from './message.js';

/** One message as the relay delivered it. */
export interface Delivered {
  readonly msgId: Uint8Array;
  readonly encBody: Uint8Array;
}

/** What is known of a message besides its content. */
export interface Arrival {
  readonly brokerMsgId: Uint8Array;
  /** When the relay received it, in ms. */
  readonly brokerTs: number;
  readonly flags: MsgFlags;
}

/**
 * `ack`: processed (also with an error); `drained`: the same, and what the peer's queue refused is to be tried again;
 * `gone`: no such queue; `needsKem`: nothing was written, try again later.
 */
export type ReceiveResult = 'ack' | 'drained' | 'gone' | 'needsKem';

/**
 * Processes one MSG in one transaction (30-agent.md, section 8): every path ends with an acknowledgement, errors of
 * the message become ERR events.
 */
export async function receive(
  ctx: AgentContext,
  tx: Tx,
  connId: ConnId,
  queueId: number,
  message: Delivered,
): Promise<ReceiveResult> {
  const conn = await findConn(ctx, tx, connId);
  const rq = conn?.rcvQueues.find((q) => q.id === queueId);
  if (conn === undefined || conn.deleted || rq === undefined) return 'gone';
  try {
    const opened = inScratch(() => openLayers(rq, message));
    if (opened === 'quota') {
      return await onQuotaMarker(ctx, tx, conn, rq);
    }
    const arrival = { brokerMsgId: message.msgId, brokerTs: opened.timestamp * 1000, flags: opened.flags };
    return await receiveClientMessage(ctx, tx, conn, rq, arrival, opened);
  } catch (error) {
    const known = messageProblem(error);
    if (known === undefined) throw error;
    await raise(ctx, tx, { type: 'ERR', connId, error: known.json });
    return 'ack';
  }
}

/** Errors that the message is guilty of; others (the database) must not acknowledge it. */
function messageProblem(error: unknown): AgentError | undefined {
  if (error instanceof AgentError) return error;
  if (error instanceof DecodeError) return messageError(error);
  if (error instanceof CryptoError) return cryptoError({ type: 'DECRYPT_CB' }, error);
  return undefined;
}

/** What the sender wrote, without the layers of the relay and of the queue. */
interface OpenedMessage {
  /** Seconds; of the relay. */
  readonly timestamp: number;
  readonly flags: MsgFlags;
  readonly version: ClientEnvelope['version'];
  /** The sender's key was in the envelope. */
  readonly withKey: boolean;
  readonly senderKey: ClientMessage['senderKey'];
  /** The agent's envelope. */
  readonly body: Uint8Array;
  /** Agreed with the key in the envelope, when the queue had no secret before. */
  readonly secret: Uint8Array | undefined;
}

/** Opens both layers (section 8.2) in a scratch: only what is inside is kept. */
function openLayers(rq: RcvQueue, { msgId, encBody }: Delivered): OpenedMessage | 'quota' {
  const outer = openRcvBody(rq.rcvKey, msgId, encBody);
  if (outer.kind === 'quota') return 'quota';
  const envelope = decodeClientEnvelope(outer.body);
  const { version, dhKey } = envelope;
  if (!isInRange(version, smpClientRange) && version > rq.clientVersion) throw versionError();
  let key = rq.e2eKey;
  let secret: Uint8Array | undefined;
  if (key === undefined) {
    if (dhKey === undefined) throw prohibited('msg: no keys');
    secret = dh(dhKey, rq.e2ePrivateKey);
    key = boxKey(secret);
  }
  const { senderKey, body } = open(key, envelope);
  return {
    timestamp: outer.timestamp,
    flags: outer.flags,
    version,
    withKey: dhKey !== undefined,
    senderKey: senderKey === undefined ? undefined : { ...senderKey, raw: detached(senderKey.raw) },
    body: detached(body),
    secret,
  };
}

/** Section 7.4: the sender was refused and the queue is empty now. */
async function onQuotaMarker(ctx: AgentContext, tx: Tx, conn: Conn, rq: RcvQueue): Promise<ReceiveResult> {
  if (connKind(conn) !== 'duplex') return 'ack';
  await enqueueMessage(ctx, tx, conn, {
    type: 'A_QCONT',
    address: { server: rq.server, senderId: rq.sndId },
  });
  return 'drained';
}

/** Opens a box of the layer between sender and recipient; all failures are the same to the outside. */
function open(secret: Parameters<typeof openClientMessage>[0], envelope: ClientEnvelope): ClientMessage {
  try {
    return openClientMessage(secret, envelope);
  } catch (error) {
    if (error instanceof CryptoError) throw cryptoError({ type: 'DECRYPT_CB' }, error);
    throw error;
  }
}

/** Section 8.2. */
async function receiveClientMessage(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  arrival: Arrival,
  opened: OpenedMessage,
): Promise<ReceiveResult> {
  const inner = decodeAgentEnvelope(opened.body);
  if (opened.secret !== undefined) return receiveFirst(ctx, tx, conn, rq, arrival, opened, opened.secret, inner);
  if (opened.withKey) {
    // A confirmation that was repeated because its acknowledgement was lost.
    if (inner.type === 'confirmation') return 'ack';
    throw prohibited('msg: public header');
  }
  if (opened.senderKey !== undefined) throw prohibited('msg: bad client msg');
  switch (inner.type) {
    case 'message':
      return receiveAgentMessage(ctx, tx, conn, rq, arrival, inner);
    case 'ratchetKey':
      return receiveRatchetKey(ctx, tx, conn, inner);
    default:
      throw prohibited('msg: bad client msg');
  }
}

/** The first message of a sender to this queue: a confirmation, or a request to a contact address. */
async function receiveFirst(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  { brokerMsgId }: Arrival,
  { senderKey, version }: OpenedMessage,
  secret: Uint8Array,
  inner: AgentEnvelope,
): Promise<ReceiveResult> {
  switch (inner.type) {
    case 'confirmation':
      return receiveConfirmation(ctx, tx, conn, rq, {
        confirmation: inner,
        senderKey,
        secret,
        clientVersion: version,
      });
    case 'invitation':
      if (senderKey !== undefined) throw prohibited('handshake: incorrect state');
      // The relay delivers again what was not acknowledged before a crash: a second request would be a second person.
      if (await isKnownHash(tx, conn.connId, brokerMsgId)) return 'ack';
      await rememberHash(tx, conn.connId, brokerMsgId, ctx.clock.now());
      await receiveInvitation(ctx, tx, conn, inner);
      return 'ack';
    default:
      throw prohibited('handshake: incorrect state');
  }
}
