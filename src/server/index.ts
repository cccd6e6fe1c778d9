export type { AccessRules } from './access.js';
export type { ClientLimits } from './client.js';
export type { ServerMetrics } from './metrics.js';
export type { BotApiEngine, ClientSession, EventSource, SourceEvent } from './port.js';
export { type ApiServer, type ApiServerOptions, ServerError, startApiServer } from './server.js';
