import { closeSync, openSync } from 'node:fs';
import Database from '@signalapp/sqlcipher';
import { FanionError } from '../../core/index.js';

const schema = `
CREATE TABLE IF NOT EXISTS queues (
  q INTEGER PRIMARY KEY,
  recipient_id BLOB NOT NULL UNIQUE,
  sender_id BLOB NOT NULL UNIQUE,
  link_id BLOB UNIQUE,
  notifier_id BLOB UNIQUE,
  mode TEXT NOT NULL,
  recipient_keys BLOB NOT NULL,
  rcv_dh_secret BLOB NOT NULL,
  sender_key BLOB,
  notifier_key BLOB,
  notifier_secret BLOB,
  status TEXT NOT NULL,
  updated_day INTEGER NOT NULL,
  client_ids INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS links (q INTEGER PRIMARY KEY, fixed BLOB NOT NULL, user BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS messages (
  seq INTEGER PRIMARY KEY,
  q INTEGER NOT NULL,
  id BLOB NOT NULL,
  time INTEGER NOT NULL,
  -- 0 message, 1 message with the notification flag, 2 quota marker
  kind INTEGER NOT NULL,
  body BLOB
);
CREATE INDEX IF NOT EXISTS messages_q ON messages (q);
CREATE TABLE IF NOT EXISTS gone_ids (id BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS starts (one INTEGER PRIMARY KEY, count INTEGER NOT NULL);
`;

const schemaVersion = 1;

/** Opens (or makes) the database of a relay. RELAY_STORAGE when it was made by a program of another version. */
export function openQueueDatabase(file: string): Database {
  // The file holds keys and messages of others: nobody else on the machine may read it. The log inherits the mode.
  closeSync(openSync(file, 'a', 0o600));
  const db = new Database(file);
  // A message of 16 kB fits one page: half the work of four overflow pages. Has effect on new files only.
  db.pragma('page_size = 16384');
  db.pragma('journal_mode = WAL');
  db.pragma('synchronous = NORMAL');
  db.pragma('wal_autocheckpoint = 0');
  db.pragma('cache_size = -32768');
  // The checkpointer's connection takes the write lock for a moment when it meets a header that is being written:
  // without a time-out our BEGIN would fail then, and with it a command.
  db.pragma('busy_timeout = 5000');
  const version = db.pragma('user_version', { simple: true });
  if (version !== 0 && version !== schemaVersion) {
    db.close();
    throw new FanionError(
      'RELAY_STORAGE',
      `${file} has schema ${String(version)}, this program knows ${schemaVersion}`,
    );
  }
  db.exec(schema);
  db.pragma(`user_version = ${schemaVersion}`);
  // A write at each start: the log exists afterwards, and a read-only file is found out now.
  db.exec('INSERT INTO starts VALUES (1, 1) ON CONFLICT (one) DO UPDATE SET count = count + 1');
  return db;
}
