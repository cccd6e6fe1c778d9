import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { DecodeError, decodePrefix, decodeWhole, EncodeError, encode, hex, Reader, Writer } from './index.js';
import { readSample, type Sample, sample, writeSample } from './testing-support/sample.js';

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
              encode((w) => writeSample(w, s), 4),
              'sample',
              readSample,
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
