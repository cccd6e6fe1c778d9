import { prepare, type Tx } from '../../store/index.js';
import { connError, internalError } from '../errors.js';
import type { ConnectionMode } from '../links/index.js';
import type { ConnCache } from '../state/cache.js';
import { type Conn, type RcvQueue, type SndQueue, sortQueues } from '../state/connection.js';
import type { ConnId, RatchetSyncState, UserId } from '../types.js';
import { type AgentVersion, agentVersion } from '../versions.js';
import {
  insertRcvQueue,
  insertSndQueue,
  loadRcvQueues,
  loadSndQueues,
  type NewRcvQueue,
  type NewSndQueue,
} from './queues.js';
import { loadRatchet, storeRatchet } from './ratchets.js';
import type { ServerRows } from './servers.js';

/** What the functions of this file need of the agent. */
export interface ConnRows {
  readonly cache: ConnCache;
  readonly servers: ServerRows;
}

interface ConnRow {
  conn_id: string;
  user_id: number;
  mode: string;
  agent_version: number;
  pq_support: number;
  sync_state: string;
  deleted: number;
  delete_wait_since: number | null;
  last_internal_id: number;
  last_snd_id: number;
  last_ext_snd_id: number;
  last_rcv_hash: Uint8Array;
  last_snd_hash: Uint8Array;
  ratchet_position: Uint8Array | null;
}

const connById = prepare<{ connId: ConnId }, ConnRow>((db, p) =>
  db
    .selectFrom('agent_connections')
    .select([
      'conn_id',
      'user_id',
      'mode',
      'agent_version',
      'pq_support',
      'sync_state',
      'deleted',
      'delete_wait_since',
      'last_internal_id',
      'last_snd_id',
      'last_ext_snd_id',
      'last_rcv_hash',
      'last_snd_hash',
      'ratchet_position',
    ])
    .where('conn_id', '=', p('connId')),
);

interface SndState {
  connId: ConnId;
  internalId: number;
  sndId: number;
  hash: Uint8Array;
  position: Uint8Array | null;
}
const saveSnd = prepare<SndState>((db, p) =>
  db
    .updateTable('agent_connections')
    .set({
      last_internal_id: p('internalId'),
      last_snd_id: p('sndId'),
      last_snd_hash: p('hash'),
      ratchet_position: p('position'),
    })
    .where('conn_id', '=', p('connId')),
);

interface RcvState {
  connId: ConnId;
  internalId: number;
  extSndId: number;
  hash: Uint8Array;
  position: Uint8Array | null;
}
const saveRcv = prepare<RcvState>((db, p) =>
  db
    .updateTable('agent_connections')
    .set({
      last_internal_id: p('internalId'),
      last_ext_snd_id: p('extSndId'),
      last_rcv_hash: p('hash'),
      ratchet_position: p('position'),
    })
    .where('conn_id', '=', p('connId')),
);

const syncStates: Readonly<Record<string, RatchetSyncState>> = {
  ok: 'ok',
  allowed: 'allowed',
  required: 'required',
  started: 'started',
  agreed: 'agreed',
};

/** The connection, marked deleted or not; undefined when there is none. */
export async function findConn(rows: ConnRows, tx: Tx, connId: ConnId): Promise<Conn | undefined> {
  // Whoever loads a connection may change it: what this transaction (or savepoint) undoes must not stay in memory.
  rows.cache.changed(tx, connId);
  const cached = rows.cache.get(connId);
  if (cached !== undefined) return cached;
  const row = await connById.first(tx, { connId });
  if (row === undefined) return undefined;
  const syncState = syncStates[row.sync_state];
  if (syncState === undefined) throw internalError('bad ratchet sync state');
  const ratchet = await loadRatchet(tx, connId, row.ratchet_position);
  const conn: Conn = {
    connId,
    mode: row.mode === 'contact' ? 'contact' : 'invitation',
    userId: row.user_id,
    agentVersion: agentVersion(row.agent_version),
    pqSupport: row.pq_support === 1,
    syncState,
    deleted: row.deleted === 1,
    deleteWaitSince: row.delete_wait_since ?? undefined,
    lastInternalId: row.last_internal_id,
    lastSndId: row.last_snd_id,
    lastExtSndId: row.last_ext_snd_id,
    lastRcvHash: row.last_rcv_hash,
    lastSndHash: row.last_snd_hash,
    ratchet,
    storedRatchet: ratchet,
    skipped: undefined,
    rcvQueues: sortQueues(await loadRcvQueues(tx, rows.servers, connId)),
    sndQueues: sortQueues(await loadSndQueues(tx, rows.servers, connId)),
  };
  rows.cache.put(conn);
  return conn;
}

/** @throws AgentError `CONN NOT_FOUND` when there is none, or it is marked deleted. */
export async function loadConn(rows: ConnRows, tx: Tx, connId: ConnId): Promise<Conn> {
  const conn = await findConn(rows, tx, connId);
  if (conn === undefined || conn.deleted) throw connError('NOT_FOUND');
  return conn;
}

/** A connection before its first queue. */
export interface NewConn {
  readonly connId: ConnId;
  readonly userId: UserId;
  readonly mode: ConnectionMode;
  readonly agentVersion: AgentVersion;
  readonly pqSupport: boolean;
}

/** Of type `new` (section 3.2). The object is in the cache from now on, unless the transaction is rolled back. */
export async function insertConn(rows: ConnRows, tx: Tx, c: NewConn): Promise<Conn> {
  const empty = new Uint8Array();
  await tx.db
    .insertInto('agent_connections')
    .values({
      conn_id: c.connId,
      user_id: c.userId,
      mode: c.mode,
      agent_version: c.agentVersion,
      pq_support: c.pqSupport ? 1 : 0,
      sync_state: 'ok',
      delete_wait_since: null,
      last_rcv_hash: empty,
      last_snd_hash: empty,
      e2e_keys: null,
      e2e_params: null,
      ratchet_position: null,
    })
    .execute();
  const conn: Conn = {
    ...c,
    syncState: 'ok',
    deleted: false,
    deleteWaitSince: undefined,
    lastInternalId: 0,
    lastSndId: 0,
    lastExtSndId: 0,
    lastRcvHash: empty,
    lastSndHash: empty,
    ratchet: undefined,
    storedRatchet: undefined,
    skipped: undefined,
    rcvQueues: [],
    sndQueues: [],
  };
  rows.cache.put(conn);
  rows.cache.changed(tx, c.connId);
  return conn;
}

/** Writes what seldom changes: user, versions, PQ support, synchronisation state, deletion. */
export async function saveConn(rows: ConnRows, tx: Tx, conn: Conn): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  await tx.db
    .updateTable('agent_connections')
    .set({
      user_id: conn.userId,
      agent_version: conn.agentVersion,
      pq_support: conn.pqSupport ? 1 : 0,
      sync_state: conn.syncState,
      deleted: conn.deleted ? 1 : 0,
      delete_wait_since: conn.deleteWaitSince ?? null,
    })
    .where('conn_id', '=', conn.connId)
    .execute();
}

/** A message was enqueued: counters, hash chain and the ratchet after its header. */
export async function saveSndState(rows: ConnRows, tx: Tx, conn: Conn): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  await saveSnd.run(tx, {
    connId: conn.connId,
    internalId: conn.lastInternalId,
    sndId: conn.lastSndId,
    hash: conn.lastSndHash,
    position: await storeRatchet(tx, conn),
  });
}

/** Counters and hash chain after a message that the ratchet does not encrypt. */
export async function saveSndCounters(rows: ConnRows, tx: Tx, conn: Conn): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  await tx.db
    .updateTable('agent_connections')
    .set({ last_internal_id: conn.lastInternalId, last_snd_id: conn.lastSndId, last_snd_hash: conn.lastSndHash })
    .where('conn_id', '=', conn.connId)
    .execute();
}

/** A message was received: counters, hash chain and the ratchet after it. */
export async function saveRcvState(rows: ConnRows, tx: Tx, conn: Conn): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  await saveRcv.run(tx, {
    connId: conn.connId,
    internalId: conn.lastInternalId,
    extSndId: conn.lastExtSndId,
    hash: conn.lastRcvHash,
    position: await storeRatchet(tx, conn),
  });
}

/** Adds a receive queue to the connection and its rows. */
export async function addRcvQueue(rows: ConnRows, tx: Tx, conn: Conn, q: NewRcvQueue): Promise<RcvQueue> {
  rows.cache.changed(tx, conn.connId);
  const rq = await insertRcvQueue(tx, rows.servers, conn.connId, q);
  conn.rcvQueues = sortQueues([...conn.rcvQueues, rq]);
  return rq;
}

/** Adds a send queue to the connection and its rows. */
export async function addSndQueue(rows: ConnRows, tx: Tx, conn: Conn, q: NewSndQueue): Promise<SndQueue> {
  rows.cache.changed(tx, conn.connId);
  const sq = await insertSndQueue(tx, rows.servers, conn.connId, q);
  conn.sndQueues = sortQueues([...conn.sndQueues, sq]);
  return sq;
}

/** With what it had still to deliver (T10, T11); the caller ends its worker. */
export async function deleteSndQueue(rows: ConnRows, tx: Tx, conn: Conn, id: number): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  conn.sndQueues = conn.sndQueues.filter((q) => q.id !== id);
  await tx.db.deleteFrom('agent_snd_deliveries').where('snd_queue_id', '=', id).execute();
  await tx.db.deleteFrom('agent_snd_queues').where('id', '=', id).execute();
}

/** The queue is gone on its server, or given up. The connection need not be loaded. */
export async function deleteRcvQueue(rows: ConnRows, tx: Tx, connId: ConnId, id: number): Promise<void> {
  const conn = rows.cache.get(connId);
  if (conn !== undefined) {
    rows.cache.changed(tx, connId);
    conn.rcvQueues = conn.rcvQueues.filter((q) => q.id !== id);
  }
  await tx.db.deleteFrom('agent_rcv_queues').where('id', '=', id).execute();
}

/** Marks a receive queue deleted: it no longer counts, and is deleted on its server later. */
export async function markRcvQueueDeleted(rows: ConnRows, tx: Tx, conn: Conn, id: number): Promise<void> {
  rows.cache.changed(tx, conn.connId);
  conn.rcvQueues = conn.rcvQueues.filter((q) => q.id !== id);
  await tx.db.updateTable('agent_rcv_queues').set({ deleted: 1 }).where('id', '=', id).execute();
}

/** Deletes the record of a connection and everything below it. */
export async function deleteConnRecord(rows: ConnRows, tx: Tx, connId: ConnId): Promise<void> {
  rows.cache.drop(connId);
  // Bodies have no foreign key: they are shared by connections.
  const bodies = await tx.db
    .selectFrom('agent_snd_messages')
    .select('body_id')
    .where('conn_id', '=', connId)
    .where('body_id', 'is not', null)
    .execute();
  await tx.db.deleteFrom('agent_connections').where('conn_id', '=', connId).execute();
  for (const { body_id } of bodies) {
    if (body_id === null) continue;
    await tx.execute(
      'DELETE FROM agent_snd_bodies WHERE id = ? AND NOT EXISTS (SELECT 1 FROM agent_snd_messages WHERE body_id = ?)',
      [body_id, body_id],
    );
  }
}
