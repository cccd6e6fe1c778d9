import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { parseLargeRequest } from './large-request.js';
import { parseRequest } from './messages.js';

const space = fc.constantFrom('', ' ', '\n', '\t \r');

/** An object with these entries, with white space wherever it may be. */
const objectText = fc
  .array(
    fc.tuple(
      fc.oneof(fc.constantFrom('corrId', 'cmd', 'corr\\u0049d'), fc.string()),
      fc.jsonValue({ maxDepth: 3 }),
      space,
      space,
    ),
    { maxLength: 6 },
  )
  .map((entries) => {
    const parts = entries.map(([key, value, a, b]) => {
      const name = key.startsWith('corr\\u') ? `"${key}"` : JSON.stringify(key);
      return `${a}${name}${b}:${a}${JSON.stringify(value)}${b}`;
    });
    return `{${parts.join(',')}}`;
  });

describe('a large request is read as a small one', () => {
  it('of JSON objects', () => {
    fc.assert(
      fc.property(objectText, space, (text, s) => {
        const bytes = Buffer.from(`${s}${text}${s}`);
        expect(parseLargeRequest(bytes)).toEqual(parseRequest(bytes));
      }),
      { numRuns: 2000 },
    );
  });

  it('of requests with any strings', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'binary' }), (corrId, cmd) => {
        const bytes = Buffer.from(JSON.stringify({ cmd, x: [{}], corrId }));
        expect(parseLargeRequest(bytes)).toEqual(parseRequest(bytes));
      }),
    );
  });

  it('of texts that are nearly JSON', () => {
    const good = '{"corrId":"1","cmd":"/u \\"\\\\","x":[1,{"a":null}]}';
    fc.assert(
      fc.property(
        fc.nat(good.length),
        fc.nat(3),
        fc.constantFrom('', '"', '\\', ',', '}', '{', ']', ':', '\n', '\u0001'),
        (at, cut, put) => {
          const bytes = Buffer.from(good.slice(0, at) + put + good.slice(at + cut));
          expect(parseLargeRequest(bytes)).toEqual(parseRequest(bytes));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array(), (bytes) => {
        expect(parseLargeRequest(Buffer.from(bytes))).toEqual(parseRequest(bytes));
      }),
    );
    const invalid = Buffer.concat([Buffer.from('{"corrId":"1","cmd":"'), Buffer.from([0xff]), Buffer.from('"}')]);
    expect(parseLargeRequest(invalid)).toBeUndefined();
  });
});
