import { concat, DecodeError, equalBytes, type Reader, type Writer } from '../wire/index.js';
import { type CertificateChain, readCertificateChain, writeCertificateChain } from './certs.js';
import { DerReader, der, derTag } from './der.js';
import {
  decodePublicKey,
  encodePublicKey,
  type KeyAlgorithm,
  type PrivateKey,
  type PublicKey,
  type SignAlgorithm,
} from './keys.js';
import { sign, signatureSize, verify } from './sign.js';

/** A public key signed by a certificate's key (section 2.5): the session keys of the handshakes. */
export interface SignedKey<A extends KeyAlgorithm = 'x25519'> {
  readonly key: PublicKey<A>;
  /** The bytes that the signature covers, as received: the SPKI in one more SEQUENCE. */
  readonly signedBytes: Uint8Array;
  readonly signatureAlgorithm: SignAlgorithm;
  readonly signature: Uint8Array;
  /** The whole object in DER. */
  readonly der: Uint8Array;
}

const oids: Readonly<Record<SignAlgorithm, Uint8Array>> = {
  ed25519: Uint8Array.of(0x2b, 0x65, 0x70),
  ed448: Uint8Array.of(0x2b, 0x65, 0x71),
};

/** Signs a public key. */
export function signKey<A extends KeyAlgorithm>(key: PublicKey<A>, signer: PrivateKey<SignAlgorithm>): SignedKey<A> {
  const signedBytes = der(derTag.sequence, encodePublicKey(key));
  const signature = sign(signer, signedBytes);
  const algorithm = der(derTag.sequence, der(derTag.oid, oids[signer.alg]));
  const object = der(
    derTag.sequence,
    signedBytes,
    algorithm,
    der(derTag.bitString, concat(Uint8Array.of(0), signature)),
  );
  return { key, signedBytes, signatureAlgorithm: signer.alg, signature, der: object };
}

/** Whether the key was signed by the owner of `signer`. */
export function verifySignedKey(signed: SignedKey<KeyAlgorithm>, signer: PublicKey): boolean {
  return signer.alg === signed.signatureAlgorithm && verify(signer, signed.signature, signed.signedBytes);
}

/** Decodes the DER; DecodeError unless it is exactly such an object with a key of an accepted algorithm. */
export function decodeSignedKey<A extends KeyAlgorithm>(
  bytes: Uint8Array,
  field: string,
  accept: readonly A[],
): SignedKey<A> {
  const outer = new DerReader(bytes, field);
  const object = outer.next(derTag.sequence);
  outer.end();
  const parts = new DerReader(object.content, field);
  const signed = parts.next(derTag.sequence);
  const algorithm = new DerReader(parts.next(derTag.sequence).content, field);
  const bits = parts.next(derTag.bitString).content;
  parts.end();
  const oid = algorithm.next(derTag.oid).content;
  algorithm.end();
  const signatureAlgorithm: SignAlgorithm | undefined = equalBytes(oid, oids.ed25519)
    ? 'ed25519'
    : equalBytes(oid, oids.ed448)
      ? 'ed448'
      : undefined;
  if (signatureAlgorithm === undefined) throw new DecodeError(field, 'unknown signature algorithm', 0);
  if (bits[0] !== 0 || bits.length !== 1 + signatureSize[signatureAlgorithm]) {
    throw new DecodeError(field, 'signature of a wrong size', 0);
  }
  return {
    key: decodePublicKey(signed.content, field, accept),
    signedBytes: signed.raw,
    signatureAlgorithm,
    signature: bits.subarray(1),
    der: object.raw,
  };
}

/** `large(DER)`. */
export function writeSignedKey(w: Writer, signed: SignedKey<KeyAlgorithm>): void {
  w.large(signed.der);
}

/** Reads a signed key of one of the accepted algorithms; the signature is not checked. @throws DecodeError */
export function readSignedKey<A extends KeyAlgorithm>(r: Reader, field: string, accept: readonly A[]): SignedKey<A> {
  return decodeSignedKey(r.large(field), field, accept);
}

/** A certificate chain with a session key that its leaf signed. */
export interface CertificateChainKey {
  readonly chain: CertificateChain;
  readonly signedKey: SignedKey;
}

/** A chain of certificates and the key that its leaf signed. */
export function writeCertificateChainKey(w: Writer, value: CertificateChainKey): void {
  writeCertificateChain(w, value.chain);
  writeSignedKey(w, value.signedKey);
}

/** Reads chain and key; nothing is verified yet. */
export function readCertificateChainKey(r: Reader, field: string): CertificateChainKey {
  const chain = readCertificateChain(r, field);
  return { chain, signedKey: readSignedKey(r, field, ['x25519']) };
}
