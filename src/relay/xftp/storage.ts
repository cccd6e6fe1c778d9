import type { Clock, Logger } from '../../core/index.js';
import { decodePublicKey, encodePublicKey } from '../../crypto/index.js';
import { type Migration, openSqliteStore, type Store, type Tx } from '../../store/index.js';
import type { XftpAuthKey } from '../../xftp/index.js';
import type { XftpBlockReason } from './options.js';

/** The index of chunks (40-xftp, sections 6.2 and 6.4). Times are seconds, rounded down to the hour. */
const migrations: readonly Migration[] = [
  {
    name: 'xftp-relay-001-chunks',
    sql: `
CREATE TABLE chunks (
  sender_id BLOB NOT NULL PRIMARY KEY,
  snd_key BLOB NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  file_name TEXT,
  blocked TEXT
);
CREATE INDEX chunks_created_at ON chunks (created_at);
CREATE TABLE recipients (
  recipient_id BLOB NOT NULL PRIMARY KEY,
  sender_id BLOB NOT NULL REFERENCES chunks (sender_id) ON DELETE CASCADE,
  rcv_key BLOB NOT NULL
);
CREATE INDEX recipients_sender_id ON recipients (sender_id);
`,
  },
];

/** A chunk as commands see it. `fileName` is absent until the upload is complete. */
export interface ChunkRecord {
  readonly senderId: Uint8Array;
  /** The key that authorises the command: of the sender, or of the recipient. */
  readonly key: XftpAuthKey;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly fileName: string | undefined;
  readonly blocked: XftpBlockReason | undefined;
}

/** What FNEW registers: a record without file. `createdAt` in seconds, rounded down to the hour. */
export interface NewChunk {
  readonly senderId: Uint8Array;
  readonly sndKey: XftpAuthKey;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly createdAt: number;
  readonly recipients: readonly { readonly id: Uint8Array; readonly key: XftpAuthKey }[];
}

interface ChunkRow {
  readonly sender_id: Uint8Array;
  readonly auth_key: Uint8Array;
  readonly size: number;
  readonly digest: Uint8Array;
  readonly file_name: string | null;
  readonly blocked: string | null;
}

const authAlgorithms = ['ed25519', 'ed448', 'x25519'] as const;

function toRecord(row: ChunkRow): ChunkRecord {
  return {
    senderId: row.sender_id,
    key: decodePublicKey(row.auth_key, 'storedKey', authAlgorithms),
    size: row.size,
    digest: row.digest,
    fileName: row.file_name ?? undefined,
    blocked: row.blocked === 'spam' || row.blocked === 'content' ? row.blocked : undefined,
  };
}

/** The records of a relay. What resolves is durable. */
export class ChunkStorage {
  readonly #store: Store;

  private constructor(store: Store) {
    this.#store = store;
  }

  static async open(path: string, clock: Clock, logger: Logger): Promise<ChunkStorage> {
    return new ChunkStorage(await openSqliteStore({ path, migrations, clock, logger }));
  }

  /** False when one of the ids is taken. */
  create(chunk: NewChunk): Promise<boolean> {
    return this.#store.transaction(async (tx) => {
      const taken = await tx.execute('SELECT 1 FROM chunks WHERE sender_id = ?', [chunk.senderId]);
      if (taken.rows.length > 0 || (await anyTaken(tx, chunk.recipients))) return false;
      await tx.execute('INSERT INTO chunks (sender_id, snd_key, size, digest, created_at) VALUES (?, ?, ?, ?, ?)', [
        chunk.senderId,
        encodePublicKey(chunk.sndKey),
        chunk.size,
        chunk.digest,
        chunk.createdAt,
      ]);
      await insertRecipients(tx, chunk.senderId, chunk.recipients);
      return true;
    });
  }

  /** False when one of the ids is taken; undefined when the chunk is gone. */
  addRecipients(senderId: Uint8Array, recipients: NewChunk['recipients']): Promise<boolean | undefined> {
    return this.#store.transaction(async (tx) => {
      const chunk = await tx.execute('SELECT 1 FROM chunks WHERE sender_id = ?', [senderId]);
      if (chunk.rows.length === 0) return undefined;
      if (await anyTaken(tx, recipients)) return false;
      await insertRecipients(tx, senderId, recipients);
      return true;
    });
  }

  bySender(senderId: Uint8Array): Promise<ChunkRecord | undefined> {
    return this.#one(
      'SELECT sender_id, snd_key AS auth_key, size, digest, file_name, blocked FROM chunks WHERE sender_id = ?',
      senderId,
    );
  }

  byRecipient(recipientId: Uint8Array): Promise<ChunkRecord | undefined> {
    return this.#one(
      `SELECT c.sender_id, r.rcv_key AS auth_key, c.size, c.digest, c.file_name, c.blocked
       FROM recipients r JOIN chunks c ON c.sender_id = r.sender_id WHERE r.recipient_id = ?`,
      recipientId,
    );
  }

  #one(sql: string, id: Uint8Array): Promise<ChunkRecord | undefined> {
    return this.#store.read(async (tx) => {
      const { rows } = await tx.execute<ChunkRow>(sql, [id]);
      return rows[0] === undefined ? undefined : toRecord(rows[0]);
    });
  }

  /** The upload is complete. False when the chunk is gone. */
  setUploaded(senderId: Uint8Array, fileName: string): Promise<boolean> {
    return this.#change('UPDATE chunks SET file_name = ? WHERE sender_id = ?', [fileName, senderId]);
  }

  delete(senderId: Uint8Array): Promise<boolean> {
    return this.#change('DELETE FROM chunks WHERE sender_id = ?', [senderId]);
  }

  deleteRecipient(recipientId: Uint8Array): Promise<boolean> {
    return this.#change('DELETE FROM recipients WHERE recipient_id = ?', [recipientId]);
  }

  block(id: Uint8Array, reason: XftpBlockReason): Promise<boolean> {
    return this.#change(
      'UPDATE chunks SET blocked = ? WHERE sender_id = ? OR sender_id IN (SELECT sender_id FROM recipients WHERE recipient_id = ?)',
      [reason, id, id],
    );
  }

  #change(sql: string, params: readonly (Uint8Array | string)[]): Promise<boolean> {
    return this.#store.transaction(async (tx) => (await tx.execute(sql, params)).changes > 0);
  }

  /** At most `limit` chunks created before the instant (in seconds). */
  createdBefore(
    seconds: number,
    limit: number,
  ): Promise<{ senderId: Uint8Array; fileName: string | undefined; size: number }[]> {
    return this.#store.read(async (tx) => {
      const { rows } = await tx.execute<Pick<ChunkRow, 'sender_id' | 'file_name' | 'size'>>(
        'SELECT sender_id, file_name, size FROM chunks WHERE created_at < ? ORDER BY created_at LIMIT ?',
        [seconds, limit],
      );
      return rows.map((r) => ({ senderId: r.sender_id, fileName: r.file_name ?? undefined, size: r.size }));
    });
  }

  /** Bytes of all uploaded chunks. */
  usedStorage(): Promise<number> {
    return this.#store.read(async (tx) => {
      const { rows } = await tx.execute<{ used: number | null }>(
        'SELECT SUM(size) AS used FROM chunks WHERE file_name IS NOT NULL',
      );
      return rows[0]?.used ?? 0;
    });
  }

  /** Whether a file belongs to an uploaded chunk. */
  knowsFile(fileName: string, senderId: Uint8Array): Promise<boolean> {
    return this.#store.read(async (tx) => {
      const { rows } = await tx.execute('SELECT 1 FROM chunks WHERE sender_id = ? AND file_name = ?', [
        senderId,
        fileName,
      ]);
      return rows.length > 0;
    });
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}

async function anyTaken(tx: Tx, recipients: NewChunk['recipients']): Promise<boolean> {
  for (const { id } of recipients) {
    const { rows } = await tx.execute('SELECT 1 FROM recipients WHERE recipient_id = ?', [id]);
    if (rows.length > 0) return true;
  }
  return false;
}

async function insertRecipients(tx: Tx, senderId: Uint8Array, recipients: NewChunk['recipients']): Promise<void> {
  for (const { id, key } of recipients) {
    await tx.execute('INSERT INTO recipients (recipient_id, sender_id, rcv_key) VALUES (?, ?, ?)', [
      id,
      senderId,
      encodePublicKey(key),
    ]);
  }
}
