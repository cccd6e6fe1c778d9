import {
  agreeVersion,
  base64url,
  DecodeError,
  decodeBase64url,
  formatVersionRange,
  parseQuery,
  parseVersionRange,
  type QueryPairs,
  queryValue,
  type Reader,
  readVersionRange,
  type VersionRange,
  type Writer,
  writeVersionRange,
} from '../wire/index.js';
import { type KemParams, readKemParams, writeKemParams } from './kem-params.js';
import { encodePublicKey, type PublicKey, parsePublicKey, readPublicKey, writePublicKey } from './keys.js';
import { e2eVersions, pqE2EVersion } from './ratchet-state.js';
import { kemSizes } from './sntrup761.js';

/** The public keys of one party in the key agreement, at one version (10-crypto-and-ratchet.md, section 4.2). */
export interface E2EParams {
  readonly version: number;
  readonly key1: PublicKey<'x448'>;
  readonly key2: PublicKey<'x448'>;
  readonly kem?: KemParams;
}

/** The same in an invitation: with the range of versions that its creator supports. */
export interface E2EParamsUri {
  readonly versions: VersionRange;
  readonly key1: PublicKey<'x448'>;
  readonly key2: PublicKey<'x448'>;
  readonly kem?: KemParams;
}

/** The parameters of an invitation at the version that both know; undefined when there is none (`A_VERSION`). */
export function agreeE2EParams(uri: E2EParamsUri, ours: VersionRange = e2eVersions): E2EParams | undefined {
  const version = agreeVersion(ours, uri.versions);
  if (version === undefined) return undefined;
  return { version, key1: uri.key1, key2: uri.key2, ...(uri.kem === undefined ? {} : { kem: uri.kem }) };
}

/** Binary form in confirmations and ratchet keys. */
export function writeE2EParams(w: Writer, p: E2EParams): void {
  w.u16(p.version);
  writePublicKey(w, p.key1);
  writePublicKey(w, p.key2);
  if (p.version >= pqE2EVersion) w.maybe(p.kem, writeKemParams);
}

/** Reads {@link writeE2EParams}'s form. @throws DecodeError */
export function readE2EParams(r: Reader): E2EParams {
  const version = r.u16('e2e.version');
  const keys = readKeys(r);
  const kem = version >= pqE2EVersion ? r.maybe('e2e.kem', readKemParams) : undefined;
  return { version, ...keys, ...(kem === undefined ? {} : { kem }) };
}

/** Binary form in the data of a short link. */
export function writeE2EParamsUri(w: Writer, p: E2EParamsUri): void {
  writeVersionRange(w, p.versions);
  writePublicKey(w, p.key1);
  writePublicKey(w, p.key2);
  w.maybe(p.kem, writeKemParams);
}

/** Reads {@link writeE2EParamsUri}'s form. @throws DecodeError */
export function readE2EParamsUri(r: Reader): E2EParamsUri {
  const versions = readVersionRange(r, 'e2e.versions');
  const keys = readKeys(r);
  const kem = r.maybe('e2e.kem', readKemParams);
  return { versions, ...keys, ...(kem === undefined ? {} : { kem }) };
}

function readKeys(r: Reader): Pick<E2EParams, 'key1' | 'key2'> {
  const key1 = readPublicKey(r, 'e2e.key1', ['x448']);
  return { key1, key2: readPublicKey(r, 'e2e.key2', ['x448']) };
}

/**
 * Text form in full links, an unescaped query string: the value of `e2e` in the link's own query, which escapes it.
 */
export function formatE2EParamsUri(p: E2EParamsUri): string {
  const keys = [p.key1, p.key2].map((k) => base64url(encodePublicKey(k))).join(',');
  let text = `v=${formatVersionRange(p.versions)}&x3dh=${keys}`;
  if (p.kem === undefined || p.versions.max < pqE2EVersion) return text;
  if (p.kem.type === 'accepted') text += `&kem_ct=${base64url(p.kem.ciphertext)}`;
  return `${text}&kem_key=${base64url(p.kem.publicKey)}`;
}

/** @throws DecodeError. Unknown fields are ignored; the KEM is ignored when the versions end below 3. */
export function parseE2EParamsUri(text: string): E2EParamsUri {
  const query = parseQuery(text, 'e2e');
  const versions = parseVersionRange(required(query, 'v'), 'e2e.v');
  const [first, second, ...more] = required(query, 'x3dh').split(',');
  if (first === undefined || second === undefined || more.length > 0) {
    throw new DecodeError('e2e.x3dh', 'not two keys', 0);
  }
  const key1 = parsePublicKey(first, 'e2e.key1', ['x448']);
  const key2 = parsePublicKey(second, 'e2e.key2', ['x448']);
  const kem = versions.max >= pqE2EVersion ? parseKem(query) : undefined;
  return { versions, key1, key2, ...(kem === undefined ? {} : { kem }) };
}

function parseKem(query: QueryPairs): KemParams | undefined {
  const key = queryValue(query, 'kem_key');
  if (key === undefined) return undefined;
  const publicKey = sized(key, 'publicKey');
  const ct = queryValue(query, 'kem_ct');
  if (ct === undefined) return { type: 'proposed', publicKey };
  return { type: 'accepted', ciphertext: sized(ct, 'ciphertext'), publicKey };
}

function sized(text: string, kind: keyof typeof kemSizes): Uint8Array {
  const bytes = decodeBase64url(text, `e2e.kem.${kind}`);
  if (bytes.length !== kemSizes[kind]) throw new DecodeError(`e2e.kem.${kind}`, `${bytes.length} bytes`, 0);
  return bytes;
}

function required(query: QueryPairs, name: string): string {
  const value = queryValue(query, name);
  if (value === undefined) throw new DecodeError(`e2e.${name}`, 'absent', 0);
  return value;
}
