import { DecodeError } from './errors.js';

const utf8 = new TextDecoder('utf-8', { fatal: true });

/**
 * Reads the binary encoding of the SimpleX protocols (10-crypto-and-ratchet.md, section 1.1) from a block of
 * bytes. Every method names the field that it reads, so that an error says where the input broke. Byte fields
 * are views into the input, not copies: keep the input unchanged, or copy what must outlive it.
 */
export class Reader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #offset: number;
  readonly #end: number;

  constructor(bytes: Uint8Array) {
    // Plain views even of a Buffer: values compare equal wherever they came from.
    this.#bytes = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    this.#offset = 0;
    this.#end = bytes.byteLength;
  }

  /** Position of the next byte. */
  get offset(): number {
    return this.#offset;
  }

  /** Bytes left. */
  get remaining(): number {
    return this.#end - this.#offset;
  }

  /** An error at the current position, to be thrown by codecs that find a bad value. */
  error(field: string, problem: string): DecodeError {
    return new DecodeError(field, problem, this.#offset);
  }

  #need(n: number, field: string): number {
    const at = this.#offset;
    if (n > this.#end - at) throw new DecodeError(field, `needs ${n} bytes, ${this.#end - at} left`, at);
    this.#offset = at + n;
    return at;
  }

  u8(field: string): number {
    return this.#view.getUint8(this.#need(1, field));
  }

  u16(field: string): number {
    return this.#view.getUint16(this.#need(2, field));
  }

  u32(field: string): number {
    return this.#view.getUint32(this.#need(4, field));
  }

  /** A 64-bit integer that must fit a JS number exactly (|x| <= 2^53 - 1). */
  i64(field: string): number {
    const at = this.#offset;
    const value = this.i64big(field);
    const n = Number(value);
    if (!Number.isSafeInteger(n)) throw new DecodeError(field, 'integer beyond 2^53', at);
    return n;
  }

  i64big(field: string): bigint {
    return this.#view.getBigInt64(this.#need(8, field));
  }

  /** One ASCII character: the tag of a sum type. */
  char(field: string): string {
    return String.fromCharCode(this.u8(field));
  }

  /** `T` or `F`. */
  bool(field: string): boolean {
    const at = this.#offset;
    const c = this.u8(field);
    if (c === 0x54) return true;
    if (c === 0x46) return false;
    throw new DecodeError(field, 'not T or F', at);
  }

  /** Exactly `n` bytes without a length prefix (nonces, tags). */
  fixed(n: number, field: string): Uint8Array {
    const at = this.#need(n, field);
    return this.#bytes.subarray(at, at + n);
  }

  /** u8 length, then that many bytes. */
  str(field: string): Uint8Array {
    return this.fixed(this.u8(field), field);
  }

  /** u16 length, then that many bytes. */
  large(field: string): Uint8Array {
    return this.fixed(this.u16(field), field);
  }

  /** All that is left. */
  tail(): Uint8Array {
    const at = this.#offset;
    this.#offset = this.#end;
    return this.#bytes.subarray(at, this.#end);
  }

  /** `str` whose bytes are Latin-1 characters (the protocol's `String`). */
  latin1(field: string): string {
    const b = this.str(field);
    return Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('latin1');
  }

  /** `str` of UTF-8; invalid UTF-8 is an error. */
  text(field: string): string {
    const at = this.#offset;
    const b = this.str(field);
    try {
      return utf8.decode(b);
    } catch (cause) {
      throw new DecodeError(field, 'invalid UTF-8', at, cause);
    }
  }

  /** `0`, or `1` and the value. */
  maybe<T>(field: string, read: (r: this) => T): T | undefined {
    const at = this.#offset;
    const c = this.u8(field);
    if (c === 0x30) return undefined;
    if (c === 0x31) return read(this);
    throw new DecodeError(field, 'not 0 or 1', at);
  }

  /** u8 count, then the items. */
  list<T>(field: string, read: (r: this) => T): T[] {
    const n = this.u8(field);
    const items: T[] = [];
    for (let i = 0; i < n; i++) items.push(read(this));
    return items;
  }

  /** As {@link list}, and at least one item. */
  nonEmpty<T>(field: string, read: (r: this) => T): [T, ...T[]] {
    const at = this.#offset;
    const [first, ...rest] = this.list(field, read);
    if (first === undefined) throw new DecodeError(field, 'empty list', at);
    return [first, ...rest];
  }

  /** Reads ASCII up to (and over) the next space, or to the end of input. */
  word(field: string): string {
    const at = this.#offset;
    let end = this.#bytes.indexOf(0x20, at);
    if (end < 0 || end > this.#end) end = this.#end;
    const b = this.#bytes.subarray(at, end);
    if (b.length === 0) throw new DecodeError(field, 'empty word', at);
    this.#offset = Math.min(end + 1, this.#end);
    return Buffer.from(b.buffer, b.byteOffset, b.byteLength).toString('latin1');
  }

  /** The next byte without taking it; undefined at the end. */
  peek(): number | undefined {
    return this.#offset < this.#end ? this.#bytes[this.#offset] : undefined;
  }

  /** Takes the byte if it comes next. */
  skipIf(byte: number): boolean {
    if (this.peek() !== byte) return false;
    this.#offset++;
    return true;
  }

  /** Tries `read`; on a decode error goes back to where it was and gives undefined (upstream's `<|> nothing`). */
  attempt<T>(read: (r: this) => T): T | undefined {
    const at = this.#offset;
    try {
      return read(this);
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      this.#offset = at;
      return undefined;
    }
  }

  /** A whole-value decode must have taken all input. */
  end(field: string): void {
    if (this.remaining > 0) throw new DecodeError(field, `${this.remaining} bytes after the end`, this.#offset);
  }
}

/** Decodes a whole value: all input must be consumed. */
export function decodeWhole<T>(bytes: Uint8Array, field: string, read: (r: Reader) => T): T {
  const r = new Reader(bytes);
  const value = read(r);
  r.end(field);
  return value;
}

/** Decodes a value at the start and ignores what follows (forward compatibility, where the protocol says so). */
export function decodePrefix<T>(bytes: Uint8Array, read: (r: Reader) => T): T {
  return read(new Reader(bytes));
}
