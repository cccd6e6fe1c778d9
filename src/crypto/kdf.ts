import { hkdfSync } from 'node:crypto';

/**
 * HKDF with SHA-512 (section 3.5): extract with `salt` (may be empty), expand with the ASCII text `info` to `length`
 * bytes.
 */
export function hkdf(salt: Uint8Array, ikm: Uint8Array, info: string, length: number): Uint8Array {
  return new Uint8Array(hkdfSync('sha512', ikm, salt, info, length));
}

const noSalt = new Uint8Array(0);

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

/** Advances a block chain: once per block, before the block is sealed or opened. */
export function stepBlockChain(chainKey: Uint8Array): BlockChainStep {
  const out = hkdf(noSalt, chainKey, 'SimpleXSbChain', 88);
  return { chainKey: out.subarray(0, 32), key: out.subarray(32, 64), nonce: out.subarray(64) };
}
