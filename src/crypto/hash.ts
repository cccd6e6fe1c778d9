import { createHash } from 'node:crypto';

function digest(algorithm: string, parts: readonly Uint8Array[]): Uint8Array {
  const hash = createHash(algorithm);
  for (const part of parts) hash.update(part);
  const b = hash.digest();
  return new Uint8Array(b.buffer, b.byteOffset, b.byteLength);
}

/** SHA-256 over the parts, one after the other: fingerprints, message hashes, digests of file chunks. 32 bytes. */
export function sha256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha256', parts);
}

/** SHA-512: the authenticator, the digest of a whole file. 64 bytes. */
export function sha512(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha512', parts);
}

/** SHA3-256: link keys. 32 bytes. */
export function sha3_256(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha3-256', parts);
}

/** SHA3-384: sender ids from correlation ids. 48 bytes. */
export function sha3_384(...parts: readonly Uint8Array[]): Uint8Array {
  return digest('sha3-384', parts);
}
