import { afterAll, beforeAll, expect, test } from 'vitest';
import type { User } from '../../api/index.js';
import { silentLogger, systemClock } from '../../core/index.js';
import { openSqliteStore, type Store } from '../../store/index.js';
import { chatMigrations } from '../schema/index.js';
import { insertUser, readUsers } from '../users/queries.js';
import { findContact, getContact, insertContact, touchContact, updateContactRow } from './queries.js';

let store: Store;
let user: User;
let contactId: number;

beforeAll(async () => {
  store = await openSqliteStore({
    path: ':memory:',
    migrations: chatMigrations,
    clock: systemClock,
    logger: silentLogger,
  });
  await store.transaction(async (tx) => {
    await insertUser(tx, 1, { displayName: 'alice', fullName: '' }, 1);
    const [first] = await readUsers(tx);
    user = first ?? expect.fail('no user');
    contactId = await insertContact(tx, user, { displayName: 'bob', fullName: '' }, {}, 1);
  });
});

afterAll(() => store.close());

const read = () => store.read((tx) => getContact(tx, user, contactId));

test('a contact that nothing has changed is the same object', async () => {
  expect(await read()).toBe(await read());
});

test('what is written is seen, also in the same transaction', async () => {
  await store.transaction(async (tx) => {
    await getContact(tx, user, contactId);
    await updateContactRow(tx, contactId, { custom_data: '{"a":1}' }, 2);
    expect((await getContact(tx, user, contactId)).customData).toEqual({ a: 1 });
  });
  expect((await read()).customData).toEqual({ a: 1 });
});

test('the time of the last message is seen, and nothing else is read for it', async () => {
  const before = await read();
  await store.transaction((tx) => touchContact(tx, contactId, 1_700_000_000_000));
  const after = await read();
  expect(after).toEqual({ ...before, chatTs: '2023-11-14T22:13:20Z' });
  expect(after.profile).toBe(before.profile);
});

test('what is undone is not seen', async () => {
  const before = await read();
  const undone = store.transaction(async (tx) => {
    await touchContact(tx, contactId, 1_800_000_000_000);
    expect((await getContact(tx, user, contactId)).chatTs).not.toBe(before.chatTs);
    throw new Error('undone');
  });
  await expect(undone).rejects.toThrow('undone');
  expect((await read()).chatTs).toBe(before.chatTs);
  await store.transaction(async (tx) => {
    const savepoint = tx.savepoint(async () => {
      await updateContactRow(tx, contactId, { custom_data: '{"b":2}' }, 3);
      await getContact(tx, user, contactId);
      throw new Error('undone');
    });
    await expect(savepoint).rejects.toThrow('undone');
    expect((await getContact(tx, user, contactId)).customData).toEqual({ a: 1 });
  });
});

test('another user, and other preferences of the user, are another contact', async () => {
  await read();
  const other = { ...user, userId: user.userId + 1 };
  expect(await store.read((tx) => findContact(tx, other, contactId))).toBeUndefined();
  const changed = {
    ...user,
    profile: { ...user.profile, preferences: { voice: { allow: 'no' } } },
  } as const;
  const contact = await store.read((tx) => getContact(tx, changed, contactId));
  expect(contact.mergedPreferences.voice.enabled.forUser).toBe(false);
});
