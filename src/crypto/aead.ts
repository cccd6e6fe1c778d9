import { createCipheriv, createDecipheriv } from 'node:crypto';
import { madeGarbage } from '../core/index.js';
import { CryptoError } from './errors.js';
import { pad, unpad } from './padding.js';

/** What AES-256-GCM gives: the ciphertext, as long as the plaintext, and the 16-byte tag. */
export interface AeadResult {
  readonly ciphertext: Uint8Array;
  readonly tag: Uint8Array;
}

const name = 'aes-256-gcm';
const tagSize = 16;

function checkKey(key: Uint8Array, iv: Uint8Array): void {
  if (key.length !== 32 || iv.length < 12) throw new CryptoError('CRYPTO_BAD_KEY', 'AES key or IV of a wrong size');
}

/** AES-256-GCM (section 3.8) without padding. The ratchet's IV has 16 bytes and must not be cut to 12. */
export function aeadEncrypt(key: Uint8Array, iv: Uint8Array, ad: Uint8Array, plaintext: Uint8Array): AeadResult {
  checkKey(key, iv);
  const cipher = createCipheriv(name, key, iv, { authTagLength: tagSize });
  cipher.setAAD(ad);
  // GCM is a stream: update gives everything, final gives nothing.
  const ciphertext = cipher.update(plaintext);
  madeGarbage(ciphertext.length);
  cipher.final();
  return { ciphertext, tag: cipher.getAuthTag() };
}

/** Decrypts; CRYPTO_AES when the tag is wrong. */
export function aeadDecrypt(
  key: Uint8Array,
  iv: Uint8Array,
  ad: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Uint8Array {
  checkKey(key, iv);
  if (tag.length !== tagSize) throw new CryptoError('CRYPTO_AES', 'tag of a wrong size');
  const decipher = createDecipheriv(name, key, iv, { authTagLength: tagSize });
  decipher.setAAD(ad);
  decipher.setAuthTag(tag);
  const plaintext = decipher.update(ciphertext);
  madeGarbage(plaintext.length);
  try {
    decipher.final();
  } catch (cause) {
    throw new CryptoError('CRYPTO_AES', 'authentication failed', { cause });
  }
  return plaintext;
}

/** Pads (16-bit length) to `paddedLength`, then encrypts: the form of the ratchet. */
export function aeadEncryptPadded(
  key: Uint8Array,
  iv: Uint8Array,
  ad: Uint8Array,
  message: Uint8Array,
  paddedLength: number,
): AeadResult {
  return aeadEncrypt(key, iv, ad, pad(message, paddedLength));
}

/** Decrypts and takes the padding off: CRYPTO_AES, CRYPTO_PADDING. */
export function aeadDecryptPadded(
  key: Uint8Array,
  iv: Uint8Array,
  ad: Uint8Array,
  ciphertext: Uint8Array,
  tag: Uint8Array,
): Uint8Array {
  return unpad(aeadDecrypt(key, iv, ad, ciphertext, tag));
}
