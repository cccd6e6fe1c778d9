import fc from 'fast-check';
import {
  decodeBase64url,
  decodeWhole,
  encode,
  parseDecimal,
  parseFileSize,
  parseQuery,
  parseUtcTime,
  parseVersionRange,
  readVersionRange,
  scanBase64url,
  writeVersionRange,
} from '../index.js';
import type { FuzzOptions } from './fuzz.js';
import { readSample, sample, writeSample } from './sample.js';

function text(name: string, inputs: readonly string[], decode: (s: string) => unknown): FuzzOptions {
  return {
    name,
    inputs: inputs.map((s) => Buffer.from(s, 'utf8')),
    decode: (b) => decode(Buffer.from(b).toString('utf8')),
  };
}

/** Every decoder of this room, with inputs that it accepts. */
export const wireDecoders: readonly FuzzOptions[] = [
  {
    name: 'all binary primitives',
    inputs: fc.sample(sample, { numRuns: 20, seed: 1 }).map((s) => encode((w) => writeSample(w, s))),
    decode: (b) => decodeWhole(b, 'sample', readSample),
  },
  {
    name: 'binary version range',
    inputs: [encode((w) => writeVersionRange(w, { min: 2, max: 3 }))],
    decode: (b) => decodeWhole(b, 'range', (r) => readVersionRange(r, 'range')),
  },
  {
    name: 'words',
    inputs: [Buffer.from('OK 1 2'), Buffer.from('NEW ')],
    decode: (b) => decodeWhole(b, 'words', (r) => [r.word('a'), r.word('b'), r.tail()]),
  },
  text('base64url', ['YWJj', 'YQ==', '-vv8_f7_AAECAw=='], (s) => decodeBase64url(s)),
  text('base64url inside', ['1234-w==@smp'], (s) => scanBase64url(s, 0)),
  text('query', ['?v=2-3&x3dh=MEIw%3D,QUJD%3D;a=b'], (s) => parseQuery(s)),
  text('version range', ['2-3', '17'], (s) => parseVersionRange(s)),
  text('time', ['2023-11-14T22:13:20.123456789Z'], (s) => parseUtcTime(s)),
  text('file size', ['64kb', '1gb', '100'], (s) => parseFileSize(s)),
  text('decimal', ['-5', '+5', '9007199254740991'], (s) => parseDecimal(s, 'n')),
];
