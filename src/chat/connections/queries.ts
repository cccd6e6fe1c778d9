import type { Insertable, Updateable } from 'kysely';
import type { ConnStatus, User } from '../../api/index.js';
import { prepare, type TableVersions, type Tx } from '../../store/index.js';
import { storeFailure } from '../engine/errors.js';
import type { ConnectionsTable } from '../schema/index.js';
import type { ConnectionRow } from './view.js';

const byAgentId = prepare<{ agentConnId: string }, ConnectionRow>((db, p) =>
  db.selectFrom('connections').selectAll().where('agent_conn_id', '=', p('agentConnId')),
);
const byId = prepare<{ connId: number }, ConnectionRow>((db, p) =>
  db.selectFrom('connections').selectAll().where('connection_id', '=', p('connId')),
);
const ofContact = prepare<{ contactId: number }, ConnectionRow>((db, p) =>
  db.selectFrom('connections').selectAll().where('contact_id', '=', p('contactId')),
);
const ofMember = prepare<{ memberId: number }, ConnectionRow>((db, p) =>
  db
    .selectFrom('connections')
    .selectAll()
    .where('group_member_id', '=', p('memberId'))
    .orderBy('connection_id', 'desc')
    .limit(1),
);
const setStatus = prepare<{ connId: number; status: string; now: number }>((db, p) =>
  db
    .updateTable('connections')
    .set({ conn_status: p('status'), updated_at: p('now') })
    .where('connection_id', '=', p('connId')),
);

/** The connection of an agent event; undefined: nothing of us (deleted). */
export async function connectionByAgentId(tx: Tx, agentConnId: string): Promise<ConnectionRow | undefined> {
  // Every event asks for its connection, and hardly any changes it.
  const stamp = tx.versions.of(['connections', 'users']);
  let known = knownConnections.get(tx.versions);
  if (known === undefined || known.stamp !== stamp || known.rows.size >= maxKnownConnections) {
    known = { stamp, rows: new Map() };
    knownConnections.set(tx.versions, known);
  }
  const cached = known.rows.get(agentConnId);
  if (cached !== undefined) return cached;
  const row = await byAgentId.first(tx, { agentConnId });
  if (row !== undefined) known.rows.set(agentConnId, row);
  return row;
}

/** Connections by the agent's ids, as they were read since any was written last. */
const knownConnections = new WeakMap<
  TableVersions,
  { readonly stamp: number; readonly rows: Map<string, ConnectionRow> }
>();
const maxKnownConnections = 2000;

/** The connection, if it is one of this user; `connectionNotFoundById`. */
export async function connectionById(tx: Tx, userId: number, connId: number): Promise<ConnectionRow> {
  const row = await findConnectionById(tx, userId, connId);
  if (row === undefined) throw storeFailure({ type: 'connectionNotFoundById', connId });
  return row;
}

/** As {@link connectionById}; undefined when there is none. */
export async function findConnectionById(tx: Tx, userId: number, connId: number): Promise<ConnectionRow | undefined> {
  const row = await byId.first(tx, { connId });
  return row?.user_id === userId ? row : undefined;
}

/** All connections of a contact. */
export function contactConnections(tx: Tx, contactId: number): Promise<ConnectionRow[]> {
  return ofContact.all(tx, { contactId });
}

/** The latest connection of a group member, whatever its status. */
export function memberConnection(tx: Tx, groupMemberId: number): Promise<ConnectionRow | undefined> {
  return ofMember.first(tx, { memberId: groupMemberId });
}

const isReady = (row: ConnectionRow): boolean => row.conn_status === 'ready' || row.conn_status === 'snd-ready';

/** The one of a contact's connections that it uses: a ready one before others, then the newest (50, section 2.1). */
export function activeConnection(rows: readonly ConnectionRow[]): ConnectionRow | undefined {
  let best: ConnectionRow | undefined;
  for (const row of rows) {
    if (
      best === undefined ||
      Number(isReady(row)) > Number(isReady(best)) ||
      (isReady(row) === isReady(best) &&
        (row.created_at > best.created_at ||
          (row.created_at === best.created_at && row.connection_id > best.connection_id)))
    ) {
      best = row;
    }
  }
  return best;
}

/** The record of a connection of the agent, so that its events find what they are about. */
export async function insertConnection(
  tx: Tx,
  values: Omit<Insertable<ConnectionsTable>, 'created_at' | 'updated_at' | 'conn_status'> & {
    readonly conn_status: ConnStatus;
  },
  now: number,
): Promise<ConnectionRow> {
  return tx.db
    .insertInto('connections')
    .values({ ...values, created_at: now, updated_at: now })
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** With `ready` the one-time link is forgotten too (50, section 2.1). */
export async function updateConnectionStatus(tx: Tx, connId: number, status: ConnStatus, now: number): Promise<void> {
  await setStatus.run(tx, { connId, status, now });
  // A one-time link is of no use once the connection stands.
  if (status === 'ready') {
    await tx.db
      .updateTable('connections')
      .set({ conn_req_inv: null, short_link_inv: null })
      .where('connection_id', '=', connId)
      .where('conn_req_inv', 'is not', null)
      .execute();
  }
}

/** The row as it then is; an error when there is none. */
export async function updateConnection(
  tx: Tx,
  connId: number,
  values: Updateable<ConnectionsTable>,
  now: number,
): Promise<ConnectionRow> {
  return tx.db
    .updateTable('connections')
    .set({ ...values, updated_at: now })
    .where('connection_id', '=', connId)
    .returningAll()
    .executeTakeFirstOrThrow();
}

/** Deletes the rows of connections; what belongs to them in the agent is the caller's business. */
export async function deleteConnectionRows(tx: Tx, connIds: readonly number[]): Promise<void> {
  if (connIds.length === 0) return;
  await tx.db.deleteFrom('msg_deliveries').where('connection_id', 'in', connIds).execute();
  await tx.db.deleteFrom('async_commands').where('connection_id', 'in', connIds).execute();
  await tx.db.deleteFrom('connections').where('connection_id', 'in', connIds).execute();
}

/** A connection that has no contact yet; `pendingConnectionNotFound`. */
export async function pendingConnection(tx: Tx, user: User, connId: number): Promise<ConnectionRow> {
  const row = await byId.first(tx, { connId });
  if (
    row === undefined ||
    row.user_id !== user.userId ||
    row.conn_type !== 'contact' ||
    row.contact_id !== null ||
    row.conn_level !== 0 ||
    row.via_contact !== null
  ) {
    throw storeFailure({ type: 'pendingConnectionNotFound', connId });
  }
  return row;
}
