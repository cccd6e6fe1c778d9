import type { PrivateKey } from '../crypto/index.js';
import { DecodeError } from '../wire/index.js';

/** Who a description is for: the recipient's downloads, the sender's deletes. */
export type FileParty = 'recipient' | 'sender';

/** Keys that authorise the commands of a replica. */
export type ReplicaKey = PrivateKey<'ed25519' | 'ed448' | 'x25519'>;

/** One copy of a chunk. `server` is the address in its normal text form, without password. */
export interface FileReplica {
  readonly server: string;
  readonly replicaId: Uint8Array;
  readonly replicaKey: ReplicaKey;
}

/** A chunk: `chunkSize` in bytes, `digest` its SHA-256. The first replica is the one that current clients use. */
export interface FileChunk {
  readonly chunkNo: number;
  readonly chunkSize: number;
  readonly digest: Uint8Array;
  readonly replicas: readonly FileReplica[];
}

/** Size and SHA-512 of the file that a redirect description leads to. */
export interface FileRedirect {
  readonly size: number;
  readonly digest: Uint8Array;
}

/**
 * Where the chunks of an encrypted file are and how to decrypt it (40-xftp, section 4). `size` is that of the
 * encrypted file in bytes, `digest` its SHA-512; `chunkSize` is the size of chunks that do not name theirs.
 */
export interface FileDescription {
  readonly party: FileParty;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly chunkSize: number;
  readonly chunks: readonly FileChunk[];
  readonly redirect?: FileRedirect;
}

/**
 * Checks what the text form cannot express: chunks are numbered 1 to n in order, their sizes add up.
 * @throws DecodeError that names what is wrong
 */
export function validateFileDescription(d: FileDescription, party?: FileParty): FileDescription {
  const fail = (problem: string): never => {
    throw new DecodeError('fileDescription', problem, 0);
  };
  if (party !== undefined && d.party !== party) fail(`is for the ${d.party}, not for the ${party}`);
  if (d.chunks.length === 0) fail('no chunks');
  let total = 0;
  d.chunks.forEach((chunk, i) => {
    if (chunk.chunkNo !== i + 1) fail('chunk numbers are not sequential');
    if (chunk.replicas.length === 0) fail('chunk has no replicas');
    total += chunk.chunkSize;
  });
  if (total !== d.size) fail('chunks total size is different than file size');
  if (d.party === 'sender' && d.redirect !== undefined) fail('a sender description has no redirect');
  return d;
}

/** The servers of all replicas, each once, in the order of their first use. */
export function descriptionServers(d: FileDescription): string[] {
  return [...new Set(d.chunks.flatMap((c) => c.replicas.map((r) => r.server)))];
}
