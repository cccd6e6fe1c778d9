import { describe, it } from 'vitest';
import { wireDecoders } from './testing-support/decoders.js';
import { fuzzDecoder } from './testing-support/fuzz.js';

describe('wire decoders under 2,000 random inputs each', () => {
  it.each(wireDecoders.map((d) => [d.name, d] as const))('%s gives a value or a typed error', (_name, d) => {
    fuzzDecoder(d);
  });
});
