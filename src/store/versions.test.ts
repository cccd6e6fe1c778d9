import { describe, expect, test } from 'vitest';
import { TableVersions } from './versions.js';

describe('how often tables were written', () => {
  const counted = (...statements: string[]): { contacts: number; users: number } => {
    const versions = new TableVersions();
    for (const s of statements) versions.statement(s);
    return { contacts: versions.of(['contacts']), users: versions.of(['users']) };
  };

  test.each([
    'update "contacts" set "chat_ts" = ? where "contact_id" = ?',
    'INSERT INTO contacts (user_id) VALUES (?)',
    'insert or ignore into contacts (user_id) values (?)',
    'DELETE FROM contacts WHERE user_id = ?',
    ' update contacts set a = 1 returning *',
  ])('%s counts for its table', (sql) => {
    expect(counted(sql, sql)).toEqual({ contacts: 2, users: 0 });
  });

  test.each(['select * from contacts', 'SAVEPOINT sp1', 'RELEASE SAVEPOINT sp1', 'PRAGMA user_version'])(
    '%s does not count',
    (sql) => {
      expect(counted(sql)).toEqual({ contacts: 0, users: 0 });
    },
  );

  test.each(['ROLLBACK TO SAVEPOINT sp1', 'with x as (select 1) delete from contacts', 'ALTER TABLE contacts ADD a'])(
    '%s counts for every table',
    (sql) => {
      expect(counted(sql)).toEqual({ contacts: 1, users: 1 });
    },
  );
});
