import { concat } from '../wire/index.js';
import { aeadEncryptPadded } from './aead.js';
import { CryptoError } from './errors.js';
import type { KemParams } from './kem-params.js';
import { RatchetError } from './ratchet-errors.js';
import { chainKdf } from './ratchet-kdf.js';
import { encodeEncryptedHeader, encodeHeader, encodeMessage, headerPaddedLength } from './ratchet-message.js';
import { e2eVersions, type MessageKey, pqE2EVersion, type RatchetKem, type RatchetState } from './ratchet-state.js';

/** What one message may change in the state of its ratchet. */
export interface HeaderOptions {
  /** `true`/`false` switches the KEM from the next ratchet step on; undefined keeps the setting. */
  readonly pqEnc?: boolean | undefined;
  /** Our highest e2e version. */
  readonly maxVersion?: number;
}

/**
 * Takes the next message number of the sending chain (10-crypto-and-ratchet.md, section 5.5): first half of
 * encryption, done when a message is queued. Store `state` and `messageKey` in one transaction.
 * `state.sndKem` tells whether the message is PQ encrypted. Never pass `pqEnc = true` before the connection's PQ
 * support is on (and its agent version at least 5): the header grows and the larger body would not fit.
 * @throws RatchetError `STATE` when there is no sending chain yet.
 */
export function encryptHeader(
  state: RatchetState,
  options: HeaderOptions = {},
): { state: RatchetState; messageKey: MessageKey } {
  const { snd, version, kem } = state;
  if (snd === undefined) throw new RatchetError('STATE', 'no sending chain before the first received message');
  const { pqEnc } = options;
  const chain = chainKdf(snd.chainKey);
  const enableKem = pqEnc ?? state.enableKem;
  const supportKem = state.supportKem || (version >= pqE2EVersion && enableKem);
  const maxVersion = Math.max(options.maxVersion ?? e2eVersions.max, pqEnc === true ? pqE2EVersion : version);
  // The header tells of the KEM as it was before pqEnc: its secret is in this chain already.
  const params = kem === undefined ? undefined : headerKem(kem);
  const header = encodeHeader(
    {
      maxVersion,
      ratchetKey: state.ratchetKey.publicKey,
      ...(params === undefined ? {} : { kem: params }),
      pn: state.pn,
      ns: state.ns,
    },
    version,
  );
  const sealed = aeadEncryptPadded(
    snd.headerKey,
    chain.headerIv,
    state.associatedData,
    header,
    headerPaddedLength(version, supportKem),
  );
  const messageKey: MessageKey = {
    version,
    associatedData: state.associatedData,
    key: chain.key,
    iv: chain.bodyIv,
    header: encodeEncryptedHeader({ version, iv: chain.headerIv, tag: sealed.tag, body: sealed.ciphertext }),
  };
  return {
    messageKey,
    state: {
      ...state,
      snd: { ...snd, chainKey: chain.chainKey },
      ns: state.ns + 1,
      supportKem,
      enableKem,
      maxVersion,
      ...(kem !== undefined && pqEnc === false ? { kem: withdraw(kem) } : {}),
    },
  };
}

function headerKem(kem: RatchetKem): KemParams {
  const publicKey = kem.keyPair.publicKey;
  const acceptance = kem.accepted ?? kem.withdrawn;
  return acceptance === undefined
    ? { type: 'proposed', publicKey }
    : { type: 'accepted', ciphertext: acceptance.ciphertext, publicKey };
}

function withdraw(kem: RatchetKem): RatchetKem {
  const { keyPair, accepted } = kem;
  return accepted === undefined ? kem : { keyPair, withdrawn: accepted };
}

/**
 * Second half of encryption, done at each delivery attempt: deterministic, so plaintext and `paddedLength`
 * (bytes, see {@link ratchetPaddedLength}) must not change between attempts.
 * @throws RatchetError `LARGE` when `plaintext` is longer than `paddedLength - 2`.
 */
export function encryptBody(messageKey: MessageKey, plaintext: Uint8Array, paddedLength: number): Uint8Array {
  const { key, iv, header, version } = messageKey;
  const ad = concat(messageKey.associatedData, header);
  try {
    const { ciphertext, tag } = aeadEncryptPadded(key, iv, ad, plaintext, paddedLength);
    return encodeMessage(version, header, tag, ciphertext);
  } catch (cause) {
    if (!(cause instanceof CryptoError) || cause.code !== 'CRYPTO_LARGE_MSG') throw cause;
    throw new RatchetError('LARGE', `${plaintext.length} bytes do not fit ${paddedLength}`, { cause });
  }
}

/**
 * Padded length in bytes of a ratchet body (10-crypto-and-ratchet.md, section 5.4): by the connection's PQ support
 * (`pqSupport` and agent version >= 5), not by the ratchet. The plaintext may have 2 bytes less.
 */
export function ratchetPaddedLength(content: 'connInfo' | 'message', pqSupport: boolean): number {
  if (content === 'connInfo') return pqSupport ? 11106 : 14832;
  return pqSupport ? 13618 : 15840;
}
