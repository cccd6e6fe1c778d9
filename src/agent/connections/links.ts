import {
  contactLinkKeys,
  type E2EKeys,
  type E2EParamsUri,
  e2eParamsOf,
  e2eVersions,
  fixedLinkDataPadded,
  invitationLinkKey,
  type KeyPair,
  sealLinkData,
  signLinkData,
  userLinkDataPadded,
} from '../../crypto/index.js';
import { type LinkData, type QueueAddress, type SmpServer, smpClientRange } from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { cmdError } from '../errors.js';
import {
  type ConnectionMode,
  type ConnectionRequest,
  encodeFixedLinkData,
  encodeUserLinkData,
  formatConnectionRequest,
  formatShortLink,
  linkKeyOf,
  maxUserLinkData,
  ownUserLinkData,
  type ShortLink,
} from '../links/index.js';
import type { LinkCreds } from '../state/connection.js';
import type { CreatedConnLink } from '../types.js';
import { agentVersions } from '../versions.js';

/** Our parameters of the key agreement as an invitation shows them. */
export function e2eUriOf(keys: E2EKeys): E2EParamsUri {
  const { key1, key2, kem } = e2eParamsOf(keys, e2eVersions.max);
  return { versions: e2eVersions, key1, key2, ...(kem === undefined ? {} : { kem }) };
}

/** The request that a link of ours leads to. */
export function ownRequest(
  mode: ConnectionMode,
  address: QueueAddress,
  e2e: E2EParamsUri | undefined,
  clientData?: string,
): ConnectionRequest {
  const data = {
    agentVersions,
    queues: [{ clientRange: smpClientRange, address }] as const,
    ...(clientData === undefined ? {} : { clientData }),
  };
  if (mode === 'contact') return { mode, ...data };
  if (e2e === undefined) throw cmdError('PROHIBITED', 'invitation without keys');
  return { mode, ...data, e2e };
}

/** The full link as text. The KEM key would not fit a QR code: where the link data have it, the text does not. */
function formatOwnLink(request: ConnectionRequest, withKem: boolean): string {
  if (request.mode === 'contact' || withKem || request.e2e.kem === undefined) return formatConnectionRequest(request);
  const { kem: _, ...e2e } = request.e2e;
  return formatConnectionRequest({ ...request, e2e });
}

/** Encrypted link data and what is needed to change and to find it. */
export interface SealedLink {
  readonly linkKey: Uint8Array;
  /** Of contact links: derived from the key. */
  readonly linkId: Uint8Array | undefined;
  readonly data: LinkData;
}

/** @throws AgentError `CMD LARGE` when the data does not fit */
export function sealLink(
  ctx: AgentContext,
  rootKey: KeyPair<'ed25519'>,
  request: ConnectionRequest,
  userData: Uint8Array,
): SealedLink {
  const fixed = encodeFixedLinkData({ agentVersions, rootKey: rootKey.publicKey, request });
  const linkKey = linkKeyOf(fixed);
  const { linkId, key } = linkKeys(request.mode, linkKey);
  const signed = signLinkData(rootKey.privateKey, fixed);
  if (signed.length > fixedLinkDataPadded - 2) throw cmdError('LARGE', 'link data');
  return {
    linkKey,
    linkId,
    data: {
      fixed: sealLinkData(key, signed, fixedLinkDataPadded, ctx.random),
      user: sealUserData(ctx, key, rootKey.privateKey, request.mode, userData),
    },
  };
}

/** Section 4.7: what encrypts the link data (32 bytes) and, of contact links, the id (24 bytes). */
export function linkKeys(
  mode: ConnectionMode,
  linkKey: Uint8Array,
): { readonly linkId: Uint8Array | undefined; readonly key: Uint8Array } {
  if (mode === 'contact') return contactLinkKeys(linkKey);
  return { linkId: undefined, key: invitationLinkKey(linkKey) };
}

/** Signs and encrypts the part of link data that may change. */
export function sealUserData(
  ctx: AgentContext,
  key: Uint8Array,
  rootKey: KeyPair<'ed25519'>['privateKey'],
  mode: ConnectionMode,
  userData: Uint8Array,
): Uint8Array {
  if (userData.length > maxUserLinkData[mode]) throw cmdError('LARGE', 'user link data');
  const signed = signLinkData(rootKey, encodeUserLinkData(ownUserLinkData(mode, userData)));
  return sealLinkData(key, signed, userLinkDataPadded, ctx.random);
}

/** The short link of a queue of ours. A group link is recognised by its client data. */
export function shortLinkOf(
  mode: ConnectionMode,
  server: SmpServer,
  creds: Pick<LinkCreds, 'linkId' | 'linkKey'>,
  clientData: string | undefined,
): ShortLink {
  const place = { scheme: 'server', server, linkKey: creds.linkKey } as const;
  if (mode === 'invitation') return { mode, ...place, linkId: creds.linkId };
  return { mode, ...place, type: isGroupLink(clientData) ? 'group' : 'contact' };
}

function isGroupLink(clientData: string | undefined): boolean {
  if (clientData === undefined) return false;
  try {
    const data: unknown = JSON.parse(clientData);
    return typeof data === 'object' && data !== null && 'groupLinkId' in data;
  } catch {
    return false;
  }
}

/** `withKem`: the full link keeps the KEM key, with which it has about 2,000 characters. */
export function createdLink(
  request: ConnectionRequest,
  short: ShortLink | undefined,
  withKem: boolean,
): CreatedConnLink {
  const connFullLink = formatOwnLink(request, withKem);
  return short === undefined ? { connFullLink } : { connFullLink, connShortLink: formatShortLink(short, 'server') };
}
