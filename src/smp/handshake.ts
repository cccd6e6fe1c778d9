import { type PublicKey, readPublicKey, writePublicKey } from '../crypto/index.js';
import { encode, Reader, readVersionRange, type VersionRange, Writer, writeVersionRange } from '../wire/index.js';
import { formatTransportError, readTransportError, type TransportError } from './errors.js';
import { SmpV, type SmpVersion, smpVersion } from './versions.js';

/** What proves a relay's session key: its certificates and the key signed by the leaf's. DER, as on the wire. */
export interface SessionCredentials {
  /** Leaf first; the identity certificate is the second one. */
  readonly chain: readonly [Uint8Array, ...Uint8Array[]];
  readonly signedKey: Uint8Array;
}

/** The first block of a connection, from the relay (20-smp.md, section 4.3). */
export interface ServerHello {
  readonly range: VersionRange<SmpVersion>;
  readonly sessionId: Uint8Array;
  /** Absent from relays whose maximum is below 7. */
  readonly credentials: SessionCredentials | undefined;
}

export type ServiceRole = 'messaging' | 'notifier' | 'proxy';

/** The first block from the client (section 4.4). */
export interface ClientHello {
  readonly version: SmpVersion;
  /** The fingerprint from the address. */
  readonly keyHash: Uint8Array;
  readonly sessionKey: PublicKey<'x25519'> | undefined;
  /** The client is a proxy: its blocks are not encrypted. */
  readonly proxyServer: boolean;
  readonly service: (SessionCredentials & { readonly role: ServiceRole }) | undefined;
}

/** The relay's answer to the service part of a hello (section 4.5). */
export type ServiceResponse =
  | { readonly kind: 'service'; readonly serviceId: Uint8Array }
  | { readonly kind: 'error'; readonly error: TransportError };

function writeCredentials(w: Writer, c: SessionCredentials): void {
  w.nonEmpty(c.chain, (wr, cert) => wr.large(cert)).large(c.signedKey);
}

function readCredentials(r: Reader): SessionCredentials {
  const chain = r.nonEmpty('chain', (rd) => rd.large('certificate'));
  return { chain, signedKey: r.large('signedKey') };
}

/** The block before padding. Credentials are left out when the maximum is below 7. */
export function encodeServerHello(h: ServerHello): Uint8Array {
  return encode((w) => {
    writeVersionRange(w, h.range);
    w.str(h.sessionId);
    if (h.range.max >= SmpV.SessionKeys && h.credentials !== undefined) writeCredentials(w, h.credentials);
  }, 2048);
}

/** Decodes the unpadded block; bytes at the end are for later versions and ignored. */
export function decodeServerHello(payload: Uint8Array): ServerHello {
  const r = new Reader(payload);
  const { min, max } = readVersionRange(r, 'range');
  const sessionId = r.str('sessionId');
  const credentials = max >= SmpV.SessionKeys ? readCredentials(r) : undefined;
  return { range: { min: smpVersion(min), max: smpVersion(max) }, sessionId, credentials };
}

const roleChars = { messaging: 'M', notifier: 'N', proxy: 'P' } as const;

function readRole(r: Reader): ServiceRole {
  const c = r.char('role');
  for (const role of ['messaging', 'notifier', 'proxy'] as const) if (roleChars[role] === c) return role;
  throw r.error('role', 'unknown service role');
}

/** The block before padding. Fields that the agreed version does not have are left out (section 4.4). */
export function encodeClientHello(h: ClientHello): Uint8Array {
  return encode((w) => {
    w.u16(h.version).str(h.keyHash);
    if (h.version >= SmpV.SessionKeys && h.sessionKey !== undefined) writePublicKey(w, h.sessionKey);
    if (h.version >= SmpV.ProxyServerFlag) w.bool(h.proxyServer);
    if (h.version >= SmpV.Services) {
      w.maybe(h.service, (wr, s) => writeCredentials(wr.char(roleChars[s.role]), s));
    }
  });
}

/** Decodes the unpadded block; a key that does not parse counts as absent, bytes at the end are ignored. */
export function decodeClientHello(payload: Uint8Array): ClientHello {
  const r = new Reader(payload);
  const version = smpVersion(r.u16('version'));
  const keyHash = r.str('keyHash');
  const sessionKey =
    version >= SmpV.SessionKeys ? r.attempt((rd) => readPublicKey(rd, 'sessionKey', ['x25519'])) : undefined;
  const proxyServer = version >= SmpV.ProxyServerFlag ? r.bool('proxyServer') : false;
  const service =
    version >= SmpV.Services ? r.maybe('service', (rd) => ({ role: readRole(rd), ...readCredentials(rd) })) : undefined;
  return { version, keyHash, sessionKey, proxyServer, service };
}

/** The block before padding: `R` and the service id, or `E` and the error as text. */
export function encodeServiceResponse(s: ServiceResponse): Uint8Array {
  const w = new Writer(64);
  if (s.kind === 'service') w.char('R').str(s.serviceId);
  else w.char('E').ascii(formatTransportError(s.error));
  return w.view();
}

/** Decodes the unpadded block; bytes at the end are ignored. DecodeError for other tags than `R` and `E`. */
export function decodeServiceResponse(payload: Uint8Array): ServiceResponse {
  const r = new Reader(payload);
  const c = r.char('serviceResponse');
  if (c === 'R') return { kind: 'service', serviceId: r.str('serviceId') };
  if (c === 'E') return { kind: 'error', error: readTransportError(r) };
  throw r.error('serviceResponse', 'not R or E');
}

/** Whether blocks after the handshake are encrypted (section 4.1). */
export function blocksEncrypted(h: Pick<ClientHello, 'version' | 'sessionKey' | 'proxyServer'>): boolean {
  return h.version >= SmpV.EncryptedBlocks && h.sessionKey !== undefined && !h.proxyServer;
}
