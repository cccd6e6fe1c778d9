import { type RandomSource, systemRandom } from '../core/index.js';
import { concat, decodePrefix, encode, equalBytes } from '../wire/index.js';
import { boxNonceSize, openBoxPadded, sealBoxPadded } from './box.js';
import { CryptoError } from './errors.js';
import { sha3_256, sha3_384 } from './hash.js';
import { hkdf } from './kdf.js';
import type { PrivateKey, PublicKey } from './keys.js';
import { sign, verify } from './sign.js';

/** Padded size of the signed fixed link data; 2,048 bytes with nonce and tag (section 8.3). */
export const fixedLinkDataPadded = 2008;
/** Padded size of the signed user link data; 13,824 bytes with nonce and tag. */
export const userLinkDataPadded = 13784;

const noSalt = new Uint8Array(0);

/** The link id and the key of a contact link, both from its link key (section 8.2). */
export function contactLinkKeys(linkKey: Uint8Array): { readonly linkId: Uint8Array; readonly key: Uint8Array } {
  const out = hkdf(noSalt, linkKey, 'SimpleXContactLink', 56);
  return { linkId: out.subarray(0, 24), key: out.subarray(24) };
}

/** The key of an invitation link. Its link id is random. */
export function invitationLinkKey(linkKey: Uint8Array): Uint8Array {
  return hkdf(noSalt, linkKey, 'SimpleXInvLink', 32);
}

/** The link key, which is the secret in the link: SHA3-256 of the fixed data before signing. */
export function linkKeyOf(fixedData: Uint8Array): Uint8Array {
  return sha3_256(fixedData);
}

/** The sender id of a queue that is created with link data: from the correlation id of the NEW command. 24 bytes. */
export function senderIdForCorrId(corrId: Uint8Array): Uint8Array {
  return sha3_384(corrId).subarray(0, 24);
}

/** `str(signature) ‖ data`. */
export function signLinkData(rootKey: PrivateKey<'ed25519'>, data: Uint8Array): Uint8Array {
  return concat(
    encode((w) => w.str(sign(rootKey, data))),
    data,
  );
}

/** Encrypts signed link data: nonce and box. CRYPTO_LARGE_MSG when the data does not fit. */
export function sealLinkData(
  key: Uint8Array,
  signed: Uint8Array,
  paddedLength: number,
  random: RandomSource = systemRandom,
): Uint8Array {
  const nonce = random.bytes(boxNonceSize);
  return concat(nonce, sealBoxPadded(key, nonce, signed, paddedLength));
}

/** Link data after decryption: what was signed, and the signature, which is not verified yet. */
export interface OpenedLinkData {
  readonly signature: Uint8Array;
  readonly data: Uint8Array;
}

/** Decrypts one of the two parts. CRYPTO_DECRYPT, CRYPTO_PADDING, or a DecodeError when there is no signature. */
export function openLinkData(key: Uint8Array, sealed: Uint8Array): OpenedLinkData {
  if (sealed.length < boxNonceSize) throw new CryptoError('CRYPTO_DECRYPT', 'link data is shorter than its nonce');
  const signed = openBoxPadded(key, sealed.subarray(0, boxNonceSize), sealed.subarray(boxNonceSize));
  return decodePrefix(signed, (r) => ({ signature: r.str('link data signature'), data: r.tail() }));
}

/** Checks that fixed data belongs to the link, before it is parsed. CRYPTO_LINK `link data hash` (section 8.4). */
export function checkLinkDataHash(linkKey: Uint8Array, fixed: OpenedLinkData): void {
  if (!equalBytes(linkKeyOf(fixed.data), linkKey)) throw new CryptoError('CRYPTO_LINK', 'link data hash');
}

/** Checks the root key's signature of fixed data. CRYPTO_LINK `link data signature`. */
export function checkFixedLinkData(rootKey: PublicKey<'ed25519'>, fixed: OpenedLinkData): void {
  if (!verify(rootKey, fixed.signature, fixed.data)) throw new CryptoError('CRYPTO_LINK', 'link data signature');
}

/** Checks that user data is signed by one of the keys (root, and for contact links the owners). `user data signature`. */
export function checkUserLinkData(keys: readonly PublicKey<'ed25519'>[], user: OpenedLinkData): void {
  if (!keys.some((key) => verify(key, user.signature, user.data))) {
    throw new CryptoError('CRYPTO_LINK', 'user data signature');
  }
}
