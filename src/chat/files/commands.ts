import type { ApiResponse, ChatNameRef, CryptoFile, MsgContent, SendRef, User } from '../../api/index.js';
import { contactIdByName } from '../contacts/queries.js';
import { type CommandTable, checkActiveUser, okProcess, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure, storeFailure } from '../engine/errors.js';
import { groupIdByName } from '../groups/queries.js';
import { fileStatusOf } from '../items/status.js';
import { userNoteFolder } from '../messages/note-rows.js';
import { acceptFile, getReceived } from './accept.js';
import { cancelFile } from './cancel.js';
import { inspectFile } from './disk.js';
import { findFile, receivedFile, sndFilesOf, updateRcvFile } from './rows.js';
import { downloadStandalone, standaloneInfo, uploadStandalone } from './standalone.js';
import { cryptoArgsOf, fileMeta, itemOfFile, rcvTransfer, sndTransfers } from './view.js';

/** Larger images are sent as files. */
const maxImageSize = 522_240;
const imageExtensions = ['.jpg', '.jpeg', '.png', '.gif'];

/** What `/img` shows in place of a preview: one transparent pixel. */
const fixedPreview =
  'data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNgAAIAAAUAAen63NgAAAAASUVORK5CYII=';

/** Sends one message with a file to a chat that is named. */
async function sendTo(
  ctx: ChatContext,
  user: User,
  { chatType, chatName }: ChatNameRef,
  fileSource: CryptoFile,
  msgContent: MsgContent,
): Promise<ApiResponse> {
  const composedMessages = [{ fileSource, msgContent, mentions: {} }];
  if (chatType === 'local') {
    const { noteFolderId } = await ctx.store.read((tx) => userNoteFolder(tx, user));
    return ctx.run({ tag: 'APICreateChatItems', noteFolderId, composedMessages });
  }
  if (chatType === 'contactConnection') throw commandFailure('not supported');
  const sendRef = await ctx.store.read(
    async (tx): Promise<SendRef> =>
      chatType === 'direct'
        ? { chatType, chatId: await contactIdByName(tx, user, chatName) }
        : { chatType, chatId: await groupIdByName(tx, user, chatName) },
  );
  return ctx.run({ tag: 'APISendMessages', sendRef, liveMessage: false, ttl: undefined, composedMessages });
}

function sendFile(ctx: ChatContext, user: User, chatName: ChatNameRef, file: CryptoFile): Promise<ApiResponse> {
  return sendTo(ctx, user, chatName, file, { type: 'file', text: '' });
}

async function sendImage(ctx: ChatContext, user: User, chatName: ChatNameRef, file: CryptoFile): Promise<ApiResponse> {
  const { filePath } = file;
  if (!imageExtensions.some((e) => filePath.toLowerCase().endsWith(e))) {
    throw chatFailure({ type: 'fileImageType', filePath });
  }
  const { fileSize } = await inspectFile(ctx, file);
  if (fileSize > maxImageSize) throw chatFailure({ type: 'fileImageSize', filePath });
  return sendTo(ctx, user, chatName, file, { type: 'image', text: '', image: fixedPreview });
}

/** The local copy of a file that was sent or received; `fileNotReceived`. */
async function ownCopy(ctx: ChatContext, user: User, fileId: number): Promise<CryptoFile> {
  const file = await ctx.store.read((tx) => findFile(tx, fileId));
  if (file === undefined || file.user_id !== user.userId) throw storeFailure({ type: 'fileNotFound', fileId });
  const status = fileStatusOf(file.ci_file_status).type;
  if (file.file_path === null || (status.startsWith('rcv') && status !== 'rcvComplete')) {
    throw chatFailure({ type: 'fileNotReceived', fileId });
  }
  return { filePath: file.file_path, cryptoArgs: cryptoArgsOf(file) };
}

async function fileStatus(ctx: ChatContext, user: User, fileId: number): Promise<ApiResponse> {
  return ctx.store.read(async (tx): Promise<ApiResponse> => {
    const file = await findFile(tx, fileId);
    if (file === undefined || file.user_id !== user.userId) throw storeFailure({ type: 'fileNotFound', fileId });
    const item = await itemOfFile(ctx, tx, user, file);
    if (item !== undefined && file.protocol === 'local') throw commandFailure('not supported for local files');
    if (item !== undefined && file.protocol === 'xftp') return { type: 'fileTransferStatusXFTP', data: [user, item] };
    const received = await receivedFile(tx, file);
    const transfer =
      received !== undefined
        ? { type: 'rcv', rcvFileTransfer: rcvTransfer(received) }
        : {
            type: 'snd',
            fileTransferMeta: fileMeta(file),
            sndFileTransfers: await sndTransfers(tx, user, file, await sndFilesOf(tx, fileId)),
          };
    return { type: 'fileTransferStatus', data: [user, [transfer, []]] };
  });
}

export const fileCommands: CommandTable = {
  ReceiveFile: whenRunning(async (ctx, cmd, user) => {
    const chatItem = await acceptFile(ctx, cmd.fileId, {
      approvedRelays: cmd.userApprovedRelays,
      encrypt: cmd.storeEncrypted,
      filePath: cmd.filePath,
      byEvent: false,
    });
    if (chatItem === undefined) throw chatFailure({ type: 'fileInternal', message: 'the file has no message' });
    const owner = await ctx.store.read(async (tx) => (await getReceived(ctx, tx, cmd.fileId)).user);
    return { type: 'rcvFileAccepted', user: owner.userId === user.userId ? user : owner, chatItem };
  }),
  SetFileToReceive: whenRunning(async (ctx, cmd) => {
    await ctx.store.transaction(async (tx) => {
      const { rcv } = await getReceived(ctx, tx, cmd.fileId);
      const encrypt = cmd.storeEncrypted ?? ctx.state.encryptLocalFiles;
      await updateRcvFile(
        tx,
        rcv.file_id,
        {
          to_receive: 1,
          to_encrypt: encrypt ? 1 : 0,
          user_approved_relays: cmd.userApprovedRelays ? 1 : rcv.user_approved_relays,
        },
        ctx.clock.now(),
      );
    });
    return okProcess;
  }),
  CancelFile: whenRunning((ctx, cmd, user) => cancelFile(ctx, user, cmd.fileId)),
  FileStatus: whenRunning((ctx, cmd, user) => fileStatus(ctx, user, cmd.fileId)),
  SendFile: whenRunning((ctx, cmd, user) => sendFile(ctx, user, cmd.chatName, cmd.file)),
  SendImage: whenRunning((ctx, cmd, user) => sendImage(ctx, user, cmd.chatName, cmd.file)),
  ForwardFile: whenRunning(async (ctx, cmd, user) =>
    sendFile(ctx, user, cmd.chatName, await ownCopy(ctx, user, cmd.fileId)),
  ),
  ForwardImage: whenRunning(async (ctx, cmd, user) =>
    sendImage(ctx, user, cmd.chatName, await ownCopy(ctx, user, cmd.fileId)),
  ),
  SendFileDescription: whenRunning(async () => {
    throw commandFailure('not supported');
  }),
  APIUploadStandaloneFile: whenRunning((ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return uploadStandalone(ctx, user, cmd.file);
  }),
  APIStandaloneFileInfo: whenRunning(async (_ctx, cmd) => standaloneInfo(cmd.uri)),
  APIDownloadStandaloneFile: whenRunning((ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    return downloadStandalone(ctx, user, cmd.uri, cmd.file);
  }),
};
