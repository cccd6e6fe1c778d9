import { hkdfSync } from 'node:crypto';
import { CryptoError } from './errors.js';
import { sodium } from './sodium.js';

/**
 * HKDF with SHA-512 (section 3.5): extract with `salt` (may be empty), expand with the ASCII text `info` to `length`
 * bytes.
 */
export function hkdf(salt: Uint8Array, ikm: Uint8Array, info: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha512', ikm, salt, info, length));
}

/** The two chains that encrypt the blocks of a transport connection (section 3.6), as their first chain keys. */
export interface BlockChains {
  readonly serverToClient: Uint8Array;
  readonly clientToServer: Uint8Array;
}

/** Starts the block chains of a session from its id and the raw X25519 secret of the session keys. */
export function initBlockChains(sessionId: Uint8Array, secret: Uint8Array): BlockChains {
  const out = hkdf(sessionId, secret, 'SimpleXSbChainInit', 64);
  return { serverToClient: out.subarray(0, 32), clientToServer: out.subarray(32) };
}

/** What one block uses, and the chain key for the next block. */
export interface BlockChainStep {
  readonly chainKey: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

const hashBlock = 128;
const hashSize = 64;

/** An HMAC's inner or outer input: a padded key in front, room for `rest` bytes behind it. */
function hmacInput(rest: number): Uint8Array {
  return new Uint8Array(hashBlock + rest);
}

// Used by one synchronous call at a time. The inputs of the extraction with its key of zeros are ready made.
const extractInner = hmacInput(32).fill(0x36, 0, hashBlock);
const extractOuter = hmacInput(hashSize).fill(0x5c, 0, hashBlock);
const expandOuter = hmacInput(hashSize);
const digest = new Uint8Array(hashSize);

/**
 * Makes `chainKey => hkdf('', chainKey, info, 128)`, written out because every block and every message of a ratchet
 * passes there: `hkdfSync` takes 12 µs, these six hashes 5.
 */
export function chainHkdf(info: string): (chainKey: Uint8Array) => Uint8Array {
  const infoBytes = new TextEncoder().encode(info);
  const firstInner = hmacInput(infoBytes.length + 1);
  const secondInner = hmacInput(hashSize + infoBytes.length + 1);
  firstInner.set(infoBytes, hashBlock);
  firstInner[hashBlock + infoBytes.length] = 1;
  secondInner.set(infoBytes, hashBlock + hashSize);
  secondInner[hashBlock + hashSize + infoBytes.length] = 2;
  return (chainKey) => {
    if (chainKey.length !== 32) {
      throw new CryptoError('CRYPTO_BAD_KEY', `chain key of ${chainKey.length} bytes, not 32`);
    }
    extractInner.set(chainKey, hashBlock);
    sodium.crypto_hash_sha512(digest, extractInner);
    extractOuter.set(digest, hashBlock);
    sodium.crypto_hash_sha512(digest, extractOuter);
    for (let i = 0; i < hashBlock; i++) {
      const byte = i < hashSize ? (digest[i] ?? 0) : 0;
      firstInner[i] = byte ^ 0x36;
      secondInner[i] = byte ^ 0x36;
      expandOuter[i] = byte ^ 0x5c;
    }
    const out = new Uint8Array(2 * hashSize);
    sodium.crypto_hash_sha512(digest, firstInner);
    expandOuter.set(digest, hashBlock);
    sodium.crypto_hash_sha512(out.subarray(0, hashSize), expandOuter);
    secondInner.set(out.subarray(0, hashSize), hashBlock);
    sodium.crypto_hash_sha512(digest, secondInner);
    expandOuter.set(digest, hashBlock);
    sodium.crypto_hash_sha512(out.subarray(hashSize), expandOuter);
    return out;
  };
}

const blockChain = chainHkdf('SimpleXSbChain');

/** Advances a block chain: once per block, before the block is sealed or opened. */
export function stepBlockChain(chainKey: Uint8Array): BlockChainStep {
  const out = blockChain(chainKey);
  return { chainKey: out.slice(0, 32), key: out.subarray(32, 64), nonce: out.subarray(64, 88) };
}
