import { concat, DecodeError } from '../wire/index.js';

/** The tags of DER that X.509 structures here use. */
export const derTag = { integer: 0x02, bitString: 0x03, oid: 0x06, sequence: 0x30, explicit0: 0xa0 } as const;

/** One element: its tag, its content, and all its bytes. */
export interface DerElement {
  readonly tag: number;
  readonly content: Uint8Array;
  readonly raw: Uint8Array;
}

/** Encodes one element. */
export function der(tag: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const content = concat(...parts);
  const n = content.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : n < 0x1_0000 ? [0x82, n >> 8, n & 0xff] : undefined;
  if (length === undefined) throw new RangeError('DER element over 65535 bytes');
  return concat(Uint8Array.from([tag, ...length]), content);
}

/** Reads elements one after the other; DecodeError on anything that is not DER with lengths below 2^24. */
export class DerReader {
  readonly #bytes: Uint8Array;
  readonly #field: string;
  #at = 0;

  constructor(bytes: Uint8Array, field: string) {
    this.#bytes = bytes;
    this.#field = field;
  }

  #fail(problem: string): DecodeError {
    return new DecodeError(this.#field, problem, this.#at);
  }

  #byte(at: number): number {
    const b = this.#bytes[at];
    if (b === undefined) throw this.#fail('DER ends too early');
    return b;
  }

  /** The next element, which must have this tag. */
  next(tag: number): DerElement {
    const start = this.#at;
    if (this.#byte(start) !== tag) throw this.#fail(`not DER tag ${tag}`);
    let at = start + 2;
    let length = this.#byte(start + 1);
    if (length >= 0x80) {
      const size = length & 0x7f;
      if (size < 1 || size > 3) throw this.#fail('DER length form');
      length = 0;
      for (let i = 0; i < size; i++) length = length * 256 + this.#byte(at++);
      // DER has one form for each length: the shortest.
      if (length < 0x80 || length < 2 ** (8 * (size - 1))) throw this.#fail('DER length form');
    }
    if (length > this.#bytes.length - at) throw this.#fail('DER ends too early');
    this.#at = at + length;
    return {
      tag,
      content: this.#bytes.subarray(at, this.#at),
      raw: this.#bytes.subarray(start, this.#at),
    };
  }

  /** Whether the next element has this tag. */
  has(tag: number): boolean {
    return this.#bytes[this.#at] === tag;
  }

  end(): void {
    if (this.#at !== this.#bytes.length) throw this.#fail('bytes after the end of DER');
  }
}
