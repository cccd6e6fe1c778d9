import type { Tx } from '../../store/index.js';

/** Deletes a user with all its records. Tables without a user id hang on those that have one. */
export async function deleteUserContent(tx: Tx, userId: number): Promise<void> {
  await tx.execute(
    'DELETE FROM messages WHERE connection_id IN (SELECT connection_id FROM connections WHERE user_id = ?)',
    [userId],
  );
  await tx.execute('DELETE FROM messages WHERE group_id IN (SELECT group_id FROM groups WHERE user_id = ?)', [userId]);
  await tx.execute(
    'DELETE FROM msg_deliveries WHERE connection_id IN (SELECT connection_id FROM connections WHERE user_id = ?)',
    [userId],
  );
  await tx.db.deleteFrom('users').where('user_id', '=', userId).execute();
}
