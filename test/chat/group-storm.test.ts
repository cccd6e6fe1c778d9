import { expect, it } from 'vitest';
import { storm } from './group-storm.js';

const seed = 20_261;

it(`keeps members, roles and messages of 3 groups the same for all over 150 random operations of 8 users, seed ${seed}`, async () => {
  const result = await storm({ operations: 150, seed, restarts: 2 });
  expect(result.violations).toEqual([]);
  expect(result.messages).toBeGreaterThan(30);
  expect(result.copies).toBeGreaterThan(60);
}, 180_000);
