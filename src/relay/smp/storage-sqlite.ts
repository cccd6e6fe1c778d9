import { closeSync, fdatasync, mkdirSync, openSync } from 'node:fs';
import path from 'node:path';
import type Database from '@signalapp/sqlcipher';
import type { Statement } from '@signalapp/sqlcipher';
import type { LinkData } from '../../smp/index.js';
import { equalBytes } from '../../wire/index.js';
import { GroupCommit } from './group-commit.js';
import { type CachedQueue, QueueCache } from './queue-cache.js';
import { encodeKey, encodeKeys, encodeStatus } from './queue-codec.js';
import { Checkpointer, takeLock } from './sqlite-files.js';
import {
  blob,
  blobColumn,
  messageKind,
  messageOf,
  numberColumn,
  optionalBlob,
  pooledRecord,
  type Row,
  recordOf,
  type Values,
} from './sqlite-rows.js';
import { openQueueDatabase } from './sqlite-schema.js';
import {
  type AppendResult,
  type AuthKey,
  type NewQueue,
  type QueueIdKind,
  type QueueNotifier,
  type QueueRecord,
  type QueueStatus,
  type SmpStorage,
  type StoredMessage,
  sameKey,
} from './storage.js';

/** What is committed stays committed when the log cannot be moved: the next checkpoint tries again. */
function moveRest(db: Database): void {
  try {
    db.pragma('wal_checkpoint(PASSIVE)');
  } catch {
    // Busy, or no space for the moment.
  }
}

/** Pages in the write-ahead log (16 kB each) from which on it is moved to the database. */
const checkpointPages = 1000;

/** Queues whose rows are kept in memory. An idle queue costs nothing beyond these. */
const defaultCachedQueues = 5_000;

/** `cachedQueues`: queues whose rows stay in memory, 5,000 by default. */
export interface SqliteStorageOptions {
  readonly cachedQueues?: number;
  /** Called with the number of writes of each durable commit. */
  readonly onCommit?: (writes: number) => void;
}

/**
 * Queues and messages in one SQLite file. Writes go to the write-ahead log in groups (see {@link GroupCommit});
 * a group is durable when the log was synced, which happens off the main thread, as does moving the log into
 * the database file.
 */
export class SqliteSmpStorage implements SmpStorage {
  readonly #db: Database;
  readonly #lock: Database;
  readonly #wal: number;
  readonly #commits: GroupCommit;
  readonly #checkpointer: Checkpointer;
  readonly #statements = new Map<string, Statement>();
  readonly #cache: QueueCache;
  #nextSeq: number;
  #closing: Promise<void> | undefined;

  /** Opens (or makes) `file`. RELAY_STORAGE_IN_USE when another relay has it open. */
  constructor(file: string, options: SqliteStorageOptions = {}) {
    mkdirSync(path.dirname(path.resolve(file)), { recursive: true });
    this.#cache = new QueueCache(options.cachedQueues ?? defaultCachedQueues);
    this.#lock = takeLock(`${file}.lock`);
    try {
      this.#db = openQueueDatabase(file);
    } catch (error) {
      this.#lock.close();
      throw error;
    }
    const db = this.#db;
    this.#wal = openSync(`${file}-wal`, 'r+');
    let pages = 0;
    db.setWalHook((_name, count) => {
      pages = count;
    });
    this.#checkpointer = new Checkpointer(file);
    const last = this.#all('SELECT max(seq) AS seq FROM messages')[0]?.seq;
    this.#nextSeq = typeof last === 'number' ? last + 1 : 1;
    this.#commits = new GroupCommit({
      begin: () => db.exec('BEGIN IMMEDIATE'),
      commit: () => {
        this.#run('COMMIT');
        // The worker's checkpoint is never complete while we write. The few pages since then are moved here, so that
        // the log can start over.
        if (this.#checkpointer.takeDone()) moveRest(db);
      },
      rollback: () => {
        this.#cache.clear();
        db.exec('ROLLBACK');
      },
      sync: () =>
        new Promise((resolve, reject) => {
          fdatasync(this.#wal, (error) => (error === null ? resolve() : reject(error)));
        }),
      committed: (writes) => {
        options.onCommit?.(writes);
        if (pages >= checkpointPages) this.#checkpointer.run();
      },
    });
  }

  #prepared(sql: string): Statement {
    let statement = this.#statements.get(sql);
    if (statement === undefined) {
      statement = this.#db.prepare(sql, { persistent: true });
      this.#statements.set(sql, statement);
    }
    return statement;
  }

  #run(sql: string, values: Values = []): void {
    this.#prepared(sql).run(values);
  }

  #get(sql: string, values: Values): Row | undefined {
    return this.#prepared(sql).get<Row & Record<string, string | number | null | Uint8Array<ArrayBuffer>>>(values);
  }

  #all(sql: string, values: Values = []): Row[] {
    return this.#prepared(sql).all<Row & Record<string, string | number | null | Uint8Array<ArrayBuffer>>>(values);
  }

  #write(sql: string, values: Values, mustSync = true): void {
    this.#commits.write(mustSync);
    this.#run(sql, values);
  }

  #entry(kind: QueueIdKind, id: Uint8Array): CachedQueue | undefined {
    const cached = this.#cache.find(kind, id);
    if (cached !== undefined) return cached;
    const row = this.#get(`SELECT * FROM queues WHERE ${kind}_id = ?`, [blob(id)]);
    if (row === undefined) return undefined;
    const q = numberColumn(row, 'q');
    const count = this.#get('SELECT count(*) AS n FROM messages WHERE q = ?', [q]);
    const last = this.#get('SELECT kind FROM messages WHERE q = ? ORDER BY seq DESC LIMIT 1', [q]);
    return this.#cache.add({
      q,
      record: pooledRecord(recordOf(row)),
      clientIds: numberColumn(row, 'client_ids') === 1,
      size: count === undefined ? 0 : numberColumn(count, 'n'),
      canWrite: last?.kind !== messageKind.quota,
      head: undefined,
    });
  }

  #own(recipientId: Uint8Array): CachedQueue | undefined {
    return this.#entry('recipient', recipientId);
  }

  #isTaken(kind: QueueIdKind, id: Uint8Array): boolean {
    return (
      this.#get(`SELECT 1 AS one FROM queues WHERE ${kind}_id = ?`, [blob(id)]) !== undefined ||
      this.#get('SELECT 1 AS one FROM gone_ids WHERE id = ?', [blob(id)]) !== undefined
    );
  }

  // --- queues ---

  findQueue(kind: QueueIdKind, id: Uint8Array): QueueRecord | undefined {
    return this.#entry(kind, id)?.record;
  }

  createQueue({ record, linkData, clientIds }: NewQueue): boolean {
    const { linkId, notifier } = record;
    if (
      this.#isTaken('recipient', record.recipientId) ||
      this.#isTaken('sender', record.senderId) ||
      (linkId !== undefined && this.#isTaken('link', linkId)) ||
      (notifier !== undefined && this.#isTaken('notifier', notifier.notifierId))
    ) {
      return false;
    }
    this.#commits.write();
    const { lastInsertRowid: q } = this.#prepared(
      `INSERT INTO queues (recipient_id, sender_id, link_id, notifier_id, mode, recipient_keys, rcv_dh_secret, sender_key,
         notifier_key, notifier_secret, status, updated_day, client_ids)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    ).run([
      blob(record.recipientId),
      blob(record.senderId),
      optionalBlob(linkId),
      optionalBlob(notifier?.notifierId),
      record.mode ?? '',
      blob(encodeKeys(record.recipientKeys)),
      blob(record.rcvDhSecret),
      record.senderKey === undefined ? null : blob(encodeKey(record.senderKey)),
      notifier === undefined ? null : blob(encodeKey(notifier.key)),
      optionalBlob(notifier?.dhSecret),
      encodeStatus(record.status),
      record.updatedDay,
      clientIds ? 1 : 0,
    ]);
    if (linkData !== undefined) {
      this.#write('INSERT INTO links (q, fixed, user) VALUES (?, ?, ?)', [
        q,
        blob(linkData.fixed),
        blob(linkData.user),
      ]);
    }
    this.#cache.add({ q, record: pooledRecord(record), clientIds, size: 0, canWrite: true, head: undefined });
    return true;
  }

  secureQueue(recipientId: Uint8Array, key: AuthKey): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    if (entry.record.senderKey !== undefined) return sameKey(entry.record.senderKey, key);
    this.#write('UPDATE queues SET sender_key = ? WHERE q = ?', [blob(encodeKey(key)), entry.q]);
    this.#cache.update(entry, { ...entry.record, senderKey: key });
    return true;
  }

  replaceRecipientKeys(recipientId: Uint8Array, keys: readonly [AuthKey, ...AuthKey[]]): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    this.#write('UPDATE queues SET recipient_keys = ? WHERE q = ?', [blob(encodeKeys(keys)), entry.q]);
    this.#cache.update(entry, { ...entry.record, recipientKeys: keys });
    return true;
  }

  getLinkData(recipientId: Uint8Array): LinkData | undefined {
    const entry = this.#own(recipientId);
    if (entry?.record.linkId === undefined) return undefined;
    const row = this.#get('SELECT fixed, user FROM links WHERE q = ?', [entry.q]);
    return row === undefined ? undefined : { fixed: blobColumn(row, 'fixed'), user: blobColumn(row, 'user') };
  }

  setLinkData(recipientId: Uint8Array, linkId: Uint8Array, data: LinkData): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    const stored = this.getLinkData(recipientId);
    if (stored !== undefined && entry.record.linkId !== undefined) {
      if (!equalBytes(entry.record.linkId, linkId) || !equalBytes(stored.fixed, data.fixed)) return false;
      this.#write('UPDATE links SET user = ? WHERE q = ?', [blob(data.user), entry.q]);
      return true;
    }
    if (this.#isTaken('link', linkId)) return false;
    this.#write('UPDATE queues SET link_id = ? WHERE q = ?', [blob(linkId), entry.q]);
    this.#write('INSERT INTO links (q, fixed, user) VALUES (?, ?, ?)', [entry.q, blob(data.fixed), blob(data.user)]);
    this.#cache.update(entry, { ...entry.record, linkId });
    return true;
  }

  deleteLinkData(recipientId: Uint8Array): void {
    const entry = this.#own(recipientId);
    if (entry?.record.linkId === undefined) return;
    this.#write('UPDATE queues SET link_id = NULL WHERE q = ?', [entry.q]);
    this.#write('DELETE FROM links WHERE q = ?', [entry.q]);
    this.#cache.update(entry, { ...entry.record, linkId: undefined });
  }

  setNotifier(recipientId: Uint8Array, notifier: QueueNotifier | undefined): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    if (notifier !== undefined && this.#isTaken('notifier', notifier.notifierId)) return false;
    this.#write('UPDATE queues SET notifier_id = ?, notifier_key = ?, notifier_secret = ? WHERE q = ?', [
      optionalBlob(notifier?.notifierId),
      notifier === undefined ? null : blob(encodeKey(notifier.key)),
      optionalBlob(notifier?.dhSecret),
      entry.q,
    ]);
    this.#cache.update(entry, { ...entry.record, notifier });
    return true;
  }

  setStatus(recipientId: Uint8Array, status: QueueStatus): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    this.#write('UPDATE queues SET status = ? WHERE q = ?', [encodeStatus(status), entry.q]);
    this.#cache.update(entry, { ...entry.record, status });
    return true;
  }

  touchQueue(recipientId: Uint8Array, day: number): void {
    const entry = this.#own(recipientId);
    if (entry === undefined || entry.record.updatedDay === day) return;
    this.#write('UPDATE queues SET updated_day = ? WHERE q = ?', [day, entry.q]);
    this.#cache.update(entry, { ...entry.record, updatedDay: day });
  }

  deleteQueue(recipientId: Uint8Array): boolean {
    const entry = this.#own(recipientId);
    if (entry === undefined) return false;
    const { q, record, clientIds } = entry;
    if (clientIds) {
      for (const id of [record.senderId, record.linkId]) {
        if (id !== undefined) this.#write('INSERT OR IGNORE INTO gone_ids VALUES (?)', [blob(id)]);
      }
    }
    this.#write('DELETE FROM messages WHERE q = ?', [q]);
    this.#write('DELETE FROM links WHERE q = ?', [q]);
    this.#write('DELETE FROM queues WHERE q = ?', [q]);
    this.#cache.delete(entry);
    return true;
  }

  // --- messages ---

  append(recipientId: Uint8Array, message: StoredMessage & { kind: 'message' }, quota: number): AppendResult {
    const entry = this.#own(recipientId);
    if (entry === undefined) return { kind: 'gone' };
    const wasEmpty = entry.size === 0;
    if (!entry.canWrite && !wasEmpty) return { kind: 'full' };
    const canWrite = entry.size < quota;
    const seq = this.#nextSeq++;
    this.#write('INSERT INTO messages (seq, q, id, time, kind, body) VALUES (?, ?, ?, ?, ?, ?)', [
      seq,
      entry.q,
      blob(message.id),
      message.time,
      canWrite ? (message.notification ? messageKind.notification : messageKind.plain) : messageKind.quota,
      canWrite ? blob(message.body) : null,
    ]);
    entry.size++;
    entry.canWrite = canWrite;
    if (wasEmpty) entry.head = { seq, id: message.id };
    return canWrite ? { kind: 'stored', wasEmpty } : { kind: 'full' };
  }

  head(recipientId: Uint8Array): StoredMessage | undefined {
    const entry = this.#own(recipientId);
    return entry === undefined ? undefined : this.#readHead(entry);
  }

  #readHead(entry: CachedQueue): StoredMessage | undefined {
    if (entry.size === 0) return undefined;
    const row = this.#get('SELECT seq, id, time, kind, body FROM messages WHERE q = ? ORDER BY seq LIMIT 1', [entry.q]);
    if (row === undefined) return undefined;
    const message = messageOf(row);
    entry.head = { seq: numberColumn(row, 'seq'), id: message.id };
    return message;
  }

  acknowledge(recipientId: Uint8Array, messageId: Uint8Array): { removed: boolean; next: StoredMessage | undefined } {
    const entry = this.#own(recipientId);
    if (entry === undefined) return { removed: false, next: undefined };
    if (entry.head === undefined) this.#readHead(entry);
    const { head } = entry;
    const removed = head !== undefined && equalBytes(head.id, messageId);
    if (removed) {
      this.#write('DELETE FROM messages WHERE seq = ?', [head.seq], false);
      entry.size--;
      entry.head = undefined;
    }
    return { removed, next: this.#readHead(entry) };
  }

  queueSize(recipientId: Uint8Array): number {
    return this.#own(recipientId)?.size ?? 0;
  }

  expireMessages(before: number, limit: number): { expired: number; more: boolean } {
    // Oldest first by number: numbers grow with time, so the search ends at the first young message.
    const rows = this.#all(
      `SELECT m.seq AS seq, m.q AS q FROM messages m
       WHERE m.time < ? AND m.kind != ${messageKind.quota}
         AND m.seq < coalesce((SELECT min(seq) FROM messages WHERE time >= ?), 9007199254740991)
         AND NOT EXISTS (SELECT 1 FROM messages b WHERE b.q = m.q AND b.kind = ${messageKind.quota} AND b.seq < m.seq)
       ORDER BY m.seq LIMIT ?`,
      [before, before, limit],
    );
    const touched = new Set<number>();
    for (const row of rows) {
      this.#write('DELETE FROM messages WHERE seq = ?', [numberColumn(row, 'seq')]);
      touched.add(numberColumn(row, 'q'));
    }
    if (touched.size > 0) this.#cache.deleteAll(touched);
    return { expired: rows.length, more: rows.length === limit };
  }

  countQueues(): number {
    const row = this.#get('SELECT count(*) AS n FROM queues', []);
    return row === undefined ? 0 : numberColumn(row, 'n');
  }

  durable(): Promise<void> | undefined {
    return this.#commits.durable();
  }

  written(): Promise<void> | undefined {
    return this.#commits.written();
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#commits.flush();
    await this.#checkpointer.close();
    for (const statement of this.#statements.values()) statement.close();
    closeSync(this.#wal);
    this.#db.close();
    this.#lock.close();
  }
}
