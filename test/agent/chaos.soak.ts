import { afterAll, expect, it } from 'vitest';
import { chaosWithRestart } from './chaos.js';
import { World } from './harness.js';

const world = new World();
afterAll(() => world.close());

it('loses and doubles nothing in five minutes of a failing network between ten pairs', async () => {
  const { problems, messages } = await chaosWithRestart(world, {
    pairs: 10,
    duration: Number(process.env.FANION_CHAOS_SECONDS ?? 300) * 1000,
    delay: () => (Math.random() < 0.1 ? Math.random() * 100 : 0),
    pause: 2_000,
  });
  expect(problems).toEqual([]);
  expect(messages).toBeGreaterThan(1_000);
}, 900_000);
