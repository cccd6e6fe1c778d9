/**
 * Fanion: bots for SimpleX Chat.
 *
 * @packageDocumentation
 */

export type { AgentNetworkConfig, ProxyFallback, ProxyMode } from '../agent/index.js';
export { chatRefString, cmdString, isJsonObject, tagOf } from '../api/index.js';
export type { LocalDatabase } from '../chat/index.js';
export {
  type Clock,
  FanionError,
  type FanionErrorOptions,
  type Logger,
  type RandomSource,
  type Timer,
} from '../core/index.js';
export type {
  HostMode,
  NetworkConfig as SmpNetworkConfig,
  SessionMode,
  SocksAuth,
  SocksProxyConfig,
  Timeout,
} from '../smp/index.js';
export { ApiClient, type CommandExecutor } from './api/client.js';
export { ApiCommands } from './api/commands.generated.js';
export type * from './api/types.generated.js';
export * from './bot/bot.js';
export * from './bot/compose.js';
export * from './bot/composer.js';
export {
  type BotCommand,
  botCommand,
  type Content,
  contentText,
  itemContent,
} from './bot/content.js';
export * from './bot/context.js';
export * from './bot/filters.js';
export type { LiveMessage } from './bot/live.js';
export { consoleLogger } from './bot/logger.js';
export { type LiveOptions, Message, type SendOptions } from './bot/message.js';
export type { Rate } from './bot/rate.js';
export type { SessionStore } from './bot/sessions.js';
export type { BotAddress, BotProfile, Setup, SetupOptions, SetupResult } from './bot/setup.js';
export type { WaitOptions } from './bot/waiters.js';
export * from './errors.js';
export { FileState } from './state/file.js';
export { MemoryState } from './state/memory.js';
export type { StateStore } from './state/types.js';
export { type BotConnection, environmentConnection, openTransport } from './transport/connection.js';
export type { LocalConnection } from './transport/local.js';
export type { ConnectOptions, Transport, TransportEvent } from './transport/types.js';
export type { WebSocketConnection } from './transport/websocket.js';
