import type { Clock, Logger, RandomSource } from '../../core/index.js';
import type { XftpServer } from '../../smp/index.js';
import type { CertificateAlgorithm } from '../certificates.js';

/** Options of `startXftpRelay`. All durations are in milliseconds, sizes in bytes. */
export interface XftpRelayOptions {
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string;
  /** Port to listen on; 0 (the default) takes a free one. */
  readonly port?: number;
  /** Host names written to the address instead of `host`. */
  readonly publicHosts?: readonly string[];
  /** Where everything is kept: `<prefix>_xftp.db`, the folder `<prefix>_xftp_files`, the certificate files. */
  readonly prefix: string;
  /** Folder of the chunks, instead of `<prefix>_xftp_files`. */
  readonly filesFolder?: string;
  /** Key algorithm of certificates made on the first start. Default Ed25519. */
  readonly algorithm?: CertificateAlgorithm;
  /** Needed for new chunks when set (the basic auth of the protocol). */
  readonly password?: string;
  /** False refuses new chunks. Default true. */
  readonly newFiles?: boolean;
  /** Limit of all stored chunks. Default: none. */
  readonly quota?: number;
  /** How long a chunk is kept. Default 48 hours; up to two hours more because creation times are rounded. */
  readonly ttlMs?: number;
  /** How often expired chunks are looked for. Default 2 hours. */
  readonly expiryIntervalMs?: number;
  /** Limit of receiving one chunk. Default 5 minutes. */
  readonly uploadTimeoutMs?: number;
  /** Limit of the TLS handshake. Default 60 seconds. */
  readonly tlsTimeoutMs?: number;
  /** A connection without requests is closed after this time. Default: never. */
  readonly inactiveMs?: number;
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

export type XftpBlockReason = 'spam' | 'content';

/** A running XFTP relay. */
export interface XftpRelay {
  /** `xftp://<fingerprint>[:<password>]@<host>:<port>` */
  readonly address: string;
  readonly server: XftpServer;
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the CA certificate: the identity of the relay, 32 bytes. */
  readonly fingerprint: Uint8Array;
  /** Bytes of stored chunks. */
  readonly usedStorage: number;
  /** Open client connections. */
  readonly connections: number;
  /** Blocks the chunk with this sender or recipient id. False when there is none. */
  blockChunk(id: Uint8Array, reason: XftpBlockReason): Promise<boolean>;
  /** Removes chunks that are older than their time to live now; gives their number. */
  expireChunks(): Promise<number>;
  /** Stops listening, closes all connections and the storage. */
  close(): Promise<void>;
}
