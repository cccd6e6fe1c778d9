import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  type BoxKey,
  BoxStream,
  boxKey,
  CryptoError,
  openBox,
  openTail,
  sealBox,
  sealStream,
  sealTail,
} from './index.js';
import { openStream } from './stream.js';
import { toHex } from './testing-support/vectors.js';

const key = new Uint8Array(32).map((_, i) => i);
const nonce = new Uint8Array(24).map((_, i) => 0x40 + i);

/** Cuts bytes at the given places. */
function cut(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const ends = [...places.map((p) => p % (bytes.length + 1)), bytes.length].sort((a, b) => a - b);
  return ends.map((end, i) => bytes.subarray(ends[i - 1] ?? 0, end));
}

async function* pieces(parts: readonly Uint8Array[]): AsyncGenerator<Uint8Array> {
  for (const part of parts) yield part;
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

describe('the streaming box', () => {
  it('gives the same as the box in one piece, wherever the pieces end', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 700 }), fc.array(fc.nat(), { maxLength: 8 }), (message, places) => {
        const whole = sealBox(key, nonce, message);
        const stream = new BoxStream(key, nonce);
        const sealed = Buffer.concat(cut(message, places).map((p) => stream.seal(p)));
        const tag = stream.tag();
        expect(toHex(Buffer.concat([tag, sealed]))).toBe(toHex(whole));
        const opener = new BoxStream(boxKey(key), nonce);
        const opened = Buffer.concat(
          cut(
            sealed,
            [...places].reverse().map((p) => p * 7),
          ).map((p) => opener.open(p)),
        );
        opener.verify(tag);
        expect(toHex(opened)).toBe(toHex(message));
      }),
      { numRuns: 300 },
    );
  });

  it('works in place', () => {
    const message = Buffer.from('0123456789'.repeat(30));
    const expected = sealBox(key, nonce, message);
    const bytes = new Uint8Array(message);
    const stream = new BoxStream(key, nonce);
    for (const part of [bytes.subarray(0, 45), bytes.subarray(45, 130), bytes.subarray(130)]) stream.seal(part, part);
    expect(toHex(bytes)).toBe(toHex(expected.subarray(16)));
    const opener = new BoxStream(key, nonce);
    for (const part of [bytes.subarray(0, 1), bytes.subarray(1)]) opener.open(part, part);
    expect(toHex(bytes)).toBe(toHex(message));
  });

  it('opens streams with the tag at the end, wherever the pieces end', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.uint8Array({ maxLength: 200 }),
        fc.array(fc.nat(), { maxLength: 12 }),
        async (message, places) => {
          const sealed = await collect(sealStream(key, nonce, pieces(cut(message, places))));
          expect(toHex(sealed)).toBe(toHex(sealTail(key, nonce, message)));
          const opened = await collect(openStream(key, nonce, pieces(cut(sealed, places))));
          expect(toHex(opened)).toBe(toHex(message));
          expect(toHex(openTail(key, nonce, sealed))).toBe(toHex(message));
        },
      ),
      { numRuns: 200 },
    );
  });

  it('refuses every flipped bit and every missing byte', async () => {
    const sealed = sealTail(key, nonce, Buffer.from('some content of a file'));
    const refused = { code: 'CRYPTO_DECRYPT' };
    for (let i = 0; i < sealed.length; i++) {
      const damaged = new Uint8Array(sealed);
      damaged[i] = (damaged[i] ?? 0) ^ 0x10;
      expect(() => openTail(key, nonce, damaged)).toThrow(CryptoError);
      await expect(collect(openStream(key, nonce, pieces([damaged])))).rejects.toMatchObject(refused);
      await expect(collect(openStream(key, nonce, pieces([sealed.subarray(0, i)])))).rejects.toMatchObject(refused);
    }
  });

  it('refuses keys and nonces of a wrong size before libsodium sees them', () => {
    const bad = { code: 'CRYPTO_BAD_KEY' };
    const attempts: ((k: Uint8Array | BoxKey, n: Uint8Array) => unknown)[] = [
      (k, n) => sealBox(k, n, new Uint8Array(1)),
      (k, n) => openBox(k, n, new Uint8Array(20)),
      (k, n) => new BoxStream(k, n),
    ];
    for (const attempt of attempts) {
      expect(() => attempt(key.subarray(1), nonce)).toThrow(expect.objectContaining(bad));
      expect(() => attempt(key, nonce.subarray(1))).toThrow(expect.objectContaining(bad));
    }
  });
});
