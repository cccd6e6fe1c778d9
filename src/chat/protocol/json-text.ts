import { type JsonValue, maxJsonDepth } from '../../api/index.js';
import { DecodeError } from '../../wire/index.js';

/**
 * JSON as peers read it: of a repeated key the first one counts, strings hold no half surrogates and no raw control
 * characters, values are nested at most {@link maxJsonDepth} deep. `JSON.parse` differs in all three.
 * @throws DecodeError
 */
export function parseStrictJson(text: string): JsonValue {
  const reader = new JsonReader(text);
  const value = reader.value(0);
  reader.end();
  return value;
}

const number = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const plainString = /[^"\\\u0000-\u001f]*/y;
const space = /[ \t\r\n]*/y;
const halfSurrogate = /[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]/;
const escapes: Readonly<Record<string, string>> = {
  '"': '"',
  '\\': '\\',
  '/': '/',
  b: '\b',
  f: '\f',
  n: '\n',
  r: '\r',
  t: '\t',
};

class JsonReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  value(depth: number): JsonValue {
    if (depth > maxJsonDepth) throw this.#error('nested too deep');
    this.#space();
    const c = this.#text[this.#at];
    switch (c) {
      case '{':
        return this.#object(depth);
      case '[':
        return this.#array(depth);
      case '"':
        return this.#string();
      case 't':
        return this.#word('true', true);
      case 'f':
        return this.#word('false', false);
      case 'n':
        return this.#word('null', null);
      default:
        return this.#number();
    }
  }

  end(): void {
    this.#space();
    if (this.#at < this.#text.length) throw this.#error('text after the end');
  }

  #object(depth: number): JsonValue {
    this.#at++;
    const out: Record<string, JsonValue> = {};
    this.#space();
    if (this.#take('}')) return out;
    for (;;) {
      this.#space();
      if (this.#text[this.#at] !== '"') throw this.#error('a key expected');
      const key = this.#string();
      this.#space();
      if (!this.#take(':')) throw this.#error('":" expected');
      const value = this.value(depth + 1);
      if (!Object.hasOwn(out, key)) {
        if (key === '__proto__') Object.defineProperty(out, key, { value, enumerable: true, configurable: true });
        else out[key] = value;
      }
      this.#space();
      if (this.#take('}')) return out;
      if (!this.#take(',')) throw this.#error('"," or "}" expected');
    }
  }

  #array(depth: number): JsonValue {
    this.#at++;
    const out: JsonValue[] = [];
    this.#space();
    if (this.#take(']')) return out;
    for (;;) {
      out.push(this.value(depth + 1));
      this.#space();
      if (this.#take(']')) return out;
      if (!this.#take(',')) throw this.#error('"," or "]" expected');
    }
  }

  #string(): string {
    this.#at++;
    let out = '';
    let escaped = false;
    for (;;) {
      plainString.lastIndex = this.#at;
      const part = plainString.exec(this.#text)?.[0] ?? '';
      this.#at += part.length;
      const c = this.#text[this.#at];
      if (c === '"') {
        this.#at++;
        out = out === '' ? part : out + part;
        // Text decoded from UTF-8 is well formed: only escapes can make a half.
        if (escaped && halfSurrogate.test(out)) throw this.#error('half a surrogate pair');
        return out;
      }
      if (c !== '\\') throw this.#error('unfinished string');
      out += part + this.#escape();
      escaped = true;
    }
  }

  #escape(): string {
    const c = this.#text[this.#at + 1] ?? '';
    if (c === 'u') {
      const hex = this.#text.slice(this.#at + 2, this.#at + 6);
      if (!/^[0-9A-Fa-f]{4}$/.test(hex)) throw this.#error('bad escape');
      this.#at += 6;
      return String.fromCharCode(Number.parseInt(hex, 16));
    }
    const char = escapes[c];
    if (char === undefined) throw this.#error('bad escape');
    this.#at += 2;
    return char;
  }

  #number(): JsonValue {
    number.lastIndex = this.#at;
    const text = number.exec(this.#text)?.[0];
    if (text === undefined) throw this.#error('a value expected');
    this.#at += text.length;
    return Number(text);
  }

  #word<T extends JsonValue>(word: string, value: T): T {
    if (!this.#text.startsWith(word, this.#at)) throw this.#error('a value expected');
    this.#at += word.length;
    return value;
  }

  #take(c: string): boolean {
    if (this.#text[this.#at] !== c) return false;
    this.#at++;
    return true;
  }

  #space(): void {
    const c = this.#text.charCodeAt(this.#at);
    if (c > 0x20) return;
    space.lastIndex = this.#at;
    this.#at += space.exec(this.#text)?.[0].length ?? 0;
  }

  #error(problem: string): DecodeError {
    return new DecodeError('chat message', problem, this.#at);
  }
}
