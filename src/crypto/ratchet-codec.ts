import { decodeWhole, EncodeError, type Reader, Writer } from '../wire/index.js';
import type { KeyPair } from './keys.js';
import type { KemAcceptance, MessageKey, RatchetKem, RatchetState } from './ratchet-state.js';
import { kemKeyPairOf, kemSizes } from './sntrup761.js';

/** First byte of a stored state; a later format gets another. */
const stateFormat = 1;

const flag = { supportKem: 1, enableKem: 2, sndKem: 4, rcvKem: 8, snd: 16, rcv: 32, kem: 64 } as const;

/** How the acceptance of the KEM is stored. */
const acceptance = { none: 0, accepted: 1, withdrawn: 2 } as const;

function flagsOf(s: RatchetState): number {
  return (
    (s.supportKem ? flag.supportKem : 0) |
    (s.enableKem ? flag.enableKem : 0) |
    (s.sndKem ? flag.sndKem : 0) |
    (s.rcvKem ? flag.rcvKem : 0) |
    (s.snd === undefined ? 0 : flag.snd) |
    (s.rcv === undefined ? 0 : flag.rcv) |
    (s.kem === undefined ? 0 : flag.kem)
  );
}

/** The state as bytes for the store: one version byte, then fields of fixed size (about 0.6 kB, 4.6 kB with the KEM). */
export function encodeRatchetState(s: RatchetState): Uint8Array {
  const w = new Writer(s.kem === undefined ? 640 : 4700);
  w.u8(stateFormat).u8(flagsOf(s)).u16(s.version).u16(s.maxVersion);
  sized(w, s.associatedData, 112);
  writeX448Pair(w, s.ratchetKey);
  sized(w, s.rootKey, 32);
  sized(w, s.nextSndHeaderKey, 32);
  sized(w, s.nextRcvHeaderKey, 32);
  w.u32(s.ns).u32(s.nr).u32(s.pn);
  if (s.snd !== undefined) {
    sized(w, s.snd.peerKey.raw, 56);
    sized(w, s.snd.chainKey, 32);
    sized(w, s.snd.headerKey, 32);
  }
  if (s.rcv !== undefined) {
    sized(w, s.rcv.chainKey, 32);
    sized(w, s.rcv.headerKey, 32);
  }
  if (s.kem !== undefined) writeKem(w, s.kem);
  return w.bytes();
}

/** The fields are views into `bytes`. @throws DecodeError on bytes that {@link encodeRatchetState} does not make. */
export function decodeRatchetState(bytes: Uint8Array): RatchetState {
  return decodeWhole(bytes, 'ratchet', (r) => {
    const format = r.u8('ratchet.format');
    if (format !== stateFormat) throw r.error('ratchet.format', `${format} is unknown`);
    const flags = r.u8('ratchet.flags');
    const version = r.u16('ratchet.version');
    const maxVersion = r.u16('ratchet.maxVersion');
    const associatedData = r.fixed(112, 'ratchet.ad');
    const ratchetKey = readX448Pair(r, 'ratchet.key');
    const rootKey = r.fixed(32, 'ratchet.rootKey');
    const nextSndHeaderKey = r.fixed(32, 'ratchet.nextSndHeaderKey');
    const nextRcvHeaderKey = r.fixed(32, 'ratchet.nextRcvHeaderKey');
    const ns = r.u32('ratchet.ns');
    const nr = r.u32('ratchet.nr');
    const pn = r.u32('ratchet.pn');
    const snd = (flags & flag.snd) === 0 ? undefined : readSnd(r);
    const rcv = (flags & flag.rcv) === 0 ? undefined : readRcv(r);
    const kem = (flags & flag.kem) === 0 ? undefined : readKem(r);
    return {
      version,
      maxVersion,
      associatedData,
      ratchetKey,
      ...(kem === undefined ? {} : { kem }),
      supportKem: (flags & flag.supportKem) !== 0,
      enableKem: (flags & flag.enableKem) !== 0,
      sndKem: (flags & flag.sndKem) !== 0,
      rcvKem: (flags & flag.rcvKem) !== 0,
      rootKey,
      ...(snd === undefined ? {} : { snd }),
      ...(rcv === undefined ? {} : { rcv }),
      ns,
      nr,
      pn,
      nextSndHeaderKey,
      nextRcvHeaderKey,
    };
  });
}

function readSnd(r: Reader): NonNullable<RatchetState['snd']> {
  const raw = r.fixed(56, 'ratchet.snd.peerKey');
  const chainKey = r.fixed(32, 'ratchet.snd.chainKey');
  return { peerKey: { alg: 'x448', raw }, chainKey, headerKey: r.fixed(32, 'ratchet.snd.headerKey') };
}

function readRcv(r: Reader): NonNullable<RatchetState['rcv']> {
  const chainKey = r.fixed(32, 'ratchet.rcv.chainKey');
  return { chainKey, headerKey: r.fixed(32, 'ratchet.rcv.headerKey') };
}

function writeKem(w: Writer, kem: RatchetKem): void {
  // The secret key holds the public one.
  sized(w, kem.keyPair.secretKey, kemSizes.secretKey);
  if (kem.accepted !== undefined) writeAcceptance(w.u8(acceptance.accepted), kem.accepted);
  else if (kem.withdrawn !== undefined) writeAcceptance(w.u8(acceptance.withdrawn), kem.withdrawn);
  else w.u8(acceptance.none);
}

function writeAcceptance(w: Writer, a: KemAcceptance): void {
  sized(w, a.peerKey, kemSizes.publicKey);
  sized(w, a.sharedSecret, kemSizes.sharedSecret);
  sized(w, a.ciphertext, kemSizes.ciphertext);
}

function readKem(r: Reader): RatchetKem {
  const keyPair = kemKeyPairOf(r.fixed(kemSizes.secretKey, 'ratchet.kem.secretKey'));
  const kind = r.u8('ratchet.kem.acceptance');
  switch (kind) {
    case acceptance.none:
      return { keyPair };
    case acceptance.accepted:
      return { keyPair, accepted: readAcceptance(r) };
    case acceptance.withdrawn:
      return { keyPair, withdrawn: readAcceptance(r) };
    default:
      throw r.error('ratchet.kem.acceptance', `${kind} is unknown`);
  }
}

function readAcceptance(r: Reader): KemAcceptance {
  const peerKey = r.fixed(kemSizes.publicKey, 'ratchet.kem.peerKey');
  const sharedSecret = r.fixed(kemSizes.sharedSecret, 'ratchet.kem.sharedSecret');
  return { peerKey, sharedSecret, ciphertext: r.fixed(kemSizes.ciphertext, 'ratchet.kem.ciphertext') };
}

/** An X448 pair in local storage: raw private and public key, 56 bytes each. */
export function writeX448Pair(w: Writer, pair: KeyPair<'x448'>): void {
  sized(w, pair.privateKey.raw, 56);
  sized(w, pair.publicKey.raw, 56);
}

/** Reads what {@link writeX448Pair} writes. The keys are views of the input. */
export function readX448Pair(r: Reader, field: string): KeyPair<'x448'> {
  const privateKey = { alg: 'x448', raw: r.fixed(56, field) } as const;
  return { privateKey, publicKey: { alg: 'x448', raw: r.fixed(56, field) } };
}

function sized(w: Writer, bytes: Uint8Array, size: number): void {
  if (bytes.length !== size) throw new EncodeError('ratchet', `${bytes.length} bytes instead of ${size}`);
  w.raw(bytes);
}

/** The stored form of a message key: the official one, so that vectors can be compared. */
export function encodeMessageKey(k: MessageKey): Uint8Array {
  const w = new Writer(k.header.length + 170).u16(k.version).str(k.associatedData);
  return w.str(k.key).str(k.iv).large(k.header).bytes();
}

/** The fields are views into `bytes`. @throws DecodeError */
export function decodeMessageKey(bytes: Uint8Array): MessageKey {
  return decodeWhole(bytes, 'messageKey', (r) => {
    const version = r.u16('messageKey.version');
    const associatedData = r.str('messageKey.ad');
    const key = r.str('messageKey.key');
    if (key.length !== 32) throw r.error('messageKey.key', `${key.length} bytes`);
    const iv = r.str('messageKey.iv');
    if (iv.length !== 16) throw r.error('messageKey.iv', `${iv.length} bytes`);
    return { version, associatedData, key, iv, header: r.large('messageKey.header') };
  });
}
