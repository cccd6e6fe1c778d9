import { isMap, isScalar, isSeq, parseDocument, type Scalar, stringify, type YAMLMap } from 'yaml';
import { cbNonce, decodePrivateKey, encodePrivateKey } from '../crypto/index.js';
import { base64url, DecodeError, decodeBase64url, equalBytes, formatFileSize, parseFileSize } from '../wire/index.js';
import {
  type FileChunk,
  type FileDescription,
  type FileParty,
  type FileRedirect,
  type FileReplica,
  validateFileDescription,
} from './description.js';
import { compareServers, normalServerAddress } from './servers.js';

/** Texts above this are not read: 5 GB of 4 MB chunks need about 200 kB, each further replica as much again. */
const maxTextLength = 4 * 1024 * 1024;
const replicaAlgorithms = ['ed25519', 'ed448', 'x25519'] as const;

/** The YAML text of a description, byte for byte as the official programs write it (40-xftp, section 4.2). */
export function formatFileDescription(d: FileDescription): string {
  const byServer = new Map<string, string[]>();
  for (const chunk of d.chunks) {
    chunk.replicas.forEach((replica, i) => {
      const parts = [chunk.chunkNo, base64url(replica.replicaId), base64url(encodePrivateKey(replica.replicaKey))];
      if (i === 0) {
        parts.push(base64url(chunk.digest));
        if (chunk.chunkSize !== d.chunkSize) parts.push(formatFileSize(chunk.chunkSize));
      }
      const list = byServer.get(replica.server) ?? [];
      list.push(parts.join(':'));
      byServer.set(replica.server, list);
    });
  }
  const replicas = [...byServer]
    .sort(([a], [b]) => compareServers(a, b))
    .map(([server, chunks]) => ({ chunks, server }));
  const redirect =
    d.redirect === undefined ? {} : { redirect: { digest: base64url(d.redirect.digest), size: d.redirect.size } };
  return stringify(
    {
      chunkSize: formatFileSize(d.chunkSize),
      digest: base64url(d.digest),
      key: base64url(d.key),
      nonce: base64url(d.nonce),
      party: d.party,
      ...redirect,
      replicas,
      size: formatFileSize(d.size),
    },
    { lineWidth: 0, indentSeq: false, singleQuote: true },
  );
}

const bad = (field: string, problem: string, cause?: unknown): DecodeError =>
  new DecodeError(`fileDescription.${field}`, problem, 0, cause);

function scalar(map: YAMLMap, field: string): Scalar & { value: string } {
  const node = map.get(field, true);
  if (!isScalar(node) || typeof node.value !== 'string') throw bad(field, node === undefined ? 'absent' : 'not a text');
  return Object.assign(node, { value: node.value });
}

/** A text; a plain number is not one (the official reader refuses it, too). */
function text(map: YAMLMap, field: string): string {
  const node = scalar(map, field);
  if (node.type === 'PLAIN' && /^-?\d+$/.test(node.value)) throw bad(field, 'a number, not a text');
  return node.value;
}

/**
 * Reads a description and checks it (see {@link validateFileDescription}). Quoted scalars, any order of keys, unknown
 * keys, CRLF and flow style are accepted, as the official reader does.
 * @param party the party that the description must be for
 * @throws DecodeError
 */
export function parseFileDescription(yaml: string, party?: FileParty): FileDescription {
  if (yaml.length > maxTextLength) throw bad('text', 'too long');
  const doc = parseDocument(yaml, { schema: 'failsafe', logLevel: 'silent', uniqueKeys: true });
  if (doc.errors.length > 0) throw bad('text', 'not YAML', doc.errors[0]);
  const map = doc.contents;
  if (!isMap(map)) throw bad('text', 'not a YAML mapping');
  const partyText = text(map, 'party');
  if (partyText !== 'recipient' && partyText !== 'sender') throw bad('party', 'unknown party');
  const chunkSize = parseFileSize(text(map, 'chunkSize'), 'fileDescription.chunkSize');
  const key = decodeBase64url(text(map, 'key'), 'fileDescription.key');
  if (key.length !== 32) throw bad('key', `${key.length} bytes`);
  const redirect = readRedirect(map);
  return validateFileDescription(
    {
      party: partyText,
      size: parseFileSize(text(map, 'size'), 'fileDescription.size'),
      digest: decodeBase64url(text(map, 'digest'), 'fileDescription.digest'),
      key,
      // The official reader pads and cuts, so it must be read the same.
      nonce: cbNonce(decodeBase64url(text(map, 'nonce'), 'fileDescription.nonce')),
      chunkSize,
      chunks: readChunks(map, chunkSize),
      ...(redirect === undefined ? {} : { redirect }),
    },
    party,
  );
}

function readRedirect(map: YAMLMap): FileRedirect | undefined {
  const node = map.get('redirect', true);
  if (node === undefined) return undefined;
  if (isScalar(node) && node.type === 'PLAIN' && ['null', '~', ''].includes(String(node.value))) return undefined;
  if (!isMap(node)) throw bad('redirect', 'not a mapping');
  const size = scalar(node, 'size').value;
  if (!/^\d{1,15}$/.test(size)) throw bad('redirect.size', 'not a number');
  return { size: Number(size), digest: decodeBase64url(text(node, 'digest'), 'fileDescription.redirect.digest') };
}

interface ReplicaEntry {
  readonly chunkNo: number;
  readonly replica: FileReplica;
  readonly digest: Uint8Array | undefined;
  readonly chunkSize: number | undefined;
}

function readReplica(entry: string, server: string): ReplicaEntry {
  const [no, id, key, digest, size, ...rest] = entry.split(':');
  if (no === undefined || !/^\d{1,7}$/.test(no) || id === undefined || key === undefined || rest.length > 0) {
    throw bad('replicas', 'not a replica');
  }
  return {
    chunkNo: Number(no),
    replica: {
      server,
      replicaId: decodeBase64url(id, 'fileDescription.replicaId'),
      replicaKey: decodePrivateKey(decodeBase64url(key, 'fileDescription.replicaKey'), 'replicaKey', replicaAlgorithms),
    },
    digest: digest === undefined ? undefined : decodeBase64url(digest, 'fileDescription.chunkDigest'),
    chunkSize: size === undefined ? undefined : parseFileSize(size, 'fileDescription.chunkSize'),
  };
}

function readChunks(map: YAMLMap, defaultSize: number): FileChunk[] {
  const servers = map.get('replicas', true);
  if (!isSeq(servers)) throw bad('replicas', 'not a list');
  const entries: ReplicaEntry[] = [];
  for (const item of servers.items) {
    if (!isMap(item)) throw bad('replicas', 'not a mapping');
    const server = normalServerAddress(text(item, 'server'));
    const chunks = item.get('chunks', true);
    if (!isSeq(chunks)) throw bad('replicas.chunks', 'not a list');
    for (const chunk of chunks.items) {
      if (!isScalar(chunk) || typeof chunk.value !== 'string') throw bad('replicas.chunks', 'not a text');
      entries.push(readReplica(chunk.value, server));
    }
  }
  const byNo = new Map<number, ReplicaEntry[]>();
  for (const e of entries) byNo.set(e.chunkNo, [...(byNo.get(e.chunkNo) ?? []), e]);
  return [...byNo]
    .sort(([a], [b]) => a - b)
    .map(([chunkNo, replicas]) => mergeReplicas(chunkNo, replicas, defaultSize));
}

/** Digest and size of a chunk stand at one of its replicas, and must not differ where they stand at several. */
function mergeReplicas(chunkNo: number, entries: readonly ReplicaEntry[], defaultSize: number): FileChunk {
  const described = entries.filter((e) => e.digest !== undefined);
  const digest = described[0]?.digest;
  if (digest === undefined) throw bad('replicas', 'no digest for chunk');
  const chunkSize = entries.find((e) => e.chunkSize !== undefined)?.chunkSize ?? defaultSize;
  for (const e of entries) {
    const sameSize =
      e.digest === undefined && e.chunkSize === undefined ? true : (e.chunkSize ?? defaultSize) === chunkSize;
    if (!sameSize || (e.digest !== undefined && !equalBytes(e.digest, digest))) {
      throw bad('replicas', 'different size or digest in chunk replicas');
    }
  }
  // The replica with the digest was written first, whatever the order of the servers in the text.
  const ordered = [...described, ...entries.filter((e) => e.digest === undefined)];
  return { chunkNo, chunkSize, digest, replicas: ordered.map((e) => e.replica) };
}
