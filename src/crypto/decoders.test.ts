import { describe, expect, it } from 'vitest';
import { fuzzDecoder } from '../wire/testing-support/fuzz.js';
import { loadCompression } from './index.js';
import { cryptoDecoders } from './testing-support/decoders.js';
import { toHex } from './testing-support/vectors.js';

describe('decoders under random input', async () => {
  const compression = await loadCompression();

  it.each(cryptoDecoders(compression).map((d) => [d.name, d] as const))(
    '%s gives a value or a typed error',
    (_name, d) => {
      fuzzDecoder(d);
    },
  );
});

describe('decompression', async () => {
  const compression = await loadCompression();

  it('refuses what would grow beyond the limit before decompressing it', () => {
    const fits = compression.compressFrame(new Uint8Array(65536));
    expect(compression.decompressFrame(fits).length).toBe(65536);
    for (const bomb of [
      compression.compressFrame(new Uint8Array(65537)),
      compression.compressFrame(new Uint8Array(2 ** 24)),
    ]) {
      expect(() => compression.decompressFrame(bomb)).toThrow(expect.objectContaining({ code: 'CRYPTO_COMPRESSION' }));
    }
    // A header that announces 1 GB over nothing.
    const liar = Buffer.from('28b52ffda000000040010000', 'hex');
    expect(() => compression.decompressFrame(liar)).toThrow('1073741824 bytes');
  });

  it('refuses frames that give more or less than they announce', () => {
    const frame = Buffer.from(compression.compressFrame(Buffer.alloc(300, 'abc')));
    frame.writeUInt16LE(299 - 256, 5);
    expect(() => compression.decompressFrame(frame)).toThrow(expect.objectContaining({ code: 'CRYPTO_COMPRESSION' }));
    frame.writeUInt16LE(301 - 256, 5);
    expect(() => compression.decompressFrame(frame)).toThrow(expect.objectContaining({ code: 'CRYPTO_COMPRESSION' }));
  });

  it('gives back bodies of many items and of every size', () => {
    for (const length of [0, 1, 180, 181, 255, 256, 511, 512, 13381, 65535, 65536]) {
      const plain = Buffer.alloc(length, '{"event":"x.msg.new"} ');
      const [back, ...rest] = compression.decompressBatch(compression.compressBatch(plain));
      expect(rest).toEqual([]);
      expect(toHex(back ?? new Uint8Array())).toBe(toHex(plain));
    }
    const two = Buffer.concat([
      Buffer.from('X\x02'),
      compression.compressItem(Buffer.alloc(200)),
      Buffer.from('0\x01a'),
    ]);
    expect(compression.decompressBatch(two).map((b) => b.length)).toEqual([200, 1]);
  });
});
