import {
  type ConnectionLink,
  formatConnectionRequest,
  formatShortLink,
  parseConnectionLink,
} from '../../agent/index.js';
import { type Format, isJsonObject, parseJson, type SimplexLinkType } from '../../api/index.js';
import { DecodeError } from '../../wire/index.js';

type SimplexLinkFormat = Extract<Format, { type: 'simplexLink' }>;

/** A connection link in a text, or `undefined` when the word is none. */
export function parseLinkWord(word: string): ConnectionLink | undefined {
  try {
    return parseConnectionLink(word);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** The format of a connection link: its `simplex:` form, what it leads to and the hosts of its servers. */
export function simplexLinkFormat(link: ConnectionLink, showText?: string): SimplexLinkFormat {
  const text = showText === undefined ? {} : { showText };
  if (link.form === 'short') {
    const { link: short } = link;
    return {
      type: 'simplexLink',
      ...text,
      linkType: short.mode === 'invitation' ? 'invitation' : shortLinkTypes[short.type],
      simplexUri: formatShortLink(short, 'simplex'),
      smpHosts: short.server.hosts,
    };
  }
  const { request } = link;
  return {
    type: 'simplexLink',
    ...text,
    linkType: request.mode === 'invitation' ? 'invitation' : isGroupData(request.clientData) ? 'group' : 'contact',
    simplexUri: formatConnectionRequest(request),
    smpHosts: request.queues.flatMap((q) => q.address.server.hosts),
  };
}

const shortLinkTypes: Readonly<Record<'contact' | 'channel' | 'group' | 'relay', SimplexLinkType>> = {
  contact: 'contact',
  group: 'group',
  channel: 'channel',
  relay: 'contact',
};

/** Client data of links to groups: `{"type":"group","groupLinkId":…}`. */
function isGroupData(clientData: string | undefined): boolean {
  const data = clientData === undefined ? undefined : parseJson(clientData);
  return isJsonObject(data) && data.type === 'group' && typeof data.groupLinkId === 'string';
}

/** `http(s)` with RFC 3986 characters; queries are lax, as in browsers. Fragments and paths are not. */
const httpUri =
  /^https?:\/\/(?:[A-Za-z0-9\-._~%!$&'()*+,;=:]*@)?([A-Za-z0-9\-._~%!$&'()*+,;=]*|\[[0-9A-Fa-f:.]*\])(?::\d+)?(?:\/[A-Za-z0-9\-._~%!$&'()*+,;=:@/]*)?(?:\?[^#]*)?(?:#[A-Za-z0-9\-._~%!$&'()*+,;=:@/?]*)?$/;

/** True for a URI of the web whose host has a dot in it. */
export function isWebUri(text: string): boolean {
  return httpUri.exec(text)?.[1]?.includes('.') ?? false;
}

const asciiLetters = /^[A-Za-z]+$/;

/** `name.tld` or `sub.name.tld`: what is likely to be a domain, not every valid name. */
export function isDomain(text: string): boolean {
  const parts = text.split('.');
  const [sub, name, tld] = parts.length === 2 ? ['www', ...parts] : parts;
  if (parts.length > 3 || sub === undefined || name === undefined || tld === undefined) return false;
  const subLength = [...sub].length;
  return (
    subLength >= 3 &&
    subLength <= 8 &&
    name.length <= 24 &&
    tld.length >= 2 &&
    tld.length <= 8 &&
    asciiLetters.test(name) &&
    asciiLetters.test(tld)
  );
}

const localPart = /^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*$/;
const quotedLocalPart = /^"(?:[^"\\\s]|\\.)*"$/;
const domainLabel = /^[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?$/;
const domainLiteral = /^\[[^[\]\\]*\]$/;

/** An address of RFC 5322 without comments. */
export function isEmail(text: string): boolean {
  const at = text.lastIndexOf('@');
  if (at < 1 || text.length > 320) return false;
  const local = text.slice(0, at);
  const domain = text.slice(at + 1);
  if (local.length > 64 || !(localPart.test(local) || quotedLocalPart.test(local))) return false;
  return domainLiteral.test(domain) || (domain.length <= 253 && domain.split('.').every((l) => domainLabel.test(l)));
}
