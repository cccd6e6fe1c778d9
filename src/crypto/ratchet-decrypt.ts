import { concat, DecodeError, equalBytes } from '../wire/index.js';
import { aeadDecrypt, aeadDecryptPadded } from './aead.js';
import { CryptoError } from './errors.js';
import { dh } from './keys.js';
import { unpad } from './padding.js';
import { RatchetError } from './ratchet-errors.js';
import { chainKdf, rootKdf } from './ratchet-kdf.js';
import { kemStep } from './ratchet-kem.js';
import { decodeHeader, decodeMessage, type EncryptedMessage, type RatchetHeader } from './ratchet-message.js';
import {
  type BodyKey,
  maxSkipped,
  pqE2EVersion,
  type RatchetKeys,
  type RatchetState,
  type SkippedDiff,
  type SkippedKey,
  type SkippedKeys,
} from './ratchet-state.js';

/**
 * - `decrypted`: store `state` and `skipped`, then use `plaintext`.
 * - `bodyError`: the header opened, the message did not: store `state` and `skipped` as well, then report `error`
 *   (`DECRYPT_AES`, `PADDING`, and `DUPLICATE`, `EARLIER`, `SKIPPED` of the current chain).
 * - `failed`: nothing changes, report `error`.
 * - `needsKemKeyPair`: the ratchet step needs a KEM key pair and `keys.kemKeyPair()` had none: wait for the pool
 *   (`await pool.ready()`) outside of the transaction and call again. Nothing changes.
 */
export type DecryptResult =
  | {
      readonly type: 'decrypted';
      readonly plaintext: Uint8Array;
      readonly state: RatchetState;
      readonly skipped: SkippedDiff;
    }
  | {
      readonly type: 'bodyError';
      readonly error: RatchetError;
      readonly state: RatchetState;
      readonly skipped: SkippedDiff;
    }
  | { readonly type: 'failed'; readonly error: RatchetError }
  | { readonly type: 'needsKemKeyPair' };

/** A message whose header was opened. */
export interface OpenedMessage {
  readonly message: EncryptedMessage;
  readonly header: RatchetHeader;
  /** The key that opened the header: with `header.ns` the name of the skipped key, if the message was skipped. */
  readonly headerKey: Uint8Array;
}

/** The outcomes that are errors are thrown inside and become results at the edge. */
function asFailure(e: unknown): { readonly type: 'failed'; readonly error: RatchetError } {
  if (e instanceof RatchetError) return { type: 'failed', error: e };
  if (e instanceof DecodeError) {
    return { type: 'failed', error: new RatchetError('PARSE', `${e.field}: ${e.problem}`, { cause: e }) };
  }
  if (e instanceof CryptoError && e.code === 'CRYPTO_BAD_KEY') {
    return { type: 'failed', error: new RatchetError('KEY', 'the key agrees on no secret', { cause: e }) };
  }
  throw e;
}

/**
 * Decrypts a ratchet message (10-crypto-and-ratchet.md, section 5.6). Synchronous and without side effects, so it
 * may run inside a database transaction. Never throws because of `message`.
 * `state.rcvKem` of the result tells whether the message was PQ encrypted.
 */
export function decrypt(
  state: RatchetState,
  skipped: SkippedKeys,
  message: Uint8Array,
  keys: RatchetKeys,
): DecryptResult {
  const opened = openHeader(state, () => skipped.headerKeys(), message);
  if (opened.type === 'failed') return opened;
  const key = skipped.find(opened.message.headerKey, opened.message.header.ns);
  return decryptOpened(state, opened.message, key, keys);
}

/**
 * The first half of {@link decrypt}, for stores with many skipped keys: opens the header with the chain's keys, then
 * with those of `skippedHeaderKeys` (called only when needed). Then the caller looks for one row, the skipped key of
 * (`headerKey`, `header.ns`), and calls {@link decryptOpened}.
 */
export function openHeader(
  state: RatchetState,
  skippedHeaderKeys: () => Iterable<Uint8Array>,
  bytes: Uint8Array,
):
  | { readonly type: 'opened'; readonly message: OpenedMessage }
  | { readonly type: 'failed'; readonly error: RatchetError } {
  try {
    const message = decodeMessage(bytes);
    const attempt = (headerKey: Uint8Array): OpenedMessage | undefined => {
      const plain = tryOpen(state, headerKey, message);
      if (plain === undefined) return undefined;
      return { message, header: decodeHeader(plain, message.header.version), headerKey };
    };
    // One key at most opens a header, so the order does not matter: the likely ones come first.
    let opened = (state.rcv && attempt(state.rcv.headerKey)) ?? attempt(state.nextRcvHeaderKey);
    if (opened === undefined) {
      for (const headerKey of skippedHeaderKeys()) {
        opened = attempt(headerKey);
        if (opened !== undefined) break;
      }
    }
    if (opened === undefined) throw new RatchetError('HEADER', 'no key opens the header');
    return { type: 'opened', message: opened };
  } catch (e) {
    return asFailure(e);
  }
}

function tryOpen(state: RatchetState, headerKey: Uint8Array, { header }: EncryptedMessage): Uint8Array | undefined {
  try {
    return aeadDecryptPadded(headerKey, header.iv, state.associatedData, header.body, header.tag);
  } catch (e) {
    if (e instanceof CryptoError) return undefined;
    throw e;
  }
}

/** The second half of {@link decrypt}. `skippedKey`: the stored key of the opened message, if there is one. */
export function decryptOpened(
  state: RatchetState,
  opened: OpenedMessage,
  skippedKey: BodyKey | undefined,
  keys: RatchetKeys,
): DecryptResult {
  try {
    if (skippedKey !== undefined) {
      const skipped = { added: [], removed: { headerKey: opened.headerKey, number: opened.header.ns } };
      return bodyResult(state, skipped, openBody(state, opened.message, skippedKey));
    }
    return decryptOnChain(state, opened, keys);
  } catch (e) {
    return asFailure(e);
  }
}

function bodyResult(
  state: RatchetState,
  skipped: SkippedDiff,
  body: Uint8Array | RatchetError,
): Extract<DecryptResult, { type: 'decrypted' | 'bodyError' }> {
  if (body instanceof RatchetError) return { type: 'bodyError', error: body, state, skipped };
  return { type: 'decrypted', plaintext: body, state, skipped };
}

function decryptOnChain(
  before: RatchetState,
  { header, headerKey, message }: OpenedMessage,
  keys: RatchetKeys,
): DecryptResult {
  const added: SkippedKey[] = [];
  let state = before;
  if (header.maxVersion > state.version) {
    state = { ...state, version: Math.max(state.version, Math.min(header.maxVersion, state.maxVersion)) };
  }
  const current = state.rcv !== undefined && equalBytes(state.rcv.headerKey, headerKey);
  if (!current) {
    if (!equalBytes(state.nextRcvHeaderKey, headerKey)) {
      throw new RatchetError('HEADER', 'a message of an old chain without its key');
    }
    const skipped = skip(state, header.pn, added);
    if (skipped instanceof RatchetError) throw skipped;
    const stepped = ratchetStep(skipped, header, keys);
    if (stepped === undefined) return { type: 'needsKemKeyPair' };
    state = stepped;
  }
  const skipped = skip(state, header.ns, added);
  if (skipped instanceof RatchetError) return { type: 'bodyError', error: skipped, state, skipped: { added } };
  const { rcv } = skipped;
  if (rcv === undefined) throw new RatchetError('STATE', 'no receiving chain');
  const chain = chainKdf(rcv.chainKey);
  // The chain advances also when the body is damaged.
  const after: RatchetState = { ...skipped, rcv: { ...rcv, chainKey: chain.chainKey }, nr: skipped.nr + 1 };
  return bodyResult(after, { added }, openBody(skipped, message, { key: chain.key, iv: chain.bodyIv }));
}

function openBody(state: RatchetState, message: EncryptedMessage, { key, iv }: BodyKey): Uint8Array | RatchetError {
  const ad = concat(state.associatedData, message.headerBytes);
  try {
    return unpad(aeadDecrypt(key, iv, ad, message.body, message.tag));
  } catch (cause) {
    if (!(cause instanceof CryptoError)) throw cause;
    if (cause.code === 'CRYPTO_AES') return new RatchetError('DECRYPT_AES', 'the body does not open', { cause });
    return new RatchetError('PADDING', 'the body has no valid padding', { cause });
  }
}

/** Moves the receiving chain to message `until`, keeping the keys of those between. */
function skip(state: RatchetState, until: number, added: SkippedKey[]): RatchetState | RatchetError {
  const { rcv } = state;
  if (rcv === undefined) return state;
  let { nr } = state;
  if (nr > until + 1) {
    const count = nr - until - 1;
    return new RatchetError('EARLIER', `${count} before the last message`, { count });
  }
  if (nr === until + 1) return new RatchetError('DUPLICATE', 'decrypted before');
  if (nr + maxSkipped < until) {
    const count = until + 1 - nr;
    return new RatchetError('SKIPPED', `${count} messages ahead`, { count });
  }
  if (nr === until) return state;
  let { chainKey } = rcv;
  while (nr < until) {
    const chain = chainKdf(chainKey);
    added.push({ headerKey: rcv.headerKey, number: nr, key: chain.key, iv: chain.bodyIv });
    chainKey = chain.chainKey;
    nr++;
  }
  return { ...state, rcv: { ...rcv, chainKey }, nr };
}

/** The peer's new key came: both chains are made anew. Undefined: no KEM key pair was ready. */
function ratchetStep(state: RatchetState, header: RatchetHeader, keys: RatchetKeys): RatchetState | undefined {
  const withKem = state.version >= pqE2EVersion;
  const step = kemStep(header.kem, state.kem, withKem && state.enableKem, keys);
  if (step === undefined) return undefined;
  const ratchetKey = keys.ratchetKeyPair();
  const peerKey = header.ratchetKey;
  const rcvRoot = rootKdf(state.rootKey, dh(peerKey, state.ratchetKey.privateKey), step.rcvSecret);
  const sndRoot = rootKdf(rcvRoot.rootKey, dh(peerKey, ratchetKey.privateKey), step.sndSecret);
  const enableKem = step.kem !== undefined || step.rcvSecret !== undefined || step.sndSecret !== undefined;
  const { kem: _, ...rest } = state;
  return {
    ...rest,
    ratchetKey,
    ...(step.kem === undefined ? {} : { kem: step.kem }),
    enableKem,
    supportKem: state.supportKem || (withKem && enableKem),
    sndKem: step.sndSecret !== undefined,
    rcvKem: step.rcvSecret !== undefined,
    rootKey: sndRoot.rootKey,
    snd: { peerKey, chainKey: sndRoot.chainKey, headerKey: state.nextSndHeaderKey },
    rcv: { chainKey: rcvRoot.chainKey, headerKey: state.nextRcvHeaderKey },
    pn: state.ns,
    ns: 0,
    nr: 0,
    nextSndHeaderKey: sndRoot.nextHeaderKey,
    nextRcvHeaderKey: rcvRoot.nextHeaderKey,
  };
}
