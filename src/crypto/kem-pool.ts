import { FanionError, type RandomSource } from '../core/index.js';
import type { RatchetKeys } from './ratchet-state.js';
import type { KemKeyPair, Sntrup761 } from './sntrup761.js';

export interface KemPoolOptions {
  /** Key pairs kept ready. Default 16 (48 kB). */
  readonly size?: number;
  /** Worker threads. Default 1; one makes about 60 pairs per second. */
  readonly workers?: number;
}

/**
 * KEM key pairs made ahead of need in worker threads, because making one takes 17 ms. Threads start with the
 * first need and never keep the process alive.
 */
export interface KemPool {
  /** The KEM's other operations. */
  readonly kem: Sntrup761;
  /** A fresh pair, at once or when a worker has made one. */
  keyPair(): Promise<KemKeyPair>;
  /** Resolves when at least one pair can be taken at once. */
  ready(): Promise<void>;
  /** A fresh pair if one is ready: for ratchet steps inside a transaction. */
  take(): KemKeyPair | undefined;
  /** Ends the workers; waiting callers are rejected. */
  close(): Promise<void>;
}

export async function createKemPool(options: KemPoolOptions = {}): Promise<KemPool> {
  throw new FanionError('INTERNAL', `being written ${options.size}`);
}

/** What ratchet steps draw from in production: X448 from `random`, KEM pairs from the pool. */
export function ratchetKeys(random: RandomSource, pool: KemPool): RatchetKeys {
  throw new FanionError('INTERNAL', `being written ${random} ${pool}`);
}
