import { DecodeError, decodePrefix, decodeWhole, Reader, Writer } from '../wire/index.js';
import { type KemParams, readKemParams, writeKemParams } from './kem-params.js';
import { type PublicKey, readPublicKey, writePublicKey } from './keys.js';
import { pqE2EVersion } from './ratchet-state.js';

/** The plaintext of a message header (10-crypto-and-ratchet.md, section 5.3). */
export interface RatchetHeader {
  readonly maxVersion: number;
  readonly ratchetKey: PublicKey<'x448'>;
  readonly kem?: KemParams;
  /** Messages in the sender's previous chain, and number of this one in its chain. */
  readonly pn: number;
  readonly ns: number;
}

/** Padded size in bytes of headers. */
export function headerPaddedLength(version: number, supportKem: boolean): number {
  return version >= pqE2EVersion && supportKem ? 2310 : 88;
}

/** `version` is that of the encrypted header around it. */
export function encodeHeader(header: RatchetHeader, version: number): Uint8Array {
  const w = new Writer(2400).u16(header.maxVersion);
  writePublicKey(w, header.ratchetKey);
  if (version >= pqE2EVersion) w.maybe(header.kem, writeKemParams);
  return w.u32(header.pn).u32(header.ns).view();
}

/** Ignores trailing bytes: later versions may add fields. */
export function decodeHeader(bytes: Uint8Array, version: number): RatchetHeader {
  return decodePrefix(bytes, (r) => {
    const maxVersion = r.u16('header.maxVersion');
    const ratchetKey = readPublicKey(r, 'header.key', ['x448']);
    const kem = version >= pqE2EVersion ? r.maybe('header.kem', readKemParams) : undefined;
    const pn = r.u32('header.pn');
    const ns = r.u32('header.ns');
    return { maxVersion, ratchetKey, ...(kem === undefined ? {} : { kem }), pn, ns };
  });
}

/** A header as it is sent. */
export interface EncryptedHeader {
  readonly version: number;
  readonly iv: Uint8Array;
  readonly tag: Uint8Array;
  readonly body: Uint8Array;
}

/** `emHeader` of section 5.3. It is part of the associated data of the body, so its bytes are kept as they are. */
export function encodeEncryptedHeader(h: EncryptedHeader): Uint8Array {
  const w = new Writer(h.body.length + 36).u16(h.version).raw(h.iv).raw(h.tag);
  return (h.version >= pqE2EVersion ? w.large(h.body) : w.str(h.body)).view();
}

/** A ratchet message: views into the received bytes. */
export interface EncryptedMessage {
  /** The encoded header: part of the associated data of the body. */
  readonly headerBytes: Uint8Array;
  readonly header: EncryptedHeader;
  readonly tag: Uint8Array;
  readonly body: Uint8Array;
}

/** Lengths have one byte up to version 2, two bytes later: told apart by the first byte, not by the version. */
function readLengthPrefixed(r: Reader, field: string): Uint8Array {
  const first = r.peek();
  if (first === undefined) throw new DecodeError(field, 'no length', r.offset);
  return first < 0x20 ? r.large(field) : r.str(field);
}

/** Nothing is authenticated yet. @throws DecodeError */
export function decodeMessage(bytes: Uint8Array): EncryptedMessage {
  const r = new Reader(bytes);
  const headerBytes = readLengthPrefixed(r, 'ratchet.header');
  const tag = r.fixed(16, 'ratchet.tag');
  const body = r.tail();
  const header = decodeWhole(headerBytes, 'ratchet.header', (h) => ({
    version: h.u16('ratchet.version'),
    iv: h.fixed(16, 'ratchet.header.iv'),
    tag: h.fixed(16, 'ratchet.header.tag'),
    body: readLengthPrefixed(h, 'ratchet.header.body'),
  }));
  return { headerBytes, header, tag, body };
}

/** The message of section 5.3. `header` is encoded; `version` decides on the size of its length. */
export function encodeMessage(version: number, header: Uint8Array, tag: Uint8Array, body: Uint8Array): Uint8Array {
  const w = new Writer(header.length + body.length + 18);
  return (version >= pqE2EVersion ? w.large(header) : w.str(header)).raw(tag).raw(body).view();
}
