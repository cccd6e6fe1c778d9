import type { Tx } from '../../store/index.js';

/** A command that the agent runs in the background; its answer comes as an event with the id given here. */
export async function storeAsyncCommand(
  tx: Tx,
  userId: number,
  commandFunction: string,
  now: number,
  data?: string,
): Promise<string> {
  const row = await tx.db
    .insertInto('async_commands')
    .values({ user_id: userId, command_function: commandFunction, data: data ?? null, created_at: now })
    .returning('command_id')
    .executeTakeFirstOrThrow();
  return String(row.command_id);
}

/** Notes which connection the command is for, once the agent has told it. */
export async function linkAsyncCommand(tx: Tx, corrId: string, connectionId: number): Promise<void> {
  await tx.db
    .updateTable('async_commands')
    .set({ connection_id: connectionId })
    .where('command_id', '=', Number(corrId))
    .execute();
}

/** The command that an answer belongs to, which is then done; undefined: not asked for, or for another connection. */
export async function takeAsyncCommand(
  tx: Tx,
  corrId: string,
  connectionId: number,
): Promise<{ readonly command_function: string; readonly data: string | null } | undefined> {
  const id = Number(corrId);
  if (!Number.isSafeInteger(id)) return undefined;
  const row = await tx.db.selectFrom('async_commands').selectAll().where('command_id', '=', id).executeTakeFirst();
  if (row === undefined || (row.connection_id !== null && row.connection_id !== connectionId)) return undefined;
  await tx.db.deleteFrom('async_commands').where('command_id', '=', id).execute();
  return row;
}
