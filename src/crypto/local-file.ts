import { createReadStream } from 'node:fs';
import { open, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type RandomSource, systemRandom } from '../core/index.js';
import { base64url, decodeBase64url, hex } from '../wire/index.js';
import { boxNonceSize, boxTagSize } from './box.js';
import { CryptoError } from './errors.js';
import { openStream, sealStream } from './stream.js';

/** The key and nonce of one encrypted local file. Never used for another file. */
export interface CryptoFileArgs {
  /** 32 bytes. */
  readonly fileKey: Uint8Array;
  /** 24 bytes. */
  readonly fileNonce: Uint8Array;
}

/** A local file: plain without `cryptoArgs`, else ciphertext and tag (section 3.7). */
export interface CryptoFile {
  readonly filePath: string;
  readonly cryptoArgs?: CryptoFileArgs;
}

/** The JSON form of {@link CryptoFileArgs}: padded base64url. */
export interface CryptoFileArgsJson {
  readonly fileKey: string;
  readonly fileNonce: string;
}

/** The JSON form of {@link CryptoFile}. */
export interface CryptoFileJson {
  readonly filePath: string;
  readonly cryptoArgs?: CryptoFileArgsJson;
}

/** Bytes per read. Large enough for the speed of the disk, small enough for the event loop. */
const pieceSize = 256 * 1024;

/** Fresh key and nonce for a file that is about to be written. */
export function randomCryptoFileArgs(random: RandomSource = systemRandom): CryptoFileArgs {
  return { fileKey: random.bytes(32), fileNonce: random.bytes(boxNonceSize) };
}

/** Key and nonce as the bot API has them: base64url. */
export function cryptoFileArgsToJson(args: CryptoFileArgs): CryptoFileArgsJson {
  return { fileKey: base64url(args.fileKey), fileNonce: base64url(args.fileNonce) };
}

/** DecodeError when a text is not base64url; CRYPTO_BAD_KEY when a size is wrong. */
export function cryptoFileArgsFromJson(json: CryptoFileArgsJson): CryptoFileArgs {
  const fileKey = decodeBase64url(json.fileKey, 'fileKey');
  const fileNonce = decodeBase64url(json.fileNonce, 'fileNonce');
  if (fileKey.length !== 32 || fileNonce.length !== boxNonceSize) {
    throw new CryptoError('CRYPTO_BAD_KEY', 'key or nonce of a local file has a wrong size');
  }
  return { fileKey, fileNonce };
}

/** A file with its key, as the bot API has it. */
export function cryptoFileToJson(file: CryptoFile): CryptoFileJson {
  const { filePath, cryptoArgs } = file;
  return cryptoArgs === undefined ? { filePath } : { filePath, cryptoArgs: cryptoFileArgsToJson(cryptoArgs) };
}

/** Reads {@link cryptoFileToJson}'s form. @throws DecodeError for a key or nonce that is none */
export function cryptoFileFromJson(json: CryptoFileJson): CryptoFile {
  const { filePath, cryptoArgs } = json;
  return cryptoArgs === undefined ? { filePath } : { filePath, cryptoArgs: cryptoFileArgsFromJson(cryptoArgs) };
}

/** Bytes of content of a file on disk. CRYPTO_FILE when an encrypted file is shorter than its tag. */
export async function cryptoFileSize(file: CryptoFile): Promise<number> {
  const { size } = await stat(file.filePath);
  if (file.cryptoArgs === undefined) return size;
  if (size < boxTagSize) throw new CryptoError('CRYPTO_FILE', 'encrypted file is shorter than its tag');
  return size - boxTagSize;
}

/** The bytes of a file on disk, in pieces. */
export function filePieces(path: string): AsyncIterable<Uint8Array> {
  return createReadStream(path, { highWaterMark: pieceSize });
}

/**
 * The content of a file, in constant memory. For an encrypted file the generator throws CRYPTO_DECRYPT at its end
 * when the file is not authentic, CRYPTO_FILE when it is too short.
 */
async function* readCryptoFile(file: CryptoFile): AsyncGenerator<Uint8Array, void, undefined> {
  const { filePath, cryptoArgs } = file;
  if (cryptoArgs === undefined) {
    yield* filePieces(filePath);
    return;
  }
  await cryptoFileSize(file);
  yield* openStream(cryptoArgs.fileKey, cryptoArgs.fileNonce, filePieces(filePath));
}

/** The whole content, authenticated. For files that fit in memory. */
export async function readCryptoFileWhole(file: CryptoFile): Promise<Uint8Array> {
  const pieces: Uint8Array[] = [];
  for await (const piece of readCryptoFile(file)) pieces.push(piece);
  return new Uint8Array(Buffer.concat(pieces));
}

/** Writes `content` as `file` (encrypted if it has keys). The file appears whole or not at all. */
export async function writeCryptoFile(file: CryptoFile, content: AsyncIterable<Uint8Array>): Promise<void> {
  const { filePath, cryptoArgs } = file;
  await writeFileWhole(
    filePath,
    cryptoArgs === undefined ? content : sealStream(cryptoArgs.fileKey, cryptoArgs.fileNonce, content),
  );
}

/** Copies the content of one local file to another, encrypting and decrypting as their keys say. */
export async function copyCryptoFile(from: CryptoFile, to: CryptoFile): Promise<void> {
  await writeCryptoFile(to, readCryptoFile(from));
}

/**
 * Writes a file under a temporary name beside `path` and renames it when `content` has ended well; when it throws
 * (a bad tag) nothing stays behind. An existing file is replaced.
 */
async function writeFileWhole(path: string, content: AsyncIterable<Uint8Array>): Promise<void> {
  const temporary = join(dirname(path), `.${hex(systemRandom.bytes(8))}.part`);
  try {
    // Plaintext may be private: readable by the owner only.
    const handle = await open(temporary, 'wx', 0o600);
    try {
      for await (const piece of content) {
        let at = 0;
        while (at < piece.length) at += (await handle.write(piece, at)).bytesWritten;
      }
    } finally {
      await handle.close();
    }
    await rename(temporary, path);
  } catch (e) {
    await rm(temporary, { force: true });
    throw e;
  }
}
