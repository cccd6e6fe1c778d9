import { createHash } from 'node:crypto';
import {
  type ConnectionRequest,
  type ContactLinkType,
  formatConnectionRequest,
  formatShortLink,
  parseConnectionLink,
  restoreShortLink,
  type ShortLink,
  shortenShortLink,
} from '../../agent/index.js';
import { isJsonObject, parseJson, presetServers } from '../../api/index.js';
import { parseServer, type ServerAddress } from '../../smp/index.js';
import { base64url, DecodeError, utf8Bytes } from '../../wire/index.js';

/** A link, in the one form in which it is stored and compared. */
export type KnownLink =
  | {
      readonly form: 'full';
      readonly mode: 'inv' | 'con';
      /** `simplex:` scheme. */
      readonly text: string;
      /** Present in links of groups of old versions. */
      readonly groupLinkId: string | undefined;
    }
  | {
      readonly form: 'short';
      readonly mode: 'inv' | 'con';
      readonly type: ContactLinkType | 'invitation';
      /** The server as authority, preset servers by their host only. */
      readonly text: string;
      /** For the agent: with the whole server. */
      readonly fullServerText: string;
    };

/** All servers that were ever preset: links to them name the host only. */
const presets: readonly ServerAddress[] = presetServers.shortLinkPresetServers.map((s) => parseServer(s));

/** Reads a link of any form and scheme; undefined: it is none. */
export function readLink(text: string): KnownLink | undefined {
  try {
    const link = parseConnectionLink(text);
    return link.form === 'full' ? fullLink(link.request) : shortLink(link.link);
  } catch (error) {
    if (error instanceof DecodeError) return undefined;
    throw error;
  }
}

/** A full link; undefined: it is none. */
export function readFullLink(text: string): Extract<KnownLink, { form: 'full' }> | undefined {
  const link = readLink(text);
  return link?.form === 'full' ? link : undefined;
}

function fullLink(request: ConnectionRequest): KnownLink {
  return {
    form: 'full',
    mode: request.mode === 'invitation' ? 'inv' : 'con',
    text: formatConnectionRequest(request),
    groupLinkId: groupLinkIdOf(request.clientData),
  };
}

function shortLink(link: ShortLink): KnownLink {
  const restored = restoreShortLink(link, presets);
  return {
    form: 'short',
    mode: link.mode === 'invitation' ? 'inv' : 'con',
    type: link.mode === 'invitation' ? 'invitation' : link.type,
    text: formatShortLink(shortenShortLink(restored, presets), 'server'),
    fullServerText: formatShortLink(restored, 'server'),
  };
}

/** The group link id in the client data of a full link. */
function groupLinkIdOf(clientData: string | undefined): string | undefined {
  const data = clientData === undefined ? undefined : parseJson(clientData);
  return isJsonObject(data) && typeof data.groupLinkId === 'string' ? data.groupLinkId : undefined;
}

/** The agent's short link as the API shows and the database keeps it. */
export function shownShortLink(agentLink: string): string {
  const link = readLink(agentLink);
  return link?.form === 'short' ? link.text : agentLink;
}

/** The agent's full link as the API shows and the database keeps it. */
export function shownFullLink(agentLink: string): string {
  return readFullLink(agentLink)?.text ?? agentLink;
}

/** The key under which connections by a contact link are found again. */
export function linkHash(fullLink: string): string {
  return base64url(new Uint8Array(createHash('sha256').update(utf8Bytes(fullLink)).digest()));
}
