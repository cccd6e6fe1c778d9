import { isIPv4, isIPv6 } from 'node:net';
import { base64url, DecodeError, decodeBase64url, EncodeError, type Reader, type Writer } from '../wire/index.js';

/** `smp`, `xftp` and `ntf` servers share one address syntax. */
export type ServerScheme = 'smp' | 'xftp' | 'ntf';

/**
 * The address of a server (20-smp.md, section 11.8). `port` is text and may be empty: an absent port is not the
 * same address as the default port, although it connects to the same place.
 */
export interface ServerAddress<S extends ServerScheme = ServerScheme> {
  readonly scheme: S;
  /** Names of one and the same server; the order is kept, the first one matters for preset detection. */
  readonly hosts: readonly [string, ...string[]];
  readonly port: string;
  /** SHA-256 of the identity certificate; other lengths only in foreign input. */
  readonly keyHash: Uint8Array;
}

export type SmpServer = ServerAddress<'smp'>;
export type XftpServer = ServerAddress<'xftp'>;

/** An address with the server's password for new queues or files. Never part of addresses given to contacts. */
export interface ServerWithAuth<S extends ServerScheme = ServerScheme> {
  readonly server: ServerAddress<S>;
  readonly basicAuth: string | undefined;
}

const schemes: readonly string[] = ['smp', 'xftp', 'ntf'] satisfies ServerScheme[];

function isScheme(s: string): s is ServerScheme {
  return schemes.includes(s);
}

const onion = /^[a-z0-9]+\.onion$/;
const domain = /^[^\s:#,;/\u0000-\u0020\u007f-\uffff]+$/;
const authPattern = /^[!-~]+$/;

/** Whether the host is reached through Tor only. */
export function isOnionHost(host: string): boolean {
  return host.endsWith('.onion');
}

/** Printable ASCII without space, `@`, `:` and `/`: what can stand in an address as password. */
export function isBasicAuth(s: string): boolean {
  return authPattern.test(s) && !/[@:/]/.test(s);
}

/** A host in its one spelling: IPv6 is compressed and without brackets. */
export function parseHost(s: string, field = 'host'): string {
  const bare = s.startsWith('[') && s.endsWith(']') ? s.slice(1, -1) : s;
  if (isIPv6(bare) && !bare.includes('%')) return new URL(`http://[${bare}]`).hostname.slice(1, -1);
  if (isIPv4(s)) return s;
  if (s.endsWith('.onion')) {
    if (!onion.test(s)) throw new DecodeError(field, 'not an onion host', 0);
    return s;
  }
  if (!domain.test(s) || s.length > 255) throw new DecodeError(field, 'not a host name', 0);
  return s;
}

const hostList = /^((?:\[[^\]]*\]|[^,[\]])+(?:,(?:\[[^\]]*\]|[^,[\]])+)*)$/;

/** Hosts separated by commas, and an optional port after the last one. */
function parseAuthority(s: string, field: string): { hosts: [string, ...string[]]; port: string } {
  let hosts = s;
  let port = '';
  const m = /^(.*):(\d+)$/.exec(s);
  if (m?.[1] !== undefined && m[2] !== undefined) {
    // `::1` is a host, `[::1]:5223` and `host:5223` have a port.
    const last = m[1].slice(m[1].lastIndexOf(',') + 1);
    const whole = s.slice(s.lastIndexOf(',') + 1);
    if (!isIPv6(whole) && (last.startsWith('[') || !last.includes(':'))) {
      hosts = m[1];
      port = m[2];
    }
  }
  if (!hostList.test(hosts)) throw new DecodeError(field, 'no host', 0);
  if (port.length > 255) throw new DecodeError(field, 'port too long', 0);
  return { hosts: parseHosts(hosts, field), port };
}

/** Hosts separated by commas. */
export function parseHosts(s: string, field = 'hosts'): [string, ...string[]] {
  const [first, ...rest] = s.split(',').map((h) => parseHost(h, field));
  if (first === undefined) throw new DecodeError(field, 'no host', 0);
  if (rest.length > 254) throw new DecodeError(field, 'too many hosts', 0);
  return [first, ...rest];
}

/** Parses `smp://keyHash[:password]@host[,host][:port]`; `scheme` refuses the other protocols. */
export function parseServerWithAuth(s: string): ServerWithAuth;
export function parseServerWithAuth<S extends ServerScheme>(s: string, scheme: S): ServerWithAuth<S>;
export function parseServerWithAuth(s: string, scheme?: ServerScheme): ServerWithAuth {
  const m = /^([a-z]+):\/\/([A-Za-z0-9_-]+={0,2})(?::([^@]*))?@(.+)$/s.exec(s);
  const [, found, keyHash, auth, authority] = m ?? [];
  if (found === undefined || keyHash === undefined || authority === undefined || !isScheme(found)) {
    throw new DecodeError('server', 'not a server address', 0);
  }
  if (scheme !== undefined && found !== scheme) throw new DecodeError('server', `not an ${scheme} server`, 0);
  if (auth !== undefined && !isBasicAuth(auth)) throw new DecodeError('server', 'invalid password', 0);
  const { hosts, port } = parseAuthority(authority, 'server');
  const hash = decodeBase64url(keyHash, 'server');
  if (hash.length > 255) throw new DecodeError('server', 'fingerprint too long', 0);
  return { server: { scheme: found, hosts, port, keyHash: hash }, basicAuth: auth };
}

/** As {@link parseServerWithAuth}, and a password in the address is an error. */
export function parseServer(s: string): ServerAddress;
export function parseServer<S extends ServerScheme>(s: string, scheme: S): ServerAddress<S>;
export function parseServer(s: string, scheme?: ServerScheme): ServerAddress {
  const parsed = scheme === undefined ? parseServerWithAuth(s) : parseServerWithAuth(s, scheme);
  if (parsed.basicAuth !== undefined) throw new DecodeError('server', 'password not allowed', 0);
  return parsed.server;
}

/** The text form; with a password if one is given. */
export function formatServer(server: ServerAddress, basicAuth?: string): string {
  if (basicAuth !== undefined && !isBasicAuth(basicAuth)) throw new EncodeError('basicAuth', 'invalid characters');
  const auth = basicAuth === undefined ? '' : `:${basicAuth}`;
  return `${server.scheme}://${base64url(server.keyHash)}${auth}@${formatAuthority(server.hosts, server.port)}`;
}

function formatAuthority(hosts: readonly string[], port: string): string {
  if (port === '') return hosts.join(',');
  const last = hosts.length - 1;
  return `${hosts.map((h, i) => (i === last && h.includes(':') ? `[${h}]` : h)).join(',')}:${port}`;
}

/** Binary form: `list1 short host`, `short port`, `short fingerprint`. */
export function writeServer(w: Writer, server: ServerAddress): void {
  w.nonEmpty(server.hosts, (wr, h) => wr.latin1(h))
    .latin1(server.port)
    .str(server.keyHash);
}

/** Checked as the text form: DecodeError for what is no host, or a port that is no number. */
export function readServer<S extends ServerScheme>(r: Reader, scheme: S, field = 'server'): ServerAddress<S> {
  const [first, ...rest] = r.nonEmpty(field, (rd) => parseHost(rd.latin1(field), field));
  return { scheme, hosts: [first, ...rest], port: readPort(r, field), keyHash: r.str(field) };
}

/** The form of version 1 queue addresses: one host without a count. */
export function writeLegacyServer(w: Writer, server: ServerAddress): void {
  w.latin1(server.hosts[0]).latin1(server.port).str(server.keyHash);
}

/** Reads what {@link writeLegacyServer} writes; DecodeError as from {@link readServer}. */
export function readLegacyServer<S extends ServerScheme>(r: Reader, scheme: S, field = 'server'): ServerAddress<S> {
  const host = parseHost(r.latin1(field), field);
  return { scheme, hosts: [host], port: readPort(r, field), keyHash: r.str(field) };
}

function readPort(r: Reader, field: string): string {
  const port = r.latin1(field);
  if (!/^\d*$/.test(port)) throw r.error(field, 'port is not a number');
  return port;
}

/** Same hosts and port; the fingerprint is ignored (30-agent.md, section 4.9). */
export function sameServerAddress(a: ServerAddress, b: ServerAddress): boolean {
  return a.port === b.port && a.hosts.length === b.hosts.length && a.hosts.every((h, i) => h === b.hosts[i]);
}
