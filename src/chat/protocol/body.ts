import { FanionError } from '../../core/index.js';
import { type Compression, compressedTag } from '../../crypto/index.js';
import { base64url, concat, decodeBase64url, decodeWhole, encode, utf8Bytes } from '../../wire/index.js';
import { elementTag, readBatch, readForwarded, readSigned } from './elements.js';
import { parseStrictJson } from './json-text.js';
import { decodeChatMessage, isBadMessage, LargeMessageError, maxEncodedInfo, maxEncodedMessage } from './message.js';
import type { ChatMessage, FileChunkEvent, ReceivedMessage } from './types.js';
import { ChatV, type ChatVersion, initialChatVersions } from './version.js';

/** The most bytes of a compressed message. */
const maxCompressedMessage = 13_380;
/** The most bytes of compressed connection information. */
const maxCompressedInfo = 10_968;

/** Compressed bodies inside compressed bodies: old clients made them, newer ones refuse them. */
const maxNesting = 2;

const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });

function failure(error: unknown): ReceivedMessage {
  if (isBadMessage(error) || error instanceof FanionError) return { type: 'error', error: error.message };
  // The decoder of UTF-8 throws it.
  if (error instanceof TypeError) return { type: 'error', error: 'invalid UTF-8' };
  throw error;
}

/**
 * The messages of a received body (50-chat-messages.md 1.2): one, or those of a batch; each is read independently of the
 * others. Never throws for what a peer has sent.
 */
export function parseChatBody(body: Uint8Array, compression: Compression, nesting = 0): readonly ReceivedMessage[] {
  try {
    switch (body[0]) {
      case undefined:
        return [{ type: 'error', error: 'empty string' }];
      case 0x7b:
        return [jsonMessage(parseStrictJson(utf8.decode(body)))];
      case 0x5b: {
        const list = parseStrictJson(utf8.decode(body));
        return Array.isArray(list) ? list.map(jsonMessage) : [];
      }
      case compressedTag:
        if (nesting >= maxNesting) return [{ type: 'error', error: 'compressed too often' }];
        return compression.decompressBatch(body).flatMap((part) => parseChatBody(part, compression, nesting + 1));
      case elementTag.batch:
        return decodeWhole(body, 'batch', readBatch).map((e) => element(e));
      default:
        return [element(body)];
    }
  } catch (error) {
    return [failure(error)];
  }
}

/** A part of a binary batch. Forwarded messages hold others, but no forwarded ones. */
function element(bytes: Uint8Array, forwarded = false): ReceivedMessage {
  try {
    switch (bytes[0]) {
      case 0x7b:
        return jsonMessage(parseStrictJson(utf8.decode(bytes)));
      case elementTag.signed:
        return jsonMessage(parseStrictJson(utf8.decode(decodeWhole(bytes, 'signed element', readSigned))));
      case elementTag.forwarded: {
        if (forwarded) return { type: 'error', error: 'forwarded twice' };
        const { element: inner, ...event } = decodeWhole(bytes, 'forwarded element', readForwarded);
        const read = element(inner, true);
        if (read.type !== 'json') return read.type === 'error' ? read : { type: 'error', error: 'binary forward' };
        const message: ChatMessage = {
          versions: initialChatVersions,
          msgId: undefined,
          event: { ...event, msg: read.message },
        };
        return { type: 'json', message, versionless: true };
      }
      default:
        return binaryMessage(bytes);
    }
  } catch (error) {
    return failure(error);
  }
}

function jsonMessage(json: Parameters<typeof decodeChatMessage>[0]): ReceivedMessage {
  try {
    return { type: 'json', message: decodeChatMessage(json) };
  } catch (error) {
    return failure(error);
  }
}

/** The one JSON message of connection information; anything else is an error. */
export function parseConnInfo(body: Uint8Array, compression: Compression): ReceivedMessage {
  const [first, ...others] = parseChatBody(body, compression);
  if (first === undefined || others.length > 0) return { type: 'error', error: 'not one message' };
  if (first.type === 'binary') return { type: 'error', error: 'binary message in connection information' };
  return first;
}

/** `F`, an id that is not used, and a piece of a file. */
function binaryMessage(body: Uint8Array): ReceivedMessage {
  return decodeWhole(body, 'binary message', (r): ReceivedMessage => {
    if (r.char('binary message') !== 'F') throw r.error('binary message', 'unknown tag');
    const outer = r.str('msgId');
    const sharedMsgId = base64url(r.str('sharedMsgId'));
    const chunkNo = r.u8('chunkNo');
    const bytes = chunkNo === 0 ? new Uint8Array() : r.tail();
    const event: FileChunkEvent = { type: 'F', sharedMsgId, chunkNo, bytes };
    return { type: 'binary', msgId: outer.length === 0 ? undefined : base64url(outer), event };
  });
}

/** The body of a piece of a file. */
export function encodeFileChunk(event: FileChunkEvent): Uint8Array {
  const id = decodeBase64url(event.sharedMsgId, 'sharedMsgId');
  return encode((w) => {
    w.char('F').str(new Uint8Array()).str(id).u8(event.chunkNo);
    if (event.chunkNo !== 0) w.raw(event.bytes);
  });
}

/** Messages that go together in one body, or one that is too large to be sent. */
export type PackedBatch<T> =
  | { readonly type: 'batch'; readonly items: readonly T[] }
  | { readonly type: 'tooLarge'; readonly item: T };

/**
 * Distributes encoded messages over bodies of at most `max` bytes, brackets and commas included (1.6). It goes from the
 * last message to the first, as the official clients do, so that a partial batch comes first. The order stays.
 */
export function packBatches<T>(
  items: readonly T[],
  size: (item: T) => number,
  max = maxEncodedMessage,
): readonly PackedBatch<T>[] {
  const out: PackedBatch<T>[] = [];
  let current: T[] = [];
  let length = 0;
  const flush = (): void => {
    if (current.length > 0) out.push({ type: 'batch', items: current.reverse() });
    current = [];
    length = 0;
  };
  for (const item of items.toReversed()) {
    const n = size(item);
    const joined = current.length === 0 ? n : length + n + 1;
    if (joined + (current.length === 0 ? 0 : 2) <= max) {
      current.push(item);
      length = joined;
    } else if (n <= max) {
      flush();
      current = [item];
      length = n;
    } else {
      flush();
      out.push({ type: 'tooLarge', item });
    }
  }
  flush();
  return out.reverse();
}

const open = utf8Bytes('[');
const comma = utf8Bytes(',');
const close = utf8Bytes(']');

/** One body of encoded messages: an array, or the message itself when it is one. */
export function joinBatch(bodies: readonly Uint8Array[]): Uint8Array {
  const [first, ...others] = bodies;
  if (first === undefined) throw new FanionError('INTERNAL', 'an empty batch');
  if (others.length === 0) return first;
  return concat(open, first, ...others.flatMap((b) => [comma, b]), close);
}

/** What a connection takes: compression is for post-quantum connections, whose messages have less room. */
export interface BodyRules {
  readonly pqSupport: boolean;
  readonly version: ChatVersion;
}

function compressed(
  body: Uint8Array,
  rules: BodyRules,
  compression: Compression,
  max: number,
  what: string,
): Uint8Array {
  if (!rules.pqSupport || rules.version < ChatV.Compression || body.length <= max) return body;
  const small = compression.compressBatch(body);
  if (small.length > max) throw new LargeMessageError(`large compressed ${what}`, small.length, max);
  return small;
}

/**
 * A body as it goes to the agent: compressed when the connection needs that (1.7).
 * @throws LargeMessageError
 */
export function messageBody(body: Uint8Array, rules: BodyRules, compression: Compression): Uint8Array {
  if (body.length > maxEncodedMessage) throw new LargeMessageError('large message', body.length, maxEncodedMessage);
  return compressed(body, rules, compression, maxCompressedMessage, 'message');
}

/** The same for connection information. */
export function connInfoBody(body: Uint8Array, rules: BodyRules, compression: Compression): Uint8Array {
  if (body.length > maxEncodedInfo) throw new LargeMessageError('large info', body.length, maxEncodedInfo);
  return compressed(body, rules, compression, maxCompressedInfo, 'info');
}

/** Events whose messages make a notification at the recipient's device (1.10). */
const notifying: ReadonlySet<string> = new Set([
  'x.msg.new',
  'x.file',
  'x.contact',
  'x.grp.inv',
  'x.grp.mem.fwd',
  'x.grp.del',
  'x.call.inv',
]);

/** The SMP notification flag of a message. */
export function hasNotification(event: ChatMessage['event']): boolean {
  return notifying.has(event.type);
}

/** Whether the recipient confirms a message by a delivery receipt (1.10). */
export function wantsReceipt(event: ReceivedMessage | ChatMessage['event']): boolean {
  const type = event.type === 'json' ? event.message.event.type : event.type;
  return type === 'x.msg.new' || type === 'x.grp.inv' || type === 'x.call.inv';
}
