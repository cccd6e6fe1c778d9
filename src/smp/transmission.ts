import {
  type AuthAlgorithm,
  authenticate,
  authenticatorSize,
  CryptoError,
  cbNonce,
  type PrivateKey,
  type PublicKey,
  type SignAlgorithm,
  sign,
  signatureSize,
  verify,
  verifyAuthenticator,
} from '../crypto/index.js';
import { concat, DecodeError, inScratch, Reader, Writer } from '../wire/index.js';
import { type SmpCommand, writeCommand } from './commands.js';
import { type SmpMessage, writeMessage } from './messages.js';
import { SmpV, type SmpVersion } from './versions.js';

/** A private key that authorizes commands on a queue. */
export type AuthPrivateKey = PrivateKey<AuthAlgorithm>;

/** What a transmission is bound to: one connection, or for forwarded commands that of proxy and destination. */
export interface TransmissionContext {
  readonly version: SmpVersion;
  /** tls-unique of the connection: signed, and before version 7 also sent. */
  readonly sessionId: Uint8Array;
}

/** A received transmission. All fields are views of the block. */
export interface RawTransmission {
  /** Empty, a signature (64, 114 bytes) or an authenticator (80 bytes); other lengths are for the relay to refuse. */
  readonly authorization: Uint8Array;
  readonly serviceSignature: Uint8Array | undefined;
  /** Version 6 only. */
  readonly sessionId: Uint8Array | undefined;
  readonly corrId: Uint8Array;
  readonly entityId: Uint8Array;
  /** The encoded command or message. */
  readonly body: Uint8Array;
  /** From the correlation id (version 6: the session id) to the end: the signed part as it was sent. */
  readonly signed: Uint8Array;
}

const authorizationSize: Readonly<Record<AuthAlgorithm, number>> = { ...signatureSize, x25519: authenticatorSize };
const empty = new Uint8Array(0);

/** Bytes that authorization and framing add at most before the correlation id. */
const maxHead = 2 + 114 + 256;

// The key object itself must reach `sign`: what is computed from a key once is remembered by the object.
function isSigningKey(key: AuthPrivateKey): key is PrivateKey<SignAlgorithm> {
  return key.alg !== 'x25519';
}

function authorization(
  key: AuthPrivateKey,
  relayKey: PublicKey<'x25519'> | undefined,
  corrId: Uint8Array,
  authorized: Uint8Array,
): Uint8Array {
  if (isSigningKey(key)) return sign(key, authorized);
  if (relayKey === undefined)
    throw new CryptoError('CRYPTO_BAD_KEY', 'authenticator needs the session key of the relay');
  return authenticate(relayKey, { alg: 'x25519', raw: key.raw }, cbNonce(corrId), authorized);
}

/**
 * Encodes a transmission with one allocation: the session id, which is signed but not sent, stands where the
 * authorization comes after signing.
 */
function encodeParts(
  context: TransmissionContext,
  corrId: Uint8Array,
  entityId: Uint8Array,
  size: number,
  key: AuthPrivateKey | undefined,
  relayKey: PublicKey<'x25519'> | undefined,
  write: (w: Writer) => void,
): Uint8Array {
  const { version, sessionId } = context;
  const authSize = key === undefined ? 0 : authorizationSize[key.alg];
  const serviceSlot = authSize > 0 && version >= SmpV.Services ? 1 : 0;
  const head = 1 + authSize + serviceSlot;
  const sessionSize = 1 + sessionId.length;
  const sendSession = version < SmpV.SessionKeys;
  const signedAt = sendSession ? head : Math.max(0, head - sessionSize);
  const w = new Writer(size + maxHead + corrId.length + entityId.length);
  w.raw(zeros.subarray(0, signedAt)).str(sessionId).str(corrId).str(entityId);
  write(w);
  const bytes = w.view();
  // Where the sent part begins: before the correlation id, or before the session id for version 6.
  const start = (sendSession ? signedAt : signedAt + sessionSize) - head;
  const auth = key === undefined ? empty : authorization(key, relayKey, corrId, bytes.subarray(signedAt));
  bytes[start] = auth.length;
  bytes.set(auth, start + 1);
  if (serviceSlot === 1) bytes[start + 1 + authSize] = 0x30;
  return bytes.subarray(start);
}

const zeros = new Uint8Array(maxHead);

/** The part of a command's size that is not fixed: a hint for the buffer. */
function commandSize(c: SmpCommand): number {
  switch (c.cmd) {
    case 'SEND':
      return c.body.length + 16;
    case 'PFWD':
    case 'RFWD':
      return c.encrypted.length + 64;
    case 'NEW':
      return (
        256 + (c.queueReq?.link === undefined ? 0 : c.queueReq.link.fixed.length + c.queueReq.link.user.length + 64)
      );
    case 'LSET':
      return c.data.fixed.length + c.data.user.length + 64;
    default:
      return 96;
  }
}

/**
 * Encodes a client's transmission (20-smp.md, section 5.2). With a key it is signed, or with an X25519 key
 * authenticated to `relayKey`, the session key of the relay that executes the command.
 */
export function encodeCommandTransmission(
  context: TransmissionContext,
  corrId: Uint8Array,
  entityId: Uint8Array,
  command: SmpCommand,
  key?: AuthPrivateKey,
  relayKey?: PublicKey<'x25519'>,
): Uint8Array {
  return encodeParts(context, corrId, entityId, commandSize(command), key, relayKey, (w) =>
    writeCommand(w, context.version, command),
  );
}

function messageSize(m: SmpMessage): number {
  switch (m.msg) {
    case 'MSG':
      return m.encBody.length + 32;
    case 'RRES':
    case 'PRES':
      return m.encrypted.length + 8;
    case 'LNK':
      return m.data.fixed.length + m.data.user.length + 64;
    case 'PKEY':
      return 2048;
    default:
      return 128;
  }
}

/** Encodes a relay's transmission: never authorized. An event has an empty correlation id. */
export function encodeMessageTransmission(
  context: TransmissionContext,
  corrId: Uint8Array,
  entityId: Uint8Array,
  message: SmpMessage,
): Uint8Array {
  return encodeParts(context, corrId, entityId, messageSize(message), undefined, undefined, (w) =>
    writeMessage(w, context.version, message),
  );
}

/** Splits a transmission of either side into its parts; the body is decoded apart. */
export function decodeTransmission(bytes: Uint8Array, version: SmpVersion): RawTransmission {
  const r = new Reader(bytes);
  const auth = r.str('authorization');
  let serviceSignature: Uint8Array | undefined;
  if (auth.length > 0 && version >= SmpV.Services) {
    serviceSignature = r.maybe('serviceSignature', (rd) => rd.str('serviceSignature'));
    if (serviceSignature !== undefined && serviceSignature.length !== 64) {
      throw new DecodeError('serviceSignature', 'not 64 bytes', r.offset);
    }
  }
  const signed = bytes.subarray(r.offset);
  const sessionId = version < SmpV.SessionKeys ? r.str('sessionId') : undefined;
  const corrId = r.str('corrId');
  const entityId = r.str('entityId');
  return { authorization: auth, serviceSignature, sessionId, corrId, entityId, body: r.tail(), signed };
}

/** The bytes that authorization is about: session id, correlation id, entity id, command. */
export function authorizedBytes(sessionId: Uint8Array, t: RawTransmission): Uint8Array {
  if (t.sessionId !== undefined) return t.signed;
  return concat(Uint8Array.of(sessionId.length), sessionId, t.signed);
}

/** Whether the length of an authorization is possible at all (section 5.4: else `ERR BLOCK`). */
export function isAuthorizationSize(length: number): boolean {
  return length === 0 || length === 64 || length === 80 || length === 114;
}

/**
 * The relay's check of an authorization by `key`: by signature or, with the relay's own session key, by
 * authenticator. False for whatever does not fit.
 */
export function verifyTransmission(
  t: RawTransmission,
  sessionId: Uint8Array,
  key: PublicKey<AuthAlgorithm>,
  relayKey: PrivateKey<'x25519'> | undefined,
): boolean {
  return inScratch(() => isAuthorized(t, authorizedBytes(sessionId, t), key, relayKey));
}

function isAuthorized(
  t: RawTransmission,
  authorized: Uint8Array,
  key: PublicKey<AuthAlgorithm>,
  relayKey: PrivateKey<'x25519'> | undefined,
): boolean {
  if (key.alg !== 'x25519') return verify(key, t.authorization, authorized);
  if (relayKey === undefined) return false;
  return verifyAuthenticator({ alg: 'x25519', raw: key.raw }, relayKey, cbNonce(t.corrId), t.authorization, authorized);
}
