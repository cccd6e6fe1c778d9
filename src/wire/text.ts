import { utf8Bytes, utf8String } from './bytes.js';
import { DecodeError, EncodeError } from './errors.js';

/**
 * The text forms of basic types (10-crypto-and-ratchet.md, section 1.2): URIs, JSON values and file descriptions.
 */

const unreserved = new Uint8Array(256);
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~') unreserved[c.charCodeAt(0)] = 1;

/** Escapes every byte except `A-Za-z0-9-_.~` as `%XX`, upper-case. Strings are taken as UTF-8. */
export function percentEncode(value: string | Uint8Array): string {
  const bytes = typeof value === 'string' ? utf8Bytes(value) : value;
  let out = '';
  for (const b of bytes) {
    out += unreserved[b] === 1 ? String.fromCharCode(b) : `%${b < 16 ? '0' : ''}${b.toString(16).toUpperCase()}`;
  }
  return out;
}

function hexDigit(c: number | undefined): number {
  if (c === undefined) return -1;
  if (c >= 0x30 && c <= 0x39) return c - 0x30;
  const lower = c | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

/** The bytes of an escaped value. `%` without two hexadecimal digits stays as it is; `+` is a space if asked. */
export function percentDecodeBytes(s: string, plusIsSpace = false): Uint8Array {
  const input = utf8Bytes(s);
  const out = new Uint8Array(input.length);
  let n = 0;
  for (let i = 0; i < input.length; i++) {
    let c = input[i] ?? 0;
    if (c === 0x25) {
      const high = hexDigit(input[i + 1]);
      const low = hexDigit(input[i + 2]);
      if (high >= 0 && low >= 0) {
        c = high * 16 + low;
        i += 2;
      }
    } else if (c === 0x2b && plusIsSpace) {
      c = 0x20;
    }
    out[n++] = c;
  }
  return out.subarray(0, n);
}

/** As {@link percentDecodeBytes}, as text: DecodeError when the bytes are not UTF-8. */
export function percentDecode(s: string, field = 'escaped text', plusIsSpace = false): string {
  const text = utf8String(percentDecodeBytes(s, plusIsSpace));
  if (text === undefined) throw new DecodeError(field, 'not UTF-8', 0);
  return text;
}

/** A query string as its pairs in order. Names may repeat; the first one counts. */
export type QueryPairs = readonly (readonly [name: string, value: string])[];

/**
 * Parses a query string, with or without the leading `?`: pairs end at `&` or `;`, a pair splits at its first `=`
 * (so that base64 padding survives), `+` is a space, names and values are unescaped.
 */
export function parseQuery(s: string, field = 'query'): QueryPairs {
  const text = s.startsWith('?') ? s.slice(1) : s;
  if (text === '') return [];
  return text.split(/[&;]/).map((pair) => {
    const at = pair.indexOf('=');
    const name = at < 0 ? pair : pair.slice(0, at);
    const value = at < 0 ? '' : pair.slice(at + 1);
    return [percentDecode(name, field, true), percentDecode(value, field, true)] as const;
  });
}

/** The value of a name; undefined when the query does not have it. */
export function queryValue(pairs: QueryPairs, name: string): string | undefined {
  return pairs.find(([n]) => n === name)?.[1];
}

/** Renders a query (without `?`): escaped, or raw where it becomes a value of another query. */
export function formatQuery(pairs: QueryPairs, form: 'escaped' | 'raw'): string {
  const text = form === 'escaped' ? percentEncode : (v: string) => v;
  return pairs.map(([name, value]) => `${text(name)}=${text(value)}`).join('&');
}

/** Parses a decimal integer with an optional sign, between `min` and `max`. */
export function parseDecimal(s: string, field: string, min = 0, max = Number.MAX_SAFE_INTEGER): number {
  const n = /^[+-]?\d{1,19}$/.test(s) ? Number(s) : Number.NaN;
  if (!Number.isSafeInteger(n) || n < min || n > max) throw new DecodeError(field, 'not an integer in range', 0);
  return n === 0 ? 0 : n;
}

/** An instant as upstream writes it: whole seconds since the Unix epoch and nanoseconds. */
export interface Instant {
  readonly seconds: number;
  readonly nanoseconds: number;
}

/** ISO 8601 with `Z`; a fraction only when it is not zero, without trailing zeros. Years 0 to 9999. */
export function formatUtcTime({ seconds, nanoseconds }: Instant): string {
  const ms = seconds * 1000;
  if (!Number.isInteger(seconds) || Math.abs(ms) > 8.64e15) throw new EncodeError('time', `${seconds} s out of range`);
  const iso = new Date(ms).toISOString().slice(0, -5);
  if (nanoseconds === 0) return `${iso}Z`;
  return `${iso}.${String(nanoseconds).padStart(9, '0').replace(/0+$/, '')}Z`;
}

const utcForm = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d{1,12}))?Z$/;

/** Parses {@link formatUtcTime}'s form; digits after the ninth of the fraction are dropped. */
export function parseUtcTime(s: string, field = 'time'): Instant {
  const m = utcForm.exec(s);
  const date = m?.[1];
  const ms = date === undefined ? Number.NaN : Date.parse(`${date}Z`);
  // A day that does not exist (February 30) is moved by some engines: the date must come back the same.
  if (Number.isNaN(ms) || date === undefined || new Date(ms).toISOString().slice(0, -5) !== date) {
    throw new DecodeError(field, 'not a UTC time', 0);
  }
  return { seconds: Math.floor(ms / 1000), nanoseconds: Number((m?.[2] ?? '').slice(0, 9).padEnd(9, '0')) };
}

const sizeUnits = [
  ['gb', 2 ** 30],
  ['mb', 2 ** 20],
  ['kb', 2 ** 10],
] as const;

/** A file size of file descriptions: `4mb`, `64kb`, `1536`. */
export function formatFileSize(bytes: number): string {
  for (const [name, unit] of sizeUnits) if (bytes > 0 && bytes % unit === 0) return `${bytes / unit}${name}`;
  return String(bytes);
}

/** Parses {@link formatFileSize}'s form, in bytes. */
export function parseFileSize(s: string, field = 'file size'): number {
  const m = /^(\d{1,16})(gb|mb|kb)?$/.exec(s);
  const unit = sizeUnits.find(([name]) => name === m?.[2])?.[1] ?? 1;
  const bytes = Number(m?.[1] ?? Number.NaN) * unit;
  if (!Number.isSafeInteger(bytes)) throw new DecodeError(field, 'not a file size', 0);
  return bytes;
}
