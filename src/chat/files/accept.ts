import { rm } from 'node:fs/promises';
import type { AChatItem, CIFileStatus, User } from '../../api/index.js';
import { cryptoFileArgsToJson, randomCryptoFileArgs } from '../../crypto/index.js';
import { formatServer, parseServer, parseServerWithAuth } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { descriptionServers } from '../../xftp/index.js';
import type { ChatContext } from '../engine/context.js';
import { type ChatException, chatFailure, storeFailure } from '../engine/errors.js';
import { statusColumn } from '../items/status.js';
import { storedServers, userServers } from '../servers/queries.js';
import { agentUserId, fileAgent } from './agent.js';
import { readDescription } from './descriptions.js';
import { localFile, removeAfterCommit, reserveTarget } from './disk.js';
import { absolutePath } from './names.js';
import { findFile, type ReceivedFile, receivedFile, receivedFileById, updateFile, updateRcvFile } from './rows.js';
import { cryptoArgsOf, itemOfFile } from './view.js';

/** Parameters of `/freceive` (40-xftp, section 8.4). */
export interface AcceptOptions {
  /** The user agrees that the servers of the file learn our IP address. */
  readonly approvedRelays: boolean;
  /** Whether it is stored encrypted. Undefined: as `/_files_encrypt` says. */
  readonly encrypt: boolean | undefined;
  /** A file or folder; undefined: the usual folder. */
  readonly filePath: string | undefined;
  /** Tell the acceptance by an event: nobody waits for the answer. */
  readonly byEvent: boolean;
}

/** Received files and the user that received them; `userNotFoundByFileId`, `rcvFileNotFound`. */
export async function getReceived(
  ctx: ChatContext,
  tx: Tx,
  fileId: number,
): Promise<ReceivedFile & { readonly user: User }> {
  const file = await findFile(tx, fileId);
  const user = file === undefined ? undefined : ctx.users.get(file.user_id);
  if (file === undefined || user === undefined) throw storeFailure({ type: 'userNotFoundByFileId', fileId });
  const received = await receivedFile(tx, file);
  if (received === undefined) throw storeFailure({ type: 'rcvFileNotFound', fileId });
  return { ...received, user };
}

/** Only what has not been accepted can be accepted. */
function checkAcceptable({ file, rcv, description }: ReceivedFile): void {
  if (rcv.file_status === 'cancelled') throw chatFailure({ type: 'fileCancelled', message: file.file_name });
  if (rcv.file_status !== 'new') throw chatFailure({ type: 'fileAlreadyReceiving', message: file.file_name });
  // A transfer over SMP, which no peer of our versions starts.
  if (description === undefined) throw chatFailure({ type: 'fallbackToSMPProhibited', fileId: file.file_id });
}

/** Accepts a file (40-xftp, section 8.4): it is downloaded when its description is there. The item as it then is. */
export function acceptFile(ctx: ChatContext, fileId: number, options: AcceptOptions): Promise<AChatItem | undefined> {
  return ctx.locks.run(`file:${fileId}`, async () => {
    const before = await ctx.store.read((tx) => getReceived(ctx, tx, fileId));
    checkAcceptable(before);
    const target = await reserveTarget(ctx, before.file.file_name, options.filePath);
    let result: { readonly item: AChatItem | undefined } | { readonly refused: ChatException };
    try {
      result = await ctx.store.transaction(async (tx) => {
        const received = await getReceived(ctx, tx, fileId);
        checkAcceptable(received);
        return accept(ctx, tx, received.user, received, target.filePath, options);
      });
    } catch (e) {
      await rm(target.absolute, { force: true });
      throw e;
    }
    // The transaction has stored that the file waits for approval.
    if ('refused' in result) throw result.refused;
    return result.item;
  });
}

async function accept(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  { file, rcv, description }: ReceivedFile,
  filePath: string,
  options: AcceptOptions,
): Promise<{ readonly item: AChatItem | undefined } | { readonly refused: ChatException }> {
  const now = ctx.clock.now();
  const encrypt = options.encrypt ?? (rcv.to_encrypt !== 0 || ctx.state.encryptLocalFiles);
  const keys = encrypt ? cryptoFileArgsToJson(randomCryptoFileArgs(ctx.random)) : undefined;
  const accepted = {
    file: await updateFile(
      tx,
      file.file_id,
      {
        file_path: filePath,
        ci_file_status: 'rcvAccepted',
        file_crypto_key: keys?.fileKey ?? null,
        file_crypto_nonce: keys?.fileNonce ?? null,
      },
      now,
    ),
    rcv: await updateRcvFile(
      tx,
      file.file_id,
      {
        file_status: 'accepted',
        to_receive: 0,
        user_approved_relays: options.approvedRelays || rcv.user_approved_relays !== 0 ? 1 : 0,
      },
      now,
    ),
    description,
  };
  const item = await itemOfFile(ctx, tx, user, accepted.file);
  if (options.byEvent && item !== undefined) await ctx.emit(tx, { type: 'rcvFileAccepted', user, chatItem: item });
  if (description === undefined || description.file_descr_complete === 0) return { item };
  const refused = await startDownload(ctx, tx, user, accepted);
  return refused === undefined ? { item } : { refused };
}

/** Gives the file a status; its item. */
async function setStatus(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  fileId: number,
  status: CIFileStatus,
): Promise<AChatItem | undefined> {
  const file = await updateFile(tx, fileId, { ci_file_status: statusColumn(status) }, ctx.clock.now());
  return itemOfFile(ctx, tx, user, file);
}

/** Servers of a description that are not the user's own; disabled ones count as known. */
async function unknownServers(ctx: ChatContext, tx: Tx, user: User, servers: readonly string[]): Promise<string[]> {
  const { xftp } = await userServers(tx, ctx.options, user.userId);
  const known = new Set<string>();
  for (const s of xftp) known.add(formatServer(parseServerWithAuth(s.server, 'xftp').server));
  for (const s of await storedServers(tx, user.userId, 'xftp')) {
    known.add(formatServer(parseServerWithAuth(s.address, 'xftp').server));
  }
  return servers.filter((s) => !known.has(formatServer(parseServer(s, 'xftp'))));
}

/**
 * Starts the download of an accepted file, whose description is complete. When its servers are not approved it waits
 * for another acceptance: then the error is the result, as what was stored must stay. `invalidFileDescription`.
 */
export async function startDownload(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  { file, rcv, description }: ReceivedFile,
): Promise<ChatException | undefined> {
  const parsed = readDescription(description?.file_descr_text ?? '', file.file_size);
  const servers = descriptionServers(parsed);
  const agent = fileAgent(ctx);
  let approved = rcv.user_approved_relays !== 0;
  if (!approved) {
    const unknown = await unknownServers(ctx, tx, user, servers);
    approved = unknown.length === 0;
    if (!approved && !servers.every((s) => agent.isAddressProtected(s))) {
      await resetReceived(ctx, tx, user, file.file_id, { type: 'rcvInvitation' }, true);
      return chatFailure({ type: 'fileNotApproved', fileId: file.file_id, unknownServers: unknown });
    }
  }
  await download(ctx, tx, user, file.file_id, {
    description: parsed,
    target: localFile(ctx, { filePath: file.file_path ?? '', cryptoArgs: cryptoArgsOf(file) }),
    approved,
  });
  const started = await setStatus(ctx, tx, user, file.file_id, { type: 'rcvTransfer', rcvProgress: 0, rcvTotal: 1 });
  if (started !== undefined) await ctx.emit(tx, { type: 'rcvFileStart', user, chatItem: started });
  return undefined;
}

/** Hands a download to the agent. */
export async function download(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  fileId: number,
  what: {
    readonly description: ReturnType<typeof readDescription>;
    readonly target: ReturnType<typeof localFile>;
    readonly approved: boolean;
  },
): Promise<void> {
  const agentId = await fileAgent(ctx).receiveFile(tx, {
    userId: agentUserId(user),
    description: what.description,
    target: what.target,
    approvedRelays: what.approved,
  });
  const values = { file_status: 'connected', agent_rcv_file_id: agentId, agent_rcv_file_deleted: 0 };
  await updateRcvFile(tx, fileId, values, ctx.clock.now());
}

/**
 * A received file that is not complete becomes one that can be accepted (again): its download and the empty file that
 * kept its name go. Its path still shows where it was to be. `tell`: by `chatItemUpdated`.
 */
export async function resetReceived(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  fileId: number,
  status: CIFileStatus,
  tell: boolean,
): Promise<AChatItem | undefined> {
  const received = await receivedFileById(tx, fileId);
  if (received === undefined) return undefined;
  const now = ctx.clock.now();
  await dropDownload(ctx, tx, received);
  await updateRcvFile(tx, fileId, { file_status: 'new', agent_rcv_file_id: null, to_receive: 0 }, now);
  const file = await updateFile(tx, fileId, { ci_file_status: statusColumn(status) }, now);
  const item = await itemOfFile(ctx, tx, user, file);
  if (tell && item !== undefined) await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: item });
  return item;
}

/** Ends the download of a file that is not complete, and removes the empty file that keeps its name. */
export async function dropDownload(ctx: ChatContext, tx: Tx, { file, rcv }: ReceivedFile): Promise<void> {
  if (rcv.agent_rcv_file_id !== null) await fileAgent(ctx).deleteRcvFile(tx, rcv.agent_rcv_file_id);
  const reserved = rcv.file_status === 'accepted' || rcv.file_status === 'connected';
  if (reserved && file.file_path !== null) {
    removeAfterCommit(ctx, tx, [absolutePath(ctx.state.filesFolder, file.file_path)]);
  }
}

/** Accepts a file that was marked, if it still can be. What prevents it becomes an event. */
export async function acceptMarked(ctx: ChatContext, fileId: number): Promise<void> {
  const marked = await ctx.store.read((tx) => receivedFileById(tx, fileId));
  if (marked === undefined || marked.rcv.to_receive === 0 || marked.rcv.file_status !== 'new') return;
  const approvedRelays = marked.rcv.user_approved_relays !== 0;
  await acceptFile(ctx, fileId, { approvedRelays, encrypt: undefined, filePath: undefined, byEvent: true });
}
