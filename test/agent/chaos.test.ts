import { afterAll, expect, it } from 'vitest';
import { chaosWithRestart } from './chaos.js';
import { World } from './harness.js';

const world = new World();
afterAll(() => world.close());

it('loses and doubles nothing while connections are cut and the relay is restarted', async () => {
  const { problems, messages } = await chaosWithRestart(world, {
    pairs: 4,
    duration: 5_000,
    delay: () => (Math.random() < 0.05 ? 20 : 0),
    pause: 300,
  });
  expect(problems).toEqual([]);
  expect(messages).toBeGreaterThan(16);
});
