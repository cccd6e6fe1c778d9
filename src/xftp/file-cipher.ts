import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, stat, unlink } from 'node:fs/promises';
import { basename } from 'node:path';
import { FanionError } from '../core/index.js';
import {
  BoxStream,
  CryptoError,
  type CryptoFile,
  cryptoFileSize,
  type FileHeader,
  lazyLength,
  lazyPrefix,
  readFileHeader,
  writeFileHeader,
} from '../crypto/index.js';
import { concat, DecodeError, decodePrefix, encode, equalBytes } from '../wire/index.js';
import { readFully, sliceSize } from './chunk-io.js';
import { layOutChunks, prepareChunkSizes, singleChunkSize } from './chunks.js';
import { maxFileSize, tagSize } from './constants.js';
import { ReadAhead, WriteBehind } from './slices.js';

export type FileCipherErrorCode =
  /** Too large to send. */
  | 'XFTP_FILE_TOO_LARGE'
  /** The chunks do not have the size of the description. */
  | 'XFTP_FILE_SIZE'
  /** The chunks are not those that were described. */
  | 'XFTP_FILE_DIGEST'
  /** The tag does not fit: the content was changed, or the key is wrong. */
  | 'XFTP_FILE_AUTH'
  /** The decrypted bytes are not a file with header. */
  | 'XFTP_FILE_FORMAT'
  /** The source changed while it was read. */
  | 'XFTP_FILE_CHANGED';

/** A file that cannot be encrypted or decrypted. Errors of the file system are thrown as they are. */
export class FileCipherError extends FanionError {
  declare readonly code: FileCipherErrorCode;

  constructor(code: FileCipherErrorCode, message: string, cause?: unknown) {
    super(code, message, { cause });
  }
}

const lengthSize = 8;
const headerLimit = 1024;
const fill = 0x23;

/** How a file will be encrypted (40-xftp, section 3.3). Sizes in bytes. */
export interface EncryptionPlan {
  readonly header: Uint8Array;
  readonly contentSize: number;
  /** Sum of the chunk sizes. */
  readonly encryptedSize: number;
  readonly chunkSizes: readonly number[];
}

/** The name in the file header: a base name in UTF-8, at most 255 bytes, cut between characters. */
function headerName(fileName: string): string {
  const bytes = Buffer.from(basename(fileName).replaceAll('\\', '_'), 'utf8');
  let end = Math.min(bytes.length, 255);
  while (end < bytes.length && end > 0 && ((bytes[end] ?? 0) & 0xc0) === 0x80) end--;
  // The header codec works on Latin-1 characters: one for each byte.
  return bytes.subarray(0, end).toString('latin1');
}

/**
 * Plans the encryption of a file with this name and size.
 * @param single a redirect description, which must fit one chunk
 * @throws FileCipherError `XFTP_FILE_TOO_LARGE`
 */
export function planEncryption(fileName: string, contentSize: number, single = false): EncryptionPlan {
  if (contentSize > maxFileSize)
    throw new FileCipherError('XFTP_FILE_TOO_LARGE', `files above ${maxFileSize} bytes are not sent`);
  const name = headerName(fileName);
  const plan = planWith({ fileName: name, fileExtra: undefined }, contentSize, single);
  if (!paddingStartsInTag(plan)) return plan;
  // Official receivers would append the padding to the file: a longer header moves it on (section 3.3).
  return planWith({ fileName: name, fileExtra: '#'.repeat(16) }, contentSize, single);
}

function planWith(header: FileHeader, contentSize: number, single: boolean): EncryptionPlan {
  const bytes = encode((w) => writeFileHeader(w, header));
  const payload = lengthSize + bytes.length + contentSize + tagSize;
  const one = single ? singleChunkSize(payload) : undefined;
  if (single && one === undefined) throw new FileCipherError('XFTP_FILE_TOO_LARGE', 'a redirect must fit one chunk');
  const chunkSizes = one === undefined ? prepareChunkSizes(payload) : [one];
  return { header: bytes, contentSize, encryptedSize: chunkSizes.reduce((a, b) => a + b, 0), chunkSizes };
}

/** Whether padding starts in the last bytes of a middle chunk, where official receivers do not look for it. */
function paddingStartsInTag(plan: EncryptionPlan): boolean {
  if (plan.chunkSizes.length < 3) return false;
  const end = lengthSize + plan.header.length + plan.contentSize;
  const lastChunk = plan.encryptedSize - (plan.chunkSizes.at(-1) ?? 0);
  return lastChunk - tagSize < end && end < lastChunk;
}

/** An encrypted file: SHA-512 of all of it, SHA-256 of each chunk. */
export interface EncryptedFile {
  readonly digest: Uint8Array;
  readonly chunks: readonly {
    readonly chunkNo: number;
    readonly offset: number;
    readonly size: number;
    readonly digest: Uint8Array;
  }[];
}

/**
 * Encrypts `source` (plain, or a local encrypted file) to the new file `target` in constant memory.
 * @throws FileCipherError `XFTP_FILE_CHANGED` when the source is not as planned, CryptoError CRYPTO_DECRYPT when an
 * encrypted source is damaged; `target` is deleted then
 */
export async function encryptFile(
  source: CryptoFile,
  plan: EncryptionPlan,
  keys: { readonly key: Uint8Array; readonly nonce: Uint8Array },
  target: string,
  signal?: AbortSignal,
): Promise<EncryptedFile> {
  const input = await openSource(source, plan.contentSize);
  try {
    return await writeNew(target, (file) => encryptInto(file, input, plan, keys, signal));
  } finally {
    await input.file.close();
  }
}

interface Source {
  readonly file: FileHandle;
  /** Decrypts a local encrypted file. */
  readonly box: BoxStream | undefined;
}

async function openSource(source: CryptoFile, contentSize: number): Promise<Source> {
  const { filePath, cryptoArgs } = source;
  if ((await cryptoFileSize(source)) !== contentSize) {
    throw new FileCipherError('XFTP_FILE_CHANGED', 'the file changed its size before it was sent');
  }
  const box = cryptoArgs === undefined ? undefined : new BoxStream(cryptoArgs.fileKey, cryptoArgs.fileNonce);
  return { file: await open(filePath, 'r'), box };
}

/** Makes a file that exists only if `write` succeeds, and is then on the disk. Links are replaced, not followed. */
async function writeNew<T>(path: string, write: (file: FileHandle) => Promise<T>): Promise<T> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  let complete = false;
  try {
    const result = await write(file);
    await file.datasync();
    complete = true;
    return result;
  } finally {
    await file.close();
    // What failed is thrown already; the next attempt overwrites what stays.
    if (!complete) await unlink(path).catch(() => {});
  }
}

async function encryptInto(
  target: FileHandle,
  source: Source,
  plan: EncryptionPlan,
  keys: { readonly key: Uint8Array; readonly nonce: Uint8Array },
  signal: AbortSignal | undefined,
): Promise<EncryptedFile> {
  const box = new BoxStream(keys.key, keys.nonce);
  const whole = createHash('sha512');
  const output = new WriteBehind(target);
  const start = concat(lazyPrefix(plan.header.length + plan.contentSize), plan.header);
  const contentEnd = start.length + plan.contentSize;
  const end = plan.encryptedSize - tagSize;
  const chunks: EncryptedFile['chunks'][number][] = [];
  try {
    for (const chunk of layOutChunks(plan.chunkSizes)) {
      const hash = createHash('sha256');
      for (let done = 0; done < chunk.size; done += sliceSize) {
        signal?.throwIfAborted();
        const slice = output.buffer.subarray(0, Math.min(sliceSize, chunk.size - done));
        const position = chunk.offset + done;
        const plain = slice.subarray(0, Math.min(slice.length, end - position));
        await fillPlain(plain, position, start, contentEnd, source);
        box.seal(plain, plain);
        if (plain.length < slice.length) slice.set(box.tag(), plain.length);
        whole.update(slice);
        hash.update(slice);
        await output.write(slice, position);
      }
      chunks.push({ ...chunk, digest: hash.digest() });
    }
    await checkSourceTag(source, plan.contentSize);
    await output.finish();
  } finally {
    // After a failure, which is thrown already, this only closes the files.
    await output.finish().catch(() => {});
  }
  return { digest: whole.digest(), chunks };
}

/** The plaintext at `position`: length and header, content, padding. */
async function fillPlain(
  plain: Uint8Array,
  position: number,
  start: Uint8Array,
  contentEnd: number,
  source: Source,
): Promise<void> {
  let at = 0;
  if (position < start.length) {
    const head = start.subarray(position, position + plain.length);
    plain.set(head);
    at = head.length;
  }
  const content = plain.subarray(at, Math.max(at, Math.min(plain.length, contentEnd - position)));
  if (content.length > 0) {
    const n = await readFully(source.file, content, position + at - start.length);
    if (n < content.length) throw new FileCipherError('XFTP_FILE_CHANGED', 'the file became shorter while it was read');
    source.box?.open(content, content);
  }
  plain.fill(fill, at + content.length);
}

async function checkSourceTag(source: Source, contentSize: number): Promise<void> {
  if (source.box === undefined) return;
  const tag = new Uint8Array(tagSize);
  if ((await readFully(source.file, tag, contentSize)) < tagSize) {
    throw new FileCipherError('XFTP_FILE_CHANGED', 'the file became shorter while it was read');
  }
  source.box.verify(tag);
}

/** What there is to decrypt: the chunk files in order, and the description's numbers. */
export interface ChunkFilesToDecrypt {
  readonly paths: readonly string[];
  readonly size: number;
  readonly digest: Uint8Array;
  readonly key: Uint8Array;
  readonly nonce: Uint8Array;
}

/**
 * Decrypts downloaded chunks to `target` (plain, or as a local encrypted file) in constant memory; checks size,
 * SHA-512 and tag. `target` is replaced; on every failure it is deleted, so that nothing unchecked stays.
 * @returns the content's size and the name in the header, which is the sender's claim: never a path
 * @throws FileCipherError
 */
export async function decryptFile(
  chunks: ChunkFilesToDecrypt,
  target: CryptoFile,
  signal?: AbortSignal,
): Promise<{ contentSize: number; fileName: string }> {
  let total = 0;
  for (const path of chunks.paths) total += (await stat(path)).size;
  if (total !== chunks.size || total < lengthSize + tagSize) {
    throw new FileCipherError('XFTP_FILE_SIZE', 'the chunks do not have the size of the description');
  }
  return writeNew(target.filePath, (file) => decryptInto(file, chunks, target, signal));
}

async function decryptInto(
  file: FileHandle,
  chunks: ChunkFilesToDecrypt,
  target: CryptoFile,
  signal: AbortSignal | undefined,
): Promise<{ contentSize: number; fileName: string }> {
  const box = new BoxStream(chunks.key, chunks.nonce);
  const { cryptoArgs } = target;
  const save = cryptoArgs === undefined ? undefined : new BoxStream(cryptoArgs.fileKey, cryptoArgs.fileNonce);
  const whole = createHash('sha512');
  const output = new WriteBehind(file);
  const end = chunks.size - tagSize;
  const tag = new Uint8Array(tagSize);
  let start: FileStart | undefined;
  let position = 0;
  let written = 0;
  const input = new ReadAhead(chunks.paths);
  try {
    for (;;) {
      signal?.throwIfAborted();
      const slice = await input.next();
      if (slice === undefined) break;
      whole.update(slice);
      const plain = slice.subarray(0, Math.max(0, Math.min(slice.length, end - position)));
      if (position + slice.length > chunks.size) break;
      if (plain.length < slice.length) tag.set(slice.subarray(plain.length), Math.max(0, position - end));
      box.open(plain, plain);
      start ??= readStart(plain, end);
      const from = position === 0 ? start.contentStart : 0;
      const content = plain.subarray(from, Math.max(from, Math.min(plain.length, start.contentEnd - position)));
      if (content.length > 0) {
        save?.seal(content, content);
        await output.write(content, written);
        written += content.length;
      }
      position += slice.length;
    }
    if (position !== chunks.size) throw new FileCipherError('XFTP_FILE_SIZE', 'a chunk changed while it was read');
    if (!equalBytes(whole.digest(), chunks.digest)) {
      throw new FileCipherError('XFTP_FILE_DIGEST', 'the file is not the one that was described');
    }
    verifyTag(box, tag);
    if (save !== undefined) await output.write(save.tag(), written);
    await output.finish();
  } finally {
    await input.close();
    // After a failure, which is thrown already, this only closes the files.
    await output.finish().catch(() => {});
  }
  return { contentSize: written, fileName: start?.fileName ?? '' };
}

function verifyTag(box: BoxStream, tag: Uint8Array): void {
  try {
    box.verify(tag);
  } catch (e) {
    if (e instanceof CryptoError) throw new FileCipherError('XFTP_FILE_AUTH', 'the file cannot be authenticated', e);
    throw e;
  }
}

interface FileStart {
  readonly fileName: string;
  /** Where the content starts and ends in the decrypted stream. */
  readonly contentStart: number;
  readonly contentEnd: number;
}

/** Not yet authenticated: only bounds are trusted, and nothing is kept before the tag was checked. */
function readStart(plain: Uint8Array, end: number): FileStart {
  try {
    const length = lazyLength(plain);
    if (length > end - lengthSize) throw new DecodeError('fileSize', 'longer than the file', 0);
    const body = plain.subarray(lengthSize, lengthSize + Math.min(length, headerLimit));
    const { header, used } = decodePrefix(body, (r) => ({ header: readFileHeader(r), used: r.offset }));
    return { fileName: decodedName(header.fileName), contentStart: lengthSize + used, contentEnd: lengthSize + length };
  } catch (e) {
    if (e instanceof DecodeError || e instanceof CryptoError) {
      throw new FileCipherError('XFTP_FILE_FORMAT', 'the decrypted file has no valid header', e);
    }
    throw e;
  }
}

/** Current senders write UTF-8, older ones the low bytes of the characters. */
function decodedName(latin1: string): string {
  const bytes = Buffer.from(latin1, 'latin1');
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    return latin1;
  }
}
