import { decodePrivateKey, encodePrivateKey } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { FileChunk, ReplicaKey } from '../../xftp/index.js';
import type { UserId } from '../types.js';
import type { FileId } from './types.js';

/** Unfinished downloads are given up after this time: servers do not have the chunks any more (40-xftp, section 5.8). */
export const rcvFileTtl = 2 * 86_400_000;

const replicaAlgorithms = ['ed25519', 'ed448', 'x25519'] as const;

export const storedKey = (der: Uint8Array): ReplicaKey => decodePrivateKey(der, 'replicaKey', replicaAlgorithms);

/** A chunk to download. */
export interface RcvChunkJob {
  /** Of the chunk. */
  readonly id: number;
  readonly rcvFileId: number;
  readonly userId: UserId;
  readonly chunkNo: number;
  readonly chunk: { readonly size: number; readonly digest: Uint8Array };
  readonly server: string;
  readonly replica: { readonly id: Uint8Array; readonly key: Uint8Array };
  readonly replicaNo: number;
  readonly retries: number;
  readonly folder: string;
  readonly approvedRelays: boolean;
}

interface ChunkJobRow {
  readonly id: number;
  readonly rcv_file_id: number;
  readonly user_id: number;
  readonly chunk_no: number;
  readonly chunk_size: number;
  readonly digest: Uint8Array;
  readonly server: string;
  readonly replica_id: Uint8Array;
  readonly replica_key: Uint8Array;
  readonly replica_no: number;
  readonly retries: number;
  readonly folder: string;
  readonly approved_relays: number;
}

const chunkJobs = `FROM xftp_rcv_chunks c
  JOIN xftp_rcv_replicas r ON r.chunk_id = c.id AND r.replica_no = c.replica_no
  JOIN xftp_rcv_files f ON f.id = c.rcv_file_id
  WHERE c.received = 0 AND f.status = 'receiving' AND f.deleted = 0 AND f.created_at > ?`;

/** Chunks to download from a server, those that failed less often first. */
export async function nextRcvChunks(
  tx: Tx,
  userId: UserId,
  server: string,
  since: number,
  limit: number,
): Promise<RcvChunkJob[]> {
  const { rows } = await tx.execute<ChunkJobRow>(
    `SELECT c.id, c.rcv_file_id, f.user_id, c.chunk_no, c.chunk_size, c.digest, r.server, r.replica_id, r.replica_key,
       c.replica_no, c.retries, f.folder, f.approved_relays
     ${chunkJobs} AND f.user_id = ? AND r.server = ? ORDER BY c.retries, c.id LIMIT ?`,
    [since, userId, server, limit],
  );
  return rows.map((r) => ({
    id: r.id,
    rcvFileId: r.rcv_file_id,
    userId: r.user_id,
    chunkNo: r.chunk_no,
    chunk: { size: r.chunk_size, digest: r.digest },
    server: r.server,
    replica: { id: r.replica_id, key: r.replica_key },
    replicaNo: r.replica_no,
    retries: r.retries,
    folder: r.folder,
    approvedRelays: r.approved_relays !== 0,
  }));
}

/** Users and servers that have chunks to download. */
export async function rcvServers(tx: Tx, since: number): Promise<{ userId: UserId; server: string }[]> {
  const { rows } = await tx.execute<{ user_id: number; server: string }>(
    `SELECT DISTINCT f.user_id, r.server ${chunkJobs}`,
    [since],
  );
  return rows.map((r) => ({ userId: r.user_id, server: r.server }));
}

/** A download. */
export interface RcvFileRow {
  readonly id: number;
  readonly file_id: FileId;
  readonly user_id: UserId;
  readonly status: string;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly file_key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly folder: string;
  readonly target_path: string;
  readonly target_key: Uint8Array | null;
  readonly target_nonce: Uint8Array | null;
  readonly approved_relays: number;
  readonly deleted: number;
  readonly redirect_for: number | null;
  readonly redirect_size: number | null;
  readonly redirect_digest: Uint8Array | null;
  readonly created_at: number;
}

async function rcvFileRow(tx: Tx, id: number): Promise<RcvFileRow | undefined> {
  return (await tx.execute<RcvFileRow>('SELECT * FROM xftp_rcv_files WHERE id = ?', [id])).rows[0];
}

/** The download that the layer above knows: of a redirect the destination. Undefined when it is gone or over. */
export async function liveRcvFile(tx: Tx, id: number): Promise<{ file: RcvFileRow; shown: RcvFileRow } | undefined> {
  const file = await rcvFileRow(tx, id);
  if (file === undefined) return undefined;
  const shown = file.redirect_for === null ? file : await rcvFileRow(tx, file.redirect_for);
  if (shown === undefined || file.deleted !== 0 || shown.deleted !== 0) return undefined;
  if (file.status === 'complete' || file.status === 'error') return undefined;
  return { file, shown };
}

/** Files to decrypt, the oldest first. */
export async function nextToDecrypt(tx: Tx, since: number, limit: number): Promise<RcvFileRow[]> {
  const { rows } = await tx.execute<RcvFileRow>(
    `SELECT * FROM xftp_rcv_files WHERE status IN ('received', 'decrypting') AND deleted = 0 AND created_at > ?
     ORDER BY created_at, id LIMIT ?`,
    [since, limit],
  );
  return rows;
}

/** A download, or the redirect that tells what to download for another one. Gives the row id. */
export async function insertRcvFile(tx: Tx, row: Omit<RcvFileRow, 'id' | 'deleted'>): Promise<number> {
  const columns = Object.keys(row);
  const { rows } = await tx.execute<{ id: number }>(
    `INSERT INTO xftp_rcv_files (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')}) RETURNING id`,
    Object.values(row),
  );
  const id = rows[0]?.id;
  if (id === undefined) throw new Error('no id of the new row');
  return id;
}

/** The chunks of a description; replicas are numbered from 1 in its order. */
export async function insertRcvChunks(tx: Tx, rcvFileId: number, chunks: readonly FileChunk[]): Promise<void> {
  for (const chunk of chunks) {
    const { rows } = await tx.execute<{ id: number }>(
      'INSERT INTO xftp_rcv_chunks (rcv_file_id, chunk_no, chunk_size, digest) VALUES (?, ?, ?, ?) RETURNING id',
      [rcvFileId, chunk.chunkNo, chunk.chunkSize, chunk.digest],
    );
    const chunkId = rows[0]?.id;
    for (const [i, replica] of chunk.replicas.entries()) {
      await tx.execute(
        'INSERT INTO xftp_rcv_replicas (chunk_id, replica_no, server, replica_id, replica_key) VALUES (?, ?, ?, ?, ?)',
        [chunkId, i + 1, replica.server, replica.replicaId, encodePrivateKey(replica.replicaKey)],
      );
    }
  }
}

/** Bytes received, and whether something is missing. */
export async function rcvProgress(tx: Tx, rcvFileId: number): Promise<{ received: number; missing: number }> {
  const { rows } = await tx.execute<{ received: number | null; missing: number | null }>(
    `SELECT SUM(CASE WHEN received = 1 THEN chunk_size ELSE 0 END) AS received,
       SUM(CASE WHEN received = 0 THEN 1 ELSE 0 END) AS missing FROM xftp_rcv_chunks WHERE rcv_file_id = ?`,
    [rcvFileId],
  );
  return { received: Number(rows[0]?.received ?? 0), missing: Number(rows[0]?.missing ?? 0) };
}

/** The chunks of a file in order. */
export async function rcvChunks(
  tx: Tx,
  rcvFileId: number,
): Promise<{ id: number; chunkNo: number; digest: Uint8Array }[]> {
  const { rows } = await tx.execute<{ id: number; chunk_no: number; digest: Uint8Array }>(
    'SELECT id, chunk_no, digest FROM xftp_rcv_chunks WHERE rcv_file_id = ? ORDER BY chunk_no',
    [rcvFileId],
  );
  return rows.map((r) => ({ id: r.id, chunkNo: r.chunk_no, digest: r.digest }));
}

/** The chunk is to be downloaded once more. */
export async function forgetRcvChunk(tx: Tx, chunkId: number): Promise<void> {
  await tx.execute('UPDATE xftp_rcv_chunks SET received = 0 WHERE id = ?', [chunkId]);
}

/** `status` is one of those that `XftpRcvFilesTable` lists. */
export async function setRcvStatus(tx: Tx, id: number, status: string): Promise<void> {
  await tx.execute('UPDATE xftp_rcv_files SET status = ? WHERE id = ?', [status, id]);
}
