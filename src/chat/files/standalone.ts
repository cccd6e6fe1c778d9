import { rm, stat } from 'node:fs/promises';
import { roundRecipients } from '../../agent/index.js';
import type { ApiResponse, CryptoFile, JsonObject, User } from '../../api/index.js';
import { isJsonObject } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { DecodeError } from '../../wire/index.js';
import { type FileDescription, type FileLink, formatFileLink, parseFileLink } from '../../xftp/index.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, commandFailure } from '../engine/errors.js';
import { statusColumn } from '../items/status.js';
import { download } from './accept.js';
import { agentUserId, fileAgent } from './agent.js';
import { inspectFile, localFile, reserveTarget } from './disk.js';
import { failUpload } from './failed-upload.js';
import {
  type FileRow,
  findFile,
  insertDescription,
  insertFile,
  insertRcvFile,
  receivedFile,
  updateDescription,
  updateFile,
} from './rows.js';
import { startUpload } from './store.js';
import { fileMeta, rcvTransfer } from './view.js';

/** `/_upload`: a file without message; its links come with `sndStandaloneFileComplete`. */
export async function uploadStandalone(ctx: ChatContext, user: User, source: CryptoFile): Promise<ApiResponse> {
  const file = await inspectFile(ctx, source);
  const row = await ctx.store.transaction((tx) => startUpload(ctx, tx, user, file, 1, {}));
  return { type: 'sndStandaloneFileCreated', user, fileTransferMeta: fileMeta(row) };
}

/**
 * An upload without message is done: links to its descriptions, if those are short enough. Otherwise the description
 * is uploaded as a file, and the links lead to it (40-xftp, sections 4.3 and 4.4).
 */
export async function standaloneUploaded(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  file: FileRow,
  recipients: readonly FileDescription[],
): Promise<void> {
  const fail = (fileError: string) => failUpload(ctx, tx, user, file, { type: 'other', fileError }, fileError);
  if (file.agent_snd_file_id !== null) await fileAgent(ctx).deleteSndFile(tx, file.agent_snd_file_id);
  const [first] = recipients;
  if (first === undefined) return fail('no receiver descriptions');
  const now = ctx.clock.now();
  const ci_file_status = statusColumn({ type: 'sndComplete' });
  const short = recipients.filter((d) => d.chunks.length === 1);
  if (short.length > 0) {
    const complete = await updateFile(tx, file.file_id, { ci_file_status }, now);
    const of = file.redirect_file_id === null ? complete : await findFile(tx, file.redirect_file_id);
    if (of === undefined) return;
    await updateFile(tx, of.file_id, { ci_file_status }, now);
    await ctx.emit(tx, {
      type: 'sndStandaloneFileComplete',
      user,
      fileTransferMeta: fileMeta(of),
      rcvURIs: short.map((description) => formatFileLink({ description })),
    });
    return;
  }
  if (file.redirect_file_id !== null) return fail('chaining redirects');
  const agentId = await fileAgent(ctx).sendDescription(tx, agentUserId(user), first, roundRecipients(1));
  const redirect = await insertFile(
    tx,
    user,
    {
      file_name: file.file_name,
      file_path: file.file_path,
      file_size: file.file_size,
      protocol: 'xftp',
      ci_file_status: 'sndStored',
      agent_snd_file_id: agentId,
      redirect_file_id: file.file_id,
    },
    now,
  );
  await ctx.emit(tx, {
    type: 'sndFileRedirectStartXFTP',
    user,
    fileTransferMeta: fileMeta(file),
    redirectMeta: fileMeta(redirect),
  });
}

function parseLink(uri: string): FileLink {
  try {
    return parseFileLink(uri);
  } catch (e) {
    if (!(e instanceof DecodeError)) throw e;
    throw new ChatException(commandFailure(`bad file link: ${e.message}`).chatError, { cause: e });
  }
}

/** `/_download info`: what the application has put into the link. */
export function standaloneInfo(uri: string): ApiResponse {
  const { clientData } = parseLink(uri);
  let fileMeta: JsonObject | undefined;
  try {
    const parsed: unknown = clientData === undefined ? undefined : JSON.parse(clientData);
    if (isJsonObject(parsed)) fileMeta = parsed;
  } catch {
    // Not JSON: nothing to show.
  }
  return { type: 'standaloneFileInfo', fileMeta };
}

/** `/_download`: the file behind a link. Who gives the link approves its servers. */
export async function downloadStandalone(
  ctx: ChatContext,
  user: User,
  uri: string,
  file: CryptoFile,
): Promise<ApiResponse> {
  const { description } = parseLink(uri);
  const size = description.redirect?.size ?? description.size;
  const isFolder = (await stat(localFile(ctx, file).filePath).catch(() => undefined))?.isDirectory() === true;
  if (isFolder) throw chatFailure({ type: 'fileAlreadyExists', filePath: file.filePath });
  const target = await reserveTarget(ctx, '_', file.filePath);
  try {
    return await ctx.store.transaction(async (tx) => {
      const now = ctx.clock.now();
      const row = await insertFile(
        tx,
        user,
        {
          file_name: target.filePath,
          file_path: target.filePath,
          file_size: size,
          protocol: 'xftp',
          ci_file_status: statusColumn({ type: 'rcvTransfer', rcvProgress: 0, rcvTotal: 1 }),
          file_crypto_key: file.cryptoArgs?.fileKey ?? null,
          file_crypto_nonce: file.cryptoArgs?.fileNonce ?? null,
        },
        now,
      );
      const descr = await insertDescription(tx, user, '', now);
      await updateDescription(tx, descr.file_descr_id, { file_descr_part_no: 1, file_descr_complete: 1 });
      await insertRcvFile(tx, {
        file_id: row.file_id,
        file_status: 'accepted',
        sender_display_name: '',
        file_descr_id: descr.file_descr_id,
        user_approved_relays: 1,
        created_at: now,
        updated_at: now,
      });
      const localTarget = localFile(ctx, { ...file, filePath: target.filePath });
      await download(ctx, tx, user, row.file_id, { description, target: localTarget, approved: true });
      const received = await receivedFile(tx, row);
      if (received === undefined) throw new Error('an inserted row is not there');
      return { type: 'rcvStandaloneFileCreated', user, rcvFileTransfer: rcvTransfer(received) };
    });
  } catch (e) {
    await rm(target.absolute, { force: true });
    throw e;
  }
}
