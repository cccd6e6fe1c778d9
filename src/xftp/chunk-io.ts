import { createHash } from 'node:crypto';
import { type FileHandle, open, rm, unlink } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { type BoxStream, CryptoError } from '../crypto/index.js';
import { equalBytes } from '../wire/index.js';
import type { BodyReader } from './body-reader.js';
import { tagSize } from './constants.js';
import { responseError } from './errors.js';

/** Bytes that are read, encrypted and written at a time: below a millisecond of work. Two of them for each transfer. */
export const sliceSize = 256 * 1024;

/** A part of a file: `offset` and `size` in bytes. */
export interface FileSlice {
  readonly path: string;
  readonly offset: number;
  readonly size: number;
}

/** Reads exactly `target.length` bytes at `position`; fewer only at the end of the file. */
export async function readFully(file: FileHandle, target: Uint8Array, position: number): Promise<number> {
  let filled = 0;
  while (filled < target.length) {
    const { bytesRead } = await file.read(target, filled, target.length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return filled;
}

/** Writes all of `data` at `position`. */
export async function writeFully(file: FileHandle, data: Uint8Array, position: number): Promise<void> {
  let written = 0;
  while (written < data.length) {
    const { bytesWritten } = await file.write(data, written, data.length - written, position + written);
    written += bytesWritten;
  }
}

/** Makes renames in a folder durable, where the system can do that. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    await handle.sync().finally(() => handle.close());
  } catch {
    // Windows does not sync folders.
  }
}

/** Resolves when the stream has taken the bytes, so that the memory may be used again. */
export function writeTo(stream: Writable, data: Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    // The callback is not called when the stream is destroyed before.
    const onClose = (): void => reject(new Error('stream closed while it was written'));
    stream.once('close', onClose);
    stream.write(data, (error) => {
      stream.off('close', onClose);
      if (error == null) resolve();
      else reject(error);
    });
  });
}

/**
 * Sends a part of a file: reads ahead one slice while the other is sent. False when it was stopped before the end.
 * @param transform changes each slice in place (encryption)
 * @param stopped ends the sending early, without error
 */
export async function sendSlice(
  stream: Writable,
  source: FileSlice,
  options: { readonly transform?: (slice: Uint8Array) => void; readonly stopped?: () => boolean } = {},
): Promise<boolean> {
  const file = await open(source.path, 'r');
  let sending: Promise<void> = Promise.resolve();
  try {
    const first = Buffer.allocUnsafe(Math.min(sliceSize, source.size));
    const second = source.size > sliceSize ? Buffer.allocUnsafe(sliceSize) : first;
    let buffer = first;
    for (let done = 0; done < source.size; ) {
      const slice = buffer.subarray(0, Math.min(buffer.length, source.size - done));
      const n = await readFully(file, slice, source.offset + done);
      // Also of a file that became shorter everything is sent: the other side then sees what is wrong with its size.
      const part = slice.subarray(0, n);
      options.transform?.(part);
      await sending;
      if (options.stopped?.() === true) return false;
      sending = writeTo(stream, part);
      // Its failure is seen by the await above or below, perhaps a turn later.
      sending.catch(() => {});
      if (n < slice.length) {
        await sending;
        throw new Error('the file is shorter than its chunks');
      }
      done += slice.length;
      buffer = buffer === first ? second : first;
    }
    await sending;
    return true;
  } finally {
    // The buffers and the file are in use until the last write is over.
    await sending.catch(() => {});
    await file.close();
  }
}

/**
 * Receives the encrypted body of a download into a new file: decrypts and hashes on the way, checks size, tag and
 * digest at the end (40-xftp, section 2.4). The file is deleted on every failure. It is not synced to the disk: whoever
 * uses it later checks it again.
 * @throws XftpClientError BROKER RESPONSE `NO_FILE`, `SIZE`, `CRYPTO` or `DIGEST`; errors of the file system and of
 * the stream as they are
 */
export async function receiveEncryptedChunk(
  reader: BodyReader,
  box: BoxStream,
  chunk: { readonly size: number; readonly digest: Uint8Array },
  path: string,
): Promise<void> {
  await rm(path, { force: true });
  const file = await open(path, 'wx', 0o600);
  let complete = false;
  try {
    await receiveInto(file, reader, box, chunk);
    complete = true;
  } finally {
    await file.close();
    // What failed is thrown already; a part that stays is overwritten by the next attempt.
    if (!complete) await unlink(path).catch(() => {});
  }
}

async function receiveInto(
  file: FileHandle,
  reader: BodyReader,
  box: BoxStream,
  chunk: { readonly size: number; readonly digest: Uint8Array },
): Promise<void> {
  const hash = createHash('sha256');
  const buffers = [
    Buffer.allocUnsafe(Math.min(sliceSize, chunk.size)),
    Buffer.allocUnsafe(Math.min(sliceSize, chunk.size)),
  ];
  let writing: Promise<void> = Promise.resolve();
  try {
    let done = 0;
    for (let i = 0; done < chunk.size; i ^= 1) {
      const buffer = buffers[i] ?? Buffer.allocUnsafe(sliceSize);
      const slice = buffer.subarray(0, Math.min(buffer.length, chunk.size - done));
      const n = await reader.readInto(slice);
      if (n < slice.length) throw responseError(done + n === 0 ? 'NO_FILE' : 'SIZE');
      box.open(slice, slice);
      hash.update(slice);
      await writing;
      writing = writeFully(file, slice, done);
      // Its failure is seen by the next await, perhaps a turn later.
      writing.catch(() => {});
      done += n;
    }
    const tag = await reader.read(tagSize);
    if (tag.length < tagSize) throw responseError('CRYPTO');
    if ((await reader.read(1)).length > 0) throw responseError('SIZE');
    verifyTag(box, tag);
    if (!equalBytes(hash.digest(), chunk.digest)) throw responseError('DIGEST');
    await writing;
  } finally {
    // The file is in use until the last write is over; its failure was thrown above.
    await writing.catch(() => {});
  }
}

function verifyTag(box: BoxStream, tag: Uint8Array): void {
  try {
    box.verify(tag);
  } catch (e) {
    if (e instanceof CryptoError) throw responseError('CRYPTO', e);
    throw e;
  }
}
