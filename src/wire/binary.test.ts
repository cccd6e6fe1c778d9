import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  DecodeError,
  decodePrefix,
  decodeWhole,
  EncodeError,
  encode,
  hex,
  Reader,
  readVersionRange,
  Writer,
  writeVersionRange,
} from './index.js';
import { fuzzDecoder } from './testing-support/fuzz.js';

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const latin1 = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 255 }).map((c) => String.fromCharCode(...c));

interface Sample {
  readonly flag: boolean;
  readonly small: number;
  readonly word: number;
  readonly wide: number;
  readonly big: bigint;
  readonly id: Uint8Array;
  readonly body: Uint8Array;
  readonly nonce: Uint8Array;
  readonly port: string;
  readonly name: string;
  readonly option: number | undefined;
  readonly items: readonly Uint8Array[];
  readonly rest: Uint8Array;
}

const sample: fc.Arbitrary<Sample> = fc.record({
  flag: fc.boolean(),
  small: fc.nat(255),
  word: fc.nat(0xffff),
  wide: fc.nat(0xffff_ffff),
  big: fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  id: bytes(255),
  body: bytes(3000),
  nonce: fc.uint8Array({ minLength: 24, maxLength: 24 }),
  port: latin1,
  name: fc.string({ unit: 'grapheme', maxLength: 30 }).filter((s) => Buffer.byteLength(s) <= 255),
  option: fc.option(fc.nat(0xffff), { nil: undefined }),
  items: fc.array(bytes(20), { minLength: 1, maxLength: 255 }),
  rest: bytes(100),
});

function write(w: Writer, s: Sample): void {
  w.bool(s.flag).u8(s.small).u16(s.word).u32(s.wide).i64(s.big).str(s.id).large(s.body).raw(s.nonce);
  w.latin1(s.port)
    .text(s.name)
    .maybe(s.option, (x, n) => x.u16(n));
  w.nonEmpty(s.items, (x, item) => x.str(item)).raw(s.rest);
}

function read(r: Reader): Sample {
  return {
    flag: r.bool('flag'),
    small: r.u8('small'),
    word: r.u16('word'),
    wide: r.u32('wide'),
    big: r.i64big('big'),
    id: r.str('id'),
    body: r.large('body'),
    nonce: r.fixed(24, 'nonce'),
    port: r.latin1('port'),
    name: r.text('name'),
    option: r.maybe('option', (x) => x.u16('option')),
    items: r.nonEmpty('items', (x) => x.str('item')),
    rest: r.tail(),
  };
}

const plain = (s: Sample) => ({
  ...s,
  id: hex(s.id),
  body: hex(s.body),
  nonce: hex(s.nonce),
  items: s.items.map(hex),
  rest: hex(s.rest),
});

describe('binary encoding', () => {
  it('gives back what was written, through a growing buffer', () => {
    fc.assert(
      fc.property(sample, (s) => {
        expect(
          plain(
            decodeWhole(
              encode((w) => write(w, s), 4),
              'sample',
              read,
            ),
          ),
        ).toEqual(plain(s));
      }),
      { numRuns: 200 },
    );
  });

  it('refuses what does not fit instead of wrapping it', () => {
    const w = new Writer();
    expect(() => w.str(new Uint8Array(256))).toThrow(EncodeError);
    expect(() => w.large(new Uint8Array(65536))).toThrow(EncodeError);
    expect(() => w.list(new Array(256).fill(0), (x) => x.u8(0))).toThrow(EncodeError);
    expect(() => w.nonEmpty([], () => {})).toThrow(EncodeError);
    expect(() => w.latin1('Д')).toThrow(EncodeError);
    expect(() => w.u16(65536)).toThrow(EncodeError);
    expect(() => w.u32(-1)).toThrow(EncodeError);
    expect(() => w.i64(2 ** 53)).toThrow(EncodeError);
    expect(w.str(new Uint8Array(255)).length).toBe(256);
  });

  it('says which field broke and where', () => {
    const broken = new Uint8Array([0x54, 0x05, 1, 2]);
    const error = (() => {
      try {
        decodeWhole(broken, 'all', (r) => [r.bool('flag'), r.str('id')]);
      } catch (e) {
        return e;
      }
      return undefined;
    })();
    expect(error).toBeInstanceOf(DecodeError);
    expect(error).toMatchObject({ code: 'DECODE', field: 'id', offset: 2 });
  });

  it('refuses bytes after a whole value and ignores them after a prefix', () => {
    const two = new Uint8Array([0x54, 0x46]);
    expect(() => decodeWhole(two, 'flag', (r) => r.bool('flag'))).toThrow(DecodeError);
    expect(decodePrefix(two, (r) => r.bool('flag'))).toBe(true);
  });

  it('goes back to where it was when an optional field does not parse', () => {
    const r = new Reader(new Uint8Array([0x03, 0x61]));
    expect(r.attempt((x) => x.str('optional'))).toBeUndefined();
    expect(r.offset).toBe(0);
    expect(hex(r.tail())).toBe('0361');
  });

  it('reads views of the input, without copies', () => {
    const input = new Uint8Array([2, 7, 8]);
    const id = new Reader(input).str('id');
    input[1] = 9;
    expect([...id]).toEqual([9, 8]);
  });

  it('refuses integers that a number cannot hold', () => {
    const r = new Reader(new Uint8Array([0, 0x20, 0, 0, 0, 0, 0, 0]));
    expect(() => r.i64('size')).toThrow(DecodeError);
  });
});

describe('binary decoders under random input', () => {
  it('give a value or a typed error', () => {
    const inputs = fc.sample(sample, 20).map((s) => encode((w) => write(w, s)));
    fuzzDecoder({ name: 'all primitives', inputs, decode: (b) => decodeWhole(b, 'sample', read) });
    fuzzDecoder({
      name: 'version range',
      inputs: [encode((w) => writeVersionRange(w, { min: 2, max: 3 }))],
      decode: (b) => decodeWhole(b, 'range', (r) => readVersionRange(r, 'range')),
    });
    fuzzDecoder({
      name: 'words',
      inputs: [Buffer.from('OK 1 2'), Buffer.from('NEW ')],
      decode: (b) => decodeWhole(b, 'words', (r) => [r.word('a'), r.word('b'), r.tail()]),
    });
  });
});
