import { expect, it } from 'vitest';
import { crashRounds } from './crash-rounds.js';

it('loses, repeats and reorders nothing that the API answered, over 3 rounds of load and SIGKILL', async () => {
  const result = await crashRounds(3);
  expect(result.violations).toEqual([]);
  expect(result.answered).toBeGreaterThan(0);
}, 120_000);
