import { memory } from '../wire/index.js';
import { CryptoError } from './errors.js';

/** The byte that fills padding: `#`. Its value is not checked on receipt. */
const fill = 0x23;

/** The largest message that the 16-bit length of a padded message allows here: two less than the length could say. */
const maxPadded = 65533;

function checkFits(length: number, prefix: number, paddedLength: number): void {
  if (length + prefix > paddedLength) {
    throw new CryptoError('CRYPTO_LARGE_MSG', `${length} bytes do not fit a padded length of ${paddedLength}`);
  }
}

/** Writes the padded message into `out`, all of it (section 3.2). CRYPTO_LARGE_MSG when it does not fit. */
export function padInto(out: Uint8Array, message: Uint8Array): void {
  const length = message.length;
  if (length > maxPadded)
    throw new CryptoError('CRYPTO_LARGE_MSG', `${length} bytes, at most ${maxPadded} can be padded`);
  checkFits(length, 2, out.length);
  out[0] = length >>> 8;
  out[1] = length;
  out.set(message, 2);
  out.fill(fill, length + 2);
}

/**
 * The short padding (section 3.2): 16-bit length, message, `#`. `paddedLength` includes the two bytes of the length.
 * CRYPTO_LARGE_MSG when the message does not fit, or is longer than 65,533 bytes.
 */
export function pad(message: Uint8Array, paddedLength: number): Uint8Array {
  // Checked before allocating: the padded length may be computed from something foreign.
  checkFits(message.length, 2, paddedLength);
  const out = memory(paddedLength);
  padInto(out, message);
  return out;
}

/** The message in short padding, as a view. CRYPTO_PADDING when the length is not possible. */
export function unpad(padded: Uint8Array): Uint8Array {
  if (padded.length < 2) throw new CryptoError('CRYPTO_PADDING', 'padded message without length');
  const length = ((padded[0] ?? 0) << 8) | (padded[1] ?? 0);
  if (length > padded.length - 2) throw new CryptoError('CRYPTO_PADDING', 'message longer than its padding');
  return padded.subarray(2, length + 2);
}

/** The eight bytes that start a message in long padding. */
export function lazyPrefix(length: number): Uint8Array {
  const b = new Uint8Array(8);
  new DataView(b.buffer).setBigInt64(0, BigInt(length));
  return b;
}

/** The length of a message in long padding from its first bytes. CRYPTO_PADDING when there is none. */
export function lazyLength(padded: Uint8Array): number {
  if (padded.length < 8) throw new CryptoError('CRYPTO_PADDING', 'padded message without length');
  const length = Number(new DataView(padded.buffer, padded.byteOffset, 8).getBigInt64(0));
  if (length < 0 || !Number.isSafeInteger(length)) throw new CryptoError('CRYPTO_PADDING', 'impossible length');
  return length;
}

/** The long padding (files): 64-bit length, message, `#`. `paddedLength` includes the eight bytes of the length. */
export function padLazy(message: Uint8Array, paddedLength: number): Uint8Array {
  checkFits(message.length, 8, paddedLength);
  const out = memory(paddedLength);
  out.set(lazyPrefix(message.length));
  out.set(message, 8);
  out.fill(fill, message.length + 8);
  return out;
}

/** The message in long padding, as a view; what there is of it when the input ends before the message. */
export function unpadLazy(padded: Uint8Array): Uint8Array {
  return padded.subarray(8, 8 + lazyLength(padded));
}
