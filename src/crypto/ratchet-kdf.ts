import { chainHkdf, hkdf } from './kdf.js';

const x3dhSalt = new Uint8Array(64);

/** Keys that the key agreement gives (10-crypto-and-ratchet.md, section 4.4), 32 bytes each. */
export interface X3dhKeys {
  readonly headerKey: Uint8Array;
  readonly nextHeaderKey: Uint8Array;
  readonly rootKey: Uint8Array;
}

/** `secrets`: the three DH outputs and, when the KEM is accepted, its secret. */
export function x3dhKdf(secrets: Uint8Array): X3dhKeys {
  const out = hkdf(x3dhSalt, secrets, 'SimpleXX3DH', 96);
  return { headerKey: out.subarray(0, 32), nextHeaderKey: out.subarray(32, 64), rootKey: out.subarray(64) };
}

/** The next root key, and the first chain key and next header key of a new chain; 32 bytes each (section 3.5). */
export interface RootStep {
  readonly rootKey: Uint8Array;
  readonly chainKey: Uint8Array;
  readonly nextHeaderKey: Uint8Array;
}

/** Mixes a DH output (and a KEM secret) into the root key (section 3.5). */
export function rootKdf(rootKey: Uint8Array, dhSecret: Uint8Array, kemSecret: Uint8Array | undefined): RootStep {
  const secrets = kemSecret === undefined ? dhSecret : Buffer.concat([dhSecret, kemSecret]);
  const out = hkdf(rootKey, secrets, 'SimpleXRootRatchet', 96);
  return { rootKey: out.subarray(0, 32), chainKey: out.subarray(32, 64), nextHeaderKey: out.subarray(64) };
}

/** The next chain key, and of one message the key (32 bytes) and the IVs (16 bytes each) (section 3.5). */
export interface ChainStep {
  readonly chainKey: Uint8Array;
  readonly key: Uint8Array;
  readonly bodyIv: Uint8Array;
  readonly headerIv: Uint8Array;
}

const messageChain = chainHkdf('SimpleXChainRatchet');

/** One message of a chain. The first IV is the body's. */
export function chainKdf(chainKey: Uint8Array): ChainStep {
  const out = messageChain(chainKey);
  return {
    chainKey: out.slice(0, 32),
    key: out.subarray(32, 64),
    bodyIv: out.subarray(64, 80),
    headerIv: out.subarray(80, 96),
  };
}
