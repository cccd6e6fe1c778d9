import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { open, readdir, rename, stat, unlink } from 'node:fs/promises';
import path from 'node:path';
import { base64url, decodeBase64url, equalBytes } from '../../wire/index.js';
import { type BodyReader, sliceSize, syncFolder, writeFully } from '../../xftp/index.js';

/** What became of an upload. */
export type StoredChunk = 'stored' | 'SIZE' | 'DIGEST' | 'FILE_IO' | 'TIMEOUT';

const partial = '.part';

/** The folder with the chunks: one file each, named after the sender id. */
export class ChunkFiles {
  readonly folder: string;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.folder = folder;
  }

  name(senderId: Uint8Array): string {
    return base64url(senderId);
  }

  path(fileName: string): string {
    return path.join(this.folder, fileName);
  }

  /** Whether the file is there. */
  async exists(fileName: string): Promise<boolean> {
    try {
      return (await stat(this.path(fileName))).isFile();
    } catch {
      return false;
    }
  }

  /**
   * Receives the body of an upload: exactly `size` bytes with this SHA-256. The file has its name only when it is
   * complete and on the disk; nothing is left of a failed upload.
   */
  async receive(
    reader: BodyReader,
    fileName: string,
    chunk: { size: number; digest: Uint8Array },
  ): Promise<StoredChunk> {
    const temporary = this.path(fileName + partial);
    let result: StoredChunk = 'FILE_IO';
    try {
      const file = await open(temporary, 'w', 0o600);
      try {
        result = await receiveInto(file, reader, chunk);
        if (result === 'stored') await file.datasync();
      } finally {
        await file.close();
      }
      if (result === 'stored') {
        await rename(temporary, this.path(fileName));
        await syncFolder(this.folder);
      }
    } catch {
      result = 'FILE_IO';
    }
    // What cannot be deleted is removed by the sweep of the next start.
    if (result !== 'stored') await unlink(temporary).catch(() => {});
    return result;
  }

  /** Removes the file; one that is missing is no error. */
  async remove(fileName: string): Promise<void> {
    try {
      await unlink(this.path(fileName));
    } catch (e) {
      if (!(e instanceof Error && 'code' in e && e.code === 'ENOENT')) throw e;
    }
  }

  /** Removes what no record knows: parts of uploads that a crash ended, files of deleted records. Gives their number. */
  async collectGarbage(known: (fileName: string, senderId: Uint8Array) => Promise<boolean>): Promise<number> {
    let removed = 0;
    for (const name of await readdir(this.folder)) {
      if (!name.endsWith(partial)) {
        let id: Uint8Array;
        try {
          id = decodeBase64url(name, 'chunk file');
        } catch {
          // Not a file of ours: leave it.
          continue;
        }
        if (await known(name, id)) continue;
      }
      await this.remove(name);
      removed++;
    }
    return removed;
  }
}

async function receiveInto(
  file: Awaited<ReturnType<typeof open>>,
  reader: BodyReader,
  chunk: { readonly size: number; readonly digest: Uint8Array },
): Promise<StoredChunk> {
  const hash = createHash('sha256');
  const length = Math.min(sliceSize, chunk.size);
  const buffers = [Buffer.allocUnsafe(length), Buffer.allocUnsafe(length)] as const;
  let writing: Promise<void> = Promise.resolve();
  try {
    for (let done = 0, i: 0 | 1 = 0; done < chunk.size; i = i === 0 ? 1 : 0) {
      const slice = buffers[i].subarray(0, Math.min(length, chunk.size - done));
      let n: number;
      try {
        n = await reader.readInto(slice);
      } catch {
        return 'TIMEOUT';
      }
      if (n < slice.length) return 'SIZE';
      hash.update(slice);
      await writing;
      writing = writeFully(file, slice, done);
      // Its failure is seen by the next await, perhaps a turn later.
      writing.catch(() => {});
      done += n;
    }
    const more = await reader.read(1).catch(() => undefined);
    if (more === undefined) return 'TIMEOUT';
    if (more.length > 0) return 'SIZE';
    if (!equalBytes(hash.digest(), chunk.digest)) return 'DIGEST';
    await writing;
    return 'stored';
  } finally {
    // The file is in use until the last write is over; its failure was thrown above.
    await writing.catch(() => {});
  }
}
