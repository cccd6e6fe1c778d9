import type { Generated } from 'kysely';
import type { Migration } from '../../store/index.js';

/** Rows of the XFTP agent (40-xftp, section 5.2). Booleans are 0 and 1, instants milliseconds, servers addresses as text. */
export interface XftpRcvFilesTable {
  id: Generated<number>;
  /** What the layer above knows: 12 random bytes as 16 characters. */
  file_id: string;
  user_id: number;
  /** `receiving`, `received`, `decrypting`, `complete`, `error`. */
  status: string;
  size: number;
  digest: Uint8Array;
  file_key: Uint8Array;
  nonce: Uint8Array;
  /** Relative to the work folder. */
  folder: string;
  target_path: string;
  target_key: Uint8Array | null;
  target_nonce: Uint8Array | null;
  approved_relays: number;
  deleted: Generated<number>;
  /** The file that this one describes: it is its redirect. */
  redirect_for: number | null;
  redirect_size: number | null;
  redirect_digest: Uint8Array | null;
  created_at: number;
}

/** A chunk to download. What came of it is a file in the folder of the download. */
export interface XftpRcvChunksTable {
  id: Generated<number>;
  rcv_file_id: number;
  chunk_no: number;
  chunk_size: number;
  digest: Uint8Array;
  /** The replica that is used now, from 1. */
  replica_no: Generated<number>;
  received: Generated<number>;
  retries: Generated<number>;
}

/** Where a chunk can be had, and the key that its download is signed with. */
export interface XftpRcvReplicasTable {
  chunk_id: number;
  replica_no: number;
  server: string;
  replica_id: Uint8Array;
  replica_key: Uint8Array;
}

/** An upload: of a file, or of a description. */
export interface XftpSndFilesTable {
  id: Generated<number>;
  file_id: string;
  user_id: number;
  /** `new`, `encrypting`, `uploading`, `complete`, `error`. */
  status: string;
  num_recipients: number;
  source_path: string | null;
  source_key: Uint8Array | null;
  source_nonce: Uint8Array | null;
  /** A redirect upload: the description that is sent as a file. */
  content: string | null;
  redirect_size: number | null;
  redirect_digest: Uint8Array | null;
  file_name: string;
  file_key: Uint8Array;
  nonce: Uint8Array;
  /** SHA-512 of the encrypted file, once there is one. */
  digest: Uint8Array | null;
  folder: string;
  deleted: Generated<number>;
  created_at: number;
}

/** A piece of the encrypted file, and the one record that holds it on a server. */
export interface XftpSndChunksTable {
  id: Generated<number>;
  snd_file_id: number;
  chunk_no: number;
  chunk_offset: number;
  chunk_size: number;
  digest: Uint8Array;
  /** `new`: no record on a server; `created`: registered; `uploaded`. */
  status: string;
  server: string | null;
  replica_id: Uint8Array | null;
  replica_key: Uint8Array | null;
  retries: Generated<number>;
}

/** Ids and keys for downloads: the n-th row of a chunk is for recipient n. */
export interface XftpSndRecipientsTable {
  id: Generated<number>;
  chunk_id: number;
  replica_id: Uint8Array;
  replica_key: Uint8Array;
}

/** A record that is to be deleted on its server; given up after 2 days. */
export interface XftpDeletedReplicasTable {
  id: Generated<number>;
  user_id: number;
  server: string;
  replica_id: Uint8Array;
  replica_key: Uint8Array;
  retries: Generated<number>;
  created_at: number;
}

declare module '../../store/tables.js' {
  interface Tables {
    xftp_rcv_files: XftpRcvFilesTable;
    xftp_rcv_chunks: XftpRcvChunksTable;
    xftp_rcv_replicas: XftpRcvReplicasTable;
    xftp_snd_files: XftpSndFilesTable;
    xftp_snd_chunks: XftpSndChunksTable;
    xftp_snd_recipients: XftpSndRecipientsTable;
    xftp_deleted_replicas: XftpDeletedReplicasTable;
  }
}

/** The files' part of the schema; after the agent's own. */
export const fileMigrations: readonly Migration[] = [
  {
    name: 'agent-files-001',
    sql: `
CREATE TABLE xftp_rcv_files (
  id AUTO_ID,
  file_id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL REFERENCES agent_users (id) ON DELETE CASCADE,
  status TEXT NOT NULL,
  size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  file_key BLOB NOT NULL,
  nonce BLOB NOT NULL,
  folder TEXT NOT NULL,
  target_path TEXT NOT NULL,
  target_key BLOB,
  target_nonce BLOB,
  approved_relays INTEGER NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  redirect_for INTEGER REFERENCES xftp_rcv_files (id) ON DELETE CASCADE,
  redirect_size INTEGER,
  redirect_digest BLOB,
  created_at INTEGER NOT NULL
);
CREATE INDEX xftp_rcv_files_user ON xftp_rcv_files (user_id);
CREATE INDEX xftp_rcv_files_redirect ON xftp_rcv_files (redirect_for) WHERE redirect_for IS NOT NULL;
CREATE TABLE xftp_rcv_chunks (
  id AUTO_ID,
  rcv_file_id INTEGER NOT NULL REFERENCES xftp_rcv_files (id) ON DELETE CASCADE,
  chunk_no INTEGER NOT NULL,
  chunk_size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  replica_no INTEGER NOT NULL DEFAULT 1,
  received INTEGER NOT NULL DEFAULT 0,
  retries INTEGER NOT NULL DEFAULT 0,
  UNIQUE (rcv_file_id, chunk_no)
);
CREATE INDEX xftp_rcv_chunks_todo ON xftp_rcv_chunks (retries, id) WHERE received = 0;
CREATE TABLE xftp_rcv_replicas (
  chunk_id INTEGER NOT NULL REFERENCES xftp_rcv_chunks (id) ON DELETE CASCADE,
  replica_no INTEGER NOT NULL,
  server TEXT NOT NULL,
  replica_id BLOB NOT NULL,
  replica_key BLOB NOT NULL,
  PRIMARY KEY (chunk_id, replica_no)
);
CREATE TABLE xftp_snd_files (
  id AUTO_ID,
  file_id TEXT NOT NULL UNIQUE,
  user_id INTEGER NOT NULL REFERENCES agent_users (id) ON DELETE CASCADE,
  status TEXT NOT NULL,
  num_recipients INTEGER NOT NULL,
  source_path TEXT,
  source_key BLOB,
  source_nonce BLOB,
  content TEXT,
  redirect_size INTEGER,
  redirect_digest BLOB,
  file_name TEXT NOT NULL,
  file_key BLOB NOT NULL,
  nonce BLOB NOT NULL,
  digest BLOB,
  folder TEXT NOT NULL,
  deleted INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX xftp_snd_files_user ON xftp_snd_files (user_id);
CREATE TABLE xftp_snd_chunks (
  id AUTO_ID,
  snd_file_id INTEGER NOT NULL REFERENCES xftp_snd_files (id) ON DELETE CASCADE,
  chunk_no INTEGER NOT NULL,
  chunk_offset INTEGER NOT NULL,
  chunk_size INTEGER NOT NULL,
  digest BLOB NOT NULL,
  status TEXT NOT NULL,
  server TEXT,
  replica_id BLOB,
  replica_key BLOB,
  retries INTEGER NOT NULL DEFAULT 0,
  UNIQUE (snd_file_id, chunk_no)
);
CREATE INDEX xftp_snd_chunks_todo ON xftp_snd_chunks (status, retries, id) WHERE status <> 'uploaded';
CREATE TABLE xftp_snd_recipients (
  id AUTO_ID,
  chunk_id INTEGER NOT NULL REFERENCES xftp_snd_chunks (id) ON DELETE CASCADE,
  replica_id BLOB NOT NULL,
  replica_key BLOB NOT NULL
);
CREATE INDEX xftp_snd_recipients_chunk ON xftp_snd_recipients (chunk_id);
CREATE TABLE xftp_deleted_replicas (
  id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES agent_users (id) ON DELETE CASCADE,
  server TEXT NOT NULL,
  replica_id BLOB NOT NULL,
  replica_key BLOB NOT NULL,
  retries INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL
);
CREATE INDEX xftp_deleted_replicas_user ON xftp_deleted_replicas (user_id);
`,
  },
];
