import path from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { startSmpRelay } from '../../src/relay/index.js';
import { chaos } from './chaos.js';
import { World } from './harness.js';

const world = new World();
afterAll(() => world.close());

it('loses and doubles nothing in five minutes of a failing network between ten pairs', async () => {
  const storage = { kind: 'sqlite', prefix: path.join(world.directory, 'chaos') } as const;
  let relay = await startSmpRelay({ storage });
  const { port } = relay;
  const { problems, messages } = await chaos(world, relay.address, () => port, {
    pairs: 10,
    duration: Number(process.env.FANION_CHAOS_SECONDS ?? 300) * 1000,
    delay: () => (Math.random() < 0.1 ? Math.random() * 100 : 0),
    restart: async () => {
      await relay.close();
      await new Promise((resolve) => setTimeout(resolve, 2_000));
      relay = await startSmpRelay({ storage, port });
    },
  });
  expect(problems).toEqual([]);
  expect(messages).toBeGreaterThan(1_000);
  await relay.close();
}, 900_000);
