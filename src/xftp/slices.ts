import { type FileHandle, open } from 'node:fs/promises';
import { readFully, sliceSize, writeFully } from './chunk-io.js';

/** After this many bytes the system is asked to bring them to the disk, so that less is left to wait for at the end. */
const syncEvery = 16 * 1024 * 1024;

/** Two buffers that take turns: one is written while the other is filled. */
export class WriteBehind {
  readonly #file: FileHandle;
  readonly #buffers = [Buffer.allocUnsafe(sliceSize), Buffer.allocUnsafe(sliceSize)] as const;
  #turn: 0 | 1 = 0;
  #writing: Promise<void> = Promise.resolve();
  #syncing: Promise<void> | undefined;
  #unsynced = 0;

  constructor(file: FileHandle) {
    this.#file = file;
  }

  /** The buffer to fill now. */
  get buffer(): Buffer {
    return this.#buffers[this.#turn];
  }

  /**
   * Writes `data`, which may be a part of {@link buffer}, as soon as what was given before is written; does not wait
   * for it. The next buffer may be filled at once.
   */
  async write(data: Uint8Array, position: number): Promise<void> {
    await this.#writing;
    this.#writing = writeFully(this.#file, data, position);
    // Seen by the next write, or by `finish`.
    this.#writing.catch(() => {});
    this.#turn = this.#turn === 0 ? 1 : 0;
    this.#unsynced += data.length;
    if (this.#unsynced < syncEvery || this.#syncing !== undefined) return;
    this.#unsynced = 0;
    const synced = (): void => {
      this.#syncing = undefined;
    };
    // A failure shows up again when the file is synced at its end.
    this.#syncing = this.#file.datasync().then(synced, synced);
  }

  async finish(): Promise<void> {
    await this.#syncing;
    await this.#writing;
  }
}

/** Reads files one after the other, a slice ahead of its user. A slice stays as it is until the second next is asked for. */
export class ReadAhead {
  readonly #paths: readonly string[];
  readonly #buffers = [Buffer.allocUnsafe(sliceSize), Buffer.allocUnsafe(sliceSize), Buffer.allocUnsafe(sliceSize)];
  #next: Promise<Buffer | undefined>;
  #turn = 0;
  #path = 0;
  #file: FileHandle | undefined;
  #offset = 0;

  constructor(paths: readonly string[]) {
    this.#paths = paths;
    this.#next = this.#read();
    this.#next.catch(() => {});
  }

  /** The next slice; undefined at the end. */
  async next(): Promise<Buffer | undefined> {
    const slice = await this.#next;
    this.#next = slice === undefined ? Promise.resolve(undefined) : this.#read();
    // Seen by the next call, or by nobody when the user gives up.
    this.#next.catch(() => {});
    return slice;
  }

  async #read(): Promise<Buffer | undefined> {
    const buffer = this.#buffers[this.#turn % this.#buffers.length];
    this.#turn++;
    while (buffer !== undefined) {
      const path = this.#paths[this.#path];
      if (path === undefined) return undefined;
      this.#file ??= await open(path, 'r');
      const n = await readFully(this.#file, buffer, this.#offset);
      this.#offset += n;
      if (n > 0) return buffer.subarray(0, n);
      await this.#file.close();
      this.#file = undefined;
      this.#offset = 0;
      this.#path++;
    }
    return undefined;
  }

  async close(): Promise<void> {
    await this.#next.catch(() => {});
    await this.#file?.close();
  }
}
