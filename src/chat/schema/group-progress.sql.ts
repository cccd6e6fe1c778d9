import type { Generated } from 'kysely';

/**
 * How far a message of ours has come in a group: counts over `group_snd_item_statuses`, kept by differences, so that
 * one member's receipt costs the same in a group of any size.
 */
export const groupProgressSql = `
CREATE TABLE group_item_progress (
  chat_item_id INTEGER PRIMARY KEY REFERENCES chat_items(chat_item_id) ON DELETE CASCADE,
  total INTEGER NOT NULL,
  sent INTEGER NOT NULL DEFAULT 0,
  rcvd_ok INTEGER NOT NULL DEFAULT 0,
  rcvd_bad INTEGER NOT NULL DEFAULT 0
);
-- the full link that was joined
ALTER TABLE connections ADD COLUMN via_contact_uri TEXT;
`;

export interface GroupItemProgressTable {
  chat_item_id: number;
  total: number;
  sent: Generated<number>;
  rcvd_ok: Generated<number>;
  rcvd_bad: Generated<number>;
}

declare module '../../store/tables.js' {
  interface Tables {
    group_item_progress: GroupItemProgressTable;
  }
}
