import { describe, it } from 'vitest';
import { fuzzDecoder, soakRuns } from '../wire/testing-support/fuzz.js';
import { loadCompression } from './index.js';
import { cryptoDecoders } from './testing-support/decoders.js';

describe('decoders under 100,000 random inputs each', async () => {
  const compression = await loadCompression();

  it.each(cryptoDecoders(compression).map((d) => [d.name, d] as const))(
    '%s gives a value or a typed error',
    (_name, d) => {
      fuzzDecoder({ ...d, runs: soakRuns });
    },
  );
});
