export * from './certificates.js';
export { type EmbeddedRelays, startEmbeddedRelays } from './embedded.js';
export * from './identity.js';
export * from './metrics.js';
export type { BlockReason, SmpRelay, SmpRelayOptions, SmpRelayStorage } from './smp/options.js';
export { startSmpRelay } from './smp/relay.js';
export * from './xftp/index.js';
