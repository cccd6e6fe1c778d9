import type { Generated } from 'kysely';
import type { Migration } from '../store/index.js';

/** Rows of the agent (30-agent.md, section 3). Booleans are 0 and 1, instants milliseconds, servers `agent_servers.id`. */
export interface AgentUsersTable {
  id: Generated<number>;
  deleted: Generated<number>;
}

/** Hosts, port and key hash together are the server: another key hash is another row. */
export interface AgentServersTable {
  id: Generated<number>;
  /** Hosts joined with `,`. */
  hosts: string;
  port: string;
  key_hash: Uint8Array;
}

/** What every message changes (counters, hash chains, ratchet position) and what seldom changes. */
export interface AgentConnectionsTable {
  conn_id: string;
  user_id: number;
  /** `inv` or `con`. */
  mode: string;
  agent_version: number;
  pq_support: number;
  sync_state: string;
  deleted: Generated<number>;
  /** Deleted, but what is queued is still delivered: since when. */
  delete_wait_since: number | null;
  /** The counter that sent and received messages share. */
  last_internal_id: Generated<number>;
  last_snd_id: Generated<number>;
  last_ext_snd_id: Generated<number>;
  last_rcv_hash: Uint8Array;
  last_snd_hash: Uint8Array;
  /** Private e2e keys of an invitation or a re-synchronisation, until the ratchet is made of them. */
  e2e_keys: Uint8Array | null;
  /** Public parameters that our confirmation carries: a repeated join must send the same. */
  e2e_params: Uint8Array | null;
  /** Where the ratchet is with the keys of its stored state; null when it has not moved since. */
  ratchet_position: Uint8Array | null;
}

/** The keys of a ratchet: apart from the connection, whose row every message changes. */
export interface AgentRatchetsTable {
  conn_id: string;
  state: Uint8Array;
}

/** `rcv_dh_secret` is of the server's layer, `e2e_dh_secret` of the sender's: known after its confirmation. */
export interface AgentRcvQueuesTable {
  id: Generated<number>;
  conn_id: string;
  server_id: number;
  rcv_id: Uint8Array;
  snd_id: Uint8Array;
  rcv_private_key: Uint8Array;
  rcv_dh_secret: Uint8Array;
  e2e_private_key: Uint8Array;
  e2e_dh_secret: Uint8Array | null;
  /** `messaging`, `contact` or unknown. */
  queue_mode: string | null;
  status: string;
  is_primary: number;
  replaces_id: number | null;
  switch_status: string | null;
  client_version: number;
  delete_errors: Generated<number>;
  deleted: Generated<number>;
  link_id: Uint8Array | null;
  link_key: Uint8Array | null;
  link_private_key: Uint8Array | null;
  /** The encrypted fixed link data exactly as the server has it. */
  link_fixed: Uint8Array | null;
}

/** A receive queue of the peer, as we send to it. */
export interface AgentSndQueuesTable {
  id: Generated<number>;
  conn_id: string;
  server_id: number;
  snd_id: Uint8Array;
  queue_mode: string | null;
  snd_private_key: Uint8Array;
  e2e_public_key: Uint8Array;
  e2e_dh_secret: Uint8Array;
  status: string;
  is_primary: number;
  replaces_id: number | null;
  switch_status: string | null;
  client_version: number;
}

/** A message that was skipped and may still come; deleted with the ratchet. */
export interface AgentSkippedKeysTable {
  conn_id: string;
  header_key: Uint8Array;
  msg_n: number;
  /** Key (32) and IV (16). */
  body_key: Uint8Array;
  /** The oldest go first when there are too many. */
  created_at: number;
}

/** Until it is delivered; an application message then without body until its receipt comes, 21 days at most. */
export interface AgentSndMessagesTable {
  conn_id: string;
  internal_id: number;
  snd_id: number;
  /** Tag of section 3.1: `M`, `V`, `H`, `D`, `C`, `S`, `QC`... */
  kind: string;
  notification: number;
  /** The encoded `AMessage`, or the whole agent message of C, D and S; null when delivered, or when it is in `body_id`. */
  body: Uint8Array | null;
  body_id: number | null;
  prev_hash: Uint8Array;
  hash: Uint8Array;
  /** Ratchet key of the message; for C and D too. Null for S, which is not encrypted. */
  msg_key: Uint8Array | null;
  padded_length: number;
  pq_encryption: number;
  /** Saved delays (ms) of the retry schedule. */
  retry_slow: number | null;
  retry_fast: number | null;
  /** `ok` or `badMsgHash`. */
  receipt: string | null;
  created_at: number;
  /** 1 when one of its queues delivered it while another still has it (rotation). */
  sent: Generated<number>;
}

/** A body that messages to several connections share. */
export interface AgentSndBodiesTable {
  id: Generated<number>;
  body: Uint8Array;
}

/** A message that waits in a send queue: during a rotation one for each queue. */
export interface AgentSndDeliveriesTable {
  snd_queue_id: number;
  internal_id: number;
  conn_id: string;
  failed: Generated<number>;
}

/** A peer's confirmation (CONF), until our answer is delivered. */
export interface AgentConfirmationsTable {
  id: string;
  conn_id: string;
  /** The peer's key for KEY, when the queue is not sender-securable. */
  sender_key: Uint8Array | null;
  reply_queues: Uint8Array;
  peer_info: Uint8Array;
  accepted: Generated<number>;
  own_info: Uint8Array | null;
  created_at: number;
}

/** A request (REQ) that came to a contact address; it outlives the address. */
export interface AgentInvitationsTable {
  id: string;
  contact_conn_id: string | null;
  user_id: number;
  link: string;
  peer_info: Uint8Array;
  accepted: Generated<number>;
  own_info: Uint8Array | null;
  created_at: number;
}

/** The key that reading a one-time short link secured its queue with (section 4.8). */
export interface AgentInvLinksTable {
  server_id: number;
  link_id: Uint8Array;
  link_key: Uint8Array;
  snd_private_key: Uint8Array;
  snd_id: Uint8Array | null;
}

/** What a worker has to do, also after a restart (section 14). */
export interface AgentCommandsTable {
  id: Generated<number>;
  conn_id: string;
  /** Null: does not belong to a server. */
  server_id: number | null;
  corr_id: string;
  tag: string;
  args: string;
  failed: Generated<number>;
  created_at: number;
}

/** What was processed, to recognise repetitions, for 21 days: SHA-256, or the relay's id of a request. */
export interface AgentHashesTable {
  conn_id: string;
  hash: Uint8Array;
  created_at: number;
}

/** Receipts that wait to be sent together. */
export interface AgentRcvReceiptsTable {
  id: Generated<number>;
  conn_id: string;
  /** The peer's number of the message, and the hash that the receipt names. */
  snd_msg_id: number;
  msg_hash: Uint8Array;
}

declare module '../store/tables.js' {
  interface Tables {
    agent_users: AgentUsersTable;
    agent_servers: AgentServersTable;
    agent_connections: AgentConnectionsTable;
    agent_rcv_queues: AgentRcvQueuesTable;
    agent_snd_queues: AgentSndQueuesTable;
    agent_ratchets: AgentRatchetsTable;
    agent_skipped_keys: AgentSkippedKeysTable;
    agent_snd_messages: AgentSndMessagesTable;
    agent_snd_bodies: AgentSndBodiesTable;
    agent_snd_deliveries: AgentSndDeliveriesTable;
    agent_confirmations: AgentConfirmationsTable;
    agent_invitations: AgentInvitationsTable;
    agent_inv_links: AgentInvLinksTable;
    agent_commands: AgentCommandsTable;
    agent_msg_hashes: AgentHashesTable;
    agent_ratchet_key_hashes: AgentHashesTable;
    agent_rcv_receipts: AgentRcvReceiptsTable;
  }
}

/** The agent's part of the schema. */
export const agentMigrations: readonly Migration[] = [
  {
    name: 'agent-001-connections',
    sql: `
CREATE TABLE agent_users (
  id AUTO_ID,
  deleted INTEGER NOT NULL DEFAULT 0
);
CREATE TABLE agent_servers (
  id AUTO_ID,
  hosts TEXT NOT NULL,
  port TEXT NOT NULL,
  key_hash BLOB NOT NULL,
  UNIQUE (hosts, port, key_hash)
);
CREATE TABLE agent_connections (
  conn_id TEXT NOT NULL PRIMARY KEY,
  user_id INTEGER NOT NULL REFERENCES agent_users (id) ON DELETE CASCADE,
  mode TEXT NOT NULL,
  agent_version INTEGER NOT NULL,
  pq_support INTEGER NOT NULL,
  sync_state TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  delete_wait_since INTEGER,
  last_internal_id INTEGER NOT NULL DEFAULT 0,
  last_snd_id INTEGER NOT NULL DEFAULT 0,
  last_ext_snd_id INTEGER NOT NULL DEFAULT 0,
  last_rcv_hash BLOB NOT NULL,
  last_snd_hash BLOB NOT NULL,
  e2e_keys BLOB,
  e2e_params BLOB,
  ratchet BLOB
);
CREATE INDEX agent_connections_user ON agent_connections (user_id);
CREATE TABLE agent_rcv_queues (
  id AUTO_ID,
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  server_id INTEGER NOT NULL REFERENCES agent_servers (id),
  rcv_id BLOB NOT NULL,
  snd_id BLOB NOT NULL,
  rcv_private_key BLOB NOT NULL,
  rcv_dh_secret BLOB NOT NULL,
  e2e_private_key BLOB NOT NULL,
  e2e_dh_secret BLOB,
  queue_mode TEXT,
  status TEXT NOT NULL,
  is_primary INTEGER NOT NULL,
  replaces_id INTEGER,
  switch_status TEXT,
  client_version INTEGER NOT NULL,
  delete_errors INTEGER NOT NULL DEFAULT 0,
  deleted INTEGER NOT NULL DEFAULT 0,
  link_id BLOB,
  link_key BLOB,
  link_private_key BLOB,
  link_fixed BLOB,
  UNIQUE (server_id, rcv_id),
  UNIQUE (server_id, snd_id)
);
CREATE INDEX agent_rcv_queues_conn ON agent_rcv_queues (conn_id);
CREATE TABLE agent_snd_queues (
  id AUTO_ID,
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  server_id INTEGER NOT NULL REFERENCES agent_servers (id),
  snd_id BLOB NOT NULL,
  queue_mode TEXT,
  snd_private_key BLOB NOT NULL,
  e2e_public_key BLOB NOT NULL,
  e2e_dh_secret BLOB NOT NULL,
  status TEXT NOT NULL,
  is_primary INTEGER NOT NULL,
  replaces_id INTEGER,
  switch_status TEXT,
  client_version INTEGER NOT NULL
);
CREATE INDEX agent_snd_queues_conn ON agent_snd_queues (conn_id);
CREATE TABLE agent_skipped_keys (
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  header_key BLOB NOT NULL,
  msg_n INTEGER NOT NULL,
  body_key BLOB NOT NULL,
  PRIMARY KEY (conn_id, header_key, msg_n)
);
CREATE TABLE agent_snd_messages (
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  internal_id INTEGER NOT NULL,
  snd_id INTEGER NOT NULL,
  kind TEXT NOT NULL,
  notification INTEGER NOT NULL,
  body BLOB,
  body_id INTEGER,
  prev_hash BLOB NOT NULL,
  hash BLOB NOT NULL,
  msg_key BLOB,
  padded_length INTEGER NOT NULL,
  pq_encryption INTEGER NOT NULL,
  retry_slow INTEGER,
  retry_fast INTEGER,
  receipt TEXT,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, internal_id)
);
CREATE INDEX agent_snd_messages_snd_id ON agent_snd_messages (conn_id, snd_id);
CREATE INDEX agent_snd_messages_created ON agent_snd_messages (created_at);
CREATE INDEX agent_snd_messages_body ON agent_snd_messages (body_id) WHERE body_id IS NOT NULL;
CREATE TABLE agent_snd_bodies (
  id AUTO_ID,
  body BLOB NOT NULL
);
CREATE TABLE agent_snd_deliveries (
  snd_queue_id INTEGER NOT NULL REFERENCES agent_snd_queues (id) ON DELETE CASCADE,
  internal_id INTEGER NOT NULL,
  conn_id TEXT NOT NULL,
  failed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (snd_queue_id, internal_id)
);
CREATE TABLE agent_confirmations (
  id TEXT NOT NULL PRIMARY KEY,
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  sender_key BLOB,
  reply_queues BLOB NOT NULL,
  peer_info BLOB NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  own_info BLOB,
  created_at INTEGER NOT NULL
);
CREATE INDEX agent_confirmations_conn ON agent_confirmations (conn_id);
CREATE TABLE agent_invitations (
  id TEXT NOT NULL PRIMARY KEY,
  contact_conn_id TEXT REFERENCES agent_connections (conn_id) ON DELETE SET NULL,
  user_id INTEGER NOT NULL REFERENCES agent_users (id) ON DELETE CASCADE,
  link TEXT NOT NULL,
  peer_info BLOB NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  own_info BLOB,
  created_at INTEGER NOT NULL
);
CREATE INDEX agent_invitations_conn ON agent_invitations (contact_conn_id);
CREATE TABLE agent_inv_links (
  server_id INTEGER NOT NULL REFERENCES agent_servers (id),
  link_id BLOB NOT NULL,
  link_key BLOB NOT NULL,
  snd_private_key BLOB NOT NULL,
  snd_id BLOB,
  PRIMARY KEY (server_id, link_id)
);
CREATE TABLE agent_commands (
  id AUTO_ID,
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  server_id INTEGER,
  corr_id TEXT NOT NULL,
  tag TEXT NOT NULL,
  args TEXT NOT NULL,
  failed INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX agent_commands_conn ON agent_commands (conn_id);
CREATE TABLE agent_msg_hashes (
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, hash)
);
CREATE INDEX agent_msg_hashes_created ON agent_msg_hashes (created_at);
CREATE TABLE agent_ratchet_key_hashes (
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  hash BLOB NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (conn_id, hash)
);
`,
  },
  {
    name: 'agent-002-receipts',
    sql: `
CREATE TABLE agent_rcv_receipts (
  id AUTO_ID,
  conn_id TEXT NOT NULL REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  snd_msg_id INTEGER NOT NULL,
  msg_hash BLOB NOT NULL
);
CREATE INDEX agent_rcv_receipts_conn ON agent_rcv_receipts (conn_id);
`,
  },
  {
    name: 'agent-003-sent',
    sql: 'ALTER TABLE agent_snd_messages ADD COLUMN sent INTEGER NOT NULL DEFAULT 0;',
  },
  {
    name: 'agent-004-ratchets',
    sql: `
CREATE TABLE agent_ratchets (
  conn_id TEXT NOT NULL PRIMARY KEY REFERENCES agent_connections (conn_id) ON DELETE CASCADE,
  state BLOB NOT NULL
);
INSERT INTO agent_ratchets (conn_id, state) SELECT conn_id, ratchet FROM agent_connections WHERE ratchet IS NOT NULL;
ALTER TABLE agent_connections ADD COLUMN ratchet_position BLOB;
ALTER TABLE agent_connections DROP COLUMN ratchet;
`,
  },
  {
    name: 'agent-005-skipped',
    sql: 'ALTER TABLE agent_skipped_keys ADD COLUMN created_at INTEGER NOT NULL DEFAULT 0;',
  },
];
