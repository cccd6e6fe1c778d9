import { expect, test } from 'vitest';
import { parseCommand } from '../../api/index.js';
import { deferred } from '../../core/index.js';
import { CommandQueue, orderKeys } from './order.js';

function keys(text: string) {
  const parsed = parseCommand(text);
  if (!parsed.ok) throw new Error(parsed.error.message);
  return orderKeys(parsed.command);
}

test('commands that name the same chat have a key in common, those on users go alone', () => {
  expect(keys('/_send @4 text hi')).toEqual(['@4']);
  expect(keys('/_update item @4 1 text hi')).toEqual(['@4']);
  expect(keys('/_members #1')).toEqual(['#1']);
  expect(keys('/_add #1 4 member')).toEqual(['#1', '@4']);
  expect(keys('/_contacts 1')).toEqual(['user']);
  expect(keys('@bob hi')).toBe('all');
  expect(keys('/_user 1')).toBe('all');
});

test('commands of one chat run in order, those of others beside them', async () => {
  const queue = new CommandQueue();
  const gates = [deferred<void>(), deferred<void>(), deferred<void>(), deferred<void>()];
  const started: number[] = [];
  const run = (key: 'all' | readonly string[], n: number) =>
    queue.run(key, async () => {
      started.push(n);
      await gates[n]?.promise;
    });
  const all = [run(['@1'], 0), run(['@1'], 1), run(['@2'], 2), run('all', 3)];
  await Promise.resolve();
  expect(started).toEqual([0, 2]);
  gates[0]?.resolve();
  await all[0];
  await new Promise(setImmediate);
  expect(started).toEqual([0, 2, 1]);
  gates[1]?.resolve();
  gates[2]?.resolve();
  await Promise.all([all[1], all[2]]);
  await new Promise(setImmediate);
  expect(started).toEqual([0, 2, 1, 3]);
  gates[3]?.resolve();
  await Promise.all(all);
});
