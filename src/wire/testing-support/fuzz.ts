import { randomBytes } from 'node:crypto';
import { FanionError } from '../../core/index.js';

/**
 * Throws random and mutated inputs at a decoder. It must give a value or one of its typed errors; anything else (a
 * TypeError, a RangeError of a buffer, an exhausted stack) fails with the seed and the input that did it.
 *
 * `FANION_FUZZ_RUNS` and `FANION_FUZZ_SEED` of the environment replace the defaults, to repeat a failure.
 */
export interface FuzzOptions {
  /** What the failure message calls the decoder. */
  readonly name: string;
  /** Valid inputs to mutate: recorded ones are best. */
  readonly inputs: readonly Uint8Array[];
  /** The decoder; its value is ignored unless `check` is given. */
  readonly decode: (input: Uint8Array) => unknown;
  /** Number of inputs to try. Default 2,000; the soak form uses {@link soakRuns}. */
  readonly runs?: number;
  readonly seed?: number;
  /** Which errors are right. Default: every FanionError. */
  readonly isExpected?: (error: unknown) => boolean;
}

/** Inputs per decoder in the full form. */
export const soakRuns = 100_000;
/** Inputs per decoder in `npm test`. */
export const shortRuns = 2_000;

function environmentNumber(name: string): number | undefined {
  const value = process.env[name];
  return value === undefined ? undefined : Number(value);
}

/** A small repeatable generator (mulberry32): numbers from 0 to `below - 1`. */
export function repeatable(seed: number): (below: number) => number {
  let a = seed >>> 0;
  return (below) => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000) * below);
  };
}

/** Bytes that decoders treat specially: ends of ranges, digits, tags. */
const special = [0x00, 0x01, 0x02, 0x7f, 0x80, 0xfe, 0xff, 0x20, 0x23, 0x30, 0x31, 0x46, 0x54, 0x58, 0x5f];

function splice(b: Uint8Array, at: number, remove: number, insert: Uint8Array): Uint8Array {
  const out = new Uint8Array(b.length - remove + insert.length);
  out.set(b.subarray(0, at));
  out.set(insert, at);
  out.set(b.subarray(at + remove), at + insert.length);
  return out;
}

function randomInput(next: (below: number) => number): Uint8Array {
  const out = new Uint8Array(next(4) === 0 ? next(600) : next(40));
  for (let i = 0; i < out.length; i++) out[i] = next(3) === 0 ? (special[next(special.length)] ?? 0) : next(256);
  return out;
}

/** One to four mutations of one of the inputs. */
export function mutate(inputs: readonly Uint8Array[], next: (below: number) => number): Uint8Array {
  let b = new Uint8Array(inputs[next(inputs.length)] ?? []);
  for (let left = 1 + next(4); left > 0; left--) {
    const at = next(b.length + 1);
    const rest = b.length - at;
    switch (next(9)) {
      case 0: // one bit
        if (rest > 0) b[at] = (b[at] ?? 0) ^ (1 << next(8));
        break;
      case 1: // one byte
        if (rest > 0) b[at] = next(256);
        break;
      case 2: // one byte that means something
        if (rest > 0) b[at] = special[next(special.length)] ?? 0;
        break;
      case 3: // the end is missing
        b = b.slice(0, at);
        break;
      case 4: // a piece is missing
        b = new Uint8Array(splice(b, at, Math.min(rest, 1 + next(16)), new Uint8Array(0)));
        break;
      case 5: // something was put in
        b = new Uint8Array(splice(b, at, 0, randomInput(next)));
        break;
      case 6: // a piece comes twice
        b = new Uint8Array(splice(b, at, 0, b.slice(at, at + 1 + next(32))));
        break;
      case 7: {
        // the start of this and the end of another
        const other = inputs[next(inputs.length)] ?? b;
        b = new Uint8Array(splice(b, at, rest, other.slice(next(other.length + 1))));
        break;
      }
      default: // near the start, where tags and lengths are
        if (b.length > 0) b[next(Math.min(b.length, 16))] = next(256);
    }
  }
  return b;
}

/** Runs the decoder over random and mutated inputs; see {@link FuzzOptions}. Gives how many decoded and failed. */
export function fuzzDecoder(options: FuzzOptions): { readonly decoded: number; readonly refused: number } {
  const runs = environmentNumber('FANION_FUZZ_RUNS') ?? options.runs ?? shortRuns;
  const seed = environmentNumber('FANION_FUZZ_SEED') ?? options.seed ?? randomBytes(4).readUInt32BE(0);
  const isExpected = options.isExpected ?? ((e) => e instanceof FanionError);
  const next = repeatable(seed);
  let decoded = 0;
  let refused = 0;
  for (let run = 0; run < runs; run++) {
    const input = options.inputs.length === 0 || next(5) === 0 ? randomInput(next) : mutate(options.inputs, next);
    try {
      options.decode(input);
      decoded++;
    } catch (cause) {
      if (!isExpected(cause)) {
        const hex = Buffer.from(input).toString('hex');
        throw new Error(`${options.name}: seed ${seed}, run ${run}, input ${hex}: ${String(cause)}`, { cause });
      }
      refused++;
    }
  }
  return { decoded, refused };
}

/** As {@link fuzzDecoder} for decoders of text: the inputs are mutated as UTF-8. */
export function fuzzTextDecoder(
  options: Omit<FuzzOptions, 'inputs' | 'decode'> & {
    readonly inputs: readonly string[];
    readonly decode: (input: string) => unknown;
  },
): { readonly decoded: number; readonly refused: number } {
  return fuzzDecoder({
    ...options,
    inputs: options.inputs.map((s) => Buffer.from(s, 'utf8')),
    decode: (input) => options.decode(Buffer.from(input).toString('utf8')),
  });
}
