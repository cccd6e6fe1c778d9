import type { Clock, Logger, RandomSource } from '../../core/index.js';
import type { RelayMetrics } from '../metrics.js';
import type { Delivery } from './delivery.js';
import type { ProxyPool } from './proxy.js';
import type { SmpStorage } from './storage.js';

/** The settings that commands ask for, with the defaults filled in. */
export interface RelaySettings {
  readonly password: string | undefined;
  readonly newQueues: boolean;
  readonly proxy: boolean;
  readonly quota: number;
  readonly maxSubscriptions: number;
  readonly eventDelayMs: number;
}

/** What all connections of a relay share. */
export interface RelayState {
  readonly settings: RelaySettings;
  readonly storage: SmpStorage;
  readonly delivery: Delivery;
  readonly proxies: ProxyPool;
  readonly metrics: RelayMetrics;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
}
