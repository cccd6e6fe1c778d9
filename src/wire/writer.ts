import { EncodeError } from './errors.js';
import { writerMemory } from './scratch.js';

const utf8 = new TextEncoder();

/**
 * Writes the binary encoding of the SimpleX protocols (10-crypto-and-ratchet.md, section 1.1) into one growing
 * buffer. Methods chain. Unlike upstream, values that do not fit their length prefix are an error, not garbage.
 */
export class Writer {
  #buffer: Buffer;
  #length = 0;

  /** `size` is the expected size in bytes; the buffer grows by itself. */
  constructor(size = 256) {
    this.#buffer = writerMemory(size);
  }

  /** Bytes written so far. */
  get length(): number {
    return this.#length;
  }

  #grow(n: number): number {
    const at = this.#length;
    const end = at + n;
    if (end > this.#buffer.length) {
      const next = writerMemory(Math.max(end, this.#buffer.length * 2));
      this.#buffer.copy(next, 0, 0, at);
      this.#buffer = next;
    }
    this.#length = end;
    return at;
  }

  u8(n: number): this {
    // Grow first: `this.#buffer[this.#grow(1)]` would write into the buffer from before.
    const at = this.#grow(1);
    this.#buffer[at] = n;
    return this;
  }

  u16(n: number): this {
    if (!Number.isInteger(n) || n < 0 || n > 0xffff) throw new EncodeError('u16', `${n} out of range`);
    const at = this.#grow(2);
    this.#buffer.writeUInt16BE(n, at);
    return this;
  }

  u32(n: number): this {
    if (!Number.isInteger(n) || n < 0 || n > 0xffff_ffff) throw new EncodeError('u32', `${n} out of range`);
    const at = this.#grow(4);
    this.#buffer.writeUInt32BE(n, at);
    return this;
  }

  i64(n: number | bigint): this {
    if (typeof n === 'number' && !Number.isSafeInteger(n)) throw new EncodeError('i64', `${n} is not a safe integer`);
    const at = this.#grow(8);
    this.#buffer.writeBigInt64BE(BigInt(n), at);
    return this;
  }

  /** One ASCII character. */
  char(c: string): this {
    return this.u8(c.charCodeAt(0));
  }

  /** ASCII characters as they are: command words and tags. */
  ascii(s: string): this {
    const at = this.#grow(s.length);
    this.#buffer.write(s, at, 'latin1');
    return this;
  }

  bool(b: boolean): this {
    return this.u8(b ? 0x54 : 0x46);
  }

  /** Bytes without a length prefix: fixed-size fields, and tails. */
  raw(b: Uint8Array): this {
    const at = this.#grow(b.length);
    this.#buffer.set(b, at);
    return this;
  }

  /** u8 length, then the bytes: at most 255. */
  str(b: Uint8Array): this {
    if (b.length > 0xff) throw new EncodeError('str', `${b.length} bytes, at most 255 fit`);
    return this.u8(b.length).raw(b);
  }

  /** u16 length, then the bytes: at most 65,535. */
  large(b: Uint8Array): this {
    if (b.length > 0xffff) throw new EncodeError('large', `${b.length} bytes, at most 65535 fit`);
    return this.u16(b.length).raw(b);
  }

  /** `str` of Latin-1 characters; others cannot be represented. */
  latin1(s: string): this {
    for (let i = 0; i < s.length; i++) {
      if (s.charCodeAt(i) > 0xff) throw new EncodeError('latin1', `character ${i} is above U+00FF`);
    }
    return this.str(Buffer.from(s, 'latin1'));
  }

  /** `str` of UTF-8. */
  text(s: string): this {
    return this.str(utf8.encode(s));
  }

  maybe<T>(value: T | undefined, write: (w: this, value: T) => void): this {
    if (value === undefined) return this.u8(0x30);
    this.u8(0x31);
    write(this, value);
    return this;
  }

  list<T>(items: readonly T[], write: (w: this, item: T) => void): this {
    if (items.length > 0xff) throw new EncodeError('list', `${items.length} items, at most 255 fit`);
    this.u8(items.length);
    for (const item of items) write(this, item);
    return this;
  }

  nonEmpty<T>(items: readonly T[], write: (w: this, item: T) => void): this {
    if (items.length === 0) throw new EncodeError('nonEmpty', 'empty list');
    return this.list(items, write);
  }

  /** What was written, as a view of the writer's buffer: valid until the next write. */
  view(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** What was written, in memory of its own. */
  bytes(): Uint8Array {
    return new Uint8Array(this.view());
  }

  /** Forgets what was written, keeps the memory. */
  reset(): this {
    this.#length = 0;
    return this;
  }
}

/** Runs `write` on a fresh writer and gives the bytes. */
export function encode(write: (w: Writer) => void, size?: number): Uint8Array {
  const w = new Writer(size);
  write(w);
  return w.view();
}
