import { createPrivateKey, createPublicKey, diffieHellman, type KeyObject } from 'node:crypto';
import { type RandomSource, systemRandom } from '../core/index.js';
import {
  base64url,
  concat,
  DecodeError,
  decodeBase64url,
  equalBytes,
  type Reader,
  type Writer,
} from '../wire/index.js';
import { CryptoError } from './errors.js';
import { sodium } from './sodium.js';

/** The key algorithms of the protocol (10-crypto-and-ratchet.md, section 2.1). */
export type KeyAlgorithm = 'x25519' | 'x448' | 'ed25519' | 'ed448';
/** Algorithms of keys that authorize SMP and XFTP commands. */
export type AuthAlgorithm = 'ed25519' | 'ed448' | 'x25519';
/** Algorithms that sign. */
export type SignAlgorithm = 'ed25519' | 'ed448';
/** Algorithms that agree on a shared secret. */
export type DhAlgorithm = 'x25519' | 'x448';

/** A public key. `raw` is 32 bytes (X25519, Ed25519), 56 (X448) or 57 (Ed448). Keys are values: never change `raw`. */
export interface PublicKey<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly alg: A;
  readonly raw: Uint8Array;
}

/** A private key; sizes as of the public key. What is computed from it once is remembered beside it, not in it. */
export interface PrivateKey<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly alg: A;
  readonly raw: Uint8Array;
}

/** Both keys are of one algorithm; that they belong together is not checked. */
export interface KeyPair<A extends KeyAlgorithm = KeyAlgorithm> {
  readonly publicKey: PublicKey<A>;
  readonly privateKey: PrivateKey<A>;
}

/** Which algorithms a field accepts: see the table of section 2.1. */
export const authAlgorithms = ['ed25519', 'ed448', 'x25519'] as const;
export const signAlgorithms = ['ed25519', 'ed448'] as const;
export const dhAlgorithms = ['x25519', 'x448'] as const;
export const anyAlgorithm = ['ed25519', 'ed448', 'x25519', 'x448'] as const;

interface AlgorithmInfo {
  readonly curve: string;
  /** Bytes of a raw key. */
  readonly size: number;
  /** The DER structures are these prefixes followed by the raw key. */
  readonly spki: Uint8Array;
  readonly pkcs8: Uint8Array;
}

function info(curve: string, size: number, spki: string, pkcs8: string): AlgorithmInfo {
  return { curve, size, spki: Buffer.from(spki, 'hex'), pkcs8: Buffer.from(pkcs8, 'hex') };
}

const algorithms: Readonly<Record<KeyAlgorithm, AlgorithmInfo>> = {
  x25519: info('X25519', 32, '302a300506032b656e032100', '302e020100300506032b656e04220420'),
  x448: info('X448', 56, '3042300506032b656f033900', '3046020100300506032b656f043a0438'),
  ed25519: info('Ed25519', 32, '302a300506032b6570032100', '302e020100300506032b657004220420'),
  ed448: info('Ed448', 57, '3043300506032b6571033a00', '3047020100300506032b6571043b0439'),
};

/** Bytes of a raw key of the algorithm. */
export function keySize(alg: KeyAlgorithm): number {
  return algorithms[alg].size;
}

function checkSize(alg: KeyAlgorithm, raw: Uint8Array): void {
  const { size } = algorithms[alg];
  if (raw.length !== size) throw new CryptoError('CRYPTO_BAD_KEY', `${alg} key of ${raw.length} bytes, not ${size}`);
}

/** A public key from its raw bytes; CRYPTO_BAD_KEY when the size is wrong. */
export function publicKeyFromRaw<A extends KeyAlgorithm>(alg: A, raw: Uint8Array): PublicKey<A> {
  checkSize(alg, raw);
  return { alg, raw: new Uint8Array(raw) };
}

/** A private key from its raw bytes; CRYPTO_BAD_KEY when the size is wrong. */
export function privateKeyFromRaw<A extends KeyAlgorithm>(alg: A, raw: Uint8Array): PrivateKey<A> {
  checkSize(alg, raw);
  return { alg, raw: new Uint8Array(raw) };
}

/** A fresh key pair. */
export function generateKeyPair<A extends KeyAlgorithm>(alg: A, random: RandomSource = systemRandom): KeyPair<A> {
  const privateKey: PrivateKey<A> = { alg, raw: random.bytes(algorithms[alg].size) };
  return { publicKey: publicKeyOf(privateKey), privateKey };
}

/** Node's key objects of the curves that libsodium does not have: importing an X448 key costs as much as using it. */
const nodeKeys = new WeakMap<PublicKey | PrivateKey, KeyObject>();
const publicKeys = new WeakMap<PrivateKey, PublicKey>();
const ed25519Secrets = new WeakMap<PrivateKey, Uint8Array>();

/** The private key as an object of `node:crypto` (TLS, certificates). */
export function privateKeyObject(key: PrivateKey): KeyObject {
  let object = nodeKeys.get(key);
  if (object === undefined) {
    // A JWK goes straight to the raw key; DER takes OpenSSL four times as long. A JWK must hold the public part, which
    // Node 26 compares with the private one.
    const { curve } = algorithms[key.alg];
    const known = publicKeys.get(key);
    object =
      known === undefined
        ? createPrivateKey({ key: Buffer.from(encodePrivateKey(key)), format: 'der', type: 'pkcs8' })
        : createPrivateKey({
            key: { kty: 'OKP', crv: curve, d: unpadded(key.raw), x: unpadded(known.raw) },
            format: 'jwk',
          });
    nodeKeys.set(key, object);
  }
  return object;
}

/** The public key as an object of `node:crypto`. */
export function publicKeyObject(key: PublicKey): KeyObject {
  let object = nodeKeys.get(key);
  if (object === undefined) {
    const { curve } = algorithms[key.alg];
    object = createPublicKey({ key: { kty: 'OKP', crv: curve, x: unpadded(key.raw) }, format: 'jwk' });
    nodeKeys.set(key, object);
  }
  return object;
}

/** A public key from an object of `node:crypto` (a certificate's); CRYPTO_BAD_KEY for other algorithms. */
export function publicKeyFromObject(object: KeyObject): PublicKey {
  const spki = object.type === 'public' ? object.export({ format: 'der', type: 'spki' }) : new Uint8Array();
  try {
    return decodePublicKey(spki, 'key', anyAlgorithm);
  } catch (cause) {
    throw new CryptoError('CRYPTO_BAD_KEY', `key algorithm ${object.asymmetricKeyType ?? 'unknown'}`, { cause });
  }
}

function unpadded(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('base64url');
}

/** The public key of a private key. Computed once per private key object. */
export function publicKeyOf<A extends KeyAlgorithm>(privateKey: PrivateKey<A>): PublicKey<A> {
  const { alg } = privateKey;
  const known = publicKeys.get(privateKey);
  if (known !== undefined) return { alg, raw: known.raw };
  checkSize(alg, privateKey.raw);
  const publicKey: PublicKey<A> = { alg, raw: computePublicKey(privateKey) };
  publicKeys.set(privateKey, publicKey);
  return publicKey;
}

function computePublicKey(privateKey: PrivateKey): Uint8Array {
  switch (privateKey.alg) {
    case 'x25519': {
      const raw = new Uint8Array(32);
      sodium.crypto_scalarmult_base(raw, privateKey.raw);
      return raw;
    }
    case 'ed25519':
      return ed25519Secret(privateKey).slice(32);
    default: {
      const { x } = privateKeyObject(privateKey).export({ format: 'jwk' });
      return decodeBase64url(x ?? '', 'public key');
    }
  }
}

/** libsodium's form of an Ed25519 private key: seed and public key, 64 bytes. */
export function ed25519Secret(privateKey: PrivateKey): Uint8Array {
  let secret = ed25519Secrets.get(privateKey);
  if (secret === undefined) {
    checkSize('ed25519', privateKey.raw);
    secret = new Uint8Array(64);
    sodium.crypto_sign_seed_keypair(new Uint8Array(32), secret, privateKey.raw);
    ed25519Secrets.set(privateKey, secret);
  }
  return secret;
}

/**
 * Diffie-Hellman: the raw shared secret, 32 bytes (X25519) or 56 (X448). A public key of small order gives an
 * all-zero secret that anybody knows; upstream accepts it, we refuse with CRYPTO_BAD_KEY (sections 9 and 10).
 */
export function dh<A extends DhAlgorithm>(publicKey: PublicKey<A>, privateKey: PrivateKey<A>): Uint8Array {
  if (publicKey.alg !== privateKey.alg) throw new CryptoError('CRYPTO_BAD_KEY', 'keys of different algorithms');
  checkSize(publicKey.alg, publicKey.raw);
  checkSize(privateKey.alg, privateKey.raw);
  try {
    if (privateKey.alg === 'x25519') {
      const secret = new Uint8Array(32);
      sodium.crypto_scalarmult(secret, privateKey.raw, publicKey.raw);
      return secret;
    }
    const b = diffieHellman({ privateKey: privateKeyObject(privateKey), publicKey: publicKeyObject(publicKey) });
    return new Uint8Array(b);
  } catch (cause) {
    throw new CryptoError('CRYPTO_BAD_KEY', 'public key of small order', { cause });
  }
}

/** SPKI DER of a public key: 44 bytes for X25519 and Ed25519, 68 for X448, 69 for Ed448. */
export function encodePublicKey(key: PublicKey): Uint8Array {
  return concat(algorithms[key.alg].spki, key.raw);
}

/** PKCS8 DER of a private key: 48 bytes for X25519 and Ed25519, 72 for X448, 73 for Ed448. */
export function encodePrivateKey(key: PrivateKey): Uint8Array {
  return concat(algorithms[key.alg].pkcs8, key.raw);
}

/** Finds the algorithm whose exact prefix and length `der` has. OpenSSL would take trailing bytes and other forms. */
function matchDer<A extends KeyAlgorithm>(
  der: Uint8Array,
  form: 'spki' | 'pkcs8',
  field: string,
  accept: readonly A[],
): { readonly alg: A; readonly raw: Uint8Array } {
  for (const alg of accept) {
    const { size, [form]: prefix } = algorithms[alg];
    if (der.length === prefix.length + size && equalBytes(der.subarray(0, prefix.length), prefix)) {
      return { alg, raw: new Uint8Array(der.subarray(prefix.length)) };
    }
  }
  throw new DecodeError(field, `not a key in DER of ${accept.join(', ')}`, 0);
}

/** Decodes SPKI DER; DecodeError unless it is exactly a key of an accepted algorithm. */
export function decodePublicKey<A extends KeyAlgorithm>(
  der: Uint8Array,
  field: string,
  accept: readonly A[],
): PublicKey<A> {
  return matchDer(der, 'spki', field, accept);
}

/** Decodes PKCS8 DER; DecodeError unless it is exactly a key of an accepted algorithm. */
export function decodePrivateKey<A extends KeyAlgorithm>(
  der: Uint8Array,
  field: string,
  accept: readonly A[],
): PrivateKey<A> {
  return matchDer(der, 'pkcs8', field, accept);
}

/** Writes a public key as on the wire: `str(SPKI DER)`. */
export function writePublicKey(w: Writer, key: PublicKey): void {
  const { spki, size } = algorithms[key.alg];
  w.u8(spki.length + size)
    .raw(spki)
    .raw(key.raw);
}

/** Reads `str(SPKI DER)`. */
export function readPublicKey<A extends KeyAlgorithm>(r: Reader, field: string, accept: readonly A[]): PublicKey<A> {
  return decodePublicKey(r.str(field), field, accept);
}

/** Writes a private key as in local storage: `str(PKCS8 DER)`. */
export function writePrivateKey(w: Writer, key: PrivateKey): void {
  w.str(encodePrivateKey(key));
}

/** Reads `str(PKCS8 DER)`. */
export function readPrivateKey<A extends KeyAlgorithm>(r: Reader, field: string, accept: readonly A[]): PrivateKey<A> {
  return decodePrivateKey(r.str(field), field, accept);
}

/** The text form of a public key: padded base64url of its SPKI DER (URIs, JSON). */
export function formatPublicKey(key: PublicKey): string {
  return base64url(encodePublicKey(key));
}

/** Parses base64url of the SPKI DER of one of the accepted algorithms. @throws DecodeError */
export function parsePublicKey<A extends KeyAlgorithm>(s: string, field: string, accept: readonly A[]): PublicKey<A> {
  return decodePublicKey(decodeBase64url(s, field), field, accept);
}

/** The text form of a private key: padded base64url of its PKCS8 DER (file descriptions). */
export function formatPrivateKey(key: PrivateKey): string {
  return base64url(encodePrivateKey(key));
}

/** Parses base64url of the PKCS #8 DER of one of the accepted algorithms. @throws DecodeError */
export function parsePrivateKey<A extends KeyAlgorithm>(s: string, field: string, accept: readonly A[]): PrivateKey<A> {
  return decodePrivateKey(decodeBase64url(s, field), field, accept);
}
