import { expect, it } from 'vitest';
import { shortRuns } from '../wire/testing-support/fuzz.js';
import { loadSntrup761 } from './sntrup761.js';
import { fuzzRatchet } from './testing-support/ratchet-fuzz.js';

it('mutated messages, headers, parameters and stored values of the ratchet give a value or a typed error', async () => {
  const kem = await loadSntrup761();
  expect(() => fuzzRatchet(kem, shortRuns)).not.toThrow();
});
