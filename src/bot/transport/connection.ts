import type { Logger } from '../../core/index.js';
import { consoleLogger } from '../bot/logger.js';
import { type LocalConnection, LocalTransport } from './local.js';
import type { Transport } from './types.js';
import { type WebSocketConnection, WebSocketTransport } from './websocket.js';

/**
 * How a bot reaches its chat engine: `ws://` URLs and {@link WebSocketConnection} lead to a bot API server; anything else
 * is an engine in this process, with the given database file or PostgreSQL URL.
 */
export type BotConnection = string | LocalConnection | WebSocketConnection | Transport;

/**
 * The connection of bots that name none, from the environment: `FANION_CONNECTION` (a `ws://` URL, a database file or a
 * `postgres://` URL), and `FANION_API_TOKEN`, `FANION_KEY`, `FANION_SMP_SERVERS`, `FANION_XFTP_SERVERS` (several with spaces),
 * `FANION_EMBEDDED_RELAY` (any value: relays in this process).
 */
export function environmentConnection(env: Readonly<Record<string, string | undefined>>): BotConnection {
  const target = env.FANION_CONNECTION ?? './bot.db';
  if (isUrl(target)) return { url: target, ...(env.FANION_API_TOKEN ? { token: env.FANION_API_TOKEN } : {}) };
  return {
    database: target,
    ...(env.FANION_KEY ? { key: env.FANION_KEY } : {}),
    ...(env.FANION_EMBEDDED_RELAY ? { embeddedRelay: true } : {}),
    ...servers(env),
  };
}

function servers(
  env: Readonly<Record<string, string | undefined>>,
): Pick<LocalConnection, 'smpServers' | 'xftpServers'> {
  const list = (text: string | undefined): string[] | undefined => text?.split(/\s+/).filter((s) => s !== '');
  const smpServers = list(env.FANION_SMP_SERVERS);
  const xftpServers = list(env.FANION_XFTP_SERVERS);
  return { ...(smpServers ? { smpServers } : {}), ...(xftpServers ? { xftpServers } : {}) };
}

function isUrl(text: string): boolean {
  return /^wss?:\/\//.test(text);
}

/**
 * The transport of a connection. In process, servers that it does not name are those of the environment, if that has any.
 */
export function openTransport(connection: BotConnection, logger: Logger = consoleLogger): Transport {
  if (typeof connection !== 'string' && 'execute' in connection) return connection;
  const options = typeof connection !== 'string' ? connection : isUrl(connection) ? { url: connection } : undefined;
  if (options !== undefined && 'url' in options) return new WebSocketTransport(options, logger);
  const local = options ?? { database: String(connection) };
  return new LocalTransport({ ...servers(process.env), ...local }, logger);
}
