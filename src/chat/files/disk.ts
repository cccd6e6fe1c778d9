import { constants } from 'node:fs';
import { access, lstat, mkdir, open, rm, stat } from 'node:fs/promises';
import path from 'node:path';
import type { CryptoFile } from '../../api/index.js';
import {
  copyCryptoFile,
  cryptoFileFromJson,
  cryptoFileSize,
  type CryptoFile as LocalFile,
} from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, commandFailure } from '../engine/errors.js';
import type { FileToSend } from '../engine/file-hooks.js';
import { absolutePath, defaultFolders, numberedName } from './names.js';

/** Larger files are not sent: 1 GiB of content. */
const maxSendSize = 1024 ** 3;

/** Names that are tried before giving up. */
const maxAttempts = 10_000;

function codeOf(e: unknown): string {
  return e instanceof Error && 'code' in e && typeof e.code === 'string' ? e.code : '';
}

/** What the system says, without the path. */
function systemText(e: unknown): string {
  return e instanceof Error ? (e.message.split(', ')[0] ?? e.message) : String(e);
}

const writeFailure = (filePath: string, e: unknown): ChatException =>
  e instanceof ChatException
    ? e
    : new ChatException(
        { type: 'error', errorType: { type: 'fileWrite', filePath, message: systemText(e) } },
        { cause: e },
      );

/** A file of the API as the crypto room takes it: with an absolute path and keys as bytes. `commandError` for bad keys. */
export function localFile(ctx: ChatContext, source: CryptoFile): LocalFile {
  const { filePath, cryptoArgs } = source;
  const absolute = absolutePath(ctx.state.filesFolder, filePath);
  try {
    return cryptoFileFromJson(cryptoArgs === undefined ? { filePath: absolute } : { filePath: absolute, cryptoArgs });
  } catch (e) {
    throw new ChatException(commandFailure('bad key or nonce of a file').chatError, { cause: e });
  }
}

/** Looks at a file that is to be sent: `fileNotFound`, `fileRead`, `fileSize`. */
export async function inspectFile(ctx: ChatContext, source: CryptoFile): Promise<FileToSend> {
  const file = localFile(ctx, source);
  const found = await stat(file.filePath).catch(() => undefined);
  if (found?.isFile() !== true) throw chatFailure({ type: 'fileNotFound', message: source.filePath });
  let fileSize: number;
  try {
    await access(file.filePath, constants.R_OK);
    fileSize = await cryptoFileSize(file);
  } catch (e) {
    throw chatFailure({ type: 'fileRead', filePath: source.filePath, message: systemText(e) });
  }
  if (fileSize > maxSendSize) throw chatFailure({ type: 'fileSize', filePath: source.filePath });
  return { source, fileName: path.basename(file.filePath), fileSize };
}

/** A relative path is one in the files folder. Folders do not count. */
export async function fileExists(ctx: ChatContext, source: CryptoFile): Promise<boolean> {
  const found = await stat(absolutePath(ctx.state.filesFolder, source.filePath)).catch(() => undefined);
  return found?.isFile() === true;
}

/** An empty file that keeps a name for what is received. */
export interface Target {
  /** As it is stored and shown: relative to the files folder, if there is one. */
  readonly filePath: string;
  readonly absolute: string;
}

/** Makes an empty file: never in the place of something, nor through a link. False: there is something. */
async function createEmpty(absolute: string, shown: string): Promise<boolean> {
  try {
    // Received files may be private.
    await (await open(absolute, 'wx', 0o600)).close();
    return true;
  } catch (e) {
    if (codeOf(e) === 'EEXIST') return false;
    throw writeFailure(shown, e);
  }
}

/** Makes an empty file with a free name in a folder. */
async function createIn(folder: string, name: string): Promise<string> {
  for (let attempt = 0; attempt < maxAttempts; attempt++) {
    const absolute = path.join(folder, numberedName(name, attempt));
    if (await createEmpty(absolute, absolute)) return absolute;
  }
  throw chatFailure({ type: 'fileAlreadyExists', filePath: path.join(folder, name) });
}

async function defaultFolder(): Promise<string> {
  const [downloads, temporary = '.'] = defaultFolders();
  const found = downloads === undefined ? undefined : await stat(downloads).catch(() => undefined);
  return downloads !== undefined && found?.isDirectory() === true ? downloads : temporary;
}

/**
 * Keeps a name for a file to receive (40-xftp, section 8.7): the given path, in the given folder, or in the usual one.
 * `fileAlreadyExists`, `fileWrite`.
 * @param name a safe name
 */
export async function reserveTarget(ctx: ChatContext, name: string, given: string | undefined): Promise<Target> {
  const { filesFolder } = ctx.state;
  if (given === undefined) {
    if (filesFolder === undefined) {
      const absolute = await createIn(await defaultFolder(), name);
      return { filePath: absolute, absolute };
    }
    await mkdir(filesFolder, { recursive: true }).catch((e: unknown) => {
      throw writeFailure(filesFolder, e);
    });
    const absolute = await createIn(path.resolve(filesFolder), name);
    return { filePath: path.basename(absolute), absolute };
  }
  const wanted = absolutePath(filesFolder, given);
  // Without a files folder a relative path would mean another file after a start elsewhere.
  const shown = filesFolder === undefined ? wanted : given;
  const found = await stat(wanted).catch(() => undefined);
  if (found?.isDirectory() === true) {
    const absolute = await createIn(wanted, name);
    return { filePath: path.join(shown, path.basename(absolute)), absolute };
  }
  if ((await lstat(wanted).catch(() => undefined)) !== undefined || !(await createEmpty(wanted, given))) {
    throw chatFailure({ type: 'fileAlreadyExists', filePath: given });
  }
  return { filePath: shown, absolute: wanted };
}

/** Copies a file into the files folder, so that it does not depend on the first one. */
export async function copyToFilesFolder(
  filesFolder: string,
  name: string,
  from: LocalFile,
  cryptoArgs: LocalFile['cryptoArgs'],
): Promise<string> {
  const absolute = await createIn(path.resolve(filesFolder), name);
  try {
    await copyCryptoFile(from, cryptoArgs === undefined ? { filePath: absolute } : { filePath: absolute, cryptoArgs });
    return path.basename(absolute);
  } catch (e) {
    await rm(absolute, { force: true });
    throw writeFailure(absolute, e);
  }
}

/** Deletes files after the commit; those that are gone already are fine. */
export function removeAfterCommit(ctx: ChatContext, tx: Tx, absolutePaths: readonly string[]): void {
  if (absolutePaths.length === 0) return;
  tx.onCommit(() =>
    ctx.background('delete files', async () => {
      for (const p of absolutePaths) {
        await rm(p, { force: true }).catch((e: unknown) => {
          ctx.logger.warn({ error: systemText(e) }, 'a file could not be deleted');
        });
      }
    }),
  );
}

/** Whether a path lies in a folder (and is not the folder itself). */
export function isInside(folder: string, absolute: string): boolean {
  const relative = path.relative(path.resolve(folder), absolute);
  return relative !== '' && relative !== '..' && !relative.startsWith(`..${path.sep}`) && !path.isAbsolute(relative);
}
