import { DecodeError } from './errors.js';

/** Base64url with `=` padding: the protocol's text form of byte strings (10-crypto-and-ratchet.md, section 1.2). */
export function base64url(bytes: Uint8Array): string {
  const s = base64urlUnpadded(bytes);
  const over = s.length & 3;
  return over === 0 ? s : s + '===='.slice(over);
}

/** Base64url without padding: link keys, link ids and hashes in short links. */
export function base64urlUnpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

const whole = /^[A-Za-z0-9_-]+={0,2}$/;

/**
 * Decodes base64url, padded or not. The empty string, other characters, wrong padding and a length that no
 * byte string has are errors.
 */
export function decodeBase64url(s: string, field = 'base64url'): Uint8Array {
  if (!whole.test(s)) throw new DecodeError(field, s === '' ? 'empty' : 'not base64url', 0);
  const padding = s.endsWith('==') ? 2 : s.endsWith('=') ? 1 : 0;
  const digits = s.length - padding;
  if ((digits & 3) === 1 || (padding > 0 && (s.length & 3) !== 0)) throw new DecodeError(field, 'wrong length', digits);
  const b = Buffer.from(s, 'base64url');
  return new Uint8Array(b.buffer, b.byteOffset, b.byteLength);
}

/** As {@link decodeBase64url}, and the empty string is the empty byte string (fields that may be empty). */
export function decodeBase64urlOrEmpty(s: string, field = 'base64url'): Uint8Array {
  return s === '' ? new Uint8Array(0) : decodeBase64url(s, field);
}

/**
 * Decodes the base64url that starts at `at`: it ends at the first other character, `=` that follow are taken too
 * (section 1.2). Gives the bytes and where the text goes on.
 */
export function scanBase64url(s: string, at: number, field = 'base64url'): { bytes: Uint8Array; end: number } {
  let end = at;
  while (end < s.length && /[A-Za-z0-9_-]/.test(s.charAt(end))) end++;
  while (s.charAt(end) === '=') end++;
  return { bytes: decodeBase64url(s.slice(at, end), field), end };
}
