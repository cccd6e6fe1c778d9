import { describe, expect, it } from 'vitest';
import { sealStream } from './index.js';
import { openStream } from './stream.js';

const pieceSize = 256 * 1024;
const gigabyte = 2 ** 30;

/** A piece at a time, each with its number in it. */
async function* gigabytePieces(): AsyncGenerator<Uint8Array> {
  for (let i = 0; i < gigabyte / pieceSize; i++) {
    const piece = Buffer.alloc(pieceSize, 'content of a large file ');
    piece.writeUInt32BE(i);
    yield piece;
  }
}

describe('the streaming box', () => {
  it('takes a gigabyte through encryption and decryption in constant memory', async () => {
    const key = new Uint8Array(32).fill(1);
    const nonce = new Uint8Array(24).fill(2);
    let length = 0;
    let numbered = 0;
    let rest = 0;
    let most = 0;
    const start = process.memoryUsage.rss();
    for await (const piece of openStream(key, nonce, sealStream(key, nonce, gigabytePieces()))) {
      // Pieces come with the last 16 bytes held back: numbers are checked where a piece begins whole.
      rest = length % pieceSize;
      const offset = rest === 0 ? 0 : pieceSize - rest;
      if (offset + 4 <= piece.length) {
        const b = Buffer.from(piece.buffer, piece.byteOffset, piece.length);
        expect(b.readUInt32BE(offset)).toBe((length + offset) / pieceSize);
        numbered++;
      }
      length += piece.length;
      most = Math.max(most, process.memoryUsage.rss() - start);
    }
    expect(length).toBe(gigabyte);
    expect(numbered).toBeGreaterThan(4000);
    // Garbage of some hundred pieces may wait for its collection; a gigabyte may not.
    expect(most).toBeLessThan(256 * 2 ** 20);
  });
});
