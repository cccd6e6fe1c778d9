import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Cell, CrashWorld, runCells, scenarios } from './crash-support.js';
import { dialects } from './harness.js';

/** How many points of the matrix (crash-matrix.soak.ts has all of them); `FANION_CRASH_SEED` repeats a choice. */
const size = 8;
const seed = Number(process.env['FANION_CRASH_SEED'] ?? Date.now() % 1_000_000);

/** Deterministic numbers in [0, 1) (mulberry32). */
function numbers(state: number): () => number {
  let a = state;
  return () => {
    a = (a + 0x6d2b79f5) | 0;
    let t = Math.imul(a ^ (a >>> 15), 1 | a);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

describe.each(dialects)('on %s', (dialect) => {
  const crash = new CrashWorld(dialect);
  beforeAll(() => crash.start());
  afterAll(() => crash.close());

  it(`a process that is killed right before or after a commit goes on where it was: sample ${seed}`, async () => {
    const next = numbers(seed);
    const left = [...scenarios];
    const cells: Cell[] = [];
    while (cells.length < size) {
      const [scenario] = left.splice(Math.floor(next() * left.length), 1);
      if (scenario === undefined) break;
      // No part under test has fewer points.
      cells.push({ scenario, at: Math.floor(next() * 10) });
    }
    const { killed, failed } = await runCells(crash, cells);
    expect(failed).toEqual([]);
    expect(killed).toBe(size);
  }, 240_000);
});
