import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  base64url,
  DecodeError,
  decodeBase64url,
  decodeBase64urlOrEmpty,
  decodeWhole,
  encode,
  formatFileSize,
  formatUtcTime,
  formatVersionRange,
  parseDecimal,
  parseFileSize,
  parseUtcTime,
  parseVersionRange,
  type Reader,
  readVersionRange,
  type Writer,
  writeVersionRange,
} from './index.js';

interface Basic {
  readonly type: string;
  readonly value?: string;
  readonly smpEncode?: string;
  readonly strEncode?: string;
}
interface Decoding<T> {
  readonly type: string;
  readonly input: string;
  readonly result: { readonly ok: T } | { readonly error: string };
}
interface Encodings {
  readonly basic: readonly Basic[];
  readonly decoding: readonly Decoding<string>[];
  readonly strDecoding: readonly Decoding<{ readonly strEncode: string }>[];
}

const path = new URL('../../test/vectors/encodings.json', import.meta.url);
const vectors: Encodings = JSON.parse(readFileSync(path, 'utf8'));

/** A codec of values of the binary encoding; `T` is hidden so that one table holds all. */
interface Codec {
  /** Decodes the bytes and encodes the value again. */
  again(bytes: Uint8Array): Uint8Array;
}

function codec<T>(read: (r: Reader) => T, write: (w: Writer, value: T) => void): Codec {
  return {
    again: (bytes) => {
      const value = decodeWhole(bytes, 'value', read);
      return encode((w) => write(w, value));
    },
  };
}

const bytesOf = codec(
  (r) => r.str('s'),
  (w, v) => w.str(v),
);
const fixed = (n: number) =>
  codec(
    (r) => r.fixed(n, 'f'),
    (w, v) => w.raw(v),
  );
const u16 = codec(
  (r) => r.u16('n'),
  (w, v) => w.u16(v),
);
const i64 = codec(
  (r) => r.i64big('n'),
  (w, v) => w.i64(v),
);
const bool = codec(
  (r) => r.bool('b'),
  (w, v) => w.bool(v),
);
const range = codec((r) => readVersionRange(r, 'v'), writeVersionRange);
const large = codec(
  (r) => r.large('l'),
  (w, v) => w.large(v),
);
const latin1 = codec(
  (r) => r.latin1('s'),
  (w, v) => w.latin1(v),
);

const binary: Readonly<Record<string, Codec>> = {
  Bool: bool,
  Char: codec(
    (r) => r.char('c'),
    (w, v) => w.char(v),
  ),
  Word16: u16,
  Word32: codec(
    (r) => r.u32('n'),
    (w, v) => w.u32(v),
  ),
  Int64: i64,
  ByteString: bytesOf,
  Large: large,
  "Large, 300 x 'z'": large,
  Tail: codec(
    (r) => r.tail(),
    (w, v) => w.raw(v),
  ),
  'Maybe Word16': codec(
    (r) => r.maybe('m', (x) => x.u16('n')),
    (w, v) => w.maybe(v, (x, n) => x.u16(n)),
  ),
  'Maybe Bool': codec(
    (r) => r.maybe('m', (x) => x.bool('b')),
    (w, v) => w.maybe(v, (x, b) => x.bool(b)),
  ),
  'Maybe ByteString': codec(
    (r) => r.maybe('m', (x) => x.str('s')),
    (w, v) => w.maybe(v, (x, s) => x.str(s)),
  ),
  // Just Nothing is not Nothing: a box around the inner value.
  'Maybe (Maybe Bool)': codec(
    (r) => r.maybe('m', (x) => ({ inner: x.maybe('m', (y) => y.bool('b')) })),
    (w, v) => w.maybe(v, (x, { inner }) => x.maybe(inner, (y, b) => y.bool(b))),
  ),
  'NonEmpty ByteString': codec(
    (r) => r.nonEmpty('l', (x) => x.str('s')),
    (w, v) => w.nonEmpty(v, (x, s) => x.str(s)),
  ),
  'NonEmpty Word16': codec(
    (r) => r.nonEmpty('l', (x) => x.u16('n')),
    (w, v) => w.nonEmpty(v, (x, n) => x.u16(n)),
  ),
  'NonEmpty Bool': codec(
    (r) => r.nonEmpty('l', (x) => x.bool('b')),
    (w, v) => w.nonEmpty(v, (x, b) => x.bool(b)),
  ),
  'list (explicit)': codec(
    (r) => r.list('l', (x) => x.u16('n')),
    (w, v) => w.list(v, (x, n) => x.u16(n)),
  ),
  '(Word16,Bool)': codec(
    (r) => [r.u16('n'), r.bool('b')] as const,
    (w, [n, b]) => w.u16(n).bool(b),
  ),
  '(Word16,ByteString,Char)': codec(
    (r) => [r.u16('n'), r.str('s'), r.char('c')] as const,
    (w, [n, s, c]) => w.u16(n).str(s).char(c),
  ),
  '(Bool,Bool,Maybe Bool,Int64)': codec(
    (r) => [r.bool('a'), r.bool('b'), r.maybe('m', (x) => x.bool('c')), r.i64('n')] as const,
    (w, [a, b, m, n]) =>
      w
        .bool(a)
        .bool(b)
        .maybe(m, (x, c) => x.bool(c))
        .i64(n),
  ),
  String: latin1,
  'String (low 8 bits of each character)': latin1,
  SystemTime: i64,
  VersionSMP: u16,
  'VersionRange SMP': range,
  'VersionRange agent': range,
  'VersionRange SMP client': range,
  'VersionRange e2e': range,
  KeyHash: bytesOf,
  EntityId: bytesOf,
  CorrId: bytesOf,
  CbNonce: fixed(24),
  IV: fixed(16),
};

/** Parses a text and formats the value again. */
const textual: Readonly<Record<string, (s: string) => string>> = {
  Bool: (s) => s,
  Char: (s) => s,
  Word16: (s) => String(parseDecimal(s, 'n', 0, 0xffff)),
  Word32: (s) => String(parseDecimal(s, 'n', 0, 0xffff_ffff)),
  SystemTime: (s) => String(parseDecimal(s, 'n')),
  VersionSMP: (s) => formatVersionRange(parseVersionRange(s)),
  'VersionRange SMP': (s) => formatVersionRange(parseVersionRange(s)),
  'VersionRange agent': (s) => formatVersionRange(parseVersionRange(s)),
  'VersionRange SMP client': (s) => formatVersionRange(parseVersionRange(s)),
  'VersionRange e2e': (s) => formatVersionRange(parseVersionRange(s)),
  ByteString: (s) => base64url(decodeBase64urlOrEmpty(s)),
  EntityId: (s) => base64url(decodeBase64urlOrEmpty(s)),
  KeyHash: (s) => base64url(decodeBase64url(s)),
  CorrId: (s) => base64url(decodeBase64url(s)),
  CbNonce: (s) => base64url(decodeBase64url(s)),
  UTCTime: (s) => formatUtcTime(parseUtcTime(s)),
  FileSize: (s) => formatFileSize(parseFileSize(s)),
  'NonEmpty Word16': (s) =>
    s
      .split(',')
      .map((n) => String(parseDecimal(n, 'n', 0, 0xffff)))
      .join(','),
  'NonEmpty ByteString': (s) =>
    s
      .split(',')
      .map((b) => base64url(decodeBase64url(b)))
      .join(','),
  '(Int,Bool)': (s) => s,
  Text: (s) => s,
  // The only integers in texts that may be negative or beyond 2^53 are recorded ones: no URI or JSON has them.
  Int64: (s) => String(BigInt(s.replace(/^\+/, ''))),
};

/** Types of other rooms (src/smp, src/agent), which test them with the same file. */
const elsewhere = [
  'TransportHost',
  'SMPServer',
  'SubscriptionMode',
  'MsgFlags',
  'QueueMode',
  'PQEncryption',
  'InitialKeys',
  'ByteString of 256 bytes: length byte wraps',
];

const bytes = (s: string) => new Uint8Array(Buffer.from(s, 'hex'));
const hexOf = (b: Uint8Array) => Buffer.from(b).toString('hex');

describe('the basic types of the official implementation', () => {
  it.each(vectors.basic.map((v, i) => [i, v.type, v] as const))('%i %s', (_i, type, v) => {
    if (elsewhere.includes(type)) return;
    if (v.smpEncode !== undefined) {
      const c = binary[type];
      if (c === undefined) throw new Error(`no codec for ${type}`);
      expect(hexOf(c.again(bytes(v.smpEncode)))).toBe(v.smpEncode);
    }
    if (v.strEncode !== undefined) {
      const t = textual[type];
      if (t === undefined) throw new Error(`no text codec for ${type}`);
      expect(t(v.strEncode)).toBe(v.strEncode);
    }
  });

  it('values are those recorded', () => {
    expect(hexOf(encode((w) => w.i64(-2)))).toBe('fffffffffffffffe');
    expect(hexOf(encode((w) => w.i64(2n ** 63n - 1n)))).toBe('7fffffffffffffff');
    expect(hexOf(encode((w) => w.i64(1_234_567_890_123)))).toBe('0000011f71fb04cb');
    expect(hexOf(encode((w) => w.bool(true).u16(258).u32(16909060)))).toBe('54010201020304');
    expect(formatUtcTime({ seconds: 1_700_000_000, nanoseconds: 123_000_000 })).toBe('2023-11-14T22:13:20.123Z');
    expect(formatUtcTime({ seconds: -1, nanoseconds: 0 })).toBe('1969-12-31T23:59:59Z');
  });
});

describe('the binary decoders of the official implementation', () => {
  it.each(vectors.decoding.map((v) => [v.type, v.input, v] as const))('%s of %s', (type, input, v) => {
    if (elsewhere.includes(type)) return;
    const c = binary[type];
    if (c === undefined) throw new Error(`no codec for ${type}`);
    if ('ok' in v.result) expect(hexOf(c.again(bytes(input)))).toBe(input);
    else expect(() => c.again(bytes(input))).toThrow(DecodeError);
  });
});

describe('the text decoders of the official implementation', () => {
  it.each(vectors.strDecoding.map((v) => [v.type, v.input, v] as const))('%s of %s', (type, input, v) => {
    const t = textual[type];
    if (t === undefined) throw new Error(`no text codec for ${type}`);
    if ('ok' in v.result) expect(t(input)).toBe(v.result.ok.strEncode);
    else expect(() => t(input)).toThrow(DecodeError);
  });
});
