import { mkdir, stat } from 'node:fs/promises';
import path from 'node:path';
import {
  type CryptoFile,
  cryptoFileSize,
  encodePrivateKey,
  generateKeyPair,
  randomCryptoFileArgs,
  writeCryptoFile,
} from '../../crypto/index.js';
import { formatServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { utf8Bytes } from '../../wire/index.js';
import {
  encryptFile,
  type FileDescription,
  formatFileDescription,
  maxRecipientsPerRequest,
  planEncryption,
  validateFileDescription,
} from '../../xftp/index.js';
import { type AgentError, isHostError, isTemporaryOrHostError } from '../errors.js';
import type { UserId } from '../types.js';
import { type FileContext, folderName, newFileId, raiseFileEvent } from './context.js';
import { fileError, toFileAgentError } from './errors.js';
import { retryDelay } from './lanes.js';
import { storedKey } from './receive-rows.js';
import {
  abandonReplicas,
  buildDescriptions,
  insertDeletedReplica,
  insertRecipients,
  insertSndChunks,
  insertSndFile,
  liveSndFile,
  moveChunk,
  type SndChunkJob,
  type SndFileRow,
  setSndStatus,
  sndProgress,
  uploadedChunks,
} from './send-rows.js';
import type { FileId, SendFileParams } from './types.js';

/** Failed attempts after which a chunk goes to another server, if there is one: until SFDONE nobody knows where it is. */
const attemptsBeforeMove = 5;

/** Names {@link Transfers} of an upload. */
export const sndKey = (id: number): string => `snd ${id}`;

const encryptedFile = (ctx: FileContext, folder: string): string =>
  path.resolve(ctx.workFolder, folder, 'xftp.encrypted');

function newRow(
  ctx: FileContext,
  userId: UserId,
  numRecipients: number,
): Omit<SndFileRow, 'id' | 'deleted' | 'file_name'> {
  const fileId = newFileId(ctx.random);
  return {
    file_id: fileId,
    user_id: userId,
    status: 'new',
    num_recipients: numRecipients,
    source_path: null,
    source_key: null,
    source_nonce: null,
    content: null,
    redirect_size: null,
    redirect_digest: null,
    file_key: ctx.random.bytes(32),
    nonce: ctx.random.bytes(24),
    digest: null,
    folder: folderName(ctx, fileId, 'snd'),
    created_at: ctx.clock.now(),
  };
}

/** Stores an upload; it starts after the commit. */
export async function sendFile(ctx: FileContext, tx: Tx, params: SendFileParams): Promise<FileId> {
  const { source } = params;
  const row = {
    ...newRow(ctx, params.userId, params.numRecipients),
    file_name: path.basename(source.filePath),
    source_path: source.filePath,
    source_key: source.cryptoArgs?.fileKey ?? null,
    source_nonce: source.cryptoArgs?.fileNonce ?? null,
  };
  await insertSndFile(tx, row);
  tx.onCommit(() => ctx.wake('encrypt'));
  return row.file_id;
}

/** Stores the upload of a description. */
export async function sendDescription(
  ctx: FileContext,
  tx: Tx,
  userId: UserId,
  description: FileDescription,
  numRecipients: number,
): Promise<FileId> {
  validateFileDescription(description, 'recipient');
  const row = {
    ...newRow(ctx, userId, numRecipients),
    file_name: 'direct.yaml',
    content: formatFileDescription(description),
    redirect_size: description.size,
    redirect_digest: description.digest,
  };
  await insertSndFile(tx, row);
  tx.onCommit(() => ctx.wake('encrypt'));
  return row.file_id;
}

/** Encrypts the file and lists its chunks. */
export async function encryptForUpload(ctx: FileContext, file: SndFileRow): Promise<void> {
  return ctx.transfers.run(sndKey(file.id), async (signal) => {
    try {
      const live = await ctx.store.transaction(async (tx) => {
        if ((await liveSndFile(tx, file.id)) === undefined) return false;
        await setSndStatus(tx, file.id, 'encrypting');
        return true;
      });
      if (!live) return;
      await mkdir(path.resolve(ctx.workFolder, file.folder), { recursive: true, mode: 0o700 });
      const source = await sourceOf(ctx, file);
      const plan = planEncryption(file.file_name, await cryptoFileSize(source), file.content !== null);
      const keys = { key: file.file_key, nonce: file.nonce };
      const encrypted = await encryptFile(source, plan, keys, encryptedFile(ctx, file.folder), signal);
      await ctx.store.transaction(async (tx) => {
        if ((await liveSndFile(tx, file.id)) === undefined) return;
        await insertSndChunks(tx, file.id, encrypted);
        tx.onCommit(() => ctx.wake('create'));
      });
    } catch (e) {
      if (!signal.aborted) await failSndFile(ctx, file.id, toFileAgentError(e));
    }
  });
}

/** The file to send; a description is first written to an encrypted file, as it must not be plain on the disk. */
async function sourceOf(ctx: FileContext, file: SndFileRow): Promise<CryptoFile> {
  const { source_path, source_key: fileKey, source_nonce: fileNonce, content } = file;
  if (content !== null) {
    const source = {
      filePath: path.resolve(ctx.workFolder, file.folder, 'direct.yaml'),
      cryptoArgs: randomCryptoFileArgs(ctx.random),
    };
    await writeCryptoFile(source, onePiece(utf8Bytes(content)));
    return source;
  }
  if (source_path === null) throw fileError({ type: 'NO_FILE' });
  return fileKey === null || fileNonce === null
    ? { filePath: source_path }
    : { filePath: source_path, cryptoArgs: { fileKey, fileNonce } };
}

async function* onePiece(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** Servers that a chunk was tried on in vain, since the start of the process. */
export class TriedServers {
  readonly #tried = new Map<number, Set<string>>();

  of(chunkId: number): Set<string> {
    let set = this.#tried.get(chunkId);
    if (set === undefined) {
      set = new Set();
      this.#tried.set(chunkId, set);
    }
    return set;
  }

  forget(chunkId: number): void {
    this.#tried.delete(chunkId);
  }
}

/** Registers a chunk on a server (FNEW). Gives the time before another attempt, if there is to be one. */
export async function createChunk(
  ctx: FileContext,
  tried: TriedServers,
  job: SndChunkJob,
): Promise<number | undefined> {
  return ctx.transfers.run(sndKey(job.sndFileId), async (signal) => {
    const before = tried.of(job.id);
    const target = ctx.servers.choose(job.userId, before);
    if (target === undefined) {
      await failSndFile(ctx, job.sndFileId, toFileAgentError(new Error('the user has no XFTP servers')));
      return undefined;
    }
    const server = formatServer(target.server);
    try {
      const sender = generateKeyPair('ed25519', ctx.random);
      const n = Math.min(job.numRecipients, maxRecipientsPerRequest);
      const keys = Array.from({ length: n }, () => generateKeyPair('ed25519', ctx.random));
      const publicKeys = keys.map((k) => k.publicKey);
      const ids = await ctx.sessions.use(job.userId, server, 'new', (client) =>
        client.createChunk(sender, job.chunk, publicKeys, target.basicAuth),
      );
      const replica = { server, id: ids.senderId, key: encodePrivateKey(sender.privateKey) };
      await ctx.store.transaction(async (tx) => {
        if ((await liveSndFile(tx, job.sndFileId)) === undefined) {
          // Deleted meanwhile: the record must not stay on the server.
          await insertDeletedReplica(tx, job.userId, replica, ctx.clock.now());
          tx.onCommit(() => ctx.wake('delete', job.userId, server));
          return;
        }
        await tx.execute(
          `UPDATE xftp_snd_chunks SET status = 'created', server = ?, replica_id = ?, replica_key = ?, retries = 0 WHERE id = ?`,
          [server, replica.id, replica.key, job.id],
        );
        await insertRecipients(tx, job.id, ids.recipientIds, keys);
        tx.onCommit(() => ctx.wake('upload', job.userId, server));
      });
      return undefined;
    } catch (e) {
      if (signal.aborted) return undefined;
      const error = toFileAgentError(e, server);
      const wasTried = before.has(server);
      before.add(server);
      if (!wasTried && ctx.servers.hasOther(job.userId, before)) return 0;
      if (!isTemporaryOrHostError(error.json)) {
        await failSndFile(ctx, job.sndFileId, error);
        return undefined;
      }
      tried.forget(job.id);
      await retryLater(ctx, job, error);
      return retryDelay(job.retries);
    }
  });
}

async function retryLater(ctx: FileContext, job: SndChunkJob, error: AgentError): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    await tx.execute('UPDATE xftp_snd_chunks SET retries = retries + 1 WHERE id = ?', [job.id]);
    if (!isHostError(error.json) || (await liveSndFile(tx, job.sndFileId)) === undefined) return;
    await raiseFileEvent(ctx, tx, { type: 'SFWARN', userId: job.userId, fileId: job.fileId, error: error.json });
  });
}

/** Uploads a chunk (FADD as needed, FPUT). Gives the time before another attempt, if there is to be one. */
export async function uploadChunk(
  ctx: FileContext,
  tried: TriedServers,
  job: SndChunkJob,
  lane: number,
): Promise<number | undefined> {
  const { replica } = job;
  if (replica === undefined) return undefined;
  return ctx.transfers.run(sndKey(job.sndFileId), async (signal) => {
    try {
      await addMissingRecipients(ctx, job, replica, lane);
      const file = encryptedFile(ctx, job.folder);
      await stat(file).catch((e: unknown) => {
        throw fileError({ type: 'NO_FILE' }, e);
      });
      const sender = { id: replica.id, key: storedKey(replica.key) };
      await ctx.sessions.use(job.userId, replica.server, `snd ${lane}`, (client) =>
        client.uploadChunk(sender, { path: file, offset: job.offset, size: job.chunk.size }, signal),
      );
      tried.forget(job.id);
      await chunkUploaded(ctx, job);
      return undefined;
    } catch (e) {
      if (signal.aborted) return undefined;
      return uploadFailed(ctx, tried, job, replica.server, toFileAgentError(e, replica.server));
    }
  });
}

async function addMissingRecipients(
  ctx: FileContext,
  job: SndChunkJob,
  replica: { readonly server: string; readonly id: Uint8Array; readonly key: Uint8Array },
  lane: number,
): Promise<void> {
  if (job.numRecipients <= maxRecipientsPerRequest) return;
  for (;;) {
    const { rows } = await ctx.store.read((tx) =>
      tx.execute<{ n: number }>('SELECT COUNT(*) AS n FROM xftp_snd_recipients WHERE chunk_id = ?', [job.id]),
    );
    const missing = job.numRecipients - Number(rows[0]?.n ?? 0);
    if (missing <= 0) return;
    const n = Math.min(missing, maxRecipientsPerRequest);
    const keys = Array.from({ length: n }, () => generateKeyPair('ed25519', ctx.random));
    const sender = { id: replica.id, key: storedKey(replica.key) };
    const publicKeys = keys.map((k) => k.publicKey);
    const ids = await ctx.sessions.use(job.userId, replica.server, `snd ${lane}`, (client) =>
      client.addRecipients(sender, publicKeys),
    );
    await ctx.store.transaction((tx) => insertRecipients(tx, job.id, ids, keys));
  }
}

async function chunkUploaded(ctx: FileContext, job: SndChunkJob): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    if ((await liveSndFile(tx, job.sndFileId)) === undefined) return;
    await tx.execute(`UPDATE xftp_snd_chunks SET status = 'uploaded', retries = 0 WHERE id = ?`, [job.id]);
    const { sent, total, left } = await sndProgress(tx, job.sndFileId);
    await raiseFileEvent(ctx, tx, { type: 'SFPROG', userId: job.userId, fileId: job.fileId, sent, total });
    if (left === 0) tx.onCommit(() => ctx.wake('finish'));
  });
}

/** What another server may do better: the storage is full or closed, or the record is not there any more. */
function isRefusal(error: AgentError): boolean {
  const { json } = error;
  return json.type === 'XFTP' && (json.xftpErr.type === 'QUOTA' || json.xftpErr.type === 'AUTH');
}

async function uploadFailed(
  ctx: FileContext,
  tried: TriedServers,
  job: SndChunkJob,
  server: string,
  error: AgentError,
): Promise<number | undefined> {
  const temporary = isTemporaryOrHostError(error.json);
  const servers = tried.of(job.id);
  if (isRefusal(error) || (temporary && job.retries + 1 >= attemptsBeforeMove)) {
    servers.add(server);
    if (ctx.servers.hasOther(job.userId, servers)) {
      await ctx.store.transaction(async (tx) => {
        if ((await liveSndFile(tx, job.sndFileId)) === undefined) return;
        await moveChunk(tx, job, ctx.clock.now());
        tx.onCommit(() => {
          ctx.wake('create');
          ctx.wake('delete', job.userId, server);
        });
      });
      return undefined;
    }
  }
  if (!temporary) {
    await failSndFile(ctx, job.sndFileId, error);
    return undefined;
  }
  await retryLater(ctx, job, error);
  return retryDelay(job.retries);
}

/** Makes the descriptions of a file that is uploaded completely. */
export async function finishUpload(ctx: FileContext, file: SndFileRow): Promise<void> {
  return ctx.transfers.run(sndKey(file.id), async () => {
    const { sender, recipients } = buildDescriptions(file, await ctx.store.read((tx) => uploadedChunks(tx, file.id)));
    await ctx.store.transaction(async (tx) => {
      if ((await liveSndFile(tx, file.id)) === undefined) return;
      await setSndStatus(tx, file.id, 'complete');
      await raiseFileEvent(ctx, tx, {
        type: 'SFDONE',
        userId: file.user_id,
        fileId: file.file_id,
        senderDescription: sender,
        recipientDescriptions: recipients,
      });
      tx.onCommit(() => ctx.wake('clean'));
    });
  });
}

/** Ends an upload with an error: event, and nothing stays of it here or on servers. */
export async function failSndFile(ctx: FileContext, id: number, error: AgentError): Promise<void> {
  await ctx.store.transaction(async (tx) => {
    const file = await liveSndFile(tx, id);
    if (file === undefined) return;
    await setSndStatus(tx, id, 'error');
    const servers = await abandonReplicas(tx, file, ctx.clock.now());
    await raiseFileEvent(ctx, tx, { type: 'SFERR', userId: file.user_id, fileId: file.file_id, error: error.json });
    tx.onCommit(() => {
      for (const server of servers) ctx.wake('delete', file.user_id, server);
      ctx.wake('clean');
    });
  });
}

/** Marks an upload as deleted: the clean-up breaks it off and removes it. */
export async function deleteSndFile(ctx: FileContext, tx: Tx, fileId: FileId): Promise<void> {
  await tx.execute('UPDATE xftp_snd_files SET deleted = 1 WHERE file_id = ?', [fileId]);
  tx.onCommit(() => ctx.wake('clean'));
}
