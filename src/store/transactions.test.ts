import { afterEach, expect, it } from 'vitest';
import { type Deferred, deferred, nextTurn, silentLogger, systemClock } from '../core/index.js';
import type { SqlConnection } from './connection.js';
import { TransactionQueue } from './transactions.js';
import type { QueryOutcome } from './types.js';

/** A database whose disk answers when the test says so. */
class SlowDisk implements SqlConnection {
  readonly dialect = 'sqlite';
  readonly flushes: Deferred<void>[] = [];
  commits = 0;

  async execute<R>(): Promise<QueryOutcome<R>> {
    return { rows: [], changes: 0 };
  }

  async begin(): Promise<void> {}

  async commit(): Promise<void> {
    this.commits++;
  }

  async rollback(): Promise<void> {}

  flush(): Promise<void> {
    const flush = deferred<void>();
    this.flushes.push(flush);
    return flush.promise;
  }

  async close(): Promise<void> {}
}

const disk = new SlowDisk();
const store = new TransactionQueue(disk, systemClock, silentLogger);
const seen: string[] = [];
const note = (text: string) => async () => void seen.push(text);

async function turns(): Promise<void> {
  for (let i = 0; i < 5; i++) await nextTurn();
}

afterEach(() => {
  seen.length = 0;
  disk.flushes.length = 0;
});

it('what is durable is answered after its flush', async () => {
  const answer = store.transaction(async () => {}).then(note('durable'));
  await turns();
  expect(seen).toEqual([]);
  disk.flushes[0]?.resolve();
  await answer;
  expect(seen).toEqual(['durable']);
});

it('what is only written needs no flush', async () => {
  const before = disk.commits;
  await store.written(async (tx) => tx.onCommit(() => seen.push('hook')));
  expect([disk.commits - before, disk.flushes.length, seen]).toEqual([1, 0, ['hook']]);
});

it('what is written is answered after everything that was asked for before', async () => {
  const durable = store.transaction(async () => {}).then(note('durable'));
  await turns();
  const written = store.written(async () => {}).then(note('written'));
  await turns();
  expect(seen).toEqual([]);
  disk.flushes[0]?.resolve();
  await Promise.all([durable, written]);
  expect([seen, disk.flushes.length]).toEqual([['durable', 'written'], 1]);
});

it('what is written waits with those that it shares a commit with, or when its body says so', async () => {
  const together = [store.written(async () => {}), store.transaction(async () => {})];
  await turns();
  expect(disk.flushes).toHaveLength(1);
  disk.flushes[0]?.resolve();
  await Promise.all(together);
  const upgraded = store.written(async (tx) => tx.mustSync()).then(note('upgraded'));
  await turns();
  expect([seen, disk.flushes.length]).toEqual([[], 2]);
  disk.flushes[1]?.resolve();
  await upgraded;
});

it('a failed flush fails what should have been durable', async () => {
  const answer = store.transaction(async () => {});
  await turns();
  disk.flushes[0]?.reject(new Error('no disk'));
  await expect(answer).rejects.toThrow('cannot flush: no disk');
});
