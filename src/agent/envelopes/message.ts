import { authAlgorithms, type PublicKey, readPublicKey, writePublicKey } from '../../crypto/index.js';
import {
  type QueueInfo,
  type QueueUri,
  readQueueInfo,
  readQueueUri,
  readServer,
  type SmpServer,
  writeQueueInfo,
  writeQueueUri,
  writeServer,
} from '../../smp/index.js';
import { decodeWhole, encode, type Reader, type Writer } from '../../wire/index.js';

/** The address of a queue as its sender knows it, without keys. */
export interface SenderAddress {
  readonly server: SmpServer;
  readonly senderId: Uint8Array;
}

/** A receipt for one message of the peer. */
export interface AMessageReceipt {
  /** The `sndMsgId` of the message. */
  readonly sndMsgId: number;
  /** SHA-256 of the agent message as it was received. */
  readonly msgHash: Uint8Array;
  readonly info: Uint8Array;
}

type NonEmpty<T> = readonly [T, ...T[]];

/** A new queue, and the one that it replaces. */
export interface QueueAddition {
  readonly queue: QueueUri;
  readonly replaced?: SenderAddress;
}

/** The body of an agent message (30-agent.md, section 5.1). */
export type AMessage =
  | { readonly type: 'HELLO' }
  | { readonly type: 'A_MSG'; readonly body: Uint8Array }
  | { readonly type: 'A_RCVD'; readonly receipts: NonEmpty<AMessageReceipt> }
  | { readonly type: 'A_QCONT'; readonly address: SenderAddress }
  | { readonly type: 'QADD'; readonly queues: NonEmpty<QueueAddition> }
  | {
      readonly type: 'QKEY';
      readonly queues: NonEmpty<{
        readonly queue: QueueInfo;
        readonly senderKey: PublicKey<'ed25519' | 'ed448' | 'x25519'>;
      }>;
    }
  | {
      readonly type: 'QUSE';
      readonly queues: NonEmpty<{ readonly address: SenderAddress; readonly primary: boolean }>;
    }
  | { readonly type: 'QTEST'; readonly queues: NonEmpty<SenderAddress> }
  | { readonly type: 'EREADY'; readonly lastDecryptedSndMsgId: number };

/** What the ratchet encrypts. */
export type AgentMessage =
  /** The initiator's connection info. */
  | { readonly type: 'connInfo'; readonly connInfo: Uint8Array }
  /** The joiner's connection info with the queues of the other direction. */
  | { readonly type: 'connInfoReply'; readonly queues: NonEmpty<QueueInfo>; readonly connInfo: Uint8Array }
  /** Stands for a ratchet key in the hash chain; never sent by itself. */
  | { readonly type: 'ratchetInfo'; readonly info: Uint8Array }
  | {
      readonly type: 'message';
      /** Number of the message in its direction, from 1. */
      readonly sndMsgId: number;
      /** SHA-256 of the previous message of this direction; empty before the first. */
      readonly prevMsgHash: Uint8Array;
      readonly message: AMessage;
    };

function writeAddress(w: Writer, a: SenderAddress): void {
  writeServer(w, a.server);
  w.str(a.senderId);
}

function readAddress(r: Reader): SenderAddress {
  const server = readServer(r, 'smp', 'queueAddress');
  return { server, senderId: r.str('queueAddress.senderId') };
}

/** The encoding of a body alone: stored once and shared by the connections that it is sent to. */
function writeAMessage(w: Writer, m: AMessage): void {
  switch (m.type) {
    case 'HELLO':
      w.char('H');
      return;
    case 'A_MSG':
      w.char('M').raw(m.body);
      return;
    case 'A_RCVD':
      w.char('V').nonEmpty(m.receipts, (w2, x) => w2.i64(x.sndMsgId).str(x.msgHash).large(x.info));
      return;
    case 'A_QCONT':
      writeAddress(w.ascii('QC'), m.address);
      return;
    case 'QADD':
      w.ascii('QA').nonEmpty(m.queues, (w2, q) => {
        writeQueueUri(w2, q.queue);
        w2.maybe(q.replaced, writeAddress);
      });
      return;
    case 'QKEY':
      w.ascii('QK').nonEmpty(m.queues, (w2, q) => {
        writeQueueInfo(w2, q.queue);
        writePublicKey(w2, q.senderKey);
      });
      return;
    case 'QUSE':
      w.ascii('QU').nonEmpty(m.queues, (w2, q) => {
        writeAddress(w2, q.address);
        w2.bool(q.primary);
      });
      return;
    case 'QTEST':
      w.ascii('QT').nonEmpty(m.queues, writeAddress);
      return;
    case 'EREADY':
      w.char('E').i64(m.lastDecryptedSndMsgId);
  }
}

/** Always the same bytes for one message: it is encrypted anew at each delivery attempt (30-agent.md, section 7.2). */
export function encodeAMessage(m: AMessage): Uint8Array {
  return encode((w) => writeAMessage(w, m));
}

function readAMessage(r: Reader): AMessage {
  const tag = r.char('aMessage');
  switch (tag) {
    case 'H':
      return { type: 'HELLO' };
    case 'M':
      return { type: 'A_MSG', body: r.tail() };
    case 'V':
      return {
        type: 'A_RCVD',
        receipts: r.nonEmpty('receipts', (r2) => {
          const sndMsgId = r2.i64('receipt.sndMsgId');
          const msgHash = r2.str('receipt.msgHash');
          return { sndMsgId, msgHash, info: r2.large('receipt.info') };
        }),
      };
    case 'Q':
      return readQueueMessage(r);
    case 'E':
      return { type: 'EREADY', lastDecryptedSndMsgId: r.i64('lastDecryptedSndMsgId') };
    default:
      throw r.error('aMessage', 'unknown tag');
  }
}

function readQueueMessage(r: Reader): AMessage {
  const tag = r.char('queueMessage');
  switch (tag) {
    case 'C':
      return { type: 'A_QCONT', address: readAddress(r) };
    case 'A':
      return {
        type: 'QADD',
        queues: r.nonEmpty('qadd', (r2) => {
          const queue = readQueueUri(r2);
          const replaced = r2.maybe('qadd.replaced', readAddress);
          return replaced === undefined ? { queue } : { queue, replaced };
        }),
      };
    case 'K':
      return {
        type: 'QKEY',
        queues: r.nonEmpty('qkey', (r2) => {
          const queue = readQueueInfo(r2);
          return { queue, senderKey: readPublicKey(r2, 'qkey.senderKey', authAlgorithms) };
        }),
      };
    case 'U':
      return {
        type: 'QUSE',
        queues: r.nonEmpty('quse', (r2) => {
          const address = readAddress(r2);
          return { address, primary: r2.bool('quse.primary') };
        }),
      };
    case 'T':
      return { type: 'QTEST', queues: r.nonEmpty('qtest', readAddress) };
    default:
      throw r.error('queueMessage', 'unknown tag');
  }
}

/** Encodes what the ratchet encrypts; its SHA-256 goes into the hash chain. */
export function encodeAgentMessage(m: AgentMessage): Uint8Array {
  return encode((w) => {
    switch (m.type) {
      case 'connInfo':
        w.char('I').raw(m.connInfo);
        break;
      case 'connInfoReply':
        w.char('D').nonEmpty(m.queues, writeQueueInfo).raw(m.connInfo);
        break;
      case 'ratchetInfo':
        w.char('R').raw(m.info);
        break;
      case 'message':
        w.char('M').i64(m.sndMsgId).str(m.prevMsgHash);
        writeAMessage(w, m.message);
    }
  });
}

/** An agent message whose body is encoded already: what a delivery worker sends. */
export function encodeAgentMessageBody(sndMsgId: number, prevMsgHash: Uint8Array, body: Uint8Array): Uint8Array {
  return encode((w) => w.char('M').i64(sndMsgId).str(prevMsgHash).raw(body), body.length + 64);
}

/** @throws DecodeError */
export function decodeAgentMessage(bytes: Uint8Array): AgentMessage {
  return decodeWhole(bytes, 'agentMessage', (r) => {
    const tag = r.char('agentMessage');
    switch (tag) {
      case 'I':
        return { type: 'connInfo', connInfo: r.tail() };
      case 'D': {
        const queues = r.nonEmpty('replyQueues', readQueueInfo);
        return { type: 'connInfoReply', queues, connInfo: r.tail() };
      }
      case 'R':
        return { type: 'ratchetInfo', info: r.tail() };
      case 'M': {
        const sndMsgId = r.i64('sndMsgId');
        const prevMsgHash = r.str('prevMsgHash');
        return { type: 'message', sndMsgId, prevMsgHash, message: readAMessage(r) };
      }
      default:
        throw r.error('agentMessage', 'unknown tag');
    }
  });
}
