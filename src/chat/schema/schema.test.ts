import { expect, test } from 'vitest';
import { silentLogger, systemClock } from '../../core/index.js';
import { openSqliteStore } from '../../store/index.js';
import { chatMigrations } from './index.js';

test('the tables are made, and a deleted user takes everything that is his', async () => {
  const store = await openSqliteStore({
    path: ':memory:',
    migrations: chatMigrations,
    clock: systemClock,
    logger: silentLogger,
  });
  await store.transaction(async (tx) => {
    const now = 1;
    const { user_id } = await tx.db
      .insertInto('users')
      .values({ agent_user_id: 1, local_display_name: 'alice', created_at: now, updated_at: now })
      .returning('user_id')
      .executeTakeFirstOrThrow();
    await tx.db
      .insertInto('note_folders')
      .values({ user_id, chat_ts: now, created_at: now, updated_at: now })
      .execute();
    await tx.db.deleteFrom('users').where('user_id', '=', user_id).execute();
    expect(await tx.db.selectFrom('note_folders').selectAll().execute()).toEqual([]);
  });
  await store.close();
});
