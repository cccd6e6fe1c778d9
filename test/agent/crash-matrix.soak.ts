import { afterAll, beforeAll, expect, it } from 'vitest';
import { CrashWorld, runCell, runCells, scenarios } from './crash-support.js';

// Every point of every scenario, with real processes, SQLite files and relays in processes of their own.
const crash = new CrashWorld();
beforeAll(() => crash.start());
afterAll(() => crash.close());

it.each(scenarios.map((s) => [s.name, s] as const))(
  'a process that is killed right before or after any commit goes on where it was: %s',
  async (_, scenario) => {
    const { points, restarts } = await runCell(crash, scenario);
    expect(restarts).toBe(0);
    // A few more: the order of what runs side by side is not the same each time.
    const cells = Array.from({ length: points.length + 2 }, (_, at) => ({ scenario, at }));
    const { killed, failed } = await runCells(crash, cells);
    expect(failed).toEqual([]);
    expect(killed).toBeGreaterThanOrEqual(points.length - 2);
  },
);
