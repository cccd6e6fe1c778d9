import { expect, it } from 'vitest';
import { crashRounds } from './testing-support/crash.js';

it('loses nothing that it answered and brings nothing back, over 20 rounds of load and SIGKILL', async () => {
  const result = await crashRounds(20);
  console.log(`crash test: ${JSON.stringify(result)}`);
  expect(result.violations).toEqual([]);
  expect(result.accepted).toBeGreaterThan(0);
}, 600_000);
