import type { Agent, FileAgent, ServerCfg } from '../../agent/index.js';
import type { ApiEvent, ApiResponse, ParsedCommand, Profile } from '../../api/index.js';
import type { Clock, KeyedMutex, Logger, RandomSource } from '../../core/index.js';
import type { Compression } from '../../crypto/index.js';
import type { Store, Tx } from '../../store/index.js';
import type { UserCache } from '../users/cache.js';
import type { DirectMessageTable } from './capability.js';
import type { FileHooks } from './file-hooks.js';
import type { GroupHooks } from './group-hooks.js';

/** What an embedding program decides for the engine. */
export interface ChatOptions {
  /** Servers of new users, and of users whose list has none left. */
  readonly presetServers: { readonly smp: readonly ServerCfg[]; readonly xftp: readonly ServerCfg[] };
  /** Servers of the command line: they replace the stored ones of every user for this run. */
  readonly overrideServers?:
    | { readonly smp?: readonly ServerCfg[] | undefined; readonly xftp?: readonly ServerCfg[] | undefined }
    | undefined;
  /** Contact cards (profiles with a link, without a connection) that every new user gets. Default: none. */
  readonly presetContacts?: readonly Profile[] | undefined;
  /** Received files go there and `filePath`s are relative to it. */
  readonly filesFolder?: string | undefined;
  readonly tempFolder?: string | undefined;
  /** Received files smaller than this many bytes are accepted by themselves. */
  readonly autoAcceptFileSize?: number | undefined;
  /** The event log keeps at most this many events. Default 10,000. */
  readonly maxEvents?: number | undefined;
  /**
   * Stop receiving while this many messages wait for a client, so that they wait on the relays (70, section 1.5). Only for
   * programs whose clients say what they have received (`events.markDelivered`). Default: no limit.
   */
  readonly maxWaitingMessages?: number | undefined;
  /** What `/quit` does; without it the command is refused. */
  readonly quit?: (() => void) | undefined;
  /** ... and none older than this, in milliseconds. Default 7 days. */
  readonly maxEventAge?: number | undefined;
}

/** What commands change while the engine runs and what is not kept. */
export interface ChatState {
  started: boolean;
  filesFolder: string | undefined;
  tempFolder: string | undefined;
  encryptLocalFiles: boolean;
}

/** What every handler is given. */
export interface ChatContext {
  readonly store: Store;
  readonly agent: Agent;
  /** Uploads and downloads; absent in programs without files. */
  readonly fileAgent: FileAgent | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly compression: Compression;
  readonly options: ChatOptions;
  readonly state: ChatState;
  /** All users; the API objects of the last read. */
  readonly users: UserCache;
  /**
   * Orders multi-step work on one thing (`contact:5`, `link:…`). Database state needs no lock: transactions run one
   * at a time. Never taken inside a transaction.
   */
  readonly locks: KeyedMutex<string>;
  /** Writes an event into the event log; listeners get it after the commit. */
  emit(tx: Tx, event: ApiEvent): Promise<void>;
  /** Progress events: sent to who listens now, not logged. Call it outside of transactions or from `tx.onCommit`. */
  emitLive(event: ApiEvent): void;
  /** Deletes an item when its time has come (5.8). */
  readonly timed: TimedItems;
  /** Runs after the current command or event, outside of transactions; failures become `chatError` events. */
  background(name: string, task: () => Promise<void>): void;
  /** Handlers of x.* messages in direct chats, of all capabilities. */
  readonly directMessages: DirectMessageTable;
  /** What groups do for connections and addresses. */
  readonly groups: GroupHooks | undefined;
  /** What files do for messages. */
  readonly files: FileHooks | undefined;
  /** Runs another command, as a client would: typed forms (`@bob hello`) become commands of the API. */
  run(command: ParsedCommand): Promise<ApiResponse>;
  /** Starting and stopping the engine, for the commands that do it. */
  readonly lifecycle: { start(): Promise<void>; stop(): Promise<void> };
}

/** The scheduler of disappearing messages. */
export interface TimedItems {
  /** Call it in the transaction that sets `timed_delete_at` (ms): the item is deleted then, also after a restart. */
  schedule(tx: Tx, itemId: number, deleteAt: number): void;
}
