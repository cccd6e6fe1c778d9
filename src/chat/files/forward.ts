import { cryptoFileArgsToJson, randomCryptoFileArgs } from '../../crypto/index.js';
import type { FileHooks } from '../engine/file-hooks.js';
import { descriptionParts, noDescription } from './descriptions.js';
import { copyToFilesFolder, fileExists, localFile } from './disk.js';
import { safeFileName } from './names.js';
import { filesOfItem, findDescription, receivedFile, sndFilesOf } from './rows.js';

/** Statuses of files whose content is on this machine. */
const usable = /^snd|^rcvComplete$/;

/**
 * A file for a forwarded message. With a files folder it is a copy there, so that deleting one message does not take
 * the file of the other; otherwise the file itself.
 */
export const copyForForward: FileHooks['copyForForward'] = async (ctx, file, _content) => {
  const { fileSource, fileStatus, fileName } = file;
  if (fileSource === undefined || !usable.test(fileStatus.type) || !(await fileExists(ctx, fileSource)))
    return undefined;
  const { filesFolder, encryptLocalFiles } = ctx.state;
  if (filesFolder === undefined) return fileSource;
  const cryptoArgs = encryptLocalFiles ? randomCryptoFileArgs(ctx.random) : undefined;
  const from = localFile(ctx, fileSource);
  const filePath = await copyToFilesFolder(filesFolder, safeFileName(fileName), from, cryptoArgs);
  return cryptoArgs === undefined ? { filePath } : { filePath, cryptoArgs: cryptoFileArgsToJson(cryptoArgs) };
};

/** Servers keep files for about this long. */
const keptMs = 2 * 24 * 3600_000;

export const history: FileHooks['history'] = async (ctx, tx, item) => {
  if (item.has_file === 0 || ctx.clock.now() - item.item_ts >= keptMs) return undefined;
  const [file] = await filesOfItem(tx, item.chat_item_id);
  if (file === undefined || file.protocol !== 'xftp' || file.cancelled !== 0) return undefined;
  const received = await receivedFile(tx, file);
  let text: string | undefined;
  if (received !== undefined) {
    if (received.description?.file_descr_complete === 1) text = received.description.file_descr_text;
  } else {
    for (const transfer of await sndFilesOf(tx, file.file_id)) {
      const description = await findDescription(tx, transfer.file_descr_id);
      if (description?.file_descr_complete !== 1) continue;
      text = description.file_descr_text;
      break;
    }
  }
  if (text === undefined || text === '') return undefined;
  const invitation = { fileName: file.file_name, fileSize: file.file_size, fileDescr: noDescription };
  return { invitation, parts: descriptionParts(text) };
};
