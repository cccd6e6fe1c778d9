import { FanionError, type FanionErrorOptions } from '../core/index.js';

/**
 * What can go wrong in cryptography:
 *
 * - `CRYPTO_DECRYPT`: a box or stream is too short, damaged, or made with another key;
 * - `CRYPTO_AES`: the same for AES-256-GCM;
 * - `CRYPTO_LARGE_MSG`: the message does not fit its padded length;
 * - `CRYPTO_PADDING`: decrypted bytes are not a padded message;
 * - `CRYPTO_BAD_KEY`: a key, nonce or shared secret of the wrong size, or a public key of small order;
 * - `CRYPTO_CERTIFICATE`: a certificate chain that cannot be trusted;
 * - `CRYPTO_COMPRESSION`: compressed bytes that are damaged or larger than allowed;
 * - `CRYPTO_LINK`: short link data that does not belong to its link;
 * - `CRYPTO_FILE`: an encrypted file of an impossible size or content.
 */
export type CryptoErrorCode =
  | 'CRYPTO_DECRYPT'
  | 'CRYPTO_AES'
  | 'CRYPTO_LARGE_MSG'
  | 'CRYPTO_PADDING'
  | 'CRYPTO_BAD_KEY'
  | 'CRYPTO_CERTIFICATE'
  | 'CRYPTO_COMPRESSION'
  | 'CRYPTO_LINK'
  | 'CRYPTO_FILE';

/** An error of this room. Messages never hold keys or plaintext. */
export class CryptoError extends FanionError {
  declare readonly code: CryptoErrorCode;

  constructor(code: CryptoErrorCode, message: string, options: FanionErrorOptions = {}) {
    super(code, message, options);
  }
}
