import type { Agent, AgentHandler, FileAgent, FileHandler, UserServers } from '../../agent/index.js';
import { type ApiEvent, type ApiResponse, isUnsupported, parseCommand } from '../../api/index.js';
import { type Clock, errorFields, KeyedMutex, type Logger, type RandomSource } from '../../core/index.js';
import { loadCompression } from '../../crypto/index.js';
import type { Store, Tx } from '../../store/index.js';
import { capabilities } from '../capabilities.js';
import { userServers } from '../servers/queries.js';
import { UserCache } from '../users/cache.js';
import { readUsers } from '../users/queries.js';
import { type Commands, mergeCommands, runCommand } from './commands.js';
import type { ChatContext, ChatOptions, ChatState } from './context.js';
import { AgentDispatcher, mergeTables } from './dispatcher.js';
import { commandFailure, toChatError } from './errors.js';
import { type EventListener, EventLog } from './events.js';
import { Jobs, TimedItemScheduler } from './jobs.js';
import { CommandQueue, isOneTransaction, orderKeys } from './order.js';

export interface ChatEngineOptions {
  /** Opened with the agent's and the chat's migrations. Stays the caller's: close it after the engine. */
  readonly store: Store;
  /** Opens the agent on the same store, with the servers of the agent's users. */
  readonly openAgent: (handler: AgentHandler, servers: ReadonlyMap<number, UserServers>) => Promise<Agent>;
  /** Opens the file agent on the same store; without it files can neither be sent nor received. */
  readonly openFileAgent?: ((handler: FileHandler) => FileAgent) | undefined;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly options: ChatOptions;
}

/** The chat engine: command strings in, responses and events out. */
export interface ChatEngine {
  /** Answers one command; never rejects. Commands that run side by side must come from different {@link session}s. */
  execute(command: string): Promise<ApiResponse>;
  /** One client: its commands keep their order where order matters. */
  session(): { execute(command: string): Promise<ApiResponse> };
  readonly events: EventLog;
  /** `listener` gets every event after its commit; the result stops it. */
  listen(listener: EventListener): () => void;
  /** Connects, subscribes, runs jobs. What `/_start` does. */
  start(): Promise<void>;
  /** Stops network activity; commands that need it answer `chatNotStarted`. What `/_stop` does. */
  stop(): Promise<void>;
  /** Ends everything but the store. */
  close(): Promise<void>;
  /** For the program around the engine: metrics, first user, address at start. */
  readonly context: ChatContext;
}

const defaultMaxEvents = 10_000;
const defaultMaxEventAge = 7 * 24 * 3600_000;

class Engine implements ChatEngine {
  readonly context: ChatContext;
  readonly events: EventLog;
  readonly #commands: Commands;
  readonly #jobs: Jobs;
  readonly #background = new Set<Promise<void>>();
  #closing = false;
  #filesStarted = false;

  constructor(context: ChatContext, events: EventLog, jobs: Jobs, commands: Commands) {
    this.context = context;
    this.events = events;
    this.#jobs = jobs;
    this.#commands = commands;
  }

  async execute(text: string): Promise<ApiResponse> {
    return this.session().execute(text);
  }

  session(): { execute(command: string): Promise<ApiResponse> } {
    const queue = new CommandQueue();
    return {
      execute: async (text) => {
        const parsed = parseCommand(text);
        if (!parsed.ok) return this.#failed(commandFailure(parsed.error.message));
        const { command } = parsed;
        if (isUnsupported(command)) return this.#failed(commandFailure('not supported'));
        const run = async (): Promise<ApiResponse> => {
          try {
            return await runCommand(this.#commands, this.context, command);
          } catch (error) {
            return this.#failed(error);
          }
        };
        return queue.run(orderKeys(command), run, isOneTransaction(command));
      },
    };
  }

  #failed(error: unknown): ApiResponse {
    const chatError = toChatError(error);
    if (chatError.type === 'error' && chatError.errorType.type === 'exception') {
      this.context.logger.error(errorFields(error), 'a command failed unexpectedly');
    }
    return { type: 'chatCmdError', chatError };
  }

  listen(listener: EventListener): () => void {
    return this.events.listen(listener);
  }

  async start(): Promise<void> {
    const { state, agent, fileAgent, users } = this.context;
    if (state.started) return;
    state.started = true;
    await agent.start();
    if (this.#filesStarted) fileAgent?.resume();
    else await fileAgent?.start();
    this.#filesStarted = true;
    await this.#jobs.start();
    for (const c of capabilities) {
      if (c.onStart !== undefined) this.background('start', () => c.onStart?.(this.context) ?? Promise.resolve());
    }
    await this.#limitWaiting();
    const active = users.active();
    this.background('subscribe', () =>
      agent.subscribeAll(active === undefined ? undefined : Number(active.agentUserId)),
    );
  }

  /** While too many messages wait for a client, the network waits too: they stay on the relays. */
  async #limitWaiting(): Promise<void> {
    const { options, agent, logger, state } = this.context;
    if (options.maxWaitingMessages === undefined) return;
    await this.events.limitWaiting(options.maxWaitingMessages, (full) => {
      if (full) logger.warn({}, 'no client takes the messages that have come: receiving stops until one does');
      if (state.started) this.background('back-pressure', () => (full ? agent.suspend(0) : agent.resume()));
    });
  }

  async stop(): Promise<void> {
    const { state, agent, fileAgent } = this.context;
    if (!state.started) return;
    state.started = false;
    this.#jobs.stop();
    fileAgent?.suspend();
    await agent.suspend();
  }

  background(name: string, task: () => Promise<void>): void {
    const run = (async () => {
      try {
        await task();
      } catch (error) {
        if (this.#closing) return;
        this.context.logger.warn({ task: name, ...errorFields(error) }, 'background work failed');
        // The store may be what failed: then the log is all there is.
        await this.context.store
          .transaction((tx) => this.events.emit(tx, { type: 'chatError', chatError: toChatError(error) }))
          .catch(() => {});
      }
    })();
    this.#background.add(run);
    void run.then(() => this.#background.delete(run));
  }

  async close(): Promise<void> {
    this.#closing = true;
    this.context.state.started = false;
    this.#jobs.stop();
    await this.context.fileAgent?.close();
    await this.context.agent.close();
    await Promise.all(this.#background);
    await this.events.flush();
  }
}

/** Opens the engine; {@link ChatEngine.start} connects it. */
export async function openChatEngine(o: ChatEngineOptions): Promise<ChatEngine> {
  const users = new UserCache();
  users.load(await o.store.read(readUsers));
  const events = new EventLog(
    o.store,
    o.clock,
    o.logger,
    o.options.maxEvents ?? defaultMaxEvents,
    o.options.maxEventAge ?? defaultMaxEventAge,
  );
  await events.open();
  // The agent may call its handler as soon as it is open, which needs the context, which holds the agent.
  let engine: Engine | undefined;
  const ctx = (): ChatContext => {
    if (engine === undefined) throw new Error('the engine is not open yet');
    return engine.context;
  };
  const timed = new TimedItemScheduler(capabilities, ctx);
  const servers = await o.store.read(async (tx) => {
    const map = new Map<number, UserServers>();
    for (const u of users.all()) map.set(Number(u.agentUserId), await userServers(tx, o.options, u.userId));
    return map;
  });
  const agent = await o.openAgent(new AgentDispatcher(capabilities, ctx), servers);
  const fileEvent = capabilities.map((c) => c.fileEvent).find((f) => f !== undefined);
  const fileAgent = o.openFileAgent?.({
    fileEvent: async (tx, event) => fileEvent?.(ctx(), tx, event),
  });
  for (const [userId, { xftp }] of servers) fileAgent?.setUserServers(userId, xftp);
  const state: ChatState = {
    started: false,
    filesFolder: o.options.filesFolder,
    tempFolder: o.options.tempFolder,
    encryptLocalFiles: false,
  };
  const commands = mergeCommands(capabilities);
  const context: ChatContext = {
    store: o.store,
    agent,
    fileAgent,
    clock: o.clock,
    random: o.random,
    logger: o.logger,
    compression: await loadCompression(),
    options: o.options,
    state,
    users,
    locks: new KeyedMutex<string>(),
    timed,
    emit: (tx: Tx, event: ApiEvent) => events.emit(tx, event),
    emitLive: (event: ApiEvent) => events.emitLive(event),
    background: (name, task) => engine?.background(name, task),
    directMessages: mergeTables(capabilities.map((c) => c.directMessages)),
    files: capabilities.map((c) => c.fileHooks).find((h) => h !== undefined),
    run: async (command) => {
      if (isUnsupported(command)) throw commandFailure('not supported');
      return runCommand(commands, context, command);
    },
    groups: capabilities.map((c) => c.groupHooks).find((h) => h !== undefined),
    lifecycle: {
      start: () => engine?.start() ?? Promise.resolve(),
      stop: () => engine?.stop() ?? Promise.resolve(),
    },
  };
  engine = new Engine(context, events, new Jobs(capabilities, timed, ctx), commands);
  return engine;
}
