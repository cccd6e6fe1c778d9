import { FanionError, type RandomSource } from '../core/index.js';
import type { KemPrivate } from './kem-params.js';
import type { KeyPair } from './keys.js';
import type { RatchetState } from './ratchet-state.js';
import type { Kem, KemKeyPair } from './sntrup761.js';
import type { E2EParams } from './x3dh-params.js';

/** Our private side of the e2e parameters of one connection; stored until the ratchet exists. */
export interface E2EKeys {
  readonly key1: KeyPair<'x448'>;
  readonly key2: KeyPair<'x448'>;
  readonly kem?: KemPrivate;
}

/**
 * Keys of the party that creates an invitation, or that starts a re-synchronisation.
 * `kemKeyPair` is given when the KEM is to be proposed in the parameters (see section 4.4 for when).
 */
export function generateE2EKeys(random: RandomSource, kemKeyPair?: KemKeyPair): E2EKeys {
  throw new FanionError('INTERNAL', `being written ${random} ${kemKeyPair}`);
}

/**
 * Keys of the party that joins: accepts the KEM key of `offer` when there is one, otherwise proposes its own.
 * `kemKeyPair` is given when PQ is wanted; it is not used when the agreed `offer.version` is below 3.
 */
export function generateJoiningE2EKeys(
  random: RandomSource,
  offer: E2EParams,
  pq?: { readonly kem: Kem; readonly keyPair: KemKeyPair },
): E2EKeys {
  throw new FanionError('INTERNAL', `being written ${random} ${offer} ${pq}`);
}

/** The public parameters of `keys`: what is sent. `version` below 3 leaves the KEM out. */
export function e2eParamsOf(keys: E2EKeys, version: number): E2EParams {
  throw new FanionError('INTERNAL', `being written ${keys} ${version}`);
}

/**
 * The ratchet of the party that joins ("Snd", sections 4.4 and 5.2): it can send at once. `offer` are the
 * initiator's parameters at the agreed version; `ratchetKey` a fresh X448 pair.
 * @throws RatchetError `KEM_STATE`, `KEY`.
 */
export function initSndRatchet(keys: E2EKeys, offer: E2EParams, ratchetKey: KeyPair<'x448'>): RatchetState {
  throw new FanionError('INTERNAL', `being written ${keys} ${offer} ${ratchetKey}`);
}

/**
 * The ratchet of the initiator ("Rcv") when the joiner's parameters came: it sends after the first message it
 * decrypted. `pqSupport` is the connection's.
 * @throws RatchetError `KEM_STATE`, `KEY`.
 */
export function initRcvRatchet(keys: E2EKeys, joiner: E2EParams, pqSupport: boolean, kem: Kem): RatchetState {
  throw new FanionError('INTERNAL', `being written ${keys} ${joiner} ${pqSupport} ${kem}`);
}

/** SHA-256 of both raw public keys (section 5.11): finds repeated re-synchronisation keys and decides the roles. */
export function ratchetKeyHash(keys: {
  readonly key1: KeyPair<'x448'>['publicKey'];
  readonly key2: KeyPair<'x448'>['publicKey'];
}): Uint8Array {
  throw new FanionError('INTERNAL', `being written ${keys}`);
}

/** The security code that two people compare (section 4.6): decimal groups of five digits. */
export function verificationCode(state: Pick<RatchetState, 'associatedData'>): string {
  throw new FanionError('INTERNAL', `being written ${state}`);
}

/** The stored form of {@link E2EKeys}. */
export function encodeE2EKeys(keys: E2EKeys): Uint8Array {
  throw new FanionError('INTERNAL', `being written ${keys}`);
}

export function decodeE2EKeys(bytes: Uint8Array): E2EKeys {
  throw new FanionError('INTERNAL', `being written ${bytes}`);
}
