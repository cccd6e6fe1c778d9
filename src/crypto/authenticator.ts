import { timingSafeEqual } from 'node:crypto';
import { openBox, sealBox } from './box.js';
import { sha512 } from './hash.js';
import { dh, type PrivateKey, type PublicKey } from './keys.js';

/** Bytes of an authenticator: the box of a SHA-512. */
export const authenticatorSize = 80;

/**
 * The deniable authenticator of a command (section 3.4), 80 bytes: a box of the hash of the authorized bytes between
 * the server's session key and the X25519 key of the command. The nonce is the correlation id and must be new.
 */
export function authenticate(
  serverKey: PublicKey<'x25519'>,
  authKey: PrivateKey<'x25519'>,
  nonce: Uint8Array,
  authorized: Uint8Array,
): Uint8Array {
  return sealBox(dh(serverKey, authKey), nonce, sha512(authorized));
}

/** The server's side of {@link authenticate}: false, never an error, for whatever comes from outside. */
export function verifyAuthenticator(
  authKey: PublicKey<'x25519'>,
  serverKey: PrivateKey<'x25519'>,
  nonce: Uint8Array,
  authenticator: Uint8Array,
  authorized: Uint8Array,
): boolean {
  if (authenticator.length !== authenticatorSize) return false;
  const expected = sha512(authorized);
  try {
    return timingSafeEqual(openBox(dh(authKey, serverKey), nonce, authenticator), expected);
  } catch {
    return false;
  }
}
