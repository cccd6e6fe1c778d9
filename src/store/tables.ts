/** One row per migration that has run. */
export interface SchemaMigrationsTable {
  name: string;
  applied_at: number;
}

/**
 * The row types of every table. Each room adds its own by declaration merging, beside the migration that makes
 * the table:
 *
 *     declare module '../store/tables.js' { interface Tables { agent_connections: AgentConnectionsTable } }
 */
export interface Tables {
  schema_migrations: SchemaMigrationsTable;
}
