import {
  parseHosts,
  readServer,
  type ServerAddress,
  type SmpServer,
  sameServerAddress,
  writeServer,
} from '../../smp/index.js';
import {
  base64urlUnpadded,
  DecodeError,
  decodeBase64url,
  equalBytes,
  formatQuery,
  parseQuery,
  queryValue,
  type Reader,
  type Writer,
} from '../../wire/index.js';

/** What a contact link leads to. */
export type ContactLinkType = 'contact' | 'channel' | 'group' | 'relay';

interface LinkPlace {
  /** How the link is printed: with the server's host as authority, or `simplex:` with the server in the query. */
  readonly scheme: 'server' | 'simplex';
  /** `port` and `keyHash` may be empty in a link to a preset server: see {@link restoreShortLink}. */
  readonly server: SmpServer;
  /** SHA3-256 of the fixed link data: it locates, decrypts and authenticates the data. 32 bytes. */
  readonly linkKey: Uint8Array;
}

/** A short one-time link. */
export interface ShortInvitationLink extends LinkPlace {
  readonly mode: 'invitation';
  /** Made by the server, 24 bytes. */
  readonly linkId: Uint8Array;
}

/** A short contact or group link: its id is derived from the key. */
export interface ShortContactLink extends LinkPlace {
  readonly mode: 'contact';
  readonly type: ContactLinkType;
}

/** A short connection link (30-agent.md, section 4.5). */
export type ShortLink = ShortInvitationLink | ShortContactLink;

const typeLetters: Readonly<Record<ContactLinkType, string>> = { contact: 'a', channel: 'c', group: 'g', relay: 'r' };
const typesByLetter = new Map(Object.entries(typeLetters).map(([type, letter]) => [letter, type as ContactLinkType]));

/** The text form; `scheme` prints it with the other authority. */
export function formatShortLink(link: ShortLink, scheme: ShortLink['scheme'] = link.scheme): string {
  const { server } = link;
  const [first, ...others] = server.hosts;
  const params: [string, string][] = [
    ['h', (scheme === 'server' ? others : server.hosts).join(',')],
    ['p', server.port],
    ['c', base64urlUnpadded(server.keyHash)],
  ];
  const query = formatQuery(
    params.filter(([, value]) => value !== ''),
    'escaped',
  );
  const authority = scheme === 'server' ? `https://${first}` : 'simplex:';
  const letter = link.mode === 'invitation' ? 'i' : typeLetters[link.type];
  const id = link.mode === 'invitation' ? `${base64urlUnpadded(link.linkId)}/` : '';
  return `${authority}/${letter}#${id}${base64urlUnpadded(link.linkKey)}${query === '' ? '' : `?${query}`}`;
}

const linkPattern =
  /^(simplex:|https:\/\/([^/?#:\s]+))\/([a-zA-Z])\/?#(?:([A-Za-z0-9_-]+=*)\/)?([A-Za-z0-9_-]+=*)(?:\?(\S*))?$/;

/**
 * Parses a short link. Ports above 65535 are refused (upstream wraps them).
 * @throws DecodeError
 */
export function parseShortLink(text: string): ShortLink {
  const [, authority, host, letter = '', idText, keyText, queryText] = linkPattern.exec(text) ?? [];
  if (authority === undefined || keyText === undefined) throw new DecodeError('shortLink', 'not a short link', 0);
  const query = parseQuery(queryText ?? '', 'shortLink');
  const hostsText = [host, queryValue(query, 'h')].filter((h) => h !== undefined && h !== '').join(',');
  if (hostsText === '') throw new DecodeError('shortLink', 'no server', 0);
  const hosts = parseHosts(hostsText, 'shortLink.host');
  const port = queryValue(query, 'p') ?? '';
  if (!/^\d{0,5}$/.test(port) || Number(port) > 0xffff) throw new DecodeError('shortLink.port', 'not a port', 0);
  const hash = queryValue(query, 'c');
  const place: LinkPlace = {
    scheme: host === undefined ? 'simplex' : 'server',
    server: {
      scheme: 'smp',
      hosts,
      port,
      keyHash: hash === undefined ? new Uint8Array() : decodeBase64url(hash, 'shortLink.keyHash'),
    },
    // Upstream takes a key of any size; a wrong one finds no link data that it opens.
    linkKey: decodeBase64url(keyText, 'linkKey'),
  };
  if (letter === 'i') {
    if (idText === undefined) throw new DecodeError('linkId', 'missing', 0);
    return { mode: 'invitation', ...place, linkId: decodeBase64url(idText, 'linkId') };
  }
  const type = typesByLetter.get(letter.toLowerCase());
  // Links to chat relays belong to newer clients; they occur in link data, not by themselves.
  if (type === undefined || type === 'relay' || idText !== undefined)
    throw new DecodeError('shortLink', 'unknown type of link', 0);
  return { mode: 'contact', type, ...place };
}

/** The binary form, in the list of relays of link data; the scheme is not kept. */
export function writeShortLink(w: Writer, link: ShortLink): void {
  if (link.mode === 'invitation') {
    w.char('I');
    writeServer(w, link.server);
    w.str(link.linkId).str(link.linkKey);
  } else {
    w.char('C').char(typeLetters[link.type].toUpperCase());
    writeServer(w, link.server);
    w.str(link.linkKey);
  }
}

/** Of any type, relays too. @throws DecodeError */
export function readShortLink(r: Reader): ShortLink {
  const tag = r.char('shortLink');
  if (tag === 'I') {
    const server = readServer(r, 'smp', 'shortLink.server');
    const linkId = r.str('linkId');
    return { mode: 'invitation', scheme: 'server', server, linkId, linkKey: r.str('linkKey') };
  }
  if (tag !== 'C') throw r.error('shortLink', 'not I or C');
  const type = typesByLetter.get(r.char('shortLink.type').toLowerCase());
  if (type === undefined) throw r.error('shortLink.type', 'unknown');
  const server = readServer(r, 'smp', 'shortLink.server');
  return { mode: 'contact', type, scheme: 'server', server, linkKey: r.str('linkKey') };
}

const withServer = (link: ShortLink, server: SmpServer): ShortLink => ({ ...link, server });
const presetOf = (link: ShortLink, presets: readonly ServerAddress[]): ServerAddress | undefined =>
  presets.find((p) => p.hosts[0] === link.server.hosts[0]);

/**
 * A link to a preset server without what every client knows about it (30-agent.md, section 4.6). `presets` are all
 * servers ever preset in the apps, not those of the user.
 */
export function shortenShortLink(link: ShortLink, presets: readonly ServerAddress[]): ShortLink {
  const preset = presetOf(link, presets);
  if (preset === undefined) return link;
  const { hosts, port, keyHash } = link.server;
  const samePort = port === preset.port || (preset.port === '' && (port === '443' || port === '5223'));
  if (!hosts.every((h) => preset.hosts.includes(h)) || !samePort || !equalBytes(keyHash, preset.keyHash)) return link;
  return withServer(link, { scheme: 'smp', hosts: [hosts[0]], port: '', keyHash: new Uint8Array() });
}

/** The full server of a shortened link; other links as they are. */
export function restoreShortLink(link: ShortLink, presets: readonly ServerAddress[]): ShortLink {
  const { hosts, port, keyHash } = link.server;
  if (hosts.length > 1 || port !== '' || keyHash.length > 0) return link;
  const preset = presetOf(link, presets);
  return preset === undefined ? link : withServer(link, { ...preset, scheme: 'smp' });
}

/** Whether two short links lead to the same place (30-agent.md, section 4.9). */
export function sameShortLink(a: ShortLink, b: ShortLink): boolean {
  if (a.mode !== b.mode || !sameServerAddress(a.server, b.server) || !equalBytes(a.linkKey, b.linkKey)) return false;
  if (a.mode === 'contact') return b.mode === 'contact' && a.type === b.type;
  return b.mode === 'invitation' && equalBytes(a.linkId, b.linkId);
}
