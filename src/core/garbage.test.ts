import { constants, PerformanceObserver } from 'node:perf_hooks';
import { expect, it } from 'vitest';
import { collectAll, madeGarbage } from './garbage.js';

it('collects the young generation when much was made, and everything only when asked', async () => {
  const kinds: number[] = [];
  const observer = new PerformanceObserver((list) => {
    for (const entry of list.getEntries()) {
      const detail: unknown = Reflect.get(entry, 'detail');
      if (typeof detail === 'object' && detail !== null && 'kind' in detail) kinds.push(Number(detail.kind));
    }
  });
  observer.observe({ entryTypes: ['gc'] });
  const seen = async (kind: number): Promise<number> => {
    await new Promise((resolve) => setTimeout(resolve, 20));
    return kinds.filter((k) => k === kind).length;
  };
  const before = await seen(constants.NODE_PERFORMANCE_GC_MINOR);
  for (let i = 0; i < 4 * 256; i++) madeGarbage(16 * 1024);
  expect((await seen(constants.NODE_PERFORMANCE_GC_MINOR)) - before).toBeGreaterThanOrEqual(4);
  const major = await seen(constants.NODE_PERFORMANCE_GC_MAJOR);
  collectAll();
  expect(await seen(constants.NODE_PERFORMANCE_GC_MAJOR)).toBeGreaterThan(major);
  observer.disconnect();
});
