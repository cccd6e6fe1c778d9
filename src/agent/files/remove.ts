import { rm } from 'node:fs/promises';
import path from 'node:path';
import { errorFields } from '../../core/index.js';
import { encodePrivateKey } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import { type FileDescription, validateFileDescription } from '../../xftp/index.js';
import { isTemporaryOrHostError } from '../errors.js';
import type { UserId } from '../types.js';
import { type FileContext, raiseFileEvent } from './context.js';
import { fileError, toFileAgentError } from './errors.js';
import { retryDelay } from './lanes.js';
import { failRcvFile, partialTarget, rcvKey } from './receive.js';
import { type RcvFileRow, rcvFileTtl, storedKey } from './receive-rows.js';
import { failSndFile, sndKey } from './send.js';
import { abandonReplicas, insertDeletedReplica, type SndFileRow, sndFileTtl } from './send-rows.js';

/** Deletes on servers are given up after this time: the chunks have expired there. */
export const deleteTtl = 2 * 86_400_000;

/** A record to delete on a server. */
export interface DeleteJob {
  readonly id: number;
  readonly userId: UserId;
  readonly server: string;
  readonly replica: { readonly id: Uint8Array; readonly key: Uint8Array };
  readonly retries: number;
}

interface DeleteRow {
  readonly id: number;
  readonly replica_id: Uint8Array;
  readonly replica_key: Uint8Array;
  readonly retries: number;
}

/** Records to delete on a server, those that failed less often first; those until `since` (ms) are given up. */
export async function nextToDelete(
  tx: Tx,
  userId: UserId,
  server: string,
  since: number,
  limit: number,
): Promise<DeleteJob[]> {
  const { rows } = await tx.execute<DeleteRow>(
    `SELECT id, replica_id, replica_key, retries FROM xftp_deleted_replicas
     WHERE user_id = ? AND server = ? AND created_at > ? ORDER BY retries, id LIMIT ?`,
    [userId, server, since, limit],
  );
  return rows.map((r) => ({
    id: r.id,
    userId,
    server,
    replica: { id: r.replica_id, key: r.replica_key },
    retries: r.retries,
  }));
}

/** Users and servers that have records to delete. */
export async function deleteServers(tx: Tx, since: number): Promise<{ userId: UserId; server: string }[]> {
  const { rows } = await tx.execute<{ user_id: number; server: string }>(
    'SELECT DISTINCT user_id, server FROM xftp_deleted_replicas WHERE created_at > ?',
    [since],
  );
  return rows.map((r) => ({ userId: r.user_id, server: r.server }));
}

/** Stores the deletion of what a sender description describes. */
export async function deleteSndFileRemote(
  ctx: FileContext,
  tx: Tx,
  userId: UserId,
  description: FileDescription,
): Promise<void> {
  validateFileDescription(description, 'sender');
  const servers = new Set<string>();
  for (const { replicas } of description.chunks) {
    const [replica] = replicas;
    if (replica === undefined) continue;
    const { server, replicaId: id, replicaKey } = replica;
    await insertDeletedReplica(tx, userId, { server, id, key: encodePrivateKey(replicaKey) }, ctx.clock.now());
    servers.add(server);
  }
  tx.onCommit(() => {
    for (const server of servers) ctx.wake('delete', userId, server);
  });
}

/**
 * A user is deleted in this transaction, and its jobs with it: their transfers end and their folders go after the
 * commit. What is on servers expires there.
 */
export async function deleteUserFiles(ctx: FileContext, tx: Tx, userId: UserId): Promise<void> {
  const rcv = await tx.execute<RcvFileRow>('SELECT * FROM xftp_rcv_files WHERE user_id = ?', [userId]);
  const snd = await tx.execute<SndFileRow>('SELECT * FROM xftp_snd_files WHERE user_id = ?', [userId]);
  const remove = async (): Promise<void> => {
    for (const file of rcv.rows) {
      await ctx.transfers.stop(rcvKey(file.id));
      await removeFolder(ctx, file.folder);
      if (file.status !== 'complete' && file.target_path !== '') await rm(partialTarget(file), { force: true });
    }
    for (const file of snd.rows) {
      await ctx.transfers.stop(sndKey(file.id));
      await removeFolder(ctx, file.folder);
    }
  };
  tx.onCommit(() => {
    remove().catch((error: unknown) =>
      ctx.logger.warn(errorFields(error), 'files of a deleted user cannot be removed'),
    );
  });
}

/** Deletes a record (FDEL); one that is gone already is what was wanted. */
export async function deleteReplica(ctx: FileContext, job: DeleteJob): Promise<number | undefined> {
  const remove = (tx: Tx) => tx.execute('DELETE FROM xftp_deleted_replicas WHERE id = ?', [job.id]);
  try {
    await ctx.sessions.use(job.userId, job.server, 'del', (client) =>
      client.deleteChunk({ id: job.replica.id, key: storedKey(job.replica.key) }),
    );
    await ctx.store.transaction(remove);
    return undefined;
  } catch (e) {
    const error = toFileAgentError(e, job.server);
    if (isTemporaryOrHostError(error.json)) {
      await ctx.store.transaction((tx) =>
        tx.execute('UPDATE xftp_deleted_replicas SET retries = retries + 1 WHERE id = ?', [job.id]),
      );
      return retryDelay(job.retries);
    }
    await ctx.store.transaction(async (tx) => {
      await remove(tx);
      const gone = error.json.type === 'XFTP' && error.json.xftpErr.type === 'AUTH';
      if (!gone) await raiseFileEvent(ctx, tx, { type: 'SFERR', userId: job.userId, error: error.json });
    });
    return undefined;
  }
}

/**
 * Removes what is over: jobs marked as deleted, folders of finished jobs, jobs that are too old. An unfinished job
 * that is too old ends with an error that the layer above is told.
 */
export async function cleanUp(ctx: FileContext): Promise<void> {
  await cleanReceived(ctx);
  await cleanSent(ctx);
  await ctx.store.transaction((tx) =>
    tx.execute('DELETE FROM xftp_deleted_replicas WHERE created_at <= ?', [ctx.clock.now() - deleteTtl]),
  );
}

async function removeFolder(ctx: FileContext, folder: string): Promise<void> {
  if (folder !== '') await rm(path.resolve(ctx.workFolder, folder), { recursive: true, force: true });
}

async function cleanReceived(ctx: FileContext): Promise<void> {
  const before = ctx.clock.now() - rcvFileTtl;
  const expired = await ctx.store.read((tx) =>
    tx.execute<{ id: number }>(
      `SELECT id FROM xftp_rcv_files WHERE created_at <= ? AND deleted = 0 AND redirect_for IS NULL
       AND status NOT IN ('complete', 'error')`,
      [before],
    ),
  );
  for (const { id } of expired.rows) await failRcvFile(ctx, id, fileError({ type: 'NO_FILE' }));
  // Redirects come before the files that they are for, which take their rows along.
  const { rows } = await ctx.store.read((tx) =>
    tx.execute<RcvFileRow>(
      `SELECT * FROM xftp_rcv_files WHERE deleted = 1 OR created_at <= ?
       OR (status IN ('complete', 'error') AND folder <> '')
       ORDER BY CASE WHEN redirect_for IS NULL THEN 1 ELSE 0 END, id`,
      [before],
    ),
  );
  for (const file of rows) {
    await ctx.transfers.stop(rcvKey(file.id));
    await removeFolder(ctx, file.folder);
    if (file.status !== 'complete' && file.target_path !== '') await rm(partialTarget(file), { force: true });
    const gone = file.deleted !== 0 || file.created_at <= before;
    await ctx.store.transaction((tx) =>
      gone
        ? tx.execute('DELETE FROM xftp_rcv_files WHERE id = ?', [file.id])
        : tx.execute(`UPDATE xftp_rcv_files SET folder = '' WHERE id = ?`, [file.id]),
    );
  }
}

async function cleanSent(ctx: FileContext): Promise<void> {
  const before = ctx.clock.now() - sndFileTtl;
  const expired = await ctx.store.read((tx) =>
    tx.execute<{ id: number }>(
      `SELECT id FROM xftp_snd_files WHERE created_at <= ? AND deleted = 0 AND status NOT IN ('complete', 'error')`,
      [before],
    ),
  );
  for (const { id } of expired.rows) await failSndFile(ctx, id, fileError({ type: 'NO_FILE' }));
  const { rows } = await ctx.store.read((tx) =>
    tx.execute<SndFileRow>(
      `SELECT * FROM xftp_snd_files WHERE deleted = 1 OR created_at <= ?
       OR (status IN ('complete', 'error') AND folder <> '') ORDER BY id`,
      [before],
    ),
  );
  for (const file of rows) {
    await ctx.transfers.stop(sndKey(file.id));
    await removeFolder(ctx, file.folder);
    const gone = file.deleted !== 0 || file.created_at <= before;
    await ctx.store.transaction(async (tx) => {
      if (!gone) {
        await tx.execute(`UPDATE xftp_snd_files SET folder = '' WHERE id = ?`, [file.id]);
        return;
      }
      // Nobody was told where the chunks of an unfinished upload are.
      const servers = file.status === 'complete' ? [] : await abandonReplicas(tx, file, ctx.clock.now());
      await tx.execute('DELETE FROM xftp_snd_files WHERE id = ?', [file.id]);
      tx.onCommit(() => {
        for (const server of servers) ctx.wake('delete', file.user_id, server);
      });
    });
  }
}
