import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  base64url,
  base64urlUnpadded,
  DecodeError,
  decodeBase64url,
  formatFileSize,
  formatQuery,
  formatUtcTime,
  formatVersionRange,
  parseDecimal,
  parseFileSize,
  parseQuery,
  parseUtcTime,
  parseVersionRange,
  percentDecode,
  percentDecodeBytes,
  percentEncode,
  queryValue,
  scanBase64url,
} from './index.js';

describe('text encodings', () => {
  it('give back every byte string and text', () => {
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 1, maxLength: 300 }), fc.string({ unit: 'grapheme' }), (bytes, text) => {
        expect(new Uint8Array(decodeBase64url(base64url(bytes)))).toEqual(bytes);
        expect(new Uint8Array(decodeBase64url(base64urlUnpadded(bytes)))).toEqual(bytes);
        expect(new Uint8Array(percentDecodeBytes(percentEncode(bytes)))).toEqual(bytes);
        expect(percentDecode(percentEncode(text))).toBe(text);
      }),
    );
  });

  it('give back every query, escaped', () => {
    const text = fc.string({ unit: 'grapheme' });
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text), { minLength: 1 }), (pairs) => {
        expect(parseQuery(formatQuery(pairs, 'escaped'))).toEqual(pairs);
      }),
    );
  });

  it('keep base64 padding and inner queries of a query value', () => {
    const inner = formatQuery(
      [
        ['v', '2-3'],
        ['x3dh', 'MEIw=,QUJD='],
      ],
      'raw',
    );
    const outer = formatQuery([['e2e', inner]], 'escaped');
    expect(outer).toBe('e2e=v%3D2-3%26x3dh%3DMEIw%3D%2CQUJD%3D');
    expect(queryValue(parseQuery(`?a=b;c=YQ==&${outer}`), 'e2e')).toBe(inner);
    expect(parseQuery('a=x==&b;c=1+2')).toEqual([
      ['a', 'x=='],
      ['b', ''],
      ['c', '1 2'],
    ]);
  });

  it('leave a percent sign without digits alone, as upstream', () => {
    expect(percentDecode('100%25 %zz %4')).toBe('100% %zz %4');
  });

  it('find base64url inside a text, with its padding', () => {
    const found = scanBase64url('smp://1234-w==@host', 6);
    expect(Buffer.from(found.bytes).toString('hex')).toBe('d76df8fb');
    expect(found.end).toBe(14);
  });

  it('give back times, sizes and version ranges', () => {
    fc.assert(
      fc.property(fc.integer({ min: -1e9, max: 1e11 }), fc.nat(999_999_999), (seconds, nanoseconds) => {
        expect(parseUtcTime(formatUtcTime({ seconds, nanoseconds }))).toEqual({ seconds, nanoseconds });
      }),
    );
    fc.assert(
      fc.property(fc.nat(), (n) => {
        expect(parseFileSize(formatFileSize(n))).toBe(n);
      }),
    );
    fc.assert(
      fc.property(fc.nat(0xffff), fc.nat(0xffff), (a, b) => {
        const range = { min: Math.min(a, b), max: Math.max(a, b) };
        expect(parseVersionRange(formatVersionRange(range))).toEqual(range);
      }),
    );
    expect(() => parseUtcTime('2023-02-30T00:00:00Z')).toThrow(DecodeError);
    expect(() => parseDecimal('65536', 'port', 0, 65535)).toThrow(DecodeError);
  });
});
