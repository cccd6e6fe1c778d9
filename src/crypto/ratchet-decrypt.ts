import { FanionError } from '../core/index.js';
import type { RatchetError } from './ratchet-errors.js';
import type { RatchetKeys, RatchetState, SkippedDiff, SkippedKeys } from './ratchet-state.js';

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
  throw new FanionError('INTERNAL', `being written ${state.version} ${skipped} ${message.length} ${keys}`);
}
