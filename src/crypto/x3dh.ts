import { type RandomSource, systemRandom } from '../core/index.js';
import { concat, decodeWhole, hex, Writer } from '../wire/index.js';
import { sha256 } from './hash.js';
import { type KemPrivate, kemParamsOf } from './kem-params.js';
import { dh, generateKeyPair, type KeyPair, type PublicKey } from './keys.js';
import { readX448Pair, writeX448Pair } from './ratchet-codec.js';
import { RatchetError } from './ratchet-errors.js';
import { rootKdf, type X3dhKeys, x3dhKdf } from './ratchet-kdf.js';
import { e2eVersions, pqE2EVersion, type RatchetKem, type RatchetState } from './ratchet-state.js';
import { type Kem, type KemKeyPair, kemKeyPairOf, kemSizes } from './sntrup761.js';
import type { E2EParams, E2EParamsUri } from './x3dh-params.js';

/** Our private side of the e2e parameters of one connection; stored until the ratchet exists. */
export interface E2EKeys {
  readonly key1: KeyPair<'x448'>;
  readonly key2: KeyPair<'x448'>;
  readonly kem?: KemPrivate;
}

/** What the key agreement gives to both parties; `kem` is what the ratchet starts with. */
export interface X3dhResult extends X3dhKeys {
  readonly associatedData: Uint8Array;
  readonly kem?: RatchetKem;
}

/** Where {@link generateJoiningE2EKeys} takes the KEM from when PQ is wanted. */
export interface JoiningKem {
  readonly kem: Kem;
  readonly keyPair: KemKeyPair;
}

/**
 * Keys of the party that creates an invitation, or that starts a re-synchronisation.
 * `kemKeyPair` is given when the KEM is to be proposed in the parameters (see section 4.4 for when).
 */
export function generateE2EKeys(random: RandomSource = systemRandom, kemKeyPair?: KemKeyPair): E2EKeys {
  const key1 = generateKeyPair('x448', random);
  const key2 = generateKeyPair('x448', random);
  return { key1, key2, ...(kemKeyPair === undefined ? {} : { kem: { type: 'proposed', keyPair: kemKeyPair } }) };
}

/**
 * Keys of the party that joins: accepts the KEM key of `offer` when there is one, otherwise proposes its own.
 * `pq` is given when PQ is wanted; it is not used when the agreed `offer.version` is below 3.
 * @throws RatchetError `KEM_STATE` when the offer accepts what nobody proposed.
 */
export function generateJoiningE2EKeys(random: RandomSource, offer: E2EParams, pq?: JoiningKem): E2EKeys {
  const keys = generateE2EKeys(random);
  if (pq === undefined || offer.version < pqE2EVersion) return keys;
  if (offer.kem === undefined) return { ...keys, kem: { type: 'proposed', keyPair: pq.keyPair } };
  if (offer.kem.type === 'accepted') throw new RatchetError('KEM_STATE', 'an invitation cannot accept the KEM');
  const { ciphertext, sharedSecret } = pq.kem.encapsulate(offer.kem.publicKey);
  return { ...keys, kem: { type: 'accepted', keyPair: pq.keyPair, ciphertext, sharedSecret } };
}

/** The public parameters of `keys`: what is sent. `version` below 3 leaves the KEM out. */
export function e2eParamsOf(keys: E2EKeys, version: number = e2eVersions.max): E2EParams {
  return { version, ...publicKeys(keys, version) };
}

/** The public parameters of `keys` as in an invitation. */
export function e2eParamsUriOf(keys: E2EKeys): E2EParamsUri {
  return { versions: e2eVersions, ...publicKeys(keys, e2eVersions.max) };
}

function publicKeys(keys: E2EKeys, version: number): Omit<E2EParams, 'version'> {
  const kem = keys.kem === undefined || version < pqE2EVersion ? undefined : kemParamsOf(keys.kem);
  return { key1: keys.key1.publicKey, key2: keys.key2.publicKey, ...(kem === undefined ? {} : { kem }) };
}

/**
 * The joiner's side of the key agreement (section 4.4).
 * @throws RatchetError `KEM_STATE`; CryptoError on keys that agree on no secret.
 */
export function x3dhSnd(keys: E2EKeys, offer: E2EParams): X3dhResult {
  const secrets = [
    dh(offer.key1, keys.key2.privateKey),
    dh(offer.key2, keys.key1.privateKey),
    dh(offer.key2, keys.key2.privateKey),
  ];
  const kem = offer.version >= pqE2EVersion ? sndKem(keys.kem, offer) : undefined;
  return x3dhResult(secrets, keys.key1.publicKey, offer.key1, kem);
}

/** The initiator's side. @throws as {@link x3dhSnd}. */
export function x3dhRcv(keys: E2EKeys, joiner: E2EParams, kem: Kem): X3dhResult {
  const secrets = [
    dh(joiner.key2, keys.key1.privateKey),
    dh(joiner.key1, keys.key2.privateKey),
    dh(joiner.key2, keys.key2.privateKey),
  ];
  const agreed = joiner.version >= pqE2EVersion ? rcvKem(keys.kem, joiner, kem) : undefined;
  return x3dhResult(secrets, joiner.key1, keys.key1.publicKey, agreed);
}

function x3dhResult(
  secrets: Uint8Array[],
  sndKey1: PublicKey<'x448'>,
  rcvKey1: PublicKey<'x448'>,
  kem: RatchetKem | undefined,
): X3dhResult {
  if (kem?.accepted !== undefined) secrets.push(kem.accepted.sharedSecret);
  return {
    ...x3dhKdf(concat(...secrets)),
    // The joiner's key comes first at both parties.
    associatedData: concat(sndKey1.raw, rcvKey1.raw),
    ...(kem === undefined ? {} : { kem }),
  };
}

function sndKem(own: KemPrivate | undefined, offer: E2EParams): RatchetKem | undefined {
  if (offer.kem?.type === 'accepted') throw new RatchetError('KEM_STATE', 'an invitation cannot accept the KEM');
  if (own?.type !== 'accepted') return own === undefined ? undefined : { keyPair: own.keyPair };
  if (offer.kem === undefined) throw new RatchetError('KEM_STATE', 'KEM accepted without a proposal');
  const { keyPair, sharedSecret, ciphertext } = own;
  return { keyPair, accepted: { peerKey: offer.kem.publicKey, sharedSecret, ciphertext } };
}

/** A proposed pair that the joiner did not accept is dropped: the joiner's first header starts the KEM again. */
function rcvKem(own: KemPrivate | undefined, joiner: E2EParams, kem: Kem): RatchetKem | undefined {
  if (own?.type === 'accepted') throw new RatchetError('KEM_STATE', 'an invitation cannot accept the KEM');
  if (joiner.kem?.type !== 'accepted') return undefined;
  if (own === undefined) throw new RatchetError('KEM_STATE', 'KEM accepted without a proposal');
  const { ciphertext, publicKey } = joiner.kem;
  const sharedSecret = kem.decapsulate(ciphertext, own.keyPair.secretKey);
  return { keyPair: own.keyPair, accepted: { peerKey: publicKey, sharedSecret, ciphertext } };
}

/**
 * The ratchet of the party that joins ("Snd", sections 4.4 and 5.2): it can send at once. `offer` are the
 * initiator's parameters at the agreed version; `ratchetKey` a fresh X448 pair.
 * @throws RatchetError `KEM_STATE`; CryptoError `CRYPTO_BAD_KEY` on keys that agree on no secret.
 */
export function initSndRatchet(keys: E2EKeys, offer: E2EParams, ratchetKey: KeyPair<'x448'>): RatchetState {
  const { headerKey, nextHeaderKey, rootKey, associatedData, kem } = x3dhSnd(keys, offer);
  const root = rootKdf(rootKey, dh(offer.key2, ratchetKey.privateKey), kem?.accepted?.sharedSecret);
  return {
    version: offer.version,
    maxVersion: e2eVersions.max,
    associatedData,
    ratchetKey,
    ...(kem === undefined ? {} : { kem }),
    supportKem: kem !== undefined,
    enableKem: kem !== undefined,
    sndKem: kem?.accepted !== undefined,
    rcvKem: false,
    rootKey: root.rootKey,
    snd: { peerKey: offer.key2, chainKey: root.chainKey, headerKey },
    ns: 0,
    nr: 0,
    pn: 0,
    nextSndHeaderKey: root.nextHeaderKey,
    nextRcvHeaderKey: nextHeaderKey,
  };
}

/**
 * The ratchet of the initiator ("Rcv") when the joiner's parameters came: it sends after the first message it
 * decrypted. `pqSupport` is the connection's. Check before that `joiner.version` is in our range (`A_VERSION`).
 * @throws as {@link initSndRatchet}.
 */
export function initRcvRatchet(keys: E2EKeys, joiner: E2EParams, pqSupport: boolean, kem: Kem): RatchetState {
  const agreed = x3dhRcv(keys, joiner, kem);
  return {
    version: joiner.version,
    maxVersion: e2eVersions.max,
    associatedData: agreed.associatedData,
    ratchetKey: keys.key2,
    ...(agreed.kem === undefined ? {} : { kem: agreed.kem }),
    supportKem: pqSupport,
    enableKem: pqSupport,
    sndKem: false,
    rcvKem: false,
    rootKey: agreed.rootKey,
    ns: 0,
    nr: 0,
    pn: 0,
    nextSndHeaderKey: agreed.nextHeaderKey,
    nextRcvHeaderKey: agreed.headerKey,
  };
}

/**
 * SHA-256 of both raw public keys (section 5.11), 32 bytes: finds repeated re-synchronisation keys and decides the
 * roles: the party with the lower hash (`<=`, unsigned bytes) is Rcv.
 */
export function ratchetKeyHash(params: Pick<E2EParams, 'key1' | 'key2'>): Uint8Array {
  return sha256(params.key1.raw, params.key2.raw);
}

/** The security code that two people compare (section 4.6): decimal groups of five digits. */
export function verificationCode(associatedData: Uint8Array): string {
  const decimal = BigInt(`0x${hex(sha256(associatedData))}`).toString();
  return (decimal.match(/\d{1,5}/g) ?? []).join(' ');
}

const keysFormat = 1;
const kemKind = { none: 0, proposed: 1, accepted: 2 } as const;

/** The stored form of {@link E2EKeys}. */
export function encodeE2EKeys(keys: E2EKeys): Uint8Array {
  const w = new Writer(3200).u8(keysFormat);
  writeX448Pair(w, keys.key1);
  writeX448Pair(w, keys.key2);
  const { kem } = keys;
  w.u8(kem === undefined ? kemKind.none : kemKind[kem.type]);
  if (kem !== undefined) w.raw(kem.keyPair.secretKey);
  if (kem?.type === 'accepted') w.raw(kem.ciphertext).raw(kem.sharedSecret);
  return w.bytes();
}

/** @throws DecodeError */
export function decodeE2EKeys(bytes: Uint8Array): E2EKeys {
  return decodeWhole(bytes, 'e2eKeys', (r) => {
    const format = r.u8('e2eKeys.format');
    if (format !== keysFormat) throw r.error('e2eKeys.format', `${format} is unknown`);
    const key1 = readX448Pair(r, 'e2eKeys.key1');
    const key2 = readX448Pair(r, 'e2eKeys.key2');
    const kind = r.u8('e2eKeys.kem');
    if (kind === kemKind.none) return { key1, key2 };
    if (kind !== kemKind.proposed && kind !== kemKind.accepted) throw r.error('e2eKeys.kem', `${kind} is unknown`);
    const keyPair = kemKeyPairOf(r.fixed(kemSizes.secretKey, 'e2eKeys.kem.secretKey'));
    if (kind === kemKind.proposed) return { key1, key2, kem: { type: 'proposed', keyPair } };
    const ciphertext = r.fixed(kemSizes.ciphertext, 'e2eKeys.kem.ciphertext');
    const sharedSecret = r.fixed(kemSizes.sharedSecret, 'e2eKeys.kem.sharedSecret');
    return { key1, key2, kem: { type: 'accepted', keyPair, ciphertext, sharedSecret } };
  });
}
