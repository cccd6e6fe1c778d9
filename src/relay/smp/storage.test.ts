import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRandom } from '../../core/index.js';
import { generateKeyPair } from '../../crypto/index.js';
import type { QueueRecord, StoredMessage } from './storage.js';
import { MemorySmpStorage } from './storage-memory.js';
import { SqliteSmpStorage } from './storage-sqlite.js';

const keys = Array.from({ length: 3 }, () => generateKeyPair('ed25519').publicKey);
const key = (i: number): (typeof keys)[number] => keys[i % keys.length] ?? generateKeyPair('ed25519').publicKey;
const id = (kind: string, i: number): Uint8Array => Buffer.from(`${kind}-${i}`.padEnd(24, '.'));

function record(i: number, change: Partial<QueueRecord> = {}): QueueRecord {
  return {
    recipientId: id('rcv', i),
    recipientKeys: [key(i)],
    rcvDhSecret: id('secret', i),
    senderId: id('snd', i),
    senderKey: undefined,
    mode: 'M',
    linkId: undefined,
    notifier: undefined,
    status: { kind: 'active' },
    updatedDay: 1,
    ...change,
  };
}

const message = (i: number, time: number, size = 10): StoredMessage & { kind: 'message' } => ({
  kind: 'message',
  id: id('msg', i),
  time,
  notification: i % 2 === 0,
  body: new Uint8Array(size).fill(i),
});

/** Buffers and byte arrays compare as bytes. */
function plain(value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString('hex');
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, plain(v)]));
}

type Step = readonly [name: string, queue: number, value: number];
const steps = fc.array(
  fc.tuple(
    fc.constantFrom(
      ...['create', 'createLink', 'secure', 'keys', 'setLink', 'dropLink', 'notifier', 'dropNotifier', 'status'],
      ...['touch', 'delete', 'append', 'append', 'append', 'ack', 'ack', 'expire', 'reopen'],
    ),
    fc.nat(4),
    fc.nat(5),
  ),
  { maxLength: 60 },
);

let counter = 0;

function run(storage: MemorySmpStorage | SqliteSmpStorage, [name, queue, value]: Step, serial: number): unknown {
  const rcv = id('rcv', queue);
  switch (name) {
    case 'create':
      return storage.createQueue({ record: record(queue), linkData: undefined, clientIds: false });
    case 'createLink':
      return storage.createQueue({
        record: record(queue, { mode: 'C', linkId: id('link', value) }),
        linkData: { fixed: id('fixed', 0), user: id('user', value) },
        clientIds: true,
      });
    case 'secure':
      return storage.secureQueue(rcv, key(value));
    case 'keys':
      return storage.replaceRecipientKeys(rcv, [key(value), key(value + 1)]);
    case 'setLink':
      return storage.setLinkData(rcv, id('link', value), { fixed: id('fixed', value % 2), user: id('user', value) });
    case 'dropLink':
      return storage.deleteLinkData(rcv);
    case 'notifier':
      return storage.setNotifier(rcv, { notifierId: id('ntf', value), key: key(value), dhSecret: id('dh', value) });
    case 'dropNotifier':
      return storage.setNotifier(rcv, undefined);
    case 'status':
      return storage.setStatus(
        rcv,
        value === 0
          ? { kind: 'off' }
          : { kind: 'blocked', info: value === 1 ? { reason: 'spam' } : { reason: 'content', notice: { ttl: value } } },
      );
    case 'touch':
      return storage.touchQueue(rcv, value);
    case 'delete':
      return storage.deleteQueue(rcv);
    case 'append':
      return storage.append(rcv, message(serial, serial), 3);
    case 'ack':
      return storage.acknowledge(rcv, storage.head(rcv)?.id ?? id('none', 0));
    case 'expire':
      return storage.expireMessages(serial - value * 3, 1000).expired;
    default:
      return undefined;
  }
}

function look(storage: MemorySmpStorage | SqliteSmpStorage): unknown {
  const state = [0, 1, 2, 3, 4].map((i) => [
    storage.findQueue('recipient', id('rcv', i)),
    storage.findQueue('sender', id('snd', i)),
    storage.findQueue('link', id('link', i)),
    storage.findQueue('notifier', id('ntf', i)),
    storage.getLinkData(id('rcv', i)),
    storage.head(id('rcv', i)),
    storage.queueSize(id('rcv', i)),
  ]);
  return plain([state, storage.countQueues()]);
}

describe('relay storage', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'fanion-storage-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));

  it('in SQLite does what it does in memory, whatever the order of operations, cache and restarts', async () => {
    await fc.assert(
      fc.asyncProperty(steps, fc.integer({ min: 1, max: 6 }), async (list, cachedQueues) => {
        const file = path.join(directory, `${counter++}.db`);
        const memory = new MemorySmpStorage();
        let sqlite = new SqliteSmpStorage(file, { cachedQueues });
        try {
          for (const [serial, step] of list.entries()) {
            if (step[0] === 'reopen') {
              await sqlite.close();
              sqlite = new SqliteSmpStorage(file, { cachedQueues });
            }
            expect([step, plain(run(sqlite, step, serial))]).toEqual([step, plain(run(memory, step, serial))]);
            expect(look(sqlite)).toEqual(look(memory));
          }
        } finally {
          await sqlite.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('does not let the write-ahead log grow without end, and keeps what went through it', async () => {
    const file = path.join(directory, 'log.db');
    const sqlite = new SqliteSmpStorage(file);
    sqlite.createQueue({ record: record(0), linkData: undefined, clientIds: false });
    const total = 4000;
    for (let i = 0; i < total; i++) {
      sqlite.append(id('rcv', 0), message(i % 200, i, 16_000), 128);
      const head = sqlite.head(id('rcv', 0));
      if (i % 7 !== 0 && head !== undefined) sqlite.acknowledge(id('rcv', 0), head.id);
      if (sqlite.queueSize(id('rcv', 0)) > 50) sqlite.deleteQueue(id('rcv', 0));
      if (sqlite.queueSize(id('rcv', 0)) === 0) {
        sqlite.createQueue({ record: record(0), linkData: undefined, clientIds: false });
      }
      if (i % 20 === 0) await sqlite.durable();
    }
    // All that was written: three times the limit of the log.
    expect(total * 16_384).toBeGreaterThan(3 * 1000 * 16_384);
    expect(statSync(`${file}-wal`).size).toBeLessThan(3000 * 16_384);
    const before = look(sqlite);
    await sqlite.close();
    const again = new SqliteSmpStorage(file);
    expect(look(again)).toEqual(before);
    await again.close();
  });

  it('is durable when it says so, and only then', async () => {
    const sqlite = new SqliteSmpStorage(path.join(directory, 'durable.db'));
    await sqlite.durable();
    expect(sqlite.durable()).toBeUndefined();
    sqlite.createQueue({ record: record(0), linkData: undefined, clientIds: false });
    const first = sqlite.durable();
    sqlite.append(id('rcv', 0), message(1, 1), 128);
    expect(sqlite.durable()).toBe(first);
    await first;
    expect(sqlite.durable()).toBeUndefined();
    sqlite.head(id('rcv', 0));
    expect(sqlite.durable()).toBeUndefined();
    await sqlite.close();
  });

  it('keeps its file from other users of the machine', async () => {
    const file = path.join(directory, 'mode.db');
    const sqlite = new SqliteSmpStorage(file);
    sqlite.createQueue({ record: record(0), linkData: undefined, clientIds: false });
    for (const end of ['', '-wal', '-shm']) expect(statSync(file + end).mode & 0o077).toBe(0);
    await sqlite.close();
  });

  it('starts with many queues without reading them', async () => {
    const file = path.join(directory, 'many.db');
    const first = new SqliteSmpStorage(file);
    for (let i = 0; i < 5000; i++) {
      const ids = { recipientId: systemRandom.bytes(24), senderId: systemRandom.bytes(24) };
      first.createQueue({ record: record(i, ids), linkData: undefined, clientIds: false });
    }
    await first.close();
    const again = new SqliteSmpStorage(file);
    expect(again.countQueues()).toBe(5000);
    await again.close();
  });
});
