/** The chat engine's tables: migrations and row types. */
import type { Migration } from '../../store/index.js';
import { filesSql } from './files.sql.js';
import { groupProgressSql } from './group-progress.sql.js';
import { groupsSql } from './groups.sql.js';
import { itemsSql } from './items.sql.js';
import { peopleSql } from './people.sql.js';

export type * from './group-progress.sql.js';
export type * from './group-tables.js';
export type * from './item-tables.js';
export type * from './people-tables.js';

/** Migrations of the chat engine, in order. They come after the agent's. */
export const chatMigrations: readonly Migration[] = [
  { name: 'chat-001-people', sql: peopleSql },
  { name: 'chat-002-groups', sql: groupsSql },
  { name: 'chat-003-items', sql: itemsSql },
  { name: 'chat-004-group-progress', sql: groupProgressSql },
  { name: 'chat-005-files', sql: filesSql },
];
