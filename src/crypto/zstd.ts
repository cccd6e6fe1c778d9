import { Zstd } from '@hpcc-js/wasm-zstd';
import { concat, decodeWhole, encode, type Reader } from '../wire/index.js';
import { CryptoError } from './errors.js';

/** Bytes up to which an item is passed through as it is. */
const passThrough = 180;
const level = 3;
/** The most that an item may decompress to: 64 KiB. A frame that says more, or does not say, is refused. */
const maxDecompressed = 65536;

const magic = 0xfd2fb528;

/** `X`: starts a compressed chat body, and compressed user data of a short link. */
export const compressedTag = 0x58;

/**
 * Message compression (section 7). Loaded once per process by {@link loadCompression}: the library is WebAssembly and
 * takes some 60 ms to load.
 */
export interface Compression {
  /** One `Compressed` item: passed through up to 180 bytes, else a zstd frame. */
  compressItem(bytes: Uint8Array): Uint8Array;
  /** A chat body of one item: `X`, count, item. */
  compressBatch(bytes: Uint8Array): Uint8Array;
  /**
   * The items of a chat body that starts with `X`. CRYPTO_COMPRESSION for damaged frames, unknown sizes, and more than
   * `limit` bytes in an item; DecodeError for a bad structure.
   */
  decompressBatch(body: Uint8Array, limit?: number): Uint8Array[];
  /** One `Compressed` item, whole. */
  decompressItem(item: Uint8Array, limit?: number): Uint8Array;
  /** A zstd frame with its content size. */
  compressFrame(bytes: Uint8Array): Uint8Array;
  /** One frame, of at most `limit` bytes of content. CRYPTO_COMPRESSION as above. */
  decompressFrame(frame: Uint8Array, limit?: number): Uint8Array;
}

let loading: Promise<Compression> | undefined;

/** Loads the library on the first call. */
export function loadCompression(): Promise<Compression> {
  loading ??= Zstd.load().then(make);
  return loading;
}

function refuse(problem: string, cause?: unknown): CryptoError {
  return new CryptoError('CRYPTO_COMPRESSION', problem, { cause });
}

/**
 * The content size that a zstd frame announces in its header; undefined when it does not. CRYPTO_COMPRESSION when it
 * is not a frame. Looking before decompressing is the protection from bombs: the size bounds the memory.
 */
export function frameContentSize(frame: Uint8Array): number | undefined {
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  if (frame.length < 6 || view.getUint32(0, true) !== magic) throw refuse('not a zstd frame');
  const descriptor = view.getUint8(4);
  const singleSegment = (descriptor & 0x20) !== 0;
  const dictionary = [0, 1, 2, 4][descriptor & 3] ?? 0;
  const sizeFlag = descriptor >>> 6;
  if (sizeFlag === 0 && !singleSegment) return undefined;
  const at = 5 + (singleSegment ? 0 : 1) + dictionary;
  const size = 1 << sizeFlag;
  if (at + size > frame.length) throw refuse('zstd frame ends in its header');
  if (size === 1) return view.getUint8(at);
  if (size === 2) return view.getUint16(at, true) + 256;
  if (size === 4) return view.getUint32(at, true);
  return Number(view.getBigUint64(at, true));
}

function make(zstd: Zstd): Compression {
  const compressFrame = (bytes: Uint8Array): Uint8Array => zstd.compress(bytes, level);

  const decompressFrame = (frame: Uint8Array, limit = maxDecompressed): Uint8Array => {
    const size = frameContentSize(frame);
    if (size === undefined) throw refuse('zstd frame without content size');
    if (size > limit) throw refuse(`${size} bytes after decompression, at most ${limit} are allowed`);
    let out: Uint8Array;
    try {
      out = zstd.decompress(frame);
    } catch (cause) {
      throw refuse('damaged zstd frame', cause);
    }
    if (out.length !== size) throw refuse('zstd frame of another size than announced');
    return out;
  };

  const compressItem = (bytes: Uint8Array): Uint8Array =>
    bytes.length <= passThrough
      ? encode((w) => w.char('0').str(bytes))
      : encode((w) => w.char('1').large(compressFrame(bytes)));

  const readItem = (r: Reader, limit: number): Uint8Array => {
    const tag = r.char('Compressed');
    if (tag === '0') return r.str('Compressed');
    if (tag === '1') return decompressFrame(r.large('Compressed'), limit);
    throw r.error('Compressed', 'unknown tag');
  };

  return {
    compressFrame,
    decompressFrame,
    compressItem,
    decompressItem: (item, limit = maxDecompressed) => decodeWhole(item, 'Compressed', (r) => readItem(r, limit)),
    compressBatch: (bytes) => concat(Uint8Array.of(compressedTag, 1), compressItem(bytes)),
    decompressBatch: (body, limit = maxDecompressed) =>
      decodeWhole(body, 'compressed body', (r) => {
        if (!r.skipIf(compressedTag)) throw r.error('compressed body', 'not X');
        return r.nonEmpty('compressed body', (x) => readItem(x, limit));
      }),
  };
}
