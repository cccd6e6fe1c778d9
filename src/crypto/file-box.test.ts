import { describe, expect, it } from 'vitest';
import { decodeWhole } from '../wire/index.js';
import {
  fileBoxSize,
  headerFileName,
  openFile,
  readFileHeader,
  sealFile,
  sealTail,
  sha256,
  sha512,
  startHash,
} from './index.js';
import { fromHex, loadVectors, toHex } from './testing-support/vectors.js';

interface FileVector {
  readonly chunkSha256Digests: readonly string[];
  readonly chunkSizes: readonly number[];
  readonly contentLength: number;
  readonly encSize: number;
  readonly encrypted: { readonly first256: string; readonly last64: string; readonly afterContent64: string };
  readonly fileHeader: string;
  readonly fileName: string;
  readonly key: string;
  readonly nonce: string;
  readonly sha256: string;
  readonly sha512Digest: string;
}

const { xftpFiles } = loadVectors<{ readonly xftpFiles: readonly FileVector[] }>('crypto.json');

const sentence = Buffer.from('The quick brown fox jumps over the lazy dog. ');
function contentOf(length: number): Uint8Array {
  return Buffer.alloc(length, sentence);
}

async function* inPieces(bytes: Uint8Array, size: number): AsyncGenerator<Uint8Array> {
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

async function collect(source: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  for await (const part of source) parts.push(part);
  return new Uint8Array(Buffer.concat(parts));
}

const key = new Uint8Array(32).fill(7);
const nonce = new Uint8Array(24).fill(9);
const header = { fileName: 'a.txt', fileExtra: undefined };

describe('the encryption of whole files', () => {
  it.each(xftpFiles.map((f) => [f.contentLength, f] as const))(
    'of %i bytes is that of the official implementation',
    async (length, f) => {
      const [k, n] = [fromHex(f.key), fromHex(f.nonce)];
      const recorded = decodeWhole(fromHex(f.fileHeader), 'header', readFileHeader);
      const content = contentOf(length);
      const file = await collect(sealFile(k, n, recorded, inPieces(content, 1000), length, f.encSize));
      expect(file.length).toBe(f.encSize);
      expect(toHex(file.subarray(0, 256))).toBe(f.encrypted.first256);
      expect(toHex(file.subarray(-64))).toBe(f.encrypted.last64);
      expect(toHex(sha256(file))).toBe(f.sha256);
      expect(toHex(sha512(file))).toBe(f.sha512Digest);
      const hash = startHash('sha512');
      for await (const piece of inPieces(file, 5000)) hash.update(piece);
      expect(toHex(hash.digest())).toBe(f.sha512Digest);
      let at = 0;
      const chunks = f.chunkSizes.map((size) => {
        at += size;
        return file.subarray(at - size, at);
      });
      expect(chunks.map((c) => toHex(sha256(c)))).toEqual(f.chunkSha256Digests);
      for (const size of [64, 999, 65536]) {
        const opened = await openFile(k, n, inPieces(file, size), file.length);
        expect(opened.header).toEqual(recorded);
        expect(opened.contentLength).toBe(length);
        expect(Buffer.compare(await collect(opened.content), content)).toBe(0);
      }
    },
  );

  it('is exact about the size: what fits, fits; one byte more is refused', async () => {
    const size = fileBoxSize(header, 100);
    const file = await collect(sealFile(key, nonce, header, inPieces(contentOf(100), 30), 100, size));
    expect(file.length).toBe(size);
    await expect(
      collect(sealFile(key, nonce, header, inPieces(contentOf(100), 30), 100, size - 1)),
    ).rejects.toMatchObject({
      code: 'CRYPTO_LARGE_MSG',
    });
  });

  it('refuses a file that changes its size meanwhile', async () => {
    for (const length of [99, 101]) {
      const file = collect(sealFile(key, nonce, header, inPieces(contentOf(length), 30), 100, 1000));
      await expect(file).rejects.toMatchObject({ code: 'CRYPTO_FILE' });
    }
  });

  it('refuses damaged, shortened and lengthened files at the end, impossible lengths at once', async () => {
    const file = await collect(sealFile(key, nonce, header, inPieces(contentOf(5000), 999), 5000, 8192));
    const read = async (bytes: Uint8Array) => collect((await openFile(key, nonce, inPieces(bytes, 700), 8192)).content);
    await expect(read(file)).resolves.toEqual(new Uint8Array(contentOf(5000)));
    const damaged = new Uint8Array(file);
    damaged[7000] = (damaged[7000] ?? 0) ^ 1;
    await expect(read(damaged)).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    await expect(read(file.subarray(0, 8191))).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    await expect(read(file.subarray(0, 100))).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    await expect(read(Buffer.concat([file, Buffer.from([0])]))).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    const longer = sealTail(key, nonce, Buffer.concat([fromHex('0000000000002000'), new Uint8Array(8168)]));
    await expect(read(longer)).rejects.toMatchObject({ code: 'CRYPTO_PADDING' });
    const noHeader = sealTail(key, nonce, Buffer.concat([fromHex('0000000000000003'), new Uint8Array(8168).fill(200)]));
    await expect(read(noHeader)).rejects.toMatchObject({ code: 'DECODE' });
  });

  it('makes a name that fits from any name', () => {
    expect(headerFileName('a.txt')).toBe('a.txt');
    expect(headerFileName('я'.repeat(200)).length).toBe(255);
  });
});
