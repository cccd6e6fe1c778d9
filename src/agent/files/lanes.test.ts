import { describe, expect, it } from 'vitest';
import { deferred, ManualClock, silentLogger } from '../../core/index.js';
import { Lanes, retryDelay } from './lanes.js';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('workers with lanes', () => {
  it('run as many jobs as there are lanes, each once, the urgent ones first', async () => {
    const jobs = [1, 2, 3, 4, 5].map((id) => ({ id, gate: deferred<void>() }));
    const started: number[] = [];
    const done = new Set<number>();
    const lanes = new Lanes({
      clock: new ManualClock(),
      logger: silentLogger,
      lanes: 2,
      next: async (limit) => jobs.filter((j) => !done.has(j.id)).slice(0, limit),
      run: async (job) => {
        started.push(job.id);
        await job.gate.promise;
        done.add(job.id);
        return undefined;
      },
    });
    lanes.wake();
    lanes.wake();
    await turn();
    expect(started).toEqual([1, 2]);
    jobs[1]?.gate.resolve();
    await turn();
    expect(started).toEqual([1, 2, 3]);
    for (const j of jobs) j.gate.resolve();
    await turn();
    await turn();
    expect(started).toEqual([1, 2, 3, 4, 5]);
    await lanes.stop();
  });

  it('let others go before a job that failed, and repeat it when its time has come', async () => {
    const clock = new ManualClock();
    const runs: number[] = [];
    const done = new Set<number>();
    const lanes = new Lanes({
      clock,
      logger: silentLogger,
      lanes: 1,
      next: async (limit) => [{ id: 1 }, { id: 2 }].filter((j) => !done.has(j.id)).slice(0, limit),
      run: async ({ id }) => {
        runs.push(id);
        if (id === 1 && runs.length < 4) return 1000;
        done.add(id);
        return undefined;
      },
    });
    lanes.wake();
    await turn();
    expect(runs).toEqual([1, 2]);
    clock.advance(999);
    await turn();
    expect(runs).toEqual([1, 2]);
    clock.advance(1);
    await turn();
    expect(runs).toEqual([1, 2, 1]);
    clock.advance(1000);
    await turn();
    expect(runs).toEqual([1, 2, 1, 1]);
    await lanes.stop();
  });

  it('survive a job that throws, and stop only when what runs has ended', async () => {
    const gate = deferred<void>();
    let failed = false;
    const lanes = new Lanes({
      clock: new ManualClock(),
      logger: silentLogger,
      lanes: 1,
      next: async () => [{ id: 1 }, { id: 2 }],
      run: async ({ id }) => {
        if (id === 1) throw new Error('unexpected');
        await gate.promise;
        failed = true;
        return undefined;
      },
    });
    lanes.wake();
    await turn();
    const stopped = lanes.stop();
    gate.resolve();
    await stopped;
    expect(failed).toBe(true);
  });

  it('intervals grow after the first ten seconds, up to three minutes', () => {
    expect([0, 5, 6, 7].map(retryDelay)).toEqual([2000, 2000, 3000, 4500]);
    expect(retryDelay(100)).toBe(180_000);
  });
});
