import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startSmpRelay } from '../../src/relay/index.js';
import { chaos } from './chaos.js';
import { World } from './harness.js';

const world = new World();
afterAll(() => world.close());

it('loses and doubles nothing while connections are cut and the relay is restarted', async () => {
  const storage = { kind: 'sqlite', prefix: path.join(world.directory, 'chaos') } as const;
  let relay = await startSmpRelay({ storage });
  const { port } = relay;
  const { problems, messages } = await chaos(world, relay.address, () => port, {
    pairs: 4,
    duration: 5_000,
    delay: () => (Math.random() < 0.05 ? 20 : 0),
    restart: async () => {
      await relay.close();
      await new Promise((resolve) => setTimeout(resolve, 300));
      relay = await startSmpRelay({ storage, port });
    },
  });
  expect(problems).toEqual([]);
  expect(messages).toBeGreaterThan(16);
  await relay.close();
});
