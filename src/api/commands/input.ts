import { SchemaMismatch } from '../decode.js';
import { type JsonValue, parseJson } from '../json.js';

/** Thrown inside the grammar when an alternative does not match; carries nothing, the input has noted what was expected. */
export const noMatch: unique symbol = Symbol('no match');

/**
 * A command string with a position. Reading moves the position or throws {@link noMatch}; the farthest position
 * that any alternative reached, and what was expected there, make the message for the sender.
 */
export class CommandInput {
  readonly text: string;
  pos = 0;
  #farthest = 0;
  #expected = new Set<string>();

  constructor(text: string) {
    this.text = text;
  }

  /** The farthest position that was reached, counted in UTF-16 units from 0. */
  get farthest(): number {
    return this.#farthest;
  }

  /** What would have been accepted at {@link farthest}. */
  get expected(): readonly string[] {
    return [...this.#expected];
  }

  get atEnd(): boolean {
    return this.pos >= this.text.length;
  }

  /** Ends this alternative: `what` was expected here. */
  fail(what: string): never {
    this.note(what);
    throw noMatch;
  }

  /** Notes what would have been accepted here. */
  note(what: string, at = this.pos): void {
    if (at < this.#farthest) return;
    if (at > this.#farthest) {
      this.#farthest = at;
      this.#expected.clear();
    }
    this.#expected.add(what);
  }

  /** True, and moves on, when the text goes on with `s`. */
  has(s: string): boolean {
    if (this.text.startsWith(s, this.pos)) {
      this.pos += s.length;
      return true;
    }
    this.note(JSON.stringify(s));
    return false;
  }

  literal(s: string): void {
    if (!this.has(s)) throw noMatch;
  }

  /** One character of white space. */
  space(): void {
    if (!isSpace(this.text.charCodeAt(this.pos))) this.fail('a space');
    this.pos++;
  }

  /** What `read` gives, or `undefined` with the position restored. */
  optional<T>(read: () => T): T | undefined {
    const start = this.pos;
    try {
      return read();
    } catch (e) {
      if (e !== noMatch) throw e;
      this.pos = start;
      return undefined;
    }
  }

  /** ` live=` and the like: a literal and what follows it, or nothing. */
  option<T>(prefix: string, read: () => T): T | undefined {
    return this.optional(() => {
      this.literal(prefix);
      return read();
    });
  }

  /** The first of the alternatives that can be read here. */
  first<T>(...alternatives: readonly (() => T)[]): T {
    const start = this.pos;
    for (const read of alternatives) {
      try {
        return read();
      } catch (e) {
        if (e !== noMatch) throw e;
        this.pos = start;
      }
    }
    throw noMatch;
  }

  /** The value of the first key that the text goes on with. */
  keyword<T>(values: Readonly<Record<string, T>>): T {
    for (const [k, v] of Object.entries(values)) {
      if (this.text.startsWith(k, this.pos)) {
        this.pos += k.length;
        return v;
      }
    }
    for (const k of Object.keys(values)) this.note(k);
    throw noMatch;
  }

  /** Decimal digits. */
  number(): number {
    const start = this.pos;
    while (isDigit(this.text.charCodeAt(this.pos))) this.pos++;
    if (this.pos === start) this.fail('a number');
    return Number(this.text.slice(start, this.pos));
  }

  /** `1,2,-3`: at least one number, no spaces. */
  numbers(): [number, ...number[]] {
    const signed = (): number => {
      const negative = this.text[this.pos] === '-';
      if (negative || this.text[this.pos] === '+') this.pos++;
      const n = this.number();
      return negative ? -n : n;
    };
    const list: [number, ...number[]] = [signed()];
    while (this.text[this.pos] === ',') {
      this.pos++;
      list.push(signed());
    }
    return list;
  }

  onOff(): boolean {
    return this.keyword({ on: true, off: false });
  }

  /** The characters up to one for which `stop` holds; not empty. */
  until(stop: (code: number) => boolean, what: string): string {
    const start = this.pos;
    while (this.pos < this.text.length && !stop(this.text.charCodeAt(this.pos))) this.pos++;
    if (this.pos === start) this.fail(what);
    return this.text.slice(start, this.pos);
  }

  /** The characters up to white space; not empty. */
  word(what: string): string {
    return this.until(isSpace, what);
  }

  /** The whole rest; may be empty. */
  rest(): string {
    const s = this.text.slice(this.pos);
    this.pos = this.text.length;
    return s;
  }

  /** The whole rest as JSON, read by `decode`, which throws {@link SchemaMismatch}. */
  json<T>(what: string, decode: (value: JsonValue) => T): T {
    const start = this.pos;
    const value = parseJson(this.text.slice(start));
    if (value === undefined) this.fail(`JSON of ${what}`);
    try {
      const result = decode(value);
      this.pos = this.text.length;
      return result;
    } catch (e) {
      if (!(e instanceof SchemaMismatch)) throw e;
      return this.fail(`JSON of ${what} (in it, at ${e.path}: ${e.expected})`);
    }
  }

  /** The end of the command; spaces may come before it. */
  end(): void {
    while (this.text.charCodeAt(this.pos) === 0x20) this.pos++;
    if (!this.atEnd) this.fail('the end of the command');
  }
}

/** ASCII white space. The official parser also takes the byte A0, which is half a letter in UTF-8. */
export function isSpace(code: number): boolean {
  return code === 0x20 || (code >= 0x09 && code <= 0x0d);
}

function isDigit(code: number): boolean {
  return code >= 0x30 && code <= 0x39;
}
