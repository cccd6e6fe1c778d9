import {
  type BoxKey,
  cbNonce,
  openBox,
  openBoxPadded,
  type PublicKey,
  readPublicKey,
  reverseNonce,
  sealBox,
  sealBoxPadded,
  writePublicKey,
} from '../crypto/index.js';
import { DecodeError, Reader, Writer } from '../wire/index.js';
import { decodeBatch, encodeBatch } from './batch.js';
import { forwardedPadded } from './sizes.js';
import { type SmpVersion, smpVersion } from './versions.js';

type Secret = Uint8Array | BoxKey;

/** What a proxy passes to the destination inside RFWD (20-smp.md, section 10.2). */
export interface ForwardedTransmission {
  /** Of PFWD: 24 bytes, also the nonce of `encrypted`. */
  readonly corrId: Uint8Array;
  /** The version at which the sender encoded the command. */
  readonly version: SmpVersion;
  /** The sender's key for this one command. */
  readonly key: PublicKey<'x25519'>;
  readonly encrypted: Uint8Array;
}

/** The plaintext of RFWD's box: 72 bytes, then `encrypted` to the end. */
export function encodeForwarded(f: ForwardedTransmission): Uint8Array {
  const w = new Writer(f.encrypted.length + 96).str(f.corrId).u16(f.version);
  writePublicKey(w, f.key);
  return w.raw(f.encrypted).view();
}

/** `encrypted` is a view of the input. DecodeError for a key that is not X25519. */
export function decodeForwarded(bytes: Uint8Array): ForwardedTransmission {
  const r = new Reader(bytes);
  const corrId = r.str('corrId');
  const version = smpVersion(r.u16('version'));
  return { corrId, version, key: readPublicKey(r, 'key', ['x25519']), encrypted: r.tail() };
}

/** What the destination gives back to the proxy inside RRES. */
export interface ForwardedResponse {
  readonly corrId: Uint8Array;
  readonly encrypted: Uint8Array;
}

/** The plaintext of RRES's box: the correlation id of PFWD with its length, then `encrypted` to the end. */
export function encodeForwardedResponse(f: ForwardedResponse): Uint8Array {
  return new Writer(f.encrypted.length + 32).str(f.corrId).raw(f.encrypted).view();
}

/** `encrypted` is a view of the input: the proxy passes it on in PRES as it is. */
export function decodeForwardedResponse(bytes: Uint8Array): ForwardedResponse {
  const r = new Reader(bytes);
  return { corrId: r.str('corrId'), encrypted: r.tail() };
}

/**
 * The box between sender and destination, which the proxy cannot read: one transmission as a batch of one, padded,
 * 16242 bytes. `secret` is that of the sender's one-time key and the destination's session key.
 */
export function sealForwardedCommand(secret: Secret, corrId: Uint8Array, transmission: Uint8Array): Uint8Array {
  return sealBoxPadded(secret, cbNonce(corrId), encodeBatch([transmission]), forwardedPadded);
}

/** Destination. CryptoError, or DecodeError when the box does not hold exactly one transmission. */
export function openForwardedCommand(secret: Secret, corrId: Uint8Array, encrypted: Uint8Array): Uint8Array {
  return single(openBoxPadded(secret, cbNonce(corrId), encrypted));
}

/** The answer takes the reversed nonce. */
export function sealForwardedAnswer(secret: Secret, corrId: Uint8Array, transmission: Uint8Array): Uint8Array {
  return sealBoxPadded(secret, reverseNonce(cbNonce(corrId)), encodeBatch([transmission]), forwardedPadded);
}

/** Sender. CryptoError, or DecodeError when the box does not hold exactly one transmission. */
export function openForwardedAnswer(secret: Secret, corrId: Uint8Array, encrypted: Uint8Array): Uint8Array {
  return single(openBoxPadded(secret, reverseNonce(cbNonce(corrId)), encrypted));
}

function single(payload: Uint8Array): Uint8Array {
  const [first, ...rest] = decodeBatch(payload);
  if (first === undefined || rest.length > 0) throw new DecodeError('forwarded', 'not exactly one transmission', 0);
  return first;
}

/** The box between proxy and destination inside RFWD, without padding. `corrId` is that of RFWD. */
export function sealRelayForward(secret: Secret, corrId: Uint8Array, f: ForwardedTransmission): Uint8Array {
  return sealBox(secret, cbNonce(corrId), encodeForwarded(f));
}

/** Destination. CryptoError or DecodeError when it cannot be opened: answered with `CRYPTO` (section 8.1). */
export function openRelayForward(secret: Secret, corrId: Uint8Array, box: Uint8Array): ForwardedTransmission {
  return decodeForwarded(openBox(secret, cbNonce(corrId), box));
}

/** The box inside RRES: the reversed nonce. */
export function sealRelayResponse(secret: Secret, corrId: Uint8Array, f: ForwardedResponse): Uint8Array {
  return sealBox(secret, reverseNonce(cbNonce(corrId)), encodeForwardedResponse(f));
}

/** Proxy. CryptoError or DecodeError when it cannot be opened. `corrId` is that of RFWD. */
export function openRelayResponse(secret: Secret, corrId: Uint8Array, box: Uint8Array): ForwardedResponse {
  return decodeForwardedResponse(openBox(secret, reverseNonce(cbNonce(corrId)), box));
}
