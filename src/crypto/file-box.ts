import { decodePrefix, encode, type Reader, type Writer } from '../wire/index.js';
import { type BoxKey, boxTagSize } from './box.js';
import { CryptoError } from './errors.js';
import { lazyLength, lazyPrefix } from './padding.js';
import { BoxStream } from './stream.js';

/**
 * The encryption of a whole file before it is cut into chunks for XFTP servers (section 3.7): long padding to the sum
 * of the chunk sizes, the file header before the content, the tag at the end.
 */

/** What an encrypted file says about itself. Receivers ignore the name: the chat message names the file. */
export interface FileHeader {
  /** At most 255 bytes in Latin-1. Never use a received name as a path. */
  readonly fileName: string;
  readonly fileExtra: string | undefined;
}

export function writeFileHeader(w: Writer, header: FileHeader): void {
  w.latin1(header.fileName).maybe(header.fileExtra, (x, extra) => x.latin1(extra));
}

export function readFileHeader(r: Reader): FileHeader {
  const fileName = r.latin1('fileName');
  return { fileName, fileExtra: r.maybe('fileExtra', (x) => x.latin1('fileExtra')) };
}

/** A name for the header: the UTF-8 bytes of the name, one character each, cut to what fits. */
export function headerFileName(name: string): string {
  return Buffer.from(name, 'utf8').subarray(0, 255).toString('latin1');
}

/** The header is looked for in this many bytes. */
const headerLimit = 1024;
const lengthSize = 8;
const paddingPiece = 256 * 1024;

/** The size that a file needs when encrypted, without padding: length, header, content and tag, in bytes. */
export function fileBoxSize(header: FileHeader, contentLength: number): number {
  return lengthSize + encode((w) => writeFileHeader(w, header)).length + contentLength + boxTagSize;
}

/**
 * Encrypts a file to exactly `encryptedSize` bytes (the sum of its chunk sizes, tag included) in constant memory.
 * CRYPTO_LARGE_MSG when it does not fit; CRYPTO_FILE when the content is not `contentLength` bytes long.
 */
export async function* sealFile(
  secret: Uint8Array | BoxKey,
  nonce: Uint8Array,
  header: FileHeader,
  content: AsyncIterable<Uint8Array>,
  contentLength: number,
  encryptedSize: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  const headerBytes = encode((w) => writeFileHeader(w, header));
  const length = headerBytes.length + contentLength;
  let padding = encryptedSize - boxTagSize - lengthSize - length;
  if (padding < 0) throw new CryptoError('CRYPTO_LARGE_MSG', `file does not fit ${encryptedSize} bytes`);
  const stream = new BoxStream(secret, nonce);
  yield stream.seal(lazyPrefix(length));
  yield stream.seal(headerBytes);
  let left = contentLength;
  for await (const piece of content) {
    left -= piece.length;
    if (left < 0) break;
    yield stream.seal(piece);
  }
  if (left !== 0) throw new CryptoError('CRYPTO_FILE', 'file changed its size while it was encrypted');
  const fill = new Uint8Array(Math.min(padding, paddingPiece)).fill(0x23);
  while (padding > 0) {
    const piece = fill.subarray(0, Math.min(padding, fill.length));
    padding -= piece.length;
    yield stream.seal(piece);
  }
  yield stream.tag();
}

/** A file that is being decrypted: its header, its size, and the pieces of its content. */
export interface OpenedFile {
  readonly header: FileHeader;
  /** Bytes of content. */
  readonly contentLength: number;
  /** Ends with CRYPTO_DECRYPT when the file is not authentic: only after its end may the content be used. */
  readonly content: AsyncGenerator<Uint8Array, void, undefined>;
}

/**
 * Decrypts a file of `encryptedSize` bytes in constant memory: reads the header at once and the rest as the content
 * is asked for. CRYPTO_DECRYPT, CRYPTO_PADDING or a DecodeError when the first bytes make no sense.
 */
export async function openFile(
  secret: Uint8Array | BoxKey,
  nonce: Uint8Array,
  source: AsyncIterable<Uint8Array>,
  encryptedSize: number,
): Promise<OpenedFile> {
  const paddedSize = encryptedSize - boxTagSize;
  if (paddedSize < lengthSize) throw new CryptoError('CRYPTO_DECRYPT', 'file is too short to be encrypted');
  const opener = new FileOpener(secret, nonce, paddedSize);
  const pieces = source[Symbol.asyncIterator]();
  let start: Uint8Array = new Uint8Array(0);
  const wanted = Math.min(paddedSize, lengthSize + headerLimit);
  while (start.length < wanted) {
    const next = await pieces.next();
    if (next.done === true) throw new CryptoError('CRYPTO_DECRYPT', 'file is shorter than announced');
    const piece = opener.open(next.value);
    start = start.length === 0 ? piece : Buffer.concat([start, piece]);
  }
  const length = lazyLength(start);
  if (length > paddedSize - lengthSize) throw new CryptoError('CRYPTO_PADDING', 'file is longer than its padding');
  const body = start.subarray(lengthSize);
  const { header, used } = decodePrefix(body.subarray(0, Math.min(length, headerLimit)), (r) => ({
    header: readFileHeader(r),
    used: r.offset,
  }));
  const contentLength = length - used;
  return { header, contentLength, content: contentOf(opener, pieces, body.subarray(used), contentLength) };
}

async function* contentOf(
  opener: FileOpener,
  pieces: AsyncIterator<Uint8Array>,
  first: Uint8Array,
  contentLength: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  let left = contentLength;
  let piece = first;
  try {
    for (;;) {
      const content = piece.length > left ? piece.subarray(0, left) : piece;
      left -= content.length;
      if (content.length > 0) yield content;
      const next = await pieces.next();
      if (next.done === true) break;
      piece = opener.open(next.value);
    }
  } finally {
    await pieces.return?.();
  }
  opener.end();
}

/** Splits a stream of known size into body and tag. */
class FileOpener {
  readonly #stream: BoxStream;
  #left: number;
  #tag: Uint8Array = new Uint8Array(0);

  constructor(secret: Uint8Array | BoxKey, nonce: Uint8Array, paddedSize: number) {
    this.#stream = new BoxStream(secret, nonce);
    this.#left = paddedSize;
  }

  open(piece: Uint8Array): Uint8Array {
    const body = piece.subarray(0, Math.min(this.#left, piece.length));
    this.#left -= body.length;
    if (body.length < piece.length) {
      this.#tag = Buffer.concat([this.#tag, piece.subarray(body.length)]);
      if (this.#tag.length > boxTagSize) throw new CryptoError('CRYPTO_DECRYPT', 'file is longer than announced');
    }
    return this.#stream.open(body);
  }

  end(): void {
    if (this.#left > 0) throw new CryptoError('CRYPTO_DECRYPT', 'file is shorter than announced');
    this.#stream.verify(this.#tag);
  }
}
