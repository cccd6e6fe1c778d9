import { formatPublicKey, type PublicKey, parsePublicKey, readPublicKey, writePublicKey } from '../crypto/index.js';
import {
  base64url,
  DecodeError,
  decodeBase64url,
  equalBytes,
  formatVersionRange,
  parseQuery,
  parseVersionRange,
  percentEncode,
  type QueryPairs,
  queryValue,
  type Reader,
  readVersionRange,
  type VersionRange,
  type Writer,
  writeVersionRange,
} from '../wire/index.js';
import {
  formatServer,
  parseHosts,
  parseServer,
  readLegacyServer,
  readServer,
  type SmpServer,
  sameServerAddress,
  writeLegacyServer,
  writeServer,
} from './server.js';
import { SmpClientV, type SmpClientVersion, smpClientVersion } from './versions.js';

/**
 * What a queue is for: `messaging` is secured by one sender, `contact` is an address that anybody may write to.
 * Queues of old clients have no mode (undefined).
 */
export type QueueMode = 'messaging' | 'contact';

/** The character of a mode in NEW, IDS and queue addresses. */
export function queueModeChar(mode: QueueMode): 'M' | 'C' {
  return mode === 'messaging' ? 'M' : 'C';
}

/** Reads {@link queueModeChar}'s character. @throws DecodeError for others */
export function readQueueMode(r: Reader, field = 'queueMode'): QueueMode {
  const c = r.char(field);
  if (c === 'M') return 'messaging';
  if (c === 'C') return 'contact';
  throw r.error(field, 'not M or C');
}

/** Where and how to send to a queue: what its recipient gives to the sender. */
export interface QueueAddress {
  readonly server: SmpServer;
  readonly senderId: Uint8Array;
  /** The recipient's key of the end-to-end layer of this queue (20-smp.md, section 9.2). */
  readonly dhPublicKey: PublicKey<'x25519'>;
  readonly queueMode: QueueMode | undefined;
}

/** A queue address in a link: for every client version that the recipient knows (30-agent.md, sections 4.2, 4.4). */
export interface QueueUri {
  readonly clientRange: VersionRange<SmpClientVersion>;
  readonly address: QueueAddress;
}

/** A queue address in an agent message: for the one version that the parties agreed on. */
export interface QueueInfo {
  readonly clientVersion: SmpClientVersion;
  readonly address: QueueAddress;
}

/** Same server address (without fingerprint) and same sender id (30-agent.md, section 4.9). */
export function sameQueueAddress(
  a: { readonly server: SmpServer; readonly senderId: Uint8Array },
  b: { readonly server: SmpServer; readonly senderId: Uint8Array },
): boolean {
  return sameServerAddress(a.server, b.server) && equalBytes(a.senderId, b.senderId);
}

/** The queue mode after an address: optional and without a tag, the reader looks whether one comes. */
function readTrailingMode(r: Reader): QueueMode | undefined {
  if (r.skipIf(0x4d) || r.skipIf(0x54)) return 'messaging';
  if (r.skipIf(0x43) || r.skipIf(0x46)) return 'contact';
  return undefined;
}

function writeAddressEnd(w: Writer, a: QueueAddress): void {
  w.str(a.senderId);
  writePublicKey(w, a.dhPublicKey);
}

/** The binary form of a queue address in a link (30-agent.md, section 4.4). */
export function writeQueueUri(w: Writer, uri: QueueUri): void {
  const { clientRange, address } = uri;
  writeVersionRange(w, clientRange);
  writeServer(w, address.server);
  writeAddressEnd(w, address);
  if (clientRange.min >= SmpClientV.ShortLinks) {
    if (address.queueMode !== undefined) w.char(queueModeChar(address.queueMode));
  } else if (
    clientRange.min >= SmpClientV.SenderSecures ||
    (clientRange.max >= SmpClientV.SenderSecures && address.queueMode === 'messaging')
  ) {
    w.bool(address.queueMode === 'messaging');
  }
}

/** Reads {@link writeQueueUri}'s form. @throws DecodeError */
export function readQueueUri(r: Reader): QueueUri {
  const clientRange = readClientRange(r);
  const server = readServer(r, 'smp');
  const senderId = r.str('senderId');
  const dhPublicKey = readPublicKey(r, 'dhPublicKey', ['x25519']);
  return { clientRange, address: { server, senderId, dhPublicKey, queueMode: readTrailingMode(r) } };
}

function readClientRange(r: Reader): VersionRange<SmpClientVersion> {
  const { min, max } = readVersionRange(r, 'clientRange');
  return { min: smpClientVersion(min), max: smpClientVersion(max) };
}

/** The binary form of a queue address in agent messages; the layout follows its version (30-agent.md, section 4.4). */
export function writeQueueInfo(w: Writer, info: QueueInfo): void {
  const { clientVersion, address } = info;
  w.u16(clientVersion);
  if (clientVersion < SmpClientV.MultipleHosts) writeLegacyServer(w, address.server);
  else writeServer(w, address.server);
  writeAddressEnd(w, address);
  if (address.queueMode === undefined) return;
  if (clientVersion >= SmpClientV.ShortLinks) w.char(queueModeChar(address.queueMode));
  else if (clientVersion === SmpClientV.SenderSecures && address.queueMode === 'messaging') w.bool(true);
}

/** Reads {@link writeQueueInfo}'s form. @throws DecodeError */
export function readQueueInfo(r: Reader): QueueInfo {
  const clientVersion = smpClientVersion(r.u16('clientVersion'));
  const server = clientVersion < SmpClientV.MultipleHosts ? readLegacyServer(r, 'smp') : readServer(r, 'smp');
  const senderId = r.str('senderId');
  const dhPublicKey = readPublicKey(r, 'dhPublicKey', ['x25519']);
  return { clientVersion, address: { server, senderId, dhPublicKey, queueMode: readTrailingMode(r) } };
}

/** The text form (30-agent.md, section 4.2). */
export function formatQueueUri(uri: QueueUri): string {
  const { clientRange, address } = uri;
  const { server, queueMode } = address;
  // Clients of version 1 read one host only; the others follow in `srv`, which they ignore.
  const legacy = clientRange.min < SmpClientV.MultipleHosts;
  const others = legacy ? server.hosts.slice(1) : [];
  const authority = formatServer(legacy ? { ...server, hosts: [server.hosts[0]] } : server);
  let s = `${authority}/${base64url(address.senderId)}#/?v=${formatVersionRange(clientRange)}`;
  s += `&dh=${percentEncode(formatPublicKey(address.dhPublicKey))}`;
  if (queueMode === 'messaging') s += clientRange.min < SmpClientV.ShortLinks ? '&q=m&k=s' : '&q=m';
  else if (queueMode === 'contact') s += '&q=c';
  if (others.length > 0) s += `&srv=${percentEncode(others.join(','))}`;
  return s;
}

/** Relays of the network whose addresses in version 1 links lack their onion host. */
const legacyOnionHosts: Readonly<Record<string, string>> = {
  'smp4.simplex.im': 'o5vmywmrnaxalvz6wi3zicyftgio6psuvyniis6gco6bp6ekl4cqj4id.onion',
  'smp5.simplex.im': 'jjbyvoemxysm7qxap7m5d5m35jzv5qq6gnlv7s4rsn7tdwwmuqciwpid.onion',
  'smp6.simplex.im': 'bylepyau3ty4czmn77q4fglvperknl4bi2eb2fdy2bh4jxtf32kf73yd.onion',
  'smp8.simplex.im': 'beccx4yfxxbvyhqypaavemqurytl6hozr47wfc7uuecacjqdvwpw2xid.onion',
  'smp9.simplex.im': 'jssqzccmrcws6bhmn77vgmhfjmhwlyr3u7puw4erkyoosywgl67slqqd.onion',
  'smp10.simplex.im': 'rb2pbttocvnbrngnwziclp2f4ckjq65kebafws6g4hy22cdaiv5dwjqd.onion',
};

/** Parses the text form, the legacy one included. */
export function parseQueueUri(s: string): QueueUri {
  const m = /^(smp:\/\/[^/]+)\/([A-Za-z0-9_-]+={0,2})\/?#([A-Za-z0-9_-]*={0,2})\/?(?:\?(.*))?$/s.exec(s);
  const [, authority, sender, pathKey, queryText] = m ?? [];
  if (authority === undefined || sender === undefined) throw new DecodeError('queueUri', 'not a queue address', 0);
  const server = parseServer(authority, 'smp');
  const senderId = decodeBase64url(sender, 'senderId');
  if (senderId.length > 255) throw new DecodeError('senderId', 'too long', 0);
  const query = queryText === undefined ? undefined : parseQuery(queryText, 'queueUri');
  if (query === undefined && (pathKey === undefined || pathKey === '')) {
    throw new DecodeError('queueUri', 'no key', s.length);
  }
  const clientRange = query === undefined ? { min: SmpClientV.Lowest, max: SmpClientV.Lowest } : queryRange(query);
  const keyText = pathKey !== undefined && pathKey !== '' ? pathKey : query && queryValue(query, 'dh');
  if (keyText === undefined) throw new DecodeError('queueUri', 'no key', s.length);
  const dhPublicKey = parsePublicKey(keyText, 'dh', ['x25519']);
  const srv = query && queryValue(query, 'srv');
  const hosts: [string, ...string[]] = [...server.hosts, ...(srv === undefined ? [] : parseHosts(srv, 'srv'))];
  if (clientRange.max < SmpClientV.MultipleHosts && hosts.length === 1) {
    const onionHost = legacyOnionHosts[hosts[0]];
    if (onionHost !== undefined) hosts.push(onionHost);
  }
  return { clientRange, address: { server: { ...server, hosts }, senderId, dhPublicKey, queueMode: queryMode(query) } };
}

function queryRange(query: QueryPairs): VersionRange<SmpClientVersion> {
  const v = queryValue(query, 'v');
  if (v === undefined) throw new DecodeError('queueUri', 'no version', 0);
  const { min, max } = parseVersionRange(v, 'v');
  return { min: smpClientVersion(min), max: smpClientVersion(max) };
}

function queryMode(query: QueryPairs | undefined): QueueMode | undefined {
  if (query === undefined) return undefined;
  const q = queryValue(query, 'q');
  if (q === 'm') return 'messaging';
  if (q === 'c') return 'contact';
  return queryValue(query, 'k') === 's' ? 'messaging' : undefined;
}
