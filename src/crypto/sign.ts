import { sign as nodeSign, verify as nodeVerify } from 'node:crypto';
import { CryptoError } from './errors.js';
import {
  ed25519Secret,
  type KeyAlgorithm,
  type PrivateKey,
  type PublicKey,
  privateKeyObject,
  publicKeyObject,
  type SignAlgorithm,
} from './keys.js';
import { sodium } from './sodium.js';

/** Bytes of a signature. On the wire the algorithm of a signature is told by its length. */
export const signatureSize: Readonly<Record<SignAlgorithm, number>> = { ed25519: 64, ed448: 114 };

/** The algorithm of a signature of `length` bytes; undefined when no algorithm has it. */
export function signatureAlgorithm(length: number): SignAlgorithm | undefined {
  return length === 64 ? 'ed25519' : length === 114 ? 'ed448' : undefined;
}

/** Signs with plain Ed25519 (64 bytes) or Ed448 (114 bytes). */
export function sign(privateKey: PrivateKey<SignAlgorithm>, message: Uint8Array): Uint8Array {
  if (privateKey.alg === 'ed25519') {
    const signature = new Uint8Array(64);
    sodium.crypto_sign_detached(signature, message, ed25519Secret(privateKey));
    return signature;
  }
  if (privateKey.alg !== 'ed448') throw new CryptoError('CRYPTO_BAD_KEY', 'not a signing key');
  return new Uint8Array(nodeSign(null, message, privateKeyObject(privateKey)));
}

/**
 * Whether the signature is right. False, never an error, for keys that do not sign and for signatures of a foreign
 * length: they come from outside.
 */
export function verify(publicKey: PublicKey<KeyAlgorithm>, signature: Uint8Array, message: Uint8Array): boolean {
  switch (publicKey.alg) {
    case 'ed25519':
      if (signature.length !== 64 || publicKey.raw.length !== 32) return false;
      return sodium.crypto_sign_verify_detached(signature, message, publicKey.raw);
    case 'ed448':
      if (signature.length !== 114 || publicKey.raw.length !== 57) return false;
      try {
        return nodeVerify(null, message, publicKeyObject(publicKey), signature);
      } catch {
        return false;
      }
    default:
      return false;
  }
}
