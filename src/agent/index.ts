export { type AgentOptions, openAgent } from './agent.js';
export type { FaultPoint } from './context.js';
export * from './errors.js';
export * from './files/index.js';
export * from './links/index.js';
export { agentMigrations } from './schema.js';
export { fastRetry, nextDelay, type RetrySchedule, reconnectRetry, slowRetry } from './sending/retry.js';
export * from './types.js';
export * from './versions.js';
