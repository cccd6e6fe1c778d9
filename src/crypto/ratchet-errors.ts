import { FanionError } from '../core/index.js';

/**
 * Why the ratchet refused, with the names of the official implementation where it has them
 * (10-crypto-and-ratchet.md, section 5.9):
 *
 * - `HEADER`: no known header key opens the header (`CERatchetHeader`)
 * - `DECRYPT_AES`: the body does not open (`AESDecryptError`)
 * - `EARLIER`: `count` messages before the expected one, its key is gone (`CERatchetEarlierMessage n`)
 * - `DUPLICATE`: the message decrypted last (`CERatchetDuplicateMessage`)
 * - `SKIPPED`: more than 512 messages would be skipped; `count` as upstream counts (`CERatchetTooManySkipped n`)
 * - `STATE`: no sending chain yet (`CERatchetState`)
 * - `KEM_STATE`: KEM accepted without a proposal (`CERatchetKEMState`)
 * - `PARSE`: the message or its header is not one (`CryptoHeaderError`)
 * - `PADDING`: the body opens and is not padded text (`CryptoInvalidMsgError`)
 * - `LARGE`: the plaintext does not fit the padded length (`CryptoLargeMsgError`)
 * - `KEY`: the peer's key gives no shared secret (a low-order point)
 */
export type RatchetErrorReason =
  | 'HEADER'
  | 'DECRYPT_AES'
  | 'EARLIER'
  | 'DUPLICATE'
  | 'SKIPPED'
  | 'STATE'
  | 'KEM_STATE'
  | 'PARSE'
  | 'PADDING'
  | 'LARGE'
  | 'KEY';

/** A typed refusal of the ratchet or the key agreement; `code` is `RATCHET_` and the reason. */
export class RatchetError extends FanionError {
  readonly reason: RatchetErrorReason;
  /** Of `EARLIER` and `SKIPPED`; otherwise 0. */
  readonly count: number;

  constructor(reason: RatchetErrorReason, message: string, options: { count?: number; cause?: unknown } = {}) {
    const count = options.count ?? 0;
    super(`RATCHET_${reason}`, message, { cause: options.cause, details: { count } });
    this.reason = reason;
    this.count = count;
  }
}
