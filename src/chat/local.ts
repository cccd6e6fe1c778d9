import { tmpdir } from 'node:os';
import {
  type AgentNetworkConfig,
  agentMigrations,
  fileMigrations,
  openAgent,
  openFileAgent,
  type ServerCfg,
} from '../agent/index.js';
import { type Profile, presetServers } from '../api/index.js';
import {
  type Clock,
  type Logger,
  type RandomSource,
  randomInt,
  silentLogger,
  systemClock,
  systemRandom,
} from '../core/index.js';
import type { KemPool } from '../crypto/index.js';
import { type NetworkConfig, networkConfig } from '../smp/index.js';
import { openPostgresStore, openSqliteStore, type Store } from '../store/index.js';
import type { ChatOptions } from './engine/context.js';
import { type ChatEngine, openChatEngine } from './engine/engine.js';
import { chatMigrations } from './schema/index.js';

/** Where an engine keeps everything. */
export type LocalDatabase =
  /** One file; `:memory:` keeps nothing. With a key it is encrypted. */
  | { readonly kind: 'sqlite'; readonly path: string; readonly key?: string }
  /** One schema of a PostgreSQL database, `fanion` by default. */
  | { readonly kind: 'postgres'; readonly url: string; readonly schema?: string };

/** Options of {@link openLocalEngine}. */
export interface LocalEngineOptions {
  readonly database: LocalDatabase;
  /** Servers for this run, instead of those that the profiles have stored. */
  readonly smpServers?: readonly string[];
  readonly xftpServers?: readonly string[];
  /** Connections to SMP servers: time-outs, SOCKS, hosts. */
  readonly network?: Partial<NetworkConfig>;
  /** Private message routing; default: through proxies for servers that are not the user's own. */
  readonly routing?: AgentNetworkConfig;
  readonly filesFolder?: string;
  readonly tempFolder?: string;
  /** Accept files below this many bytes by themselves. */
  readonly autoAcceptFileSize?: number;
  /** Contact cards that every new profile gets. Default: none. */
  readonly presetContacts?: readonly Profile[];
  readonly maxEvents?: number;
  /** See `ChatOptions.maxWaitingMessages`. Default: no limit. */
  readonly maxWaitingMessages?: number;
  /** In milliseconds. */
  readonly maxEventAge?: number;
  /** Shared by the engines of one process. */
  readonly kem?: KemPool;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

/** An engine with the store and the agent that it stands on. */
export interface LocalEngine {
  readonly engine: ChatEngine;
  readonly store: Store;
  /** Ends the engine, then closes the database. */
  close(): Promise<void>;
}

const roles = { storage: true, proxy: true };
const enabled = (servers: readonly string[]): ServerCfg[] =>
  servers.map((server) => ({ server, enabled: true, roles }));

/** `count` of the servers, drawn at random; the others are kept for later, disabled (70-bot-api.md, section 8.2). */
function drawn(servers: readonly string[], count: number, random: RandomSource): ServerCfg[] {
  const left = servers.map((_, i) => i);
  const chosen = new Set<number>();
  while (chosen.size < count && left.length > 0) {
    const [index] = left.splice(randomInt(random, left.length), 1);
    if (index !== undefined) chosen.add(index);
  }
  return servers.map((server, i) => ({ server, enabled: chosen.has(i), roles }));
}

const defaultRouting: AgentNetworkConfig = { smpProxyMode: 'unknown', smpProxyFallback: 'protected' };

function openStore(o: LocalEngineOptions, clock: Clock, logger: Logger): Promise<Store> {
  const migrations = [...agentMigrations, ...fileMigrations, ...chatMigrations];
  const { database } = o;
  return database.kind === 'sqlite'
    ? openSqliteStore({
        path: database.path,
        ...(database.key ? { key: database.key } : {}),
        migrations,
        clock,
        logger,
      })
    : openPostgresStore({ url: database.url, schema: database.schema ?? 'fanion', migrations, clock, logger });
}

/**
 * Opens a chat engine in this process: database, agent, engine. `engine.start()` connects it.
 * @throws StoreError when the database cannot be opened
 */
export async function openLocalEngine(o: LocalEngineOptions): Promise<LocalEngine> {
  const { clock = systemClock, random = systemRandom, logger = silentLogger } = o;
  const store = await openStore(o, clock, logger);
  const { smp, xftp } = presetServers.cli;
  const options: ChatOptions = {
    presetServers: {
      smp: o.smpServers === undefined ? drawn(smp.servers, smp.use, random) : enabled(o.smpServers),
      xftp: o.xftpServers === undefined ? drawn(xftp.servers, xftp.use, random) : enabled(o.xftpServers),
    },
    overrideServers: {
      smp: o.smpServers === undefined ? undefined : enabled(o.smpServers),
      xftp: o.xftpServers === undefined ? undefined : enabled(o.xftpServers),
    },
    filesFolder: o.filesFolder,
    tempFolder: o.tempFolder,
    autoAcceptFileSize: o.autoAcceptFileSize,
    presetContacts: o.presetContacts,
    maxEvents: o.maxEvents,
    maxWaitingMessages: o.maxWaitingMessages,
    maxEventAge: o.maxEventAge,
  };
  try {
    const engine = await openChatEngine({
      store,
      clock,
      random,
      logger,
      options,
      openAgent: (handler, users) =>
        openAgent({
          store,
          clock,
          random,
          logger,
          handler,
          users,
          smp: networkConfig(o.network),
          network: o.routing ?? defaultRouting,
          ...(o.kem === undefined ? {} : { kem: o.kem }),
        }),
      openFileAgent: (handler) =>
        openFileAgent({
          store,
          clock,
          random,
          logger,
          handler,
          // Names of jobs are random: nobody can be there before us.
          workFolder: o.tempFolder ?? tmpdir(),
          network: networkConfig(o.network),
        }),
    });
    return {
      engine,
      store,
      async close() {
        await engine.close();
        await store.close();
      },
    };
  } catch (error) {
    await store.close();
    throw error;
  }
}
