import { expect, it } from 'vitest';
import { ManualClock } from '../../core/index.js';
import { RateLimiter } from './rate.js';

it('a chat gets its tokens back evenly, others have their own', () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ count: 2, perMs: 1000 }, clock);
  expect([limiter.take('a'), limiter.take('a'), limiter.take('a'), limiter.take('b')]).toEqual([
    true,
    true,
    false,
    true,
  ]);
  clock.advance(500);
  expect([limiter.take('a'), limiter.take('a')]).toEqual([true, false]);
  clock.advance(10_000);
  expect([limiter.take('a'), limiter.take('a'), limiter.take('a')]).toEqual([true, true, false]);
});

it('those who wait go on in order, one at a time', async () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ count: 1, perMs: 100 }, clock);
  const done: number[] = [];
  const all = [1, 2, 3].map((n) => limiter.wait('a').then(() => done.push(n)));
  const seen: number[][] = [];
  for (let i = 0; i < 3; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    seen.push([...done]);
    clock.advance(100);
  }
  await Promise.all(all);
  expect(seen).toEqual([[1], [1, 2], [1, 2, 3]]);
});

it('chats that are quiet are forgotten', () => {
  const clock = new ManualClock();
  const limiter = new RateLimiter({ count: 1, perMs: 10 }, clock);
  for (let i = 0; i < 5000; i++) {
    expect(limiter.take(String(i))).toBe(true);
    clock.advance(1);
  }
  expect(limiter.size).toBeLessThan(1100);
});
