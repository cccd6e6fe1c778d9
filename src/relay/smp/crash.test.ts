import { expect, it } from 'vitest';
import { crashRounds } from './testing-support/crash.js';

it('loses nothing that it answered and brings nothing back, over 3 rounds of load and SIGKILL', async () => {
  const result = await crashRounds(3);
  expect(result.violations).toEqual([]);
  expect(result.accepted).toBeGreaterThan(0);
}, 120_000);
