import { expect, it } from 'vitest';
import { deferred, systemClock } from '../core/index.js';
import { Turns } from './turns.js';

it('begins tasks of all owners in turn, those of one in their order, and few at a time', async () => {
  const turns = new Turns(systemClock);
  const [greedy, modest] = [{}, {}];
  const begun: string[] = [];
  let running = 0;
  let most = 0;
  const done: Promise<void>[] = [];
  const task = (name: string) => {
    const end = deferred<void>();
    done.push(end.promise);
    return async () => {
      begun.push(name);
      most = Math.max(most, ++running);
      for (let i = 0; i < 10; i++) await new Promise((resolve) => setImmediate(resolve));
      running--;
      end.resolve();
    };
  };
  for (let i = 0; i < 1000; i++) turns.run(greedy, task(`greedy ${i}`));
  for (let i = 0; i < 3; i++) turns.run(modest, task(`modest ${i}`));
  await Promise.all(done);
  const of = (owner: string): string[] => begun.filter((name) => name.startsWith(owner));
  expect(of('greedy')).toEqual(Array.from({ length: 1000 }, (_, i) => `greedy ${i}`));
  expect(of('modest')).toEqual(['modest 0', 'modest 1', 'modest 2']);
  expect(begun.indexOf('modest 2')).toBeLessThan(80);
  expect(most).toBe(64);
});

it('does not wait for tasks that take long', async () => {
  const turns = new Turns(systemClock);
  const end = deferred<void>();
  for (let i = 0; i < 64; i++) turns.run({}, () => end.promise);
  await new Promise<void>((resolve) => turns.run({}, async () => resolve()));
  end.resolve();
});

it('forgets what an owner has not begun', async () => {
  const turns = new Turns(systemClock);
  const end = deferred<void>();
  for (let i = 0; i < 64; i++) turns.run({}, () => end.promise);
  const owner = {};
  let begun = 0;
  for (let i = 0; i < 5; i++) turns.run(owner, async () => void begun++);
  expect(turns.drop(owner)).toBe(5);
  end.resolve();
  await new Promise<void>((resolve) => turns.run({}, async () => resolve()));
  expect(begun).toBe(0);
});
