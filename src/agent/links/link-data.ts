import {
  decodePublicKey,
  encodePublicKey,
  type PublicKey,
  readPublicKey,
  sha3_256,
  verify,
  writePublicKey,
} from '../../crypto/index.js';
import { sameServerAddress } from '../../smp/index.js';
import {
  base64url,
  concat,
  decodePrefix,
  encode,
  equalBytes,
  type Reader,
  readVersionRange,
  type VersionRange,
  type Writer,
  writeVersionRange,
} from '../../wire/index.js';
import { type AgentError, agentError } from '../errors.js';
import { type AgentVersion, agentVersion, agentVersions } from '../versions.js';
import { type ConnectionRequest, readConnectionRequest, writeConnectionRequest } from './connection-request.js';
import { readShortLink, type ShortLink, writeShortLink } from './short-link.js';

/** The largest user data of a contact and of an invitation link, in bytes (30-agent.md, section 4.7). */
export const maxUserLinkData = { contact: 13_706, invitation: 13_709 } as const;

/** The part of link data that never changes: its hash is the key of the link. */
export interface FixedLinkData {
  readonly agentVersions: VersionRange<AgentVersion>;
  /** Signs the data; its private half stays with the owner of the link. */
  readonly rootKey: PublicKey<'ed25519'>;
  readonly request: ConnectionRequest;
  /** Channels of newer clients; never written for ordinary links, which older clients could not open. */
  readonly linkEntityId?: Uint8Array;
}

/** Somebody beside the root key who may sign the user data. */
export interface LinkOwner {
  readonly ownerId: Uint8Array;
  readonly ownerKey: PublicKey<'ed25519'>;
  /** By the root key or by an earlier owner, over the id and the key. */
  readonly authSignature: Uint8Array;
}

/** The part of link data that its owner may replace. */
export type UserLinkData =
  | { readonly mode: 'invitation'; readonly agentVersions: VersionRange<AgentVersion>; readonly userData: Uint8Array }
  | {
      readonly mode: 'contact';
      readonly agentVersions: VersionRange<AgentVersion>;
      /** Whether requests may be sent to the queue of the fixed data; otherwise to one of the relays. */
      readonly direct: boolean;
      readonly owners: readonly LinkOwner[];
      readonly relays: readonly ShortLink[];
      readonly userData: Uint8Array;
    };

/** Encodes the fixed data; SHA3-256 of it is the link key. */
export function encodeFixedLinkData(data: FixedLinkData): Uint8Array {
  return encode((w) => {
    writeVersionRange(w, data.agentVersions);
    writePublicKey(w, data.rootKey);
    writeConnectionRequest(w, data.request);
    if (data.linkEntityId !== undefined) w.str(data.linkEntityId);
  }, 2048);
}

/** Bytes after the known fields are ignored: newer clients may add some. */
function decodeFixedLinkData(bytes: Uint8Array): FixedLinkData {
  return decodePrefix(bytes, (r) => {
    const versions = readVersionRange(r, 'fixedData.versions');
    const rootKey = readPublicKey(r, 'fixedData.rootKey', ['ed25519']);
    const request = readConnectionRequest(r);
    const linkEntityId = r.remaining === 0 ? undefined : r.attempt((r2) => r2.str('linkEntityId'));
    return {
      agentVersions: { min: agentVersion(versions.min), max: agentVersion(versions.max) },
      rootKey,
      request,
      ...(linkEntityId === undefined ? {} : { linkEntityId }),
    };
  });
}

/** The link key of fixed data. 32 bytes. */
export function linkKeyOf(fixedData: Uint8Array): Uint8Array {
  return sha3_256(fixedData);
}

/** User data of a link of ours: direct, without further owners and relays. */
export function ownUserLinkData(mode: UserLinkData['mode'], userData: Uint8Array): UserLinkData {
  if (mode === 'invitation') return { mode, agentVersions, userData };
  return { mode, agentVersions, direct: true, owners: [], relays: [], userData };
}

/** Not signed yet. The length of `userData` is not checked here: see {@link maxUserLinkData}. */
export function encodeUserLinkData(data: UserLinkData): Uint8Array {
  return encode((w) => {
    w.char(data.mode === 'invitation' ? 'I' : 'C');
    writeVersionRange(w, data.agentVersions);
    if (data.mode === 'contact') {
      w.bool(data.direct).list(data.owners, writeOwner).list(data.relays, writeShortLink);
    }
    writeUserBlob(w, data.userData);
  }, 14_000);
}

/** Bytes after the known fields are ignored: newer clients may add some. @throws DecodeError */
export function decodeUserLinkData(bytes: Uint8Array): UserLinkData {
  return decodePrefix(bytes, (r) => {
    const tag = r.char('userLinkData');
    if (tag !== 'I' && tag !== 'C') throw r.error('userLinkData', 'not I or C');
    const range = readVersionRange(r, 'userLinkData.versions');
    const versions = { min: agentVersion(range.min), max: agentVersion(range.max) };
    if (tag === 'I') return { mode: 'invitation', agentVersions: versions, userData: readUserBlob(r) };
    const direct = r.bool('direct');
    const owners = r.list('owners', readOwner);
    const relays = r.list('relays', readShortLink);
    return { mode: 'contact', agentVersions: versions, direct, owners, relays, userData: readUserBlob(r) };
  });
}

const longBlob = 0xff;

function writeUserBlob(w: Writer, blob: Uint8Array): void {
  if (blob.length < longBlob) w.str(blob);
  else w.u8(longBlob).large(blob);
}

function readUserBlob(r: Reader): Uint8Array {
  return r.skipIf(longBlob) ? r.large('userData') : r.str('userData');
}

function writeOwner(w: Writer, owner: LinkOwner): void {
  w.str(
    encode((inner) => {
      inner.str(owner.ownerId);
      writePublicKey(inner, owner.ownerKey);
      inner.str(owner.authSignature);
    }),
  );
}

function readOwner(r: Reader): LinkOwner {
  return decodePrefix(r.str('owner'), (inner) => {
    const ownerId = inner.str('ownerId');
    const ownerKey = decodePublicKey(inner.str('ownerKey'), 'ownerKey', ['ed25519']);
    return { ownerId, ownerKey, authSignature: inner.str('authOwnerSig') };
  });
}

const linkError = (linkErr: string): AgentError => agentError({ type: 'A_LINK', linkErr });

/** The keys that may sign user data, after each owner was found to be authorised by an earlier one. */
function signingKeys(rootKey: PublicKey<'ed25519'>, owners: readonly LinkOwner[]): PublicKey<'ed25519'>[] {
  const keys = [rootKey];
  const ids: Uint8Array[] = [];
  for (const { ownerId, ownerKey, authSignature } of owners) {
    const id = ownerId.length === 0 ? '' : base64url(ownerId);
    if (equalBytes(ownerKey.raw, rootKey.raw)) throw linkError(`owner key for ID ${id} matches root key`);
    if (keys.some((k) => equalBytes(k.raw, ownerKey.raw)) || ids.some((other) => equalBytes(other, ownerId))) {
      throw linkError(`duplicate owner key or ID ${id}`);
    }
    const authorised = concat(ownerId, encodePublicKey(ownerKey));
    if (!keys.some((k) => verify(k, authSignature, authorised))) {
      throw linkError(`invalid authorization of owner ID ${id}`);
    }
    keys.push(ownerKey);
    ids.push(ownerId);
  }
  return keys;
}

/** One decrypted blob: the signature and what it is over. */
export interface SignedLinkData {
  readonly signature: Uint8Array;
  readonly data: Uint8Array;
}

/** What a short link leads to, verified. */
export interface VerifiedLinkData {
  readonly fixed: FixedLinkData;
  readonly user: UserLinkData;
  /** The request of the fixed data, with the link's server in its first queue. */
  readonly request: ConnectionRequest;
}

/**
 * Verifies both decrypted blobs of a link (30-agent.md, section 4.7): hash, root signature, owners, signature of the
 * user data, and that the request leads to the queue that the link's server holds.
 * @throws AgentError `A_LINK` with upstream's text, DecodeError
 */
export function verifyLinkData(
  link: ShortLink,
  senderId: Uint8Array,
  fixedBlob: SignedLinkData,
  userBlob: SignedLinkData,
): VerifiedLinkData {
  if (!equalBytes(linkKeyOf(fixedBlob.data), link.linkKey)) throw linkError('link data hash');
  const fixed = decodeFixedLinkData(fixedBlob.data);
  if (!verify(fixed.rootKey, fixedBlob.signature, fixedBlob.data)) throw linkError('link data signature');
  const user = decodeUserLinkData(userBlob.data);
  const keys = signingKeys(fixed.rootKey, user.mode === 'contact' ? user.owners : []);
  if (!keys.some((key) => verify(key, userBlob.signature, userBlob.data))) {
    throw linkError('user data signature');
  }
  const [first, ...rest] = fixed.request.queues;
  const { server } = first.address;
  if (!server.hosts.includes(link.server.hosts[0]) || !equalBytes(first.address.senderId, senderId)) {
    throw linkError('different address');
  }
  const queue = sameServerAddress(server, link.server)
    ? first
    : { ...first, address: { ...first.address, server: link.server } };
  return { fixed, user, request: { ...fixed.request, queues: [queue, ...rest] } };
}
