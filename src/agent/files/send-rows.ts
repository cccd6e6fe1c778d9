import { encodePrivateKey, type KeyPair } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { EncryptedFile, FileDescription } from '../../xftp/index.js';
import type { UserId } from '../types.js';
import { storedKey } from './receive-rows.js';
import type { FileId } from './types.js';

/** Unfinished uploads are given up after this time (40-xftp, section 5.8). */
export const sndFileTtl = 86_400_000;

/** An upload. */
export interface SndFileRow {
  readonly id: number;
  readonly file_id: FileId;
  readonly user_id: UserId;
  readonly status: string;
  readonly num_recipients: number;
  readonly source_path: string | null;
  readonly source_key: Uint8Array | null;
  readonly source_nonce: Uint8Array | null;
  readonly content: string | null;
  readonly redirect_size: number | null;
  readonly redirect_digest: Uint8Array | null;
  readonly file_name: string;
  readonly file_key: Uint8Array;
  readonly nonce: Uint8Array;
  readonly digest: Uint8Array | null;
  readonly folder: string;
  readonly deleted: number;
  readonly created_at: number;
}

/** A chunk to register, or to upload. The replica is there when it was registered. */
export interface SndChunkJob {
  /** Of the chunk. */
  readonly id: number;
  readonly sndFileId: number;
  readonly userId: UserId;
  readonly fileId: FileId;
  readonly chunk: { readonly size: number; readonly digest: Uint8Array };
  readonly offset: number;
  readonly folder: string;
  readonly numRecipients: number;
  readonly retries: number;
  readonly replica: { readonly server: string; readonly id: Uint8Array; readonly key: Uint8Array } | undefined;
}

interface SndChunkJobRow {
  readonly id: number;
  readonly snd_file_id: number;
  readonly user_id: number;
  readonly file_id: string;
  readonly chunk_size: number;
  readonly digest: Uint8Array;
  readonly chunk_offset: number;
  readonly folder: string;
  readonly num_recipients: number;
  readonly retries: number;
  readonly server: string | null;
  readonly replica_id: Uint8Array | null;
  readonly replica_key: Uint8Array | null;
}

const liveChunks = `FROM xftp_snd_chunks c JOIN xftp_snd_files f ON f.id = c.snd_file_id
  WHERE c.status = ? AND f.status = 'uploading' AND f.deleted = 0 AND f.created_at > ?`;
const chunkColumns = `c.id, c.snd_file_id, f.user_id, f.file_id, c.chunk_size, c.digest, c.chunk_offset, f.folder,
  f.num_recipients, c.retries, c.server, c.replica_id, c.replica_key`;

function toJob(r: SndChunkJobRow): SndChunkJob {
  const { server, replica_id: id, replica_key: key } = r;
  return {
    id: r.id,
    sndFileId: r.snd_file_id,
    userId: r.user_id,
    fileId: r.file_id,
    chunk: { size: r.chunk_size, digest: r.digest },
    offset: r.chunk_offset,
    folder: r.folder,
    numRecipients: r.num_recipients,
    retries: r.retries,
    replica: server === null || id === null || key === null ? undefined : { server, id, key },
  };
}

/** Chunks without a record on a server. */
export async function nextToCreate(tx: Tx, since: number, limit: number): Promise<SndChunkJob[]> {
  const { rows } = await tx.execute<SndChunkJobRow>(
    `SELECT ${chunkColumns} ${liveChunks} ORDER BY c.retries, c.id LIMIT ?`,
    ['new', since, limit],
  );
  return rows.map(toJob);
}

/** Chunks to upload to a server. */
export async function nextToUpload(
  tx: Tx,
  userId: UserId,
  server: string,
  since: number,
  limit: number,
): Promise<SndChunkJob[]> {
  const { rows } = await tx.execute<SndChunkJobRow>(
    `SELECT ${chunkColumns} ${liveChunks} AND f.user_id = ? AND c.server = ? ORDER BY c.retries, c.id LIMIT ?`,
    ['created', since, userId, server, limit],
  );
  return rows.map(toJob);
}

/** Users and servers that have chunks to upload. */
export async function sndServers(tx: Tx, since: number): Promise<{ userId: UserId; server: string }[]> {
  const { rows } = await tx.execute<{ user_id: number; server: string }>(
    `SELECT DISTINCT f.user_id, c.server ${liveChunks} AND c.server IS NOT NULL`,
    ['created', since],
  );
  return rows.map((r) => ({ userId: r.user_id, server: r.server }));
}

/** Files to encrypt, the oldest first. */
export async function nextToEncrypt(tx: Tx, since: number, limit: number): Promise<SndFileRow[]> {
  const { rows } = await tx.execute<SndFileRow>(
    `SELECT * FROM xftp_snd_files WHERE status IN ('new', 'encrypting') AND deleted = 0 AND created_at > ?
     ORDER BY created_at, id LIMIT ?`,
    [since, limit],
  );
  return rows;
}

/** Files whose chunks are all uploaded. */
export async function nextToFinish(tx: Tx, since: number, limit: number): Promise<SndFileRow[]> {
  const { rows } = await tx.execute<SndFileRow>(
    `SELECT * FROM xftp_snd_files f WHERE f.status = 'uploading' AND f.deleted = 0 AND f.created_at > ?
     AND NOT EXISTS (SELECT 1 FROM xftp_snd_chunks c WHERE c.snd_file_id = f.id AND c.status <> 'uploaded')
     ORDER BY f.created_at, f.id LIMIT ?`,
    [since, limit],
  );
  return rows;
}

/** The upload, unless it is gone or over. */
export async function liveSndFile(tx: Tx, id: number): Promise<SndFileRow | undefined> {
  const row = (await tx.execute<SndFileRow>('SELECT * FROM xftp_snd_files WHERE id = ?', [id])).rows[0];
  return row === undefined || row.deleted !== 0 || row.status === 'complete' || row.status === 'error'
    ? undefined
    : row;
}

/** Stored before anything is encrypted: after a crash an upload begins again with its row. */
export async function insertSndFile(tx: Tx, row: Omit<SndFileRow, 'id' | 'deleted'>): Promise<void> {
  const columns = Object.keys(row);
  await tx.execute(
    `INSERT INTO xftp_snd_files (${columns.join(', ')}) VALUES (${columns.map(() => '?').join(', ')})`,
    Object.values(row),
  );
}

/** `status` is one of those that `XftpSndFilesTable` lists. */
export async function setSndStatus(tx: Tx, id: number, status: string): Promise<void> {
  await tx.execute('UPDATE xftp_snd_files SET status = ? WHERE id = ?', [status, id]);
}

/** The file is encrypted: its chunks are to be registered. */
export async function insertSndChunks(tx: Tx, id: number, encrypted: EncryptedFile): Promise<void> {
  await tx.execute(`UPDATE xftp_snd_files SET status = 'uploading', digest = ? WHERE id = ?`, [encrypted.digest, id]);
  for (const chunk of encrypted.chunks) {
    await tx.execute(
      `INSERT INTO xftp_snd_chunks (snd_file_id, chunk_no, chunk_offset, chunk_size, digest, status) VALUES (?, ?, ?, ?, ?, 'new')`,
      [id, chunk.chunkNo, chunk.offset, chunk.size, chunk.digest],
    );
  }
}

/** The ids that the server gave to the keys, in their order; more may follow for the same chunk. */
export async function insertRecipients(
  tx: Tx,
  chunkId: number,
  ids: readonly Uint8Array[],
  keys: readonly KeyPair<'ed25519'>[],
): Promise<void> {
  for (const [i, key] of keys.entries()) {
    await tx.execute('INSERT INTO xftp_snd_recipients (chunk_id, replica_id, replica_key) VALUES (?, ?, ?)', [
      chunkId,
      ids[i],
      encodePrivateKey(key.privateKey),
    ]);
  }
}

/** Forgets the record of a chunk, so that it is registered again; the record itself is to be deleted. */
export async function moveChunk(tx: Tx, job: SndChunkJob, now: number): Promise<void> {
  if (job.replica !== undefined) await insertDeletedReplica(tx, job.userId, job.replica, now);
  await tx.execute('DELETE FROM xftp_snd_recipients WHERE chunk_id = ?', [job.id]);
  await tx.execute(
    `UPDATE xftp_snd_chunks SET status = 'new', server = NULL, replica_id = NULL, replica_key = NULL, retries = 0 WHERE id = ?`,
    [job.id],
  );
}

/** What is to be deleted on a server; the caller wakes the worker. `now` in ms. */
export async function insertDeletedReplica(
  tx: Tx,
  userId: UserId,
  replica: { readonly server: string; readonly id: Uint8Array; readonly key: Uint8Array },
  now: number,
): Promise<void> {
  await tx.execute(
    'INSERT INTO xftp_deleted_replicas (user_id, server, replica_id, replica_key, created_at) VALUES (?, ?, ?, ?, ?)',
    [userId, replica.server, replica.id, replica.key, now],
  );
}

/** All records that a broken-off upload made are to be deleted. Gives their servers. */
export async function abandonReplicas(
  tx: Tx,
  file: Pick<SndFileRow, 'id' | 'user_id'>,
  now: number,
): Promise<string[]> {
  const { rows } = await tx.execute<{ server: string; replica_id: Uint8Array; replica_key: Uint8Array }>(
    `SELECT server, replica_id, replica_key FROM xftp_snd_chunks WHERE snd_file_id = ? AND server IS NOT NULL`,
    [file.id],
  );
  for (const r of rows) {
    await insertDeletedReplica(tx, file.user_id, { server: r.server, id: r.replica_id, key: r.replica_key }, now);
  }
  await tx.execute('DELETE FROM xftp_snd_chunks WHERE snd_file_id = ?', [file.id]);
  return [...new Set(rows.map((r) => r.server))];
}

/** Bytes uploaded and to upload; whether chunks are left. */
export async function sndProgress(tx: Tx, id: number): Promise<{ sent: number; total: number; left: number }> {
  const { rows } = await tx.execute<{ sent: number | null; total: number | null; remaining: number | null }>(
    `SELECT SUM(CASE WHEN status = 'uploaded' THEN chunk_size ELSE 0 END) AS sent, SUM(chunk_size) AS total,
       SUM(CASE WHEN status = 'uploaded' THEN 0 ELSE 1 END) AS remaining FROM xftp_snd_chunks WHERE snd_file_id = ?`,
    [id],
  );
  const row = rows[0];
  return { sent: Number(row?.sent ?? 0), total: Number(row?.total ?? 0), left: Number(row?.remaining ?? 0) };
}

interface UploadedChunkRow {
  readonly id: number;
  readonly chunk_no: number;
  readonly chunk_size: number;
  readonly digest: Uint8Array;
  readonly server: string;
  readonly replica_id: Uint8Array;
  readonly replica_key: Uint8Array;
}

/** The rows of a finished upload, as {@link buildDescriptions} takes them. */
export async function uploadedChunks(tx: Tx, id: number) {
  const { rows } = await tx.execute<UploadedChunkRow>(
    `SELECT id, chunk_no, chunk_size, digest, server, replica_id, replica_key FROM xftp_snd_chunks
     WHERE snd_file_id = ? ORDER BY chunk_no`,
    [id],
  );
  const recipients = await tx.execute<{ chunk_id: number; replica_id: Uint8Array; replica_key: Uint8Array }>(
    `SELECT r.chunk_id, r.replica_id, r.replica_key FROM xftp_snd_recipients r JOIN xftp_snd_chunks c ON c.id = r.chunk_id
     WHERE c.snd_file_id = ? ORDER BY r.id`,
    [id],
  );
  const byChunk = new Map<number, { replica_id: Uint8Array; replica_key: Uint8Array }[]>();
  for (const r of recipients.rows) {
    const list = byChunk.get(r.chunk_id) ?? [];
    list.push(r);
    byChunk.set(r.chunk_id, list);
  }
  return rows.map((chunk) => ({ chunk, recipients: byChunk.get(chunk.id) ?? [] }));
}

/** The sender's description and one for each recipient: recipient r has recipient r of each chunk. */
export function buildDescriptions(
  file: SndFileRow,
  chunks: Awaited<ReturnType<typeof uploadedChunks>>,
): { sender: FileDescription; recipients: FileDescription[] } {
  const { digest, redirect_size, redirect_digest } = file;
  if (digest === null) throw new Error('the file is not encrypted');
  const common = {
    size: chunks.reduce((sum, { chunk }) => sum + chunk.chunk_size, 0),
    digest,
    key: file.file_key,
    nonce: file.nonce,
    chunkSize: chunks[0]?.chunk.chunk_size ?? 0,
  };
  type Entry = (typeof chunks)[number];
  const describe = (replica: (entry: Entry) => { replica_id: Uint8Array; replica_key: Uint8Array }) =>
    chunks.map((entry) => {
      const { chunk } = entry;
      const { replica_id, replica_key } = replica(entry);
      return {
        chunkNo: chunk.chunk_no,
        chunkSize: chunk.chunk_size,
        digest: chunk.digest,
        replicas: [{ server: chunk.server, replicaId: replica_id, replicaKey: storedKey(replica_key) }],
      };
    });
  const redirect =
    redirect_size === null || redirect_digest === null
      ? {}
      : { redirect: { size: redirect_size, digest: redirect_digest } };
  const recipients = Array.from({ length: file.num_recipients }, (_, i) => ({
    ...common,
    party: 'recipient' as const,
    chunks: describe((entry) => {
      const recipient = entry.recipients[i];
      if (recipient === undefined) throw new Error('a recipient of a chunk is missing');
      return recipient;
    }),
    ...redirect,
  }));
  return { sender: { ...common, party: 'sender', chunks: describe((entry) => entry.chunk) }, recipients };
}
