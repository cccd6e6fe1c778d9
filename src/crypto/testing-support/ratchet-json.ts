import { base64url, decodeBase64url, hex } from '../../wire/index.js';
import {
  decodePrivateKey,
  decodePublicKey,
  encodePrivateKey,
  encodePublicKey,
  publicKeyOf,
  type RatchetError,
  type RatchetKeys,
  type RatchetState,
} from '../index.js';
import type { RatchetKem, SkippedKey } from '../ratchet-state.js';

/** The official JSON form of a ratchet, as in the vectors. */
export interface RatchetJson {
  readonly rcVersion: readonly [number, number];
  readonly rcAD: string;
  readonly rcDHRs: string;
  readonly rcKEM?: RatchetKemJson | null;
  readonly rcSupportKEM: boolean;
  readonly rcEnableKEM: boolean;
  readonly rcSndKEM: boolean;
  readonly rcRcvKEM: boolean;
  readonly rcRK: string;
  readonly rcSnd?: { readonly rcDHRr: string; readonly rcCKs: string; readonly rcHKs: string } | null;
  readonly rcRcv?: { readonly rcCKr: string; readonly rcHKr: string } | null;
  readonly rcNs: number;
  readonly rcNr: number;
  readonly rcPN: number;
  readonly rcNHKs: string;
  readonly rcNHKr: string;
}

export interface RatchetKemJson {
  readonly rcPQRs: readonly [string, string];
  readonly rcKEMs?: { readonly rcPQRr: string; readonly rcPQRss: string; readonly rcPQRct: string } | null;
}

export interface SkippedJson {
  readonly headerKey: string;
  readonly msgNs: number;
  readonly key: string;
  readonly iv: string;
}

const unhex = (s: string): Uint8Array => Buffer.from(s, 'hex');

export function kemFromJson(json: RatchetKemJson): RatchetKem {
  const [publicKey, secretKey] = json.rcPQRs;
  const keyPair = { publicKey: decodeBase64url(publicKey), secretKey: decodeBase64url(secretKey) };
  if (!json.rcKEMs) return { keyPair };
  const { rcPQRr, rcPQRss, rcPQRct } = json.rcKEMs;
  return {
    keyPair,
    accepted: {
      peerKey: decodeBase64url(rcPQRr),
      sharedSecret: decodeBase64url(rcPQRss),
      ciphertext: decodeBase64url(rcPQRct),
    },
  };
}

function kemToJson({ keyPair, accepted }: RatchetKem): RatchetKemJson {
  const rcPQRs = [base64url(keyPair.publicKey), base64url(keyPair.secretKey)] as const;
  if (accepted === undefined) return { rcPQRs };
  return {
    rcPQRs,
    rcKEMs: {
      rcPQRr: base64url(accepted.peerKey),
      rcPQRss: base64url(accepted.sharedSecret),
      rcPQRct: base64url(accepted.ciphertext),
    },
  };
}

export function ratchetFromJson(json: RatchetJson): RatchetState {
  // The official JSON has the private key in base64 twice.
  const der = decodeBase64url(Buffer.from(decodeBase64url(json.rcDHRs)).toString('latin1'));
  const privateKey = decodePrivateKey(der, 'rcDHRs', ['x448']);
  const { rcSnd, rcRcv, rcKEM } = json;
  return {
    version: json.rcVersion[0],
    maxVersion: json.rcVersion[1],
    associatedData: decodeBase64url(json.rcAD),
    ratchetKey: { privateKey, publicKey: publicKeyOf(privateKey) },
    ...(rcKEM ? { kem: kemFromJson(rcKEM) } : {}),
    supportKem: json.rcSupportKEM,
    enableKem: json.rcEnableKEM,
    sndKem: json.rcSndKEM,
    rcvKem: json.rcRcvKEM,
    rootKey: decodeBase64url(json.rcRK),
    ...(rcSnd
      ? {
          snd: {
            peerKey: decodePublicKey(decodeBase64url(rcSnd.rcDHRr), 'rcDHRr', ['x448']),
            chainKey: decodeBase64url(rcSnd.rcCKs),
            headerKey: decodeBase64url(rcSnd.rcHKs),
          },
        }
      : {}),
    ...(rcRcv ? { rcv: { chainKey: decodeBase64url(rcRcv.rcCKr), headerKey: decodeBase64url(rcRcv.rcHKr) } } : {}),
    ns: json.rcNs,
    nr: json.rcNr,
    pn: json.rcPN,
    nextSndHeaderKey: decodeBase64url(json.rcNHKs),
    nextRcvHeaderKey: decodeBase64url(json.rcNHKr),
  };
}

export function ratchetToJson(s: RatchetState): RatchetJson {
  const der = base64url(encodePrivateKey(s.ratchetKey.privateKey));
  return {
    rcVersion: [s.version, s.maxVersion],
    rcAD: base64url(s.associatedData),
    rcDHRs: base64url(Buffer.from(der, 'latin1')),
    ...(s.kem === undefined ? {} : { rcKEM: kemToJson(s.kem) }),
    rcSupportKEM: s.supportKem,
    rcEnableKEM: s.enableKem,
    rcSndKEM: s.sndKem,
    rcRcvKEM: s.rcvKem,
    rcRK: base64url(s.rootKey),
    ...(s.snd === undefined
      ? {}
      : {
          rcSnd: {
            rcDHRr: base64url(encodePublicKey(s.snd.peerKey)),
            rcCKs: base64url(s.snd.chainKey),
            rcHKs: base64url(s.snd.headerKey),
          },
        }),
    ...(s.rcv === undefined ? {} : { rcRcv: { rcCKr: base64url(s.rcv.chainKey), rcHKr: base64url(s.rcv.headerKey) } }),
    rcNs: s.ns,
    rcNr: s.nr,
    rcPN: s.pn,
    rcNHKs: base64url(s.nextSndHeaderKey),
    rcNHKr: base64url(s.nextRcvHeaderKey),
  };
}

/** The JSON without fields that are null: they mean the same as absent ones. */
export function withoutNulls(json: RatchetJson): unknown {
  return JSON.parse(JSON.stringify(json, (_, value: unknown) => value ?? undefined));
}

/**
 * A source of what a recorded ratchet step drew: found in the state after it. Decapsulation and the KEM's secret of
 * the receiving chain are computed.
 */
export function keysOfStateAfter(after: RatchetState, kem: RatchetKeys['kem']): RatchetKeys {
  return {
    kem: {
      decapsulate: (ciphertext, secretKey) => kem.decapsulate(ciphertext, secretKey),
      encapsulate: (publicKey) => {
        const made = after.kem?.accepted;
        if (made === undefined || hex(made.peerKey) !== hex(publicKey))
          throw new Error('no encapsulation was recorded');
        return made;
      },
    },
    ratchetKeyPair: () => after.ratchetKey,
    kemKeyPair: () => {
      if (after.kem === undefined) throw new Error('no KEM key pair was recorded');
      return after.kem.keyPair;
    },
  };
}

export function skippedFromJson(rows: readonly SkippedJson[]): SkippedKey[] {
  return rows.map((row) => ({
    headerKey: unhex(row.headerKey),
    number: row.msgNs,
    key: unhex(row.key),
    iv: unhex(row.iv),
  }));
}

export function skippedToJson(rows: readonly SkippedKey[]): SkippedJson[] {
  return rows
    .map((row) => ({ headerKey: hex(row.headerKey), msgNs: row.number, key: hex(row.key), iv: hex(row.iv) }))
    .sort((a, b) => (a.headerKey === b.headerKey ? a.msgNs - b.msgNs : a.headerKey < b.headerKey ? -1 : 1));
}

/** The official name of an error, as in the vectors. */
export function officialName({ reason, count }: RatchetError): string {
  switch (reason) {
    case 'HEADER':
      return 'CERatchetHeader';
    case 'DECRYPT_AES':
      return 'AESDecryptError';
    case 'EARLIER':
      return `CERatchetEarlierMessage ${count}`;
    case 'DUPLICATE':
      return 'CERatchetDuplicateMessage';
    case 'SKIPPED':
      return `CERatchetTooManySkipped ${count}`;
    case 'STATE':
      return 'CERatchetState';
    case 'KEM_STATE':
      return 'CERatchetKEMState';
    case 'PARSE':
      return 'CryptoHeaderError';
    case 'PADDING':
      return 'CryptoInvalidMsgError';
    case 'LARGE':
      return 'CryptoLargeMsgError';
    case 'KEY':
      return 'no official name';
  }
}
