import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Generated } from 'kysely';
import { afterAll, describe, expect, it } from 'vitest';
import { silentLogger, systemClock } from '../core/index.js';
import { changeSqliteKey, type Migration, openPostgresStore, openSqliteStore, prepare, type Store } from './index.js';

declare module './tables.js' {
  interface Tables {
    test_notes: { id: Generated<number>; body: string; data: Uint8Array | null; done: Generated<number> };
  }
}

const migrations: Migration[] = [
  {
    name: 'test-001',
    sql: `
      CREATE TABLE test_notes (id AUTO_ID, body TEXT NOT NULL UNIQUE, data BLOB, done INTEGER NOT NULL DEFAULT 0);
      -- an index; with a comment
      CREATE INDEX test_notes_done ON test_notes (done);
    `,
  },
];
const base = { migrations, clock: systemClock, logger: silentLogger };
const dir = mkdtempSync(path.join(tmpdir(), 'fanion-store-'));
let files = 0;
const newPath = (): string => path.join(dir, `${files++}.db`);
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const postgresUrl = process.env.FANION_TEST_POSTGRES;
const drivers: [string, () => Promise<Store>][] = [
  ['sqlite', () => openSqliteStore({ ...base, path: newPath() })],
  ['sqlite, encrypted', () => openSqliteStore({ ...base, path: newPath(), key: "it's a key" })],
  ['sqlite, in memory', () => openSqliteStore({ ...base, path: ':memory:' })],
];
if (postgresUrl !== undefined) {
  drivers.push([
    'postgres',
    () => openPostgresStore({ ...base, url: postgresUrl, schema: `store_${process.pid}_${files++}` }),
  ]);
}

const byBody = prepare<{ body: string }, { id: number; data: Uint8Array | null }>((db, p) =>
  db.selectFrom('test_notes').select(['id', 'data']).where('body', '=', p('body')),
);

describe.each(drivers)('store on %s', (_name, open) => {
  it('keeps what a transaction wrote and undoes what a throwing one wrote', async () => {
    const store = await open();
    const add = (body: string, fail = false) =>
      store.transaction(async (tx) => {
        await tx.db.insertInto('test_notes').values({ body, done: 0 }).execute();
        if (fail) throw new Error('no');
      });
    const results = await Promise.allSettled([add('a', true), add('b'), add('c', true), add('d'), add('d'), add('e')]);
    expect(results.map((r) => r.status)).toEqual([
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
      'rejected',
      'fulfilled',
    ]);
    const rows = await store.read((tx) => tx.db.selectFrom('test_notes').select('body').orderBy('id').execute());
    expect(rows.map((r) => r.body)).toEqual(['b', 'd', 'e']);
    await store.close();
  });

  it('runs commit hooks in order after durability and drops those of undone work', async () => {
    const store = await open();
    const seen: string[] = [];
    await Promise.allSettled([
      store.transaction(async (tx) => {
        tx.onCommit(() => seen.push('one'));
        await tx
          .savepoint(async () => {
            tx.onCommit(() => seen.push('undone'));
            tx.onRollback(() => seen.push('rolled back'));
            throw new Error('inner');
          })
          .catch(() => {});
      }),
      store.transaction(async (tx) => {
        tx.onCommit(() => seen.push('never'));
        tx.onRollback(() => seen.push('second rolled back'));
        throw new Error('outer');
      }),
      store.transaction(async (tx) => {
        tx.onCommit(() => seen.push('two'));
      }),
    ]);
    expect(seen).toEqual(['rolled back', 'second rolled back', 'one', 'two']);
    await store.close();
  });

  it('goes on when hooks throw: the other hooks run, the bodies are answered, the store works', async () => {
    const store = await open();
    const seen: string[] = [];
    const bad = () => {
      throw new Error('a hook');
    };
    const results = await Promise.allSettled([
      store.transaction(async (tx) => {
        tx.onCommit(bad);
        tx.onCommit(() => seen.push('after a bad one'));
        return 1;
      }),
      store.transaction(async (tx) => {
        tx.onRollback(bad);
        tx.onRollback(() => seen.push('undone'));
        throw new Error('body');
      }),
      store.read(async (tx) => {
        tx.onCommit(bad);
        return 2;
      }),
      store.read(async (tx) => {
        tx.onRollback(bad);
        throw new Error('reader');
      }),
      store.transaction(async () => 3),
    ]);
    expect(results.map((r) => (r.status === 'fulfilled' ? r.value : String(r.reason)))).toEqual([
      1,
      'Error: body',
      2,
      'Error: reader',
      3,
    ]);
    expect(seen).toEqual(['undone', 'after a bad one']);
    await store.close();
  });

  it('a savepoint undoes only its own writes', async () => {
    const store = await open();
    await store.transaction(async (tx) => {
      await tx.db.insertInto('test_notes').values({ body: 'kept' }).execute();
      await expect(
        tx.savepoint(async () => {
          await tx.db.insertInto('test_notes').values({ body: 'lost' }).execute();
          throw new Error('inner');
        }),
      ).rejects.toThrow('inner');
      await tx.db.insertInto('test_notes').values({ body: 'after' }).execute();
    });
    const rows = await store.read((tx) => tx.execute<{ body: string }>('SELECT body FROM test_notes ORDER BY id'));
    expect(rows.rows.map((r) => r.body)).toEqual(['kept', 'after']);
    await store.close();
  });

  it('gives bytes, nulls, numbers and generated ids back, also from prepared queries', async () => {
    const store = await open();
    const data = new Uint8Array([0, 255, 7]);
    const id = await store.transaction(async (tx) => {
      const row = await tx.db
        .insertInto('test_notes')
        .values({ body: 'x?', data, done: 1 })
        .returning('id')
        .executeTakeFirstOrThrow();
      return row.id;
    });
    expect(typeof id).toBe('number');
    const found = await store.read((tx) => byBody.first(tx, { body: 'x?' }));
    expect(found?.id).toBe(id);
    expect(found?.data && new Uint8Array(found.data)).toEqual(data);
    expect(await store.read((tx) => byBody.first(tx, { body: 'y' }))).toBeUndefined();
    const changed = await store.transaction((tx) =>
      tx.execute('UPDATE test_notes SET done = ?, data = NULL WHERE id = ?', [5, id]),
    );
    expect(changed.changes).toBe(1);
    const row = await store.read((tx) => tx.db.selectFrom('test_notes').selectAll().executeTakeFirst());
    expect(row).toEqual({ id, body: 'x?', data: null, done: 5 });
    await store.close();
  });

  it('finishes what was asked for before it closes, and refuses what comes later', async () => {
    const store = await open();
    const pending = store.transaction(async (tx) => tx.db.insertInto('test_notes').values({ body: 'z' }).execute());
    await store.close();
    await pending;
    await expect(store.read(async () => 1)).rejects.toMatchObject({ code: 'STORE_CLOSED' });
  });
});

describe('sqlite files', () => {
  it('are private to their owner and survive reopening with the key only', async () => {
    const file = newPath();
    const store = await openSqliteStore({ ...base, path: file, key: 'secret' });
    await store.transaction((tx) => tx.db.insertInto('test_notes').values({ body: 'kept' }).execute());
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await expect(openSqliteStore({ ...base, path: file, key: 'secret' })).rejects.toMatchObject({
      code: 'STORE_IN_USE',
    });
    await store.close();
    await expect(openSqliteStore({ ...base, path: file, key: 'other' })).rejects.toMatchObject({
      code: 'STORE_WRONG_KEY',
    });
    await expect(openSqliteStore({ ...base, path: file })).rejects.toMatchObject({ code: 'STORE_WRONG_KEY' });
    const again = await openSqliteStore({ ...base, path: file, key: 'secret' });
    expect(await again.read((tx) => byBody.all(tx, { body: 'kept' }))).toHaveLength(1);
    await again.close();
  });

  it.each([
    ['one', 'two'],
    ['', 'two'],
    ['one', ''],
  ])('change their key from "%s" to "%s" without losing rows', async (oldKey, newKey) => {
    const file = newPath();
    const store = await openSqliteStore({ ...base, path: file, key: oldKey });
    await store.transaction((tx) => tx.db.insertInto('test_notes').values({ body: 'kept' }).execute());
    await store.close();
    await expect(changeSqliteKey(file, 'wrong', newKey)).rejects.toMatchObject({ code: 'STORE_WRONG_KEY' });
    await changeSqliteKey(file, oldKey, newKey);
    await expect(openSqliteStore({ ...base, path: file, key: 'wrong' })).rejects.toMatchObject({
      code: 'STORE_WRONG_KEY',
    });
    const again = await openSqliteStore({ ...base, path: file, key: newKey });
    expect(await again.read((tx) => byBody.all(tx, { body: 'kept' }))).toHaveLength(1);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    await again.close();
  });

  it('are copied before a migration, refused when newer, and unchanged by a failing migration', async () => {
    const file = newPath();
    await (await openSqliteStore({ ...base, path: file })).close();
    const second: Migration = { name: 'test-002', sql: 'ALTER TABLE test_notes ADD COLUMN extra TEXT;' };
    const bad: Migration = { name: 'test-003', sql: 'CREATE TABLE test_x (id AUTO_ID);\nALTER TABLE nothing DROP x;' };
    await (await openSqliteStore({ ...base, path: file, migrations: [...migrations, second] })).close();
    expect(readdirSync(dir).filter((f) => f.startsWith(`${path.basename(file)}.bak-`))).toHaveLength(1);
    await expect(openSqliteStore({ ...base, path: file })).rejects.toMatchObject({ code: 'STORE_NEWER' });
    await expect(
      openSqliteStore({ ...base, path: file, migrations: [...migrations, second, bad] }),
    ).rejects.toMatchObject({ code: 'STORE_MIGRATION' });
    const store = await openSqliteStore({ ...base, path: file, migrations: [...migrations, second] });
    const tables = await store.read((tx) => tx.execute("SELECT name FROM sqlite_master WHERE name = 'test_x'"));
    expect(tables.rows).toEqual([]);
    await store.close();
  });

  it('say what is wrong with a path that cannot be made', async () => {
    const file = path.join(dir, 'no', 'such', 'dir.db');
    await expect(openSqliteStore({ ...base, path: file })).rejects.toMatchObject({ code: 'STORE_OPEN' });
    expect(existsSync(file)).toBe(false);
  });
});
