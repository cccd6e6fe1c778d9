import { expect, it } from 'vitest';
import { silentLogger, systemClock } from '../../core/index.js';
import { openSqliteStore, type Tx } from '../../store/index.js';
import { agentMigrations } from '../schema.js';
import { ConnCache } from '../state/cache.js';
import type { Conn } from '../state/connection.js';
import { saveSkipped, skippedKeysOf } from './ratchets.js';

type Connection = Pick<Conn, 'connId' | 'skipped'>;

const rows = { cache: new ConnCache() };
const chainOf = (n: number): Uint8Array => new Uint8Array(32).fill(n);

/** What is read of a connection here, as after a restart: nothing is known yet. */
function restarted(): Connection {
  return { connId: 'c', skipped: undefined };
}

/** `count` skipped messages of a chain, as one received message reports them. */
async function skip(tx: Tx, conn: Connection, chain: number, count: number, now: number): Promise<void> {
  const added = Array.from({ length: count }, (_, number) => ({
    headerKey: chainOf(chain),
    number,
    key: new Uint8Array(32),
    iv: new Uint8Array(16),
  }));
  await saveSkipped(rows, tx, conn, { added }, now);
}

it('too many skipped keys: the oldest go, also those from before a restart', async () => {
  const store = await openSqliteStore({
    path: ':memory:',
    migrations: agentMigrations,
    clock: systemClock,
    logger: silentLogger,
  });
  await store.transaction(async (tx) => {
    await tx.execute('INSERT INTO agent_users (id) VALUES (1)');
    await tx.execute(
      `INSERT INTO agent_connections (conn_id, user_id, mode, agent_version, pq_support, sync_state, last_rcv_hash, last_snd_hash)
       VALUES ('c', 1, 'inv', 7, 0, 'ok', x'00', x'00')`,
    );
    // The older chain has the greater header key.
    const conn = restarted();
    await skip(tx, conn, 9, 1_000, 1);
    await skip(tx, conn, 5, 990, 2);
  });
  await store.transaction((tx) => skip(tx, restarted(), 7, 15, 3));
  const kept = await store.read(async (tx) => (await skippedKeysOf(tx, restarted())).rows());
  const counts = [9, 5, 7].map((n) => kept.filter((k) => k.headerKey[0] === n).length);
  expect(counts).toEqual([995, 990, 15]);
  expect(kept.find((k) => k.headerKey[0] === 9)?.number).toBe(5);
  await store.close();
});
