import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../core/index.js';
import { openSqliteStore, type Store } from '../../store/index.js';
import { DatabaseState } from './database.js';
import { FileState } from './file.js';
import { MemoryState } from './memory.js';
import type { StateStore } from './types.js';

let folder: string;
let store: Store;

beforeEach(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fanion-state-'));
  store = await openSqliteStore({
    path: path.join(folder, 'state.db'),
    migrations: [],
    clock: systemClock,
    logger: silentLogger,
  });
});
afterEach(async () => {
  await store.close();
  await rm(folder, { recursive: true, force: true });
});

const kinds: readonly [string, () => StateStore][] = [
  ['memory', () => new MemoryState()],
  ['a file', () => new FileState(path.join(folder, 'deep', 'state.json'))],
  ['the database', () => new DatabaseState(() => store)],
];

describe.each(kinds)('the state in %s', (kind, make) => {
  it('keeps, replaces, lists and deletes', async () => {
    const state = make();
    await state.open();
    expect(await state.get('a')).toBeUndefined();
    await state.set({ 'a:1': 1, 'a:2': { x: ['y'] }, 'b%': 'z' });
    await state.set({ 'a:1': 2, 'b%': undefined });
    expect([await state.get('a:1'), await state.get('a:2'), await state.get('b%')]).toEqual([
      2,
      { x: ['y'] },
      undefined,
    ]);
    expect(await state.keys('a:')).toEqual(['a:1', 'a:2']);
    expect(await state.keys('%')).toEqual([]);
    await state.close();
    if (kind === 'memory') return;
    const again = make();
    await again.open();
    expect(await again.get('a:2')).toEqual({ x: ['y'] });
    await again.close();
  });
});

it('writes to a file that come at the same time are all in it', async () => {
  const file = path.join(folder, 'many.json');
  const state = new FileState(file);
  await state.open();
  await Promise.all(Array.from({ length: 200 }, (_, i) => state.set({ [`k${i}`]: i })));
  const stored: unknown = JSON.parse(await readFile(file, 'utf8'));
  expect(Object.keys(stored ?? {})).toHaveLength(200);
});

it('a damaged file is an error, not an empty state', async () => {
  const file = path.join(folder, 'damaged.json');
  await writeFile(file, '{"position": 12');
  await expect(new FileState(file).open()).rejects.toThrow('damaged');
});
