import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CryptoFile,
  copyCryptoFile,
  cryptoFileFromJson,
  cryptoFileSize,
  randomCryptoFileArgs,
  readCryptoFileWhole,
  writeCryptoFile,
} from './index.js';
import { type CryptoFileJson, cryptoFileArgsFromJson, cryptoFileToJson } from './local-file.js';
import { fromHex, loadVectors, toHex } from './testing-support/vectors.js';

interface LocalFileVector {
  readonly content: string;
  readonly contentsSize: number;
  readonly cryptoFileJson: CryptoFileJson;
  readonly plainFileJson: CryptoFileJson;
  readonly key: string;
  readonly nonce: string;
  readonly written: string;
}

const { cryptoFiles } = loadVectors<{ readonly cryptoFiles: readonly LocalFileVector[] }>('crypto.json');

let dir = '';
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'fanion-crypto-'));
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));

async function* one(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

describe('encrypted local files', () => {
  it.each(cryptoFiles.map((f, i) => [i, f] as const))('%i are those of the official implementation', async (i, f) => {
    const file = { ...cryptoFileFromJson(f.cryptoFileJson), filePath: join(dir, `vector-${i}`) };
    expect(cryptoFileToJson({ ...file, filePath: 'path/to/file' })).toEqual(f.cryptoFileJson);
    expect(cryptoFileToJson(cryptoFileFromJson(f.plainFileJson))).toEqual(f.plainFileJson);
    expect(toHex(file.cryptoArgs?.fileKey ?? new Uint8Array())).toBe(f.key);
    expect(toHex(file.cryptoArgs?.fileNonce ?? new Uint8Array())).toBe(f.nonce);
    await writeCryptoFile(file, one(fromHex(f.content)));
    expect(readFileSync(file.filePath).toString('hex')).toBe(f.written);
    expect(await cryptoFileSize(file)).toBe(f.contentsSize);
    expect(toHex(await readCryptoFileWhole(file))).toBe(f.content);
    const damaged = fromHex(f.written);
    damaged[0] = (damaged[0] ?? 0) ^ 1;
    writeFileSync(file.filePath, damaged);
    await expect(readCryptoFileWhole(file)).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    writeFileSync(file.filePath, damaged.subarray(0, 15));
    await expect(cryptoFileSize(file)).rejects.toMatchObject({ code: 'CRYPTO_FILE' });
    await expect(readCryptoFileWhole(file)).rejects.toMatchObject({ code: 'CRYPTO_FILE' });
  });

  it('are decrypted to a whole file or to none', async () => {
    const sealed: CryptoFile = { filePath: join(dir, 'sealed'), cryptoArgs: randomCryptoFileArgs() };
    const content = Buffer.alloc(700_000, 'content ');
    await writeCryptoFile(sealed, one(content));
    const plain = { filePath: join(dir, 'plain') };
    await copyCryptoFile(sealed, plain);
    expect(readFileSync(plain.filePath).equals(content)).toBe(true);
    rmSync(plain.filePath);
    const bytes = readFileSync(sealed.filePath);
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    writeFileSync(sealed.filePath, bytes);
    const before = readdirSync(dir);
    await expect(copyCryptoFile(sealed, plain)).rejects.toMatchObject({ code: 'CRYPTO_DECRYPT' });
    expect(readdirSync(dir)).toEqual(before);
  });

  it('have keys of the right size only', () => {
    expect(() => cryptoFileArgsFromJson({ fileKey: 'YWJj', fileNonce: 'YWJj' })).toThrow(
      expect.objectContaining({ code: 'CRYPTO_BAD_KEY' }),
    );
    expect(() => cryptoFileArgsFromJson({ fileKey: '', fileNonce: '' })).toThrow(
      expect.objectContaining({ code: 'DECODE' }),
    );
  });
});
