import type { Tx } from '../../store/index.js';
import { internalError } from '../errors.js';
import type { ConnectionMode } from '../links/index.js';
import type { ConnId, InitialKeys } from '../types.js';

/**
 * What a worker continues after a restart (30-agent.md, section 14). Bytes are base64 text. `tried` are the hosts
 * that earlier attempts used (15.3).
 */
export type Command =
  | { readonly tag: 'NEW'; readonly mode: ConnectionMode; readonly initialKeys: InitialKeys }
  | {
      readonly tag: 'JOIN';
      readonly link: string;
      readonly info: string;
      readonly pqSupport: boolean;
      readonly invId?: string;
    }
  | { readonly tag: 'ALLOW_SECURE'; readonly confId: string; readonly rcvQueueId: number }
  | { readonly tag: 'DUPLEX_SECURE'; readonly rcvQueueId: number; readonly senderKey: string }
  | { readonly tag: 'SWCH' }
  | { readonly tag: 'QSECURE'; readonly rcvQueueId: number; readonly senderKey: string }
  | { readonly tag: 'QDELETE'; readonly rcvQueueId: number }
  | { readonly tag: 'DELETE_RCV_QUEUE'; readonly rcvQueueId: number };

/** A stored command. `corrId` is empty when the agent itself gave it. */
export interface CommandRow {
  readonly id: number;
  readonly connId: ConnId;
  readonly serverId: number | undefined;
  readonly corrId: string;
  readonly command: Command;
}

/** The queue of a command: commands of one key run one after the other. */
export interface CommandKey {
  readonly connId: ConnId;
  readonly serverId: number | undefined;
}

/** It runs after the earlier ones of its key; `CommandWorkers` wakes the worker with the commit. */
export async function insertCommand(
  tx: Tx,
  key: CommandKey,
  corrId: string,
  command: Command,
  now: number,
): Promise<void> {
  const { tag, ...args } = command;
  await tx.db
    .insertInto('agent_commands')
    .values({
      conn_id: key.connId,
      server_id: key.serverId ?? null,
      corr_id: corrId,
      tag,
      args: JSON.stringify(args),
      created_at: now,
    })
    .execute();
}

/** The oldest command of a key. */
export async function nextCommand(tx: Tx, key: CommandKey): Promise<CommandRow | undefined> {
  let query = tx.db
    .selectFrom('agent_commands')
    .select(['id', 'corr_id', 'tag', 'args'])
    .where('conn_id', '=', key.connId)
    .where('failed', '=', 0);
  query =
    key.serverId === undefined ? query.where('server_id', 'is', null) : query.where('server_id', '=', key.serverId);
  const row = await query.orderBy('id').limit(1).executeTakeFirst();
  if (row === undefined) return undefined;
  const args: unknown = JSON.parse(row.args);
  if (typeof args !== 'object' || args === null) throw internalError('bad command');
  return {
    id: row.id,
    connId: key.connId,
    serverId: key.serverId,
    corrId: row.corr_id,
    // Written by insertCommand from a Command.
    command: { tag: row.tag, ...args } as Command,
  };
}

/** Keys with something to do, for the start. */
export async function commandKeys(tx: Tx): Promise<CommandKey[]> {
  const rows = await tx.db
    .selectFrom('agent_commands')
    .select(['conn_id', 'server_id'])
    .where('failed', '=', 0)
    .groupBy(['conn_id', 'server_id'])
    .execute();
  return rows.map((r) => ({ connId: r.conn_id, serverId: r.server_id ?? undefined }));
}

/** In the transaction that stores what the command did: it is neither lost nor done twice. */
export async function deleteCommand(tx: Tx, id: number): Promise<void> {
  await tx.db.deleteFrom('agent_commands').where('id', '=', id).execute();
}

/** Moves a command to the queue of another server, so that it does not block the commands of its own. */
export async function moveCommand(tx: Tx, id: number, serverId: number): Promise<void> {
  await tx.db.updateTable('agent_commands').set({ server_id: serverId }).where('id', '=', id).execute();
}
