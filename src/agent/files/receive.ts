import { createHash } from 'node:crypto';
import { mkdir, rename, rm } from 'node:fs/promises';
import path from 'node:path';
import { type CryptoFile, filePieces, randomCryptoFileArgs, readCryptoFileWhole } from '../../crypto/index.js';
import { isAddressProtected, parseServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { equalBytes, utf8String } from '../../wire/index.js';
import {
  decryptFile,
  FileCipherError,
  type FileDescription,
  maxFileSize,
  parseFileDescription,
  syncFolder,
  validateFileDescription,
} from '../../xftp/index.js';
import { type AgentError, isHostError, isTemporaryOrHostError } from '../errors.js';
import type { UserId } from '../types.js';
import { type FileContext, folderName, newFileId, raiseFileEvent } from './context.js';
import { fileError, toFileAgentError } from './errors.js';
import { retryDelay } from './lanes.js';
import {
  forgetRcvChunk,
  insertRcvChunks,
  insertRcvFile,
  liveRcvFile,
  type RcvChunkJob,
  type RcvFileRow,
  rcvChunks,
  rcvFileTtl,
  rcvProgress,
  rcvServers,
  setRcvStatus,
  storedKey,
} from './receive-rows.js';
import type { FileId, ReceiveFileParams } from './types.js';

/** Names {@link Transfers} of a download. */
export const rcvKey = (id: number): string => `rcv ${id}`;

const chunkFolder = (file: Pick<RcvFileRow, 'folder' | 'redirect_for'>): string =>
  path.join(file.folder, file.redirect_for === null ? 'xftp.encrypted' : 'xftp.redirect-encrypted');

/** Official programs do not send files above 5 GB; padding makes them larger by less than one chunk. */
const maxReceivedSize = maxFileSize + 8 * 1024 * 1024;

/**
 * Stores a download; it starts after the commit.
 * @throws AgentError FILE SIZE for descriptions of files that nobody may send; DecodeError for wrong ones
 */
export async function receiveFile(ctx: FileContext, tx: Tx, params: ReceiveFileParams): Promise<FileId> {
  const { userId, target, description } = params;
  validateFileDescription(description, 'recipient');
  if (Math.max(description.size, description.redirect?.size ?? 0) > maxReceivedSize) throw fileError({ type: 'SIZE' });
  const fileId = newFileId(ctx.random);
  const folder = folderName(ctx, fileId, 'rcv');
  const common = {
    user_id: userId,
    status: 'receiving',
    folder,
    approved_relays: params.approvedRelays ? 1 : 0,
    created_at: ctx.clock.now(),
  };
  const { redirect } = description;
  const of = (d: FileDescription) => ({ size: d.size, digest: d.digest, file_key: d.key, nonce: d.nonce });
  const nothing = { target_path: '', target_key: null, target_nonce: null };
  const destination = {
    ...common,
    ...(redirect === undefined
      ? of(description)
      : { size: redirect.size, digest: redirect.digest, file_key: new Uint8Array(32), nonce: new Uint8Array(24) }),
    file_id: fileId,
    target_path: target.filePath,
    target_key: target.cryptoArgs?.fileKey ?? null,
    target_nonce: target.cryptoArgs?.fileNonce ?? null,
    redirect_for: null,
    redirect_size: null,
    redirect_digest: null,
  };
  const id = await insertRcvFile(tx, destination);
  if (redirect === undefined) await insertRcvChunks(tx, id, description.chunks);
  else {
    const redirectId = await insertRcvFile(tx, {
      ...common,
      ...of(description),
      ...nothing,
      file_id: newFileId(ctx.random),
      redirect_for: id,
      redirect_size: redirect.size,
      redirect_digest: redirect.digest,
    });
    await insertRcvChunks(tx, redirectId, description.chunks);
  }
  wakeServers(ctx, tx, userId, description);
  return fileId;
}

function wakeServers(ctx: FileContext, tx: Tx, userId: UserId, description: FileDescription): void {
  const servers = new Set(description.chunks.map((c) => c.replicas[0]?.server));
  tx.onCommit(() => {
    for (const server of servers) if (server !== undefined) ctx.wake('receive', userId, server);
  });
}

/** Downloads one chunk. Gives the time before another attempt, if there is to be one. */
export async function downloadChunk(ctx: FileContext, job: RcvChunkJob, lane: number): Promise<number | undefined> {
  return ctx.transfers.run(rcvKey(job.rcvFileId), async (signal) => {
    try {
      if (!job.approvedRelays && !isAddressProtected(parseServer(job.server, 'xftp'), ctx.sessions.network)) {
        throw fileError({ type: 'NOT_APPROVED' });
      }
      const file = await ctx.store.read((tx) => liveRcvFile(tx, job.rcvFileId));
      if (file === undefined || signal.aborted) return undefined;
      const folder = path.resolve(ctx.workFolder, chunkFolder(file.file));
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const recipient = { id: job.replica.id, key: storedKey(job.replica.key) };
      await ctx.sessions.use(job.userId, job.server, `rcv ${lane}`, (client) =>
        client.downloadChunk(recipient, job.chunk, path.join(folder, String(job.chunkNo)), signal),
      );
      await chunkReceived(ctx, job);
      return undefined;
    } catch (e) {
      if (signal.aborted) return undefined;
      return chunkFailed(ctx, job, toFileAgentError(e, job.server));
    }
  });
}

async function chunkReceived(ctx: FileContext, job: RcvChunkJob): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const live = await liveRcvFile(tx, job.rcvFileId);
    if (live === undefined) return;
    const { file, shown } = live;
    await tx.execute('UPDATE xftp_rcv_chunks SET received = 1, retries = 0 WHERE id = ?', [job.id]);
    const { received, missing } = await rcvProgress(tx, file.id);
    if (missing === 0) {
      await setRcvStatus(tx, file.id, 'received');
      tx.onCommit(() => ctx.wake('decrypt'));
    }
    const total = file.redirect_size ?? file.size;
    await raiseFileEvent(ctx, tx, { type: 'RFPROG', userId: file.user_id, fileId: shown.file_id, received, total });
  });
}

async function chunkFailed(ctx: FileContext, job: RcvChunkJob, error: AgentError): Promise<number | undefined> {
  if (isTemporaryOrHostError(error.json)) {
    await ctx.store.transaction(async (tx) => {
      await tx.execute('UPDATE xftp_rcv_chunks SET retries = retries + 1 WHERE id = ?', [job.id]);
      const live = await liveRcvFile(tx, job.rcvFileId);
      if (live === undefined || !isHostError(error.json)) return;
      await raiseFileEvent(ctx, tx, {
        type: 'RFWARN',
        userId: job.userId,
        fileId: live.shown.file_id,
        error: error.json,
      });
    });
    return retryDelay(job.retries);
  }
  const other = await ctx.store.transaction(async (tx) => {
    const next = job.replicaNo + 1;
    const { rows } = await tx.execute<{ server: string }>(
      'SELECT server FROM xftp_rcv_replicas WHERE chunk_id = ? AND replica_no = ?',
      [job.id, next],
    );
    if (rows[0] === undefined) return undefined;
    await tx.execute('UPDATE xftp_rcv_chunks SET replica_no = ?, retries = 0 WHERE id = ?', [next, job.id]);
    return rows[0].server;
  });
  if (other === undefined) await failRcvFile(ctx, job.rcvFileId, error);
  else ctx.wake('receive', job.userId, other);
  return undefined;
}

/** Ends a download with an error: event, and nothing stays of it. */
export async function failRcvFile(ctx: FileContext, id: number, error: AgentError): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const live = await liveRcvFile(tx, id);
    if (live === undefined) return;
    const { file, shown } = live;
    await setRcvStatus(tx, file.id, 'error');
    if (shown.id !== file.id) await setRcvStatus(tx, shown.id, 'error');
    await raiseFileEvent(ctx, tx, { type: 'RFERR', userId: file.user_id, fileId: shown.file_id, error: error.json });
    tx.onCommit(() => ctx.wake('clean'));
  });
}

/** The unfinished result, beside the target, so that it can be put into its place in one step. */
export const partialTarget = (file: Pick<RcvFileRow, 'target_path' | 'file_id'>): string =>
  path.join(path.dirname(file.target_path), `.${file.file_id}.part`);

/** Checks and decrypts a file whose chunks are all there. */
export async function decryptReceived(ctx: FileContext, file: RcvFileRow): Promise<void> {
  return ctx.transfers.run(rcvKey(file.id), async (signal) => {
    const folder = path.resolve(ctx.workFolder, chunkFolder(file));
    const chunkPath = (chunkNo: number): string => path.join(folder, String(chunkNo));
    try {
      const parts = await ctx.store.transaction(async (tx) => {
        if ((await liveRcvFile(tx, file.id)) === undefined) return undefined;
        await setRcvStatus(tx, file.id, 'decrypting');
        return rcvChunks(tx, file.id);
      });
      if (parts === undefined) return;
      const { size, digest, file_key: key, nonce } = file;
      const chunks = { paths: parts.map((c) => chunkPath(c.chunkNo)), size, digest, key, nonce };
      if (file.redirect_for === null) await finishFile(ctx, file, chunks, signal);
      else await finishRedirect(ctx, file, chunks, signal);
    } catch (e) {
      if (signal.aborted) return;
      if (isDamage(e) && (await repair(ctx, file, chunkPath))) return;
      await failRcvFile(ctx, file.id, toFileAgentError(e));
    }
  });
}

/** The chunks are not what was downloaded. */
function isDamage(e: unknown): boolean {
  if (e instanceof FileCipherError) return e.code === 'XFTP_FILE_SIZE' || e.code === 'XFTP_FILE_DIGEST';
  return e instanceof Error && 'code' in e && e.code === 'ENOENT';
}

/**
 * Chunks that were downloaded well may be lost or damaged afterwards, by a power failure for instance: those are
 * downloaded once more. False when all chunks are what the description says, and the description is wrong.
 */
async function repair(ctx: FileContext, file: RcvFileRow, chunkPath: (chunkNo: number) => string): Promise<boolean> {
  const damaged: number[] = [];
  for (const chunk of await ctx.store.read((tx) => rcvChunks(tx, file.id))) {
    const actual = await digestOf(chunkPath(chunk.chunkNo));
    if (actual === undefined || !equalBytes(actual, chunk.digest)) damaged.push(chunk.id);
  }
  if (damaged.length === 0) return false;
  ctx.logger.warn(
    { chunks: damaged.length },
    'chunks of a download were damaged on the disk, they are downloaded again',
  );
  const servers = await ctx.store.transaction(async (tx) => {
    if ((await liveRcvFile(tx, file.id)) === undefined) return [];
    for (const id of damaged) await forgetRcvChunk(tx, id);
    await setRcvStatus(tx, file.id, 'receiving');
    return rcvServers(tx, ctx.clock.now() - rcvFileTtl);
  });
  for (const { userId, server } of servers) ctx.wake('receive', userId, server);
  return true;
}

async function digestOf(file: string): Promise<Uint8Array | undefined> {
  const hash = createHash('sha256');
  try {
    for await (const piece of filePieces(file)) hash.update(piece);
    return hash.digest();
  } catch {
    return undefined;
  }
}

type Chunks = Parameters<typeof decryptFile>[0];

async function finishFile(ctx: FileContext, file: RcvFileRow, chunks: Chunks, signal: AbortSignal): Promise<void> {
  const partial = partialTarget(file);
  const { target_key: fileKey, target_nonce: fileNonce } = file;
  const target: CryptoFile =
    fileKey === null || fileNonce === null
      ? { filePath: partial }
      : { filePath: partial, cryptoArgs: { fileKey, fileNonce } };
  const { contentSize } = await decryptFile(chunks, target, signal);
  signal.throwIfAborted();
  await rename(partial, file.target_path).catch(async (e: unknown) => {
    await rm(partial, { force: true });
    throw e;
  });
  await syncFolder(path.dirname(file.target_path));
  await ctx.store.transaction(async (tx) => {
    if ((await liveRcvFile(tx, file.id)) === undefined) return;
    await setRcvStatus(tx, file.id, 'complete');
    const { user_id: userId, file_id: fileId, target_path } = file;
    await raiseFileEvent(ctx, tx, { type: 'RFDONE', userId, fileId, path: target_path, contentSize });
    tx.onCommit(() => ctx.wake('clean'));
  });
}

/** The file is a description: reads it, and goes on with what it describes. */
async function finishRedirect(ctx: FileContext, file: RcvFileRow, chunks: Chunks, signal: AbortSignal): Promise<void> {
  const target = {
    filePath: path.resolve(ctx.workFolder, file.folder, 'xftp.redirect-decrypted'),
    cryptoArgs: randomCryptoFileArgs(ctx.random),
  };
  await decryptFile(chunks, target, signal);
  const text = utf8String(await readCryptoFileWhole(target));
  await rm(target.filePath, { force: true });
  const refuse = (redirectError: string, cause?: unknown): Error =>
    fileError({ type: 'REDIRECT', redirectError }, cause);
  let description: FileDescription;
  try {
    if (text === undefined) throw new Error('not UTF-8');
    description = parseFileDescription(text, 'recipient');
    if (description.redirect !== undefined) throw new Error('a redirect to a redirect');
  } catch (e) {
    throw refuse('decode error', e);
  }
  if (description.size !== file.redirect_size) throw refuse('size mismatch');
  if (file.redirect_digest === null || !equalBytes(description.digest, file.redirect_digest))
    throw refuse('digest mismatch');
  await ctx.store.transaction(async (tx) => {
    const live = await liveRcvFile(tx, file.id);
    if (live === undefined) return;
    await setRcvStatus(tx, file.id, 'complete');
    await tx.execute('UPDATE xftp_rcv_files SET file_key = ?, nonce = ? WHERE id = ?', [
      description.key,
      description.nonce,
      live.shown.id,
    ]);
    await insertRcvChunks(tx, live.shown.id, description.chunks);
    wakeServers(ctx, tx, file.user_id, description);
  });
}

/** Marks a download, and its redirect, as deleted: the clean-up breaks it off and removes it. */
export async function deleteRcvFile(ctx: FileContext, tx: Tx, fileId: FileId): Promise<void> {
  await tx.execute(
    `UPDATE xftp_rcv_files SET deleted = 1
     WHERE file_id = ? OR redirect_for IN (SELECT id FROM xftp_rcv_files WHERE file_id = ?)`,
    [fileId, fileId],
  );
  tx.onCommit(() => ctx.wake('clean'));
}
