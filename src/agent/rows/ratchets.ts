import {
  atRatchetPosition,
  decodeE2EKeys,
  decodeRatchetState,
  type E2EKeys,
  type E2EParams,
  encodeE2EKeys,
  encodeRatchetPosition,
  encodeRatchetState,
  type RatchetState,
  readE2EParams,
  type SkippedDiff,
  SkippedKeyMap,
  sameRatchetKeys,
  writeE2EParams,
} from '../../crypto/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { concat, decodeWhole, encode } from '../../wire/index.js';
import { connError } from '../errors.js';
import type { Conn } from '../state/connection.js';
import type { ConnId } from '../types.js';
import type { ConnRows } from './connections.js';

const savePosition = prepare<{ connId: ConnId; position: Uint8Array | null }>((db, p) =>
  db
    .updateTable('agent_connections')
    .set({ ratchet_position: p('position') })
    .where('conn_id', '=', p('connId')),
);

const stateOfConn = prepare<{ connId: ConnId }, { state: Uint8Array }>((db, p) =>
  db.selectFrom('agent_ratchets').select('state').where('conn_id', '=', p('connId')),
);

const saveState = prepare<{ connId: ConnId; state: Uint8Array }>((db, p) =>
  db
    .insertInto('agent_ratchets')
    .values({ conn_id: p('connId'), state: p('state') })
    .onConflict((c) => c.column('conn_id').doUpdateSet({ state: p('state') })),
);

/** The ratchet of a connection at the position that its row has. */
export async function loadRatchet(
  tx: Tx,
  connId: ConnId,
  position: Uint8Array | null,
): Promise<RatchetState | undefined> {
  const row = await stateOfConn.first(tx, { connId });
  if (row === undefined) return undefined;
  const state = decodeRatchetState(row.state);
  return position === null ? state : atRatchetPosition(state, position);
}

/** Stores the keys of the ratchet if they changed; gives the position for the row of the connection. */
export async function storeRatchet(tx: Tx, conn: Conn): Promise<Uint8Array | null> {
  const state = ratchetOf(conn);
  if (conn.storedRatchet !== undefined && sameRatchetKeys(conn.storedRatchet, state)) {
    return encodeRatchetPosition(state);
  }
  await saveState.run(tx, { connId: conn.connId, state: encodeRatchetState(state) });
  conn.storedRatchet = state;
  return null;
}

const skippedOfConn = prepare<{ connId: ConnId }, { header_key: Uint8Array; msg_n: number; body_key: Uint8Array }>(
  (db, p) =>
    db
      .selectFrom('agent_skipped_keys')
      .select(['header_key', 'msg_n', 'body_key'])
      .where('conn_id', '=', p('connId'))
      .orderBy('created_at')
      .orderBy('msg_n'),
);

/** Only the ratchet: it advanced, but the message was no message. */
export async function saveRatchet(rows: ConnRows, tx: Tx, conn: Conn): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  await savePosition.run(tx, { connId: conn.connId, position: await storeRatchet(tx, conn) });
}

/** @throws AgentError `CONN NOT_FOUND` as long as the connection has no ratchet */
export function ratchetOf(conn: Conn): RatchetState {
  if (conn.ratchet === undefined) throw connError('NOT_FOUND', 'no ratchet');
  return conn.ratchet;
}

/** Replaces the ratchet by a new one; skipped keys of the old one and the private keys that made it are deleted. */
export async function replaceRatchet(rows: ConnRows, tx: Tx, conn: Conn, ratchet: RatchetState): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  conn.ratchet = ratchet;
  conn.skipped = new SkippedKeyMap();
  await tx.db.deleteFrom('agent_skipped_keys').where('conn_id', '=', conn.connId).execute();
  const position = await storeRatchet(tx, conn);
  await tx.db
    .updateTable('agent_connections')
    .set({ ratchet_position: position, e2e_keys: null })
    .where('conn_id', '=', conn.connId)
    .execute();
}

type WithSkipped = Pick<Conn, 'connId' | 'skipped'>;

/** The skipped keys of a connection, the oldest chain first; read once. */
export async function skippedKeysOf(tx: Tx, conn: WithSkipped): Promise<SkippedKeyMap> {
  if (conn.skipped === undefined) {
    const rows = await skippedOfConn.all(tx, { connId: conn.connId });
    conn.skipped = new SkippedKeyMap(
      rows.map((r) => ({
        headerKey: r.header_key,
        number: r.msg_n,
        key: r.body_key.subarray(0, 32),
        iv: r.body_key.subarray(32),
      })),
    );
  }
  return conn.skipped;
}

/** Skipped keys kept for one connection at the most: only very late messages need older ones. */
const maxSkippedKeys = 2_000;

/** Stores what a decryption changed in the skipped keys. `now` in ms. */
export async function saveSkipped(
  rows: Pick<ConnRows, 'cache'>,
  tx: Tx,
  conn: WithSkipped,
  diff: SkippedDiff,
  now: number,
): Promise<void> {
  const { removed, added } = diff;
  if (removed === undefined && added.length === 0) return;
  rows.cache.changed(tx, conn.connId);
  const skipped = await skippedKeysOf(tx, conn);
  skipped.apply(diff);
  if (removed !== undefined) {
    await tx.db
      .deleteFrom('agent_skipped_keys')
      .where('conn_id', '=', conn.connId)
      .where('header_key', '=', removed.headerKey)
      .where('msg_n', '=', removed.number)
      .execute();
  }
  for (const key of added) {
    await tx.db
      .insertInto('agent_skipped_keys')
      .values({
        conn_id: conn.connId,
        header_key: key.headerKey,
        msg_n: key.number,
        body_key: concat(key.key, key.iv),
        created_at: now,
      })
      .onConflict((c) => c.columns(['conn_id', 'header_key', 'msg_n']).doNothing())
      .execute();
  }
  for (const old of skipped.rows().slice(0, Math.max(0, skipped.size - maxSkippedKeys))) {
    skipped.apply({ added: [], removed: { headerKey: old.headerKey, number: old.number } });
    await tx.db
      .deleteFrom('agent_skipped_keys')
      .where('conn_id', '=', conn.connId)
      .where('header_key', '=', old.headerKey)
      .where('msg_n', '=', old.number)
      .execute();
  }
}

/** Our private keys of an invitation or a re-synchronisation, until the ratchet is made. */
export async function saveE2EKeys(tx: Tx, connId: ConnId, keys: E2EKeys): Promise<void> {
  await tx.db
    .updateTable('agent_connections')
    .set({ e2e_keys: encodeE2EKeys(keys) })
    .where('conn_id', '=', connId)
    .execute();
}

/** What {@link saveE2EKeys} stored; undefined once the ratchet is made of them. */
export async function loadE2EKeys(tx: Tx, connId: ConnId): Promise<E2EKeys | undefined> {
  const row = await tx.db
    .selectFrom('agent_connections')
    .select('e2e_keys')
    .where('conn_id', '=', connId)
    .executeTakeFirst();
  return row?.e2e_keys == null ? undefined : decodeE2EKeys(row.e2e_keys);
}

/** The public parameters of our confirmation: the same in each attempt. */
export async function saveE2EParams(tx: Tx, connId: ConnId, params: E2EParams): Promise<void> {
  await tx.db
    .updateTable('agent_connections')
    .set({ e2e_params: encode((w) => writeE2EParams(w, params), 4096) })
    .where('conn_id', '=', connId)
    .execute();
}

/** What {@link saveE2EParams} stored at an earlier attempt. */
export async function loadE2EParams(tx: Tx, connId: ConnId): Promise<E2EParams | undefined> {
  const row = await tx.db
    .selectFrom('agent_connections')
    .select('e2e_params')
    .where('conn_id', '=', connId)
    .executeTakeFirst();
  return row?.e2e_params == null ? undefined : decodeWhole(row.e2e_params, 'e2eParams', readE2EParams);
}
