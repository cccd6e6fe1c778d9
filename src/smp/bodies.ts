import {
  authAlgorithms,
  type BoxKey,
  openBoxPadded,
  type PublicKey,
  readPublicKey,
  sealBoxPadded,
  writePublicKey,
} from '../crypto/index.js';
import { decodeWhole, detached, inScratch, Reader, Writer } from '../wire/index.js';
import { type AuthPublicKey, type MsgFlags, readFlags, writeFlags } from './commands.js';
import { clientMessagePadded, clientMessagePaddedWithKey, ntfMetaPadded, rcvBodyPadded } from './sizes.js';
import { type SmpClientVersion, smpClientVersion } from './versions.js';

/** A secret for boxes: the raw X25519 secret, or better the prepared key where it is used often. */
type Secret = Uint8Array | BoxKey;

/**
 * What the relay delivers inside MSG (20-smp.md, section 9.1). `timestamp` is the relay's clock at receipt in seconds.
 * The quota marker says that the sender was refused and the queue is drained now.
 */
export type RcvBody =
  | { readonly kind: 'message'; readonly timestamp: number; readonly flags: MsgFlags; readonly body: Uint8Array }
  | { readonly kind: 'quota'; readonly timestamp: number };

const quotaWord = new TextEncoder().encode('QUOTA ');

/** The plaintext of MSG before padding (section 9.1): time, flags up to a space, body; or `QUOTA ` and the time. */
export function encodeRcvBody(b: RcvBody): Uint8Array {
  if (b.kind === 'quota') return new Writer(16).raw(quotaWord).i64(b.timestamp).view();
  const w = new Writer(b.body.length + 16).i64(b.timestamp);
  writeFlags(w, b.flags);
  return w.char(' ').raw(b.body).view();
}

/** The body of a message is a view of the input. */
export function decodeRcvBody(bytes: Uint8Array): RcvBody {
  // The first byte of a time is 0, so that there is no ambiguity.
  if (quotaWord.every((c, i) => bytes[i] === c)) {
    return decodeWhole(bytes.subarray(quotaWord.length), 'rcvBody', (r) => ({
      kind: 'quota',
      timestamp: r.i64('timestamp'),
    }));
  }
  const r = new Reader(bytes);
  return { kind: 'message', timestamp: r.i64('timestamp'), flags: readFlags(r), body: r.tail() };
}

/** Relay: the encrypted body of MSG, 16122 bytes. The nonce is the message id (24 bytes). */
export function sealRcvBody(secret: Secret, msgId: Uint8Array, b: RcvBody): Uint8Array {
  return inScratch(() => detached(sealBoxPadded(secret, msgId, encodeRcvBody(b), rcvBodyPadded)));
}

/** Recipient: the content of MSG. CryptoError or DecodeError when it cannot be opened. */
export function openRcvBody(secret: Secret, msgId: Uint8Array, encBody: Uint8Array): RcvBody {
  return decodeRcvBody(openBoxPadded(secret, msgId, encBody));
}

/** The body of SEND: the end-to-end layer of one queue (section 9.2). */
export interface ClientEnvelope {
  readonly version: SmpClientVersion;
  /** The sender's key: in the first messages to a queue only. */
  readonly dhKey: PublicKey<'x25519'> | undefined;
  /** 24 random bytes. */
  readonly nonce: Uint8Array;
  readonly encrypted: Uint8Array;
}

/** SMPC version, key, nonce and box without lengths: the box goes to the end (section 9.2). */
export function encodeClientEnvelope(e: ClientEnvelope): Uint8Array {
  return new Writer(e.encrypted.length + 80)
    .u16(e.version)
    .maybe(e.dhKey, writePublicKey)
    .raw(e.nonce)
    .raw(e.encrypted)
    .view();
}

/** Byte fields are views of the input. The version is not checked: DecodeError only for what cannot be read. */
export function decodeClientEnvelope(bytes: Uint8Array): ClientEnvelope {
  const r = new Reader(bytes);
  const version = smpClientVersion(r.u16('version'));
  const dhKey = r.maybe('dhKey', (rd) => readPublicKey(rd, 'dhKey', ['x25519']));
  return { version, dhKey, nonce: r.fixed(24, 'nonce'), encrypted: r.tail() };
}

/** What is inside the envelope: the private header and the agent's envelope. */
export interface ClientMessage {
  /** `K` header of a confirmation to a queue that the sender cannot secure; without it the header is `_`. */
  readonly senderKey: AuthPublicKey | undefined;
  readonly body: Uint8Array;
}

/** The plaintext of the envelope's box before padding: private header, then the body to the end (section 9.2). */
export function encodeClientMessage(m: ClientMessage): Uint8Array {
  const w = new Writer(m.body.length + 80);
  if (m.senderKey === undefined) w.char('_');
  else writePublicKey(w.char('K'), m.senderKey);
  return w.raw(m.body).view();
}

/** The body is a view of the input. DecodeError for a header other than `K` and `_`. */
export function decodeClientMessage(bytes: Uint8Array): ClientMessage {
  const r = new Reader(bytes);
  const header = r.char('header');
  if (header === '_') return { senderKey: undefined, body: r.tail() };
  if (header !== 'K') throw r.error('header', 'unknown private header');
  return { senderKey: readPublicKey(r, 'senderKey', authAlgorithms), body: r.tail() };
}

/** The padded size of the client message: smaller when the sender's DH key is in the envelope. */
export function clientMessageSize(withKey: boolean): number {
  return withKey ? clientMessagePaddedWithKey : clientMessagePadded;
}

/**
 * Sender: the body of SEND, 15992 bytes with the key and 16043 without. `secret` is the X25519 secret of the queue's
 * DH key and the sender's. CRYPTO_LARGE_MSG when the message does not fit.
 */
export function sealClientMessage(
  secret: Secret,
  header: {
    readonly version: SmpClientVersion;
    readonly dhKey: PublicKey<'x25519'> | undefined;
    readonly nonce: Uint8Array;
  },
  message: ClientMessage,
): Uint8Array {
  const size = clientMessageSize(header.dhKey !== undefined);
  const encrypted = sealBoxPadded(secret, header.nonce, encodeClientMessage(message), size);
  return encodeClientEnvelope({ ...header, encrypted });
}

/** Recipient: opens the message of an envelope. CryptoError or DecodeError when it cannot be opened. */
export function openClientMessage(secret: Secret, e: ClientEnvelope): ClientMessage {
  return decodeClientMessage(openBoxPadded(secret, e.nonce, e.encrypted));
}

/** What NMSG tells about a message. */
export interface NtfMeta {
  readonly msgId: Uint8Array;
  readonly timestamp: number;
}

/** The plaintext of NMSG before padding, 33 bytes: id with its length, time (section 9.3). */
export function encodeNtfMeta(m: NtfMeta): Uint8Array {
  return new Writer(40).str(m.msgId).i64(m.timestamp).view();
}

/** Bytes after the time are ignored. */
export function decodeNtfMeta(bytes: Uint8Array): NtfMeta {
  const r = new Reader(bytes);
  return { msgId: r.str('msgId'), timestamp: r.i64('timestamp') };
}

/** The metadata of NMSG, 144 bytes. */
export function sealNtfMeta(secret: Secret, nonce: Uint8Array, m: NtfMeta): Uint8Array {
  return sealBoxPadded(secret, nonce, encodeNtfMeta(m), ntfMetaPadded);
}
