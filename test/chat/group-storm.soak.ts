import { expect, it } from 'vitest';
import { storm } from './group-storm.js';

const seed = Number(process.env['FANION_STORM_SEED'] ?? 20_262);

it(`keeps members, roles and messages of 3 groups the same for all over 1,000 random operations of 8 users, seed ${seed}`, async () => {
  const result = await storm({ operations: 1000, seed, restarts: 2 });
  console.log(result);
  expect(result.violations).toEqual([]);
  expect(result.messages).toBeGreaterThan(200);
}, 900_000);
