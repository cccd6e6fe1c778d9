import { boxKey, decodePrivateKey, encodePrivateKey, type PrivateKey } from '../../crypto/index.js';
import { type QueueMode, type SmpClientVersion, type SmpServer, smpClientVersion } from '../../smp/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { internalError } from '../errors.js';
import type { AgentRcvQueuesTable, AgentSndQueuesTable } from '../schema.js';
import type { LinkCreds, QueueStatus, RcvQueue, SndQueue } from '../state/connection.js';
import type { ConnId, RcvSwitchStatus, SndSwitchStatus } from '../types.js';

type RcvRow = Omit<AgentRcvQueuesTable, 'id' | 'delete_errors' | 'deleted'> & { id: number };
type SndRow = Omit<AgentSndQueuesTable, 'id'> & { id: number };

const rcvColumns = [
  'id',
  'conn_id',
  'server_id',
  'rcv_id',
  'snd_id',
  'rcv_private_key',
  'rcv_dh_secret',
  'e2e_private_key',
  'e2e_dh_secret',
  'queue_mode',
  'status',
  'is_primary',
  'replaces_id',
  'switch_status',
  'client_version',
  'link_id',
  'link_key',
  'link_private_key',
  'link_fixed',
] as const;

const rcvOfConn = prepare<{ connId: ConnId }, RcvRow>((db, p) =>
  db.selectFrom('agent_rcv_queues').select(rcvColumns).where('conn_id', '=', p('connId')).where('deleted', '=', 0),
);
const deletedRcvOfConn = prepare<{ connId: ConnId }, RcvRow>((db, p) =>
  db.selectFrom('agent_rcv_queues').select(rcvColumns).where('conn_id', '=', p('connId')).where('deleted', '=', 1),
);
const rcvById = prepare<{ id: number }, RcvRow>((db, p) =>
  db.selectFrom('agent_rcv_queues').select(rcvColumns).where('id', '=', p('id')),
);
const sndOfConn = prepare<{ connId: ConnId }, SndRow>((db, p) =>
  db
    .selectFrom('agent_snd_queues')
    .select([
      'id',
      'conn_id',
      'server_id',
      'snd_id',
      'queue_mode',
      'snd_private_key',
      'e2e_public_key',
      'e2e_dh_secret',
      'status',
      'is_primary',
      'replaces_id',
      'switch_status',
      'client_version',
    ])
    .where('conn_id', '=', p('connId')),
);

type Servers = { get(tx: Tx, id: number): Promise<SmpServer>; id(tx: Tx, server: SmpServer): Promise<number> };

const statuses: Readonly<Record<string, QueueStatus>> = {
  new: 'new',
  confirmed: 'confirmed',
  secured: 'secured',
  active: 'active',
};
const rcvSwitches: Readonly<Record<string, RcvSwitchStatus>> = {
  switch_started: 'switch_started',
  sending_qadd: 'sending_qadd',
  sending_quse: 'sending_quse',
  received_message: 'received_message',
};
const sndSwitches: Readonly<Record<string, SndSwitchStatus>> = {
  sending_qkey: 'sending_qkey',
  sending_qtest: 'sending_qtest',
};

function known<T>(table: Readonly<Record<string, T>>, value: string, what: string): T {
  const found = table[value];
  if (found === undefined) throw internalError(`bad ${what}`);
  return found;
}

function mode(value: string | null): QueueMode | undefined {
  return value === 'messaging' || value === 'contact' ? value : undefined;
}

const edKey = (der: Uint8Array): PrivateKey<'ed25519'> => decodePrivateKey(der, 'key', ['ed25519']);

function linkOf(row: RcvRow): LinkCreds | undefined {
  if (row.link_id === null || row.link_key === null || row.link_private_key === null || row.link_fixed === null) {
    return undefined;
  }
  return {
    linkId: row.link_id,
    linkKey: row.link_key,
    privateKey: edKey(row.link_private_key),
    fixed: row.link_fixed,
  };
}

async function toRcvQueue(tx: Tx, servers: Servers, row: RcvRow): Promise<RcvQueue> {
  return {
    id: row.id,
    connId: row.conn_id,
    serverId: row.server_id,
    server: await servers.get(tx, row.server_id),
    rcvId: row.rcv_id,
    sndId: row.snd_id,
    rcvPrivateKey: edKey(row.rcv_private_key),
    rcvKey: boxKey(row.rcv_dh_secret),
    e2ePrivateKey: decodePrivateKey(row.e2e_private_key, 'key', ['x25519']),
    queueMode: mode(row.queue_mode),
    e2eKey: row.e2e_dh_secret === null ? undefined : boxKey(row.e2e_dh_secret),
    status: known(statuses, row.status, 'queue status'),
    primary: row.is_primary === 1,
    replacesId: row.replaces_id ?? undefined,
    switchStatus: row.switch_status === null ? undefined : known(rcvSwitches, row.switch_status, 'switch status'),
    clientVersion: smpClientVersion(row.client_version),
    link: linkOf(row),
  };
}

/** The receive queues of a connection that are not marked deleted; unordered. */
export async function loadRcvQueues(tx: Tx, servers: Servers, connId: ConnId): Promise<RcvQueue[]> {
  const queues: RcvQueue[] = [];
  for (const row of await rcvOfConn.all(tx, { connId })) queues.push(await toRcvQueue(tx, servers, row));
  return queues;
}

/** Receive queues that are marked deleted and still to be deleted on their servers. */
export async function loadDeletedRcvQueues(tx: Tx, servers: Servers, connId: ConnId): Promise<RcvQueue[]> {
  const queues: RcvQueue[] = [];
  for (const row of await deletedRcvOfConn.all(tx, { connId })) queues.push(await toRcvQueue(tx, servers, row));
  return queues;
}

/** A receive queue by its row id, deleted or not. */
export async function loadRcvQueue(tx: Tx, servers: Servers, id: number): Promise<RcvQueue | undefined> {
  const row = await rcvById.first(tx, { id });
  return row === undefined ? undefined : toRcvQueue(tx, servers, row);
}

/** The send queues of a connection; unordered. */
export async function loadSndQueues(tx: Tx, servers: Servers, connId: ConnId): Promise<SndQueue[]> {
  const queues: SndQueue[] = [];
  for (const row of await sndOfConn.all(tx, { connId })) {
    queues.push({
      id: row.id,
      connId: row.conn_id,
      serverId: row.server_id,
      server: await servers.get(tx, row.server_id),
      sndId: row.snd_id,
      queueMode: mode(row.queue_mode),
      sndPrivateKey: edKey(row.snd_private_key),
      e2ePublicKey: row.e2e_public_key,
      e2eKey: boxKey(row.e2e_dh_secret),
      status: known(statuses, row.status, 'queue status'),
      primary: row.is_primary === 1,
      replacesId: row.replaces_id ?? undefined,
      switchStatus: row.switch_status === null ? undefined : known(sndSwitches, row.switch_status, 'switch status'),
      clientVersion: smpClientVersion(row.client_version),
    });
  }
  return queues;
}

/** A receive queue that the server made and that is not stored yet. */
export interface NewRcvQueue {
  readonly server: SmpServer;
  readonly rcvId: Uint8Array;
  readonly sndId: Uint8Array;
  readonly rcvPrivateKey: PrivateKey<'ed25519'>;
  readonly rcvDhSecret: Uint8Array;
  readonly e2ePrivateKey: PrivateKey<'x25519'>;
  readonly queueMode: QueueMode | undefined;
  readonly clientVersion: SmpClientVersion;
  readonly primary: boolean;
  readonly replacesId?: number | undefined;
  readonly link?: LinkCreds | undefined;
}

/** With status `new`; the secret of the end-to-end layer comes with the confirmation ({@link updateRcvQueue}). */
export async function insertRcvQueue(tx: Tx, servers: Servers, connId: ConnId, q: NewRcvQueue): Promise<RcvQueue> {
  const serverId = await servers.id(tx, q.server);
  const { id } = await tx.db
    .insertInto('agent_rcv_queues')
    .values({
      conn_id: connId,
      server_id: serverId,
      rcv_id: q.rcvId,
      snd_id: q.sndId,
      rcv_private_key: encodePrivateKey(q.rcvPrivateKey),
      rcv_dh_secret: q.rcvDhSecret,
      e2e_private_key: encodePrivateKey(q.e2ePrivateKey),
      e2e_dh_secret: null,
      queue_mode: q.queueMode ?? null,
      status: 'new',
      is_primary: q.primary ? 1 : 0,
      replaces_id: q.replacesId ?? null,
      switch_status: null,
      client_version: q.clientVersion,
      link_id: q.link?.linkId ?? null,
      link_key: q.link?.linkKey ?? null,
      link_private_key: q.link === undefined ? null : encodePrivateKey(q.link.privateKey),
      link_fixed: q.link?.fixed ?? null,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return {
    id,
    connId,
    serverId,
    server: q.server,
    rcvId: q.rcvId,
    sndId: q.sndId,
    rcvPrivateKey: q.rcvPrivateKey,
    rcvKey: boxKey(q.rcvDhSecret),
    e2ePrivateKey: q.e2ePrivateKey,
    queueMode: q.queueMode,
    e2eKey: undefined,
    status: 'new',
    primary: q.primary,
    replacesId: q.replacesId,
    switchStatus: undefined,
    clientVersion: q.clientVersion,
    link: q.link,
  };
}

/** A send queue with fresh keys. */
export interface NewSndQueue {
  readonly server: SmpServer;
  readonly sndId: Uint8Array;
  readonly queueMode: QueueMode | undefined;
  readonly sndPrivateKey: PrivateKey<'ed25519'>;
  readonly e2ePublicKey: Uint8Array;
  readonly e2eDhSecret: Uint8Array;
  readonly status: QueueStatus;
  readonly primary: boolean;
  readonly replacesId?: number | undefined;
  readonly clientVersion: SmpClientVersion;
}

/** Before anything is sent with its keys (T1), so that a second attempt uses the same. */
export async function insertSndQueue(tx: Tx, servers: Servers, connId: ConnId, q: NewSndQueue): Promise<SndQueue> {
  const serverId = await servers.id(tx, q.server);
  const { id } = await tx.db
    .insertInto('agent_snd_queues')
    .values({
      conn_id: connId,
      server_id: serverId,
      snd_id: q.sndId,
      queue_mode: q.queueMode ?? null,
      snd_private_key: encodePrivateKey(q.sndPrivateKey),
      e2e_public_key: q.e2ePublicKey,
      e2e_dh_secret: q.e2eDhSecret,
      status: q.status,
      is_primary: q.primary ? 1 : 0,
      replaces_id: q.replacesId ?? null,
      switch_status: null,
      client_version: q.clientVersion,
    })
    .returning('id')
    .executeTakeFirstOrThrow();
  return {
    id,
    connId,
    serverId,
    server: q.server,
    sndId: q.sndId,
    queueMode: q.queueMode,
    sndPrivateKey: q.sndPrivateKey,
    e2ePublicKey: q.e2ePublicKey,
    e2eKey: boxKey(q.e2eDhSecret),
    status: q.status,
    primary: q.primary,
    replacesId: q.replacesId,
    switchStatus: undefined,
    clientVersion: q.clientVersion,
  };
}

/** Writes the fields of a receive queue that change; `secret` when the end-to-end layer was agreed just now. */
export async function updateRcvQueue(tx: Tx, q: RcvQueue, secret?: Uint8Array): Promise<void> {
  await tx.db
    .updateTable('agent_rcv_queues')
    .set({
      status: q.status,
      is_primary: q.primary ? 1 : 0,
      replaces_id: q.replacesId ?? null,
      switch_status: q.switchStatus ?? null,
      client_version: q.clientVersion,
      link_id: q.link?.linkId ?? null,
      link_key: q.link?.linkKey ?? null,
      link_private_key: q.link === undefined ? null : encodePrivateKey(q.link.privateKey),
      link_fixed: q.link?.fixed ?? null,
      ...(secret === undefined ? {} : { e2e_dh_secret: secret }),
    })
    .where('id', '=', q.id)
    .execute();
}

/** Writes the fields of a send queue that change: keys do not. */
export async function updateSndQueue(tx: Tx, q: SndQueue): Promise<void> {
  await tx.db
    .updateTable('agent_snd_queues')
    .set({
      status: q.status,
      is_primary: q.primary ? 1 : 0,
      replaces_id: q.replacesId ?? null,
      switch_status: q.switchStatus ?? null,
      client_version: q.clientVersion,
    })
    .where('id', '=', q.id)
    .execute();
}
