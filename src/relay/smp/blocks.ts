import { madeGarbage } from '../../core/index.js';
import { blockSize } from '../../smp/index.js';

/** Cuts a byte stream into blocks of 16384 bytes. Keeps memory only while a block is incomplete. */
export class BlockAssembler {
  readonly #take: (block: Uint8Array) => void;
  #partial: Uint8Array | undefined;
  #length = 0;

  constructor(take: (block: Uint8Array) => void) {
    this.#take = take;
  }

  push(chunk: Uint8Array): void {
    madeGarbage(chunk.length);
    let at = 0;
    while (at < chunk.length) {
      if (this.#partial === undefined && chunk.length - at >= blockSize) {
        this.#take(chunk.subarray(at, at + blockSize));
        at += blockSize;
        continue;
      }
      this.#partial ??= new Uint8Array(blockSize);
      const part = chunk.subarray(at, at + blockSize - this.#length);
      this.#partial.set(part, this.#length);
      this.#length += part.length;
      at += part.length;
      if (this.#length === blockSize) {
        const block = this.#partial;
        this.#partial = undefined;
        this.#length = 0;
        this.#take(block);
      }
    }
  }
}
