import type { Clock, Logger, RandomSource } from '../../core/index.js';
import type { RelayMetrics } from '../metrics.js';
import type { SmpStorage } from './storage.js';

/**
 * Where a relay keeps queues and messages.
 * - `sqlite`: one file `<prefix>_smp.db`; what was answered OK survives a crash at any moment.
 * - `memory`: nothing survives the process.
 * - `custom`: a driver of the storage port made by the caller; the relay closes it when it stops.
 */
export type SmpRelayStorage =
  | { readonly kind: 'sqlite'; readonly prefix: string }
  | { readonly kind: 'memory' }
  | { readonly kind: 'custom'; readonly storage: SmpStorage };

/** Options of `startSmpRelay`. All durations are in milliseconds. */
export interface SmpRelayOptions {
  /** Address to listen on. Default `127.0.0.1`. */
  readonly host?: string;
  /** Port to listen on; 0 (the default) takes a free one. */
  readonly port?: number;
  /** Host names written to the address instead of `host`; the first one matters most to clients. */
  readonly publicHosts?: readonly string[];
  readonly storage: SmpRelayStorage;
  /**
   * Prefix of the certificate files (`<prefix>_smp_ca.crt` ...). Default: the prefix of the SQLite storage.
   * Without any prefix the certificates live in memory and the address changes with every start.
   */
  readonly certificatePrefix?: string;
  /** Needed for NEW and PRXY when set (the basic auth of the protocol). */
  readonly password?: string;
  /** False refuses new queues. Default true. */
  readonly newQueues?: boolean;
  /** False refuses to be a proxy for others. Default true. */
  readonly proxy?: boolean;
  /** Messages per queue before QUOTA. Default 128. */
  readonly quota?: number;
  /** How long an undelivered message is kept. Default 21 days. */
  readonly messageTtlMs?: number;
  /** How often expired messages are looked for. Default 2 hours. */
  readonly expiryIntervalMs?: number;
  /** END and DELD events are collected for this long. Default 1 second (the protocol allows 15). */
  readonly eventDelayMs?: number;
  /** A connection without subscriptions and traffic is closed after this time. Default 6 hours. */
  readonly inactiveMs?: number;
  /** How often inactive connections are looked for. Default 1 hour. */
  readonly inactiveCheckMs?: number;
  /** Limit of the TLS handshake. Default 60 seconds. */
  readonly tlsTimeoutMs?: number;
  /** Limit of the SMP handshake. Default 120 seconds. */
  readonly handshakeTimeoutMs?: number;
  /** Connections at a time, more are closed on arrival. Default: no limit. */
  readonly maxConnections?: number;
  /** Subscriptions of one connection; more are answered with `ERR QUOTA`. Default 1,000,000. */
  readonly maxSubscriptions?: number;
  /** Limit for connecting to another relay as a proxy. Default 45 seconds. */
  readonly proxyConnectTimeoutMs?: number;
  /** Limit for one answer of another relay. Default 30 seconds. */
  readonly proxyResponseTimeoutMs?: number;
  readonly log?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
  /** Counters of this relay; made by the relay when absent. */
  readonly metrics?: RelayMetrics;
}

export type BlockReason = 'spam' | 'content';

/** A running SMP relay. */
export interface SmpRelay {
  /** `smp://<fingerprint>[:<password>]@<host>:<port>` */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  /** SHA-256 of the CA certificate: the identity of the relay, 32 bytes. */
  readonly fingerprint: Uint8Array;
  readonly metrics: RelayMetrics;
  /** Open client connections. */
  readonly connections: number;
  /**
   * Blocks the queue that has this recipient, sender or link id (20-smp.md, section 11.10); its subscriber is told.
   * False when there is no such queue. `noticeTtl` is in seconds; absent means no notice.
   */
  blockQueue(id: Uint8Array, reason: BlockReason, noticeTtl?: number): Promise<boolean>;
  /** Unblocks a queue. False when there is no such blocked queue. */
  unblockQueue(id: Uint8Array): Promise<boolean>;
  /** Drops messages that are older than their time to live now; gives their number. */
  expireMessages(): Promise<number>;
  /** Stops listening, lets answers in flight go out, closes all connections and the storage. */
  close(): Promise<void>;
}
