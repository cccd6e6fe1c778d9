/**
 * Fanion: bots for SimpleX Chat.
 *
 * @packageDocumentation
 */
export type * from '../api/index.js';
export { chatRefString, cmdString, isJsonObject, tagOf } from '../api/index.js';
export { type Clock, FanionError, type Logger } from '../core/index.js';
export { ApiClient, type CommandExecutor } from './api/client.js';
export { ApiCommands } from './api/commands.generated.js';
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
export { type Connection, environmentConnection, openTransport } from './transport/connection.js';
export type { LocalConnection } from './transport/local.js';
export type { ConnectOptions, Transport, TransportEvent } from './transport/types.js';
export type { WebSocketConnection } from './transport/websocket.js';
