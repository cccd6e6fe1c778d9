import { expect, it } from 'vitest';
import { crashRounds } from './crash-rounds.js';

it('loses, repeats and reorders nothing that the API answered, over 40 rounds of load and SIGKILL', async () => {
  const result = await crashRounds(40);
  console.log(result);
  expect(result.violations).toEqual([]);
  expect(result.answered).toBeGreaterThan(1000);
}, 1_200_000);
