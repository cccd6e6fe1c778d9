import fc from 'fast-check';
import type { Reader, Writer } from '../index.js';

const bytes = (max: number) => fc.uint8Array({ maxLength: max });
const latin1 = fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 255 }).map((c) => String.fromCharCode(...c));

/** A value with every primitive of the binary encoding. */
export interface Sample {
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

export const sample: fc.Arbitrary<Sample> = fc.record({
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

export function writeSample(w: Writer, s: Sample): void {
  w.bool(s.flag).u8(s.small).u16(s.word).u32(s.wide).i64(s.big).str(s.id).large(s.body).raw(s.nonce);
  w.latin1(s.port)
    .text(s.name)
    .maybe(s.option, (x, n) => x.u16(n));
  w.nonEmpty(s.items, (x, item) => x.str(item)).raw(s.rest);
}

export function readSample(r: Reader): Sample {
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
