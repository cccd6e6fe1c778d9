import { mkdir } from 'node:fs/promises';
import path from 'node:path';
import type { ApiResponse } from '../../api/index.js';
import {
  type LocalDatabase,
  type LocalEngine,
  type LocalEngineOptions,
  type LoggedEvent,
  openLocalEngine,
} from '../../chat/index.js';
import { deferred, errorMessage, type Logger, silentLogger } from '../../core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays } from '../../relay/index.js';
import type { Store } from '../../store/index.js';
import { BotError, ConnectionLostError } from '../errors.js';
import { parseEvent } from '../events.js';
import { DatabaseState } from '../state/database.js';
import type { StateStore } from '../state/types.js';
import type { ConnectOptions, Transport } from './types.js';

/** The chat engine in the bot's own process. */
export interface LocalConnection extends Omit<LocalEngineOptions, 'database'> {
  /** The database file (`:memory:` keeps nothing), a `postgres://` URL, or both in detail. */
  readonly database: string | LocalDatabase;
  /** Encrypts the database file. */
  readonly key?: string;
  /** Runs an SMP and an XFTP relay in this process, on loopback, and uses them: no network is needed. */
  readonly embeddedRelay?: boolean;
}

/** Events kept in memory for the bot; beyond this they are read from the log again. */
const maxBuffered = 1000;
const pageSize = 200;

/** The engine inside of the process. Events come from its log, so that none is missed between two runs. */
export class LocalTransport implements Transport {
  readonly kind = 'local';
  readonly sessions = 'state';
  readonly state: StateStore;
  readonly #options: LocalConnection;
  readonly #logger: Logger;
  #relays: EmbeddedRelays | undefined;
  #local: LocalEngine | undefined;
  #session: { execute(command: string): Promise<ApiResponse> } | undefined;
  #stopListening: (() => void) | undefined;
  #cursor = 0;
  #buffer: LoggedEvent[] = [];
  #behind = true;
  #closed = false;
  #wake: () => void = () => {};
  #pump: Promise<void> = Promise.resolve();

  constructor(options: LocalConnection, logger: Logger = silentLogger) {
    this.#options = options;
    this.#logger = options.logger ?? logger;
    this.state = new DatabaseState(() => this.#open().store);
  }

  async open(): Promise<void> {
    const { database, key, embeddedRelay, ...options } = this.#options;
    const where = databaseOf(database, key);
    if (where.kind === 'sqlite' && where.path !== ':memory:') {
      await mkdir(path.dirname(path.resolve(where.path)), { recursive: true });
    }
    try {
      if (embeddedRelay === true) {
        if (where.kind !== 'sqlite' || where.path === ':memory:') {
          throw new BotError('OPTIONS', 'embeddedRelay needs a database file: its data are kept beside it');
        }
        this.#relays = await startEmbeddedRelays(where.path.replace(/\.db$/, ''), this.#logger);
      }
      this.#local = await openLocalEngine({
        ...options,
        database: where,
        logger: this.#logger,
        ...(this.#relays === undefined
          ? {}
          : { smpServers: [this.#relays.smp.address], xftpServers: [this.#relays.xftp.address] }),
      });
      await this.state.open();
    } catch (error) {
      await this.close();
      throw error;
    }
    this.#session = this.#local.engine.session();
  }

  async connect({ after, onEvent }: ConnectOptions): Promise<void> {
    const { engine } = this.#open();
    this.#cursor = after ?? engine.events.delivered;
    this.#stopListening = engine.listen((event) => this.#receive(event));
    this.#pump = this.#run(onEvent);
  }

  async execute(command: string): Promise<ApiResponse> {
    if (this.#session === undefined || this.#closed) throw new ConnectionLostError('CLOSED', 'the engine is closed');
    return this.#session.execute(command);
  }

  async ready(): Promise<void> {
    this.#open();
  }

  handled(seq: number): void {
    if (!this.#closed) this.#local?.engine.events.markDelivered(seq);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#stopListening?.();
    this.#wake();
    await this.#pump;
    await this.#local?.close();
    await this.#relays?.close();
  }

  /** The store of the open engine. */
  get store(): Store {
    return this.#open().store;
  }

  #open(): LocalEngine {
    if (this.#local === undefined || this.#closed) throw new ConnectionLostError('CLOSED', 'the engine is not open');
    return this.#local;
  }

  #receive(event: LoggedEvent): void {
    const full = this.#buffer.length >= maxBuffered;
    // What does not fit is in the log, if it has a number.
    if (full && event.seq !== undefined) this.#behind = true;
    if (!full && !this.#behind) this.#buffer.push(event);
    this.#wake();
  }

  /** Gives the events to the bot one after the other: from the log until it has caught up, then as they come. */
  async #run(onEvent: ConnectOptions['onEvent']): Promise<void> {
    while (!this.#closed) {
      const woken = deferred<void>();
      this.#wake = woken.resolve;
      try {
        if (this.#behind) await this.#readPage(onEvent);
        else await this.#giveBuffered(onEvent);
      } catch (error) {
        if (this.#closed) return;
        this.#logger.error({ error: errorMessage(error) }, 'cannot read the event log');
        return;
      }
      if (this.#buffer.length === 0 && !this.#behind && !this.#closed) await woken.promise;
    }
  }

  async #giveBuffered(onEvent: ConnectOptions['onEvent']): Promise<void> {
    const buffered = this.#buffer;
    this.#buffer = [];
    for (const event of buffered) {
      if (this.#closed) return;
      if (event.seq !== undefined) {
        if (event.seq <= this.#cursor) continue;
        this.#cursor = event.seq;
      }
      await onEvent(event);
    }
  }

  async #readPage(onEvent: ConnectOptions['onEvent']): Promise<void> {
    // What is logged from here on comes by the buffer, too; if the page is full, that is read from the log instead.
    this.#behind = false;
    this.#buffer = [];
    const page = await this.#open().engine.events.since(this.#cursor, pageSize);
    for (const { seq, json } of page) {
      if (this.#closed) return;
      this.#cursor = seq;
      const event = parseEvent(json);
      if (event !== undefined) await onEvent({ seq, event });
    }
    if (page.length === pageSize) this.#behind = true;
  }
}

function databaseOf(database: string | LocalDatabase, key: string | undefined): LocalDatabase {
  if (typeof database !== 'string') return database;
  if (/^postgres(?:ql)?:\/\//.test(database)) return { kind: 'postgres', url: database };
  return { kind: 'sqlite', path: database, ...(key === undefined ? {} : { key }) };
}
