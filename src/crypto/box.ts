import { memory } from '../wire/index.js';
import { CryptoError } from './errors.js';
import { hsalsa20 } from './hsalsa20.js';
import { padInto, unpad } from './padding.js';
import { sodium } from './sodium.js';

/** Bytes of the authentication tag of a box. It comes first. */
export const boxTagSize = 16;
/** Bytes of a box nonce. */
export const boxNonceSize = 24;

const zeros = new Uint8Array(16);

/**
 * A secret that is ready for boxes: HSalsa20 over zeros was done. Make one where the same secret seals many boxes
 * (a queue, a session); the functions of this file take either.
 */
export class BoxKey {
  /** The key of XSalsa20-Poly1305, 32 bytes. */
  readonly key: Uint8Array;

  constructor(key: Uint8Array) {
    this.key = key;
  }
}

/** Prepares a 32-byte secret: a raw X25519 shared secret or a random key. CRYPTO_BAD_KEY for other sizes. */
export function boxKey(secret: Uint8Array): BoxKey {
  if (secret.length !== 32) throw new CryptoError('CRYPTO_BAD_KEY', `box secret of ${secret.length} bytes, not 32`);
  return new BoxKey(hsalsa20(secret, zeros));
}

/** The prepared key of a secret that may be prepared already. */
export function keyOf(secret: Uint8Array | BoxKey): Uint8Array {
  return secret instanceof BoxKey ? secret.key : boxKey(secret).key;
}

function checkNonce(nonce: Uint8Array): void {
  if (nonce.length !== boxNonceSize) {
    throw new CryptoError('CRYPTO_BAD_KEY', `box nonce of ${nonce.length} bytes, not ${boxNonceSize}`);
  }
}

/**
 * The one box of the protocol (section 3.1), used for `crypto_box` and `secret_box` alike: XSalsa20-Poly1305 under
 * HSalsa20(secret, 0). This is not libsodium's secretbox of the secret itself. Gives tag (16 bytes) and ciphertext.
 */
export function sealBox(secret: Uint8Array | BoxKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  checkNonce(nonce);
  const out = memory(message.length + boxTagSize);
  const tag = out.subarray(0, boxTagSize);
  sodium.crypto_secretbox_detached(out.subarray(boxTagSize), tag, message, nonce, keyOf(secret));
  return out;
}

/** Opens a box. CRYPTO_DECRYPT when it is too short, damaged, or of another key or nonce. */
export function openBox(secret: Uint8Array | BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  checkNonce(nonce);
  if (box.length < boxTagSize) throw new CryptoError('CRYPTO_DECRYPT', 'box is shorter than its tag');
  const out = memory(box.length - boxTagSize);
  const tag = box.subarray(0, boxTagSize);
  if (!sodium.crypto_secretbox_open_detached(out, box.subarray(boxTagSize), tag, nonce, keyOf(secret))) {
    throw new CryptoError('CRYPTO_DECRYPT', 'box cannot be opened');
  }
  return out;
}

/**
 * Pads to `paddedLength` (section 3.2), then seals: `paddedLength + 16` bytes, in `out` where that is given.
 * CRYPTO_LARGE_MSG when too large.
 */
export function sealBoxPadded(
  secret: Uint8Array | BoxKey,
  nonce: Uint8Array,
  message: Uint8Array,
  paddedLength: number,
  out: Uint8Array = memory(paddedLength + boxTagSize),
): Uint8Array {
  checkNonce(nonce);
  if (message.length + 2 > paddedLength) {
    throw new CryptoError('CRYPTO_LARGE_MSG', `${message.length} bytes do not fit a padded length of ${paddedLength}`);
  }
  const body = out.subarray(boxTagSize);
  padInto(body, message);
  sodium.crypto_secretbox_detached(body, out.subarray(0, boxTagSize), body, nonce, keyOf(secret));
  return out;
}

/**
 * Opens a box where it is and takes the padding off: the result is a view of `box`, whose bytes are lost. Errors as of
 * {@link openBoxPadded}; a box that cannot be opened stays as it was.
 */
export function openBoxPaddedInPlace(secret: Uint8Array | BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  checkNonce(nonce);
  if (box.length < boxTagSize) throw new CryptoError('CRYPTO_DECRYPT', 'box is shorter than its tag');
  const body = box.subarray(boxTagSize);
  if (!sodium.crypto_secretbox_open_detached(body, body, box.subarray(0, boxTagSize), nonce, keyOf(secret))) {
    throw new CryptoError('CRYPTO_DECRYPT', 'box cannot be opened');
  }
  return unpad(body);
}

/** Opens a box and takes the padding off. CRYPTO_DECRYPT as {@link openBox}, CRYPTO_PADDING for bad padding. */
export function openBoxPadded(secret: Uint8Array | BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  return unpad(openBox(secret, nonce, box));
}

/** A box nonce from any bytes: the first 24, zeros after the end of shorter ones. */
export function cbNonce(bytes: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(boxNonceSize);
  nonce.set(bytes.subarray(0, boxNonceSize));
  return nonce;
}

/** The nonce of the response to a proxied request: the bytes of the request's nonce from last to first. */
export function reverseNonce(nonce: Uint8Array): Uint8Array {
  return new Uint8Array(nonce).reverse();
}
