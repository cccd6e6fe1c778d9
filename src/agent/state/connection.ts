import type { BoxKey, PrivateKey, RatchetState, SkippedKeyMap } from '../../crypto/index.js';
import type { QueueMode, SmpClientVersion, SmpServer } from '../../smp/index.js';
import { connError } from '../errors.js';
import type { ConnectionMode } from '../links/index.js';
import type { ConnId, RatchetSyncState, RcvSwitchStatus, SndSwitchStatus, UserId } from '../types.js';
import { AgentV, type AgentVersion } from '../versions.js';

/** 30-agent.md, section 3.3. */
export type QueueStatus = 'new' | 'confirmed' | 'secured' | 'active';

/** What makes the short link of a queue. */
export interface LinkCreds {
  readonly linkId: Uint8Array;
  readonly linkKey: Uint8Array;
  readonly privateKey: PrivateKey<'ed25519'>;
  /** The encrypted fixed data, byte for byte as the server stores it. */
  readonly fixed: Uint8Array;
}

/** A queue that we receive from. Fields without `readonly` change with the row, always inside a transaction. */
export interface RcvQueue {
  readonly id: number;
  readonly connId: ConnId;
  readonly serverId: number;
  readonly server: SmpServer;
  readonly rcvId: Uint8Array;
  readonly sndId: Uint8Array;
  readonly rcvPrivateKey: PrivateKey<'ed25519'>;
  /** Of the layer between the server and us. */
  readonly rcvKey: BoxKey;
  readonly e2ePrivateKey: PrivateKey<'x25519'>;
  readonly queueMode: QueueMode | undefined;
  /** Of the layer between the sender and us; known when the confirmation was processed. */
  e2eKey: BoxKey | undefined;
  status: QueueStatus;
  primary: boolean;
  replacesId: number | undefined;
  switchStatus: RcvSwitchStatus | undefined;
  clientVersion: SmpClientVersion;
  link: LinkCreds | undefined;
}

/** A queue that we send to. */
export interface SndQueue {
  readonly id: number;
  readonly connId: ConnId;
  readonly serverId: number;
  readonly server: SmpServer;
  readonly sndId: Uint8Array;
  readonly queueMode: QueueMode | undefined;
  readonly sndPrivateKey: PrivateKey<'ed25519'>;
  /** Our key of the end-to-end layer: in the header of the confirmation. Raw X25519. */
  readonly e2ePublicKey: Uint8Array;
  readonly e2eKey: BoxKey;
  status: QueueStatus;
  primary: boolean;
  replacesId: number | undefined;
  switchStatus: SndSwitchStatus | undefined;
  clientVersion: SmpClientVersion;
}

/**
 * A connection as the database has it. Objects live in the cache and change together with their rows: load the
 * connection in each transaction (`loadConn`), and again after anything that may have been rolled back.
 */
export interface Conn {
  readonly connId: ConnId;
  readonly mode: ConnectionMode;
  userId: UserId;
  agentVersion: AgentVersion;
  pqSupport: boolean;
  syncState: RatchetSyncState;
  deleted: boolean;
  deleteWaitSince: number | undefined;
  lastInternalId: number;
  lastSndId: number;
  lastExtSndId: number;
  lastRcvHash: Uint8Array;
  lastSndHash: Uint8Array;
  ratchet: RatchetState | undefined;
  /** The state whose keys are stored. */
  storedRatchet: RatchetState | undefined;
  /** Loaded with the first decryption. */
  skipped: SkippedKeyMap | undefined;
  /** Primary first, then by what they replace (section 3.2). Queues marked deleted are not here. */
  rcvQueues: RcvQueue[];
  sndQueues: SndQueue[];
}

export type ConnKind = 'new' | 'rcv' | 'snd' | 'duplex' | 'contact';

/** Section 3.2: the type of a connection is derived from its queues. */
export function connKind(conn: Conn): ConnKind {
  const rcv = conn.rcvQueues.length > 0;
  if (conn.mode === 'contact') return rcv ? 'contact' : 'new';
  const snd = conn.sndQueues.length > 0;
  if (rcv) return snd ? 'duplex' : 'rcv';
  return snd ? 'snd' : 'new';
}

/** The order of queues: the primary first, then those that replace nothing, then by what they replace. */
export function sortQueues<Q extends { readonly id: number; primary: boolean; replacesId: number | undefined }>(
  queues: Q[],
): Q[] {
  return queues.sort(
    (a, b) => Number(b.primary) - Number(a.primary) || (a.replacesId ?? -1) - (b.replacesId ?? -1) || a.id - b.id,
  );
}

/** "The" receive queue: the first of the order. */
export function rcvQueueOf(conn: Conn): RcvQueue {
  const rq = conn.rcvQueues[0];
  if (rq === undefined) throw connError('SIMPLEX', 'no receive queue');
  return rq;
}

/** "The" send queue: the first of the order. */
export function sndQueueOf(conn: Conn): SndQueue {
  const sq = conn.sndQueues[0];
  if (sq === undefined) throw connError('SIMPLEX', 'no send queue');
  return sq;
}

/** PQ can be used: chooses the padded sizes (section 5.3). */
export function hasPqSupport(conn: Conn): boolean {
  return conn.pqSupport && conn.agentVersion >= AgentV.PqRatchet;
}

/** Section 7.1: messages may not be sent while the ratchet is being re-made. */
export function isSendProhibited(conn: Conn): boolean {
  return conn.syncState === 'required' || conn.syncState === 'started' || conn.syncState === 'agreed';
}
