import { FanionError } from '../core/index.js';
import type { MessageKey, RatchetState } from './ratchet-state.js';

export interface HeaderOptions {
  /** `true`/`false` switches the KEM from the next ratchet step on; undefined keeps the setting. */
  readonly pqEnc?: boolean | undefined;
}

/**
 * Takes the next message number of the sending chain (10-crypto-and-ratchet.md, section 5.5): first half of
 * encryption, done when a message is queued. Store `state` and `messageKey` in one transaction.
 * `state.sndKem` tells whether the message is PQ encrypted.
 * @throws RatchetError `STATE` when there is no sending chain yet.
 */
export function encryptHeader(
  state: RatchetState,
  options: HeaderOptions = {},
): { state: RatchetState; messageKey: MessageKey } {
  throw new FanionError('INTERNAL', `being written ${state.version} ${options.pqEnc}`);
}

/**
 * Second half of encryption, done at each delivery attempt: deterministic, so plaintext and `paddedLength`
 * (bytes, see {@link ratchetPaddedLength}) must not change between attempts.
 * @throws RatchetError `LARGE` when `plaintext` is longer than `paddedLength - 2`.
 */
export function encryptBody(messageKey: MessageKey, plaintext: Uint8Array, paddedLength: number): Uint8Array {
  throw new FanionError('INTERNAL', `being written ${messageKey.version} ${plaintext.length} ${paddedLength}`);
}

/**
 * Padded length in bytes of a ratchet body (10-crypto-and-ratchet.md, section 5.4): by the connection's PQ support
 * (`pqSupport` and agent version >= 5), not by the ratchet. The plaintext may have 2 bytes less.
 */
export function ratchetPaddedLength(content: 'connInfo' | 'message', pqSupport: boolean): number {
  if (content === 'connInfo') return pqSupport ? 11106 : 14832;
  return pqSupport ? 13618 : 15840;
}
