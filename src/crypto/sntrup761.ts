import { createSntrup761 } from '@oqs/liboqs-js/kem';
import { FanionError } from '../core/index.js';

/** Sizes in bytes of sntrup761 (10-crypto-and-ratchet.md, section 6.1). */
export const kemSizes = { publicKey: 1158, secretKey: 1763, ciphertext: 1039, sharedSecret: 32 } as const;

/** The secret key holds the public key after two small polynomials of 191 bytes. */
const publicKeyInSecretKey = 382;

/** A key pair of the KEM: 1158 and 1763 bytes. Used for one ratchet step, never again. */
export interface KemKeyPair {
  readonly publicKey: Uint8Array;
  readonly secretKey: Uint8Array;
}

/** What encapsulation gives: 1039 bytes to send, and a secret of 32 bytes. */
export interface KemEncapsulation {
  readonly ciphertext: Uint8Array;
  readonly sharedSecret: Uint8Array;
}

/** The KEM operations of a ratchet step: synchronous, about 0.6 ms and 1.6 ms. */
export interface Kem {
  /** Makes a secret for the holder of `publicKey` (any 1158 bytes are a key). Another length is an error. */
  encapsulate(publicKey: Uint8Array): KemEncapsulation;
  /** Never fails on a ciphertext of 1039 bytes: a wrong one gives a pseudo-random secret. */
  decapsulate(ciphertext: Uint8Array, secretKey: Uint8Array): Uint8Array;
}

/** sntrup761 in WebAssembly. */
export interface Sntrup761 extends Kem {
  /** About 17 ms of CPU: on the main thread only where nothing else waits. Otherwise ask a {@link KemPool}. */
  generateKeyPair(): KemKeyPair;
}

/** Bytes that cannot be a key or a ciphertext of the KEM. */
export class KemError extends FanionError {
  constructor(what: string, length: number) {
    super('CRYPTO_KEM', `${what} of ${length} bytes`, { details: { length } });
  }
}

function checkLength(bytes: Uint8Array, kind: keyof typeof kemSizes): void {
  if (bytes.length !== kemSizes[kind]) throw new KemError(kind, bytes.length);
}

/** The library takes no subclass of Uint8Array, such as Buffer. */
function plain(bytes: Uint8Array): Uint8Array {
  return bytes.constructor === Uint8Array ? bytes : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
}

async function load(): Promise<Sntrup761> {
  const library = await createSntrup761();
  return {
    generateKeyPair: () => library.generateKeyPair(),
    encapsulate(publicKey) {
      checkLength(publicKey, 'publicKey');
      return library.encapsulate(plain(publicKey));
    },
    decapsulate(ciphertext, secretKey) {
      checkLength(ciphertext, 'ciphertext');
      checkLength(secretKey, 'secretKey');
      return library.decapsulate(plain(ciphertext), plain(secretKey));
    },
  };
}

let loaded: Promise<Sntrup761> | undefined;

/** The KEM, loaded once for the process (about 10 ms). */
export function loadSntrup761(): Promise<Sntrup761> {
  loaded ??= load();
  return loaded;
}

/** The key pair of a stored secret key. */
export function kemKeyPairOf(secretKey: Uint8Array): KemKeyPair {
  checkLength(secretKey, 'secretKey');
  return {
    publicKey: secretKey.subarray(publicKeyInSecretKey, publicKeyInSecretKey + kemSizes.publicKey),
    secretKey,
  };
}
