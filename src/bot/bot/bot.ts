import type { ApiEvent, ChatRef, Contact, Events, EventTag, GroupInfo, JsonValue, User } from '../../api/index.js';
import { type Clock, errorMessage, type Logger, systemClock } from '../../core/index.js';
import { ApiClient } from '../api/client.js';
import { BotError, ConnectionLostError } from '../errors.js';
import { chatOf, chatRefOf, itemOf, orderKey, userOf } from '../events.js';
import { type BotConnection, environmentConnection, openTransport } from '../transport/connection.js';
import type { Transport } from '../transport/types.js';
import { Composer } from './composer.js';
import type { Content } from './content.js';
import { Context, type DownloadOptions, MessageContext } from './context.js';
import { type Delivery, Dispatcher, type Outcome } from './dispatcher.js';
import { matches } from './filters.js';
import type { LiveMessage } from './live.js';
import { consoleLogger } from './logger.js';
import { type LiveOptions, liveMessage, type Message, Sender, type SendOptions } from './message.js';
import { type Rate, RateLimiter } from './rate.js';
import type { BotRuntime } from './runtime.js';
import { CustomDataSessions, type SessionStore, StateSessions } from './sessions.js';
import { type Setup, type SetupOptions, setUp } from './setup.js';
import { DoneSteps } from './steps.js';
import { Waiters, type WaitOptions } from './waiters.js';

/** Options of a {@link Bot}. */
export interface BotOptions<S = undefined> extends SetupOptions {
  /** The engine: in this process, or behind a `ws://` URL. Default: from the environment, else the file `./bot.db`. */
  readonly connection?: BotConnection;
  /** The state of a new conversation, a JSON value; with it contexts have `session`. */
  readonly session?: () => S;
  /** Where sessions are kept, instead of in the database. */
  readonly sessions?: SessionStore;
  readonly rateLimit?: RateLimits;
  /** Chats that are dealt with at the same time. Default 64. */
  readonly concurrency?: number;
  /** How long {@link Bot.stop} waits for handlers, in milliseconds. Default 10 seconds. */
  readonly stopTimeoutMs?: number;
  /** Default: warnings and errors go to the standard error output. */
  readonly logger?: Logger;
  readonly clock?: Clock;
}

/** Limits for each chat. */
export interface RateLimits {
  /** Messages beyond this are not handled. */
  readonly incoming?: Rate;
  /** Messages beyond this are sent later. */
  readonly outgoing?: Rate;
}

/** Where to send to: a chat, a contact or a group. */
export type SendTarget = ChatRef | Pick<Contact, 'contactId'> | Pick<GroupInfo, 'groupId'>;

/** Deals with an error of a handler. */
export type ErrorHandler<S> = (error: unknown, ctx: Context<S>) => unknown;

/** How often a handler is begun again because the connection was lost. */
const maxAttempts = 5;

interface Started extends BotRuntime {
  readonly transport: Transport;
  readonly dispatcher: Dispatcher;
  readonly setup: Setup;
  readonly sessions: SessionStore;
}

/**
 * A bot: a profile with an address, and handlers for what happens. The engine is in this process or behind a WebSocket,
 * which only the option `connection` decides.
 */
export class Bot<S = undefined> extends Composer<S> {
  readonly #options: BotOptions<S>;
  readonly #logger: Logger;
  readonly #clock: Clock;
  readonly #waiters: Waiters;
  readonly #incoming: RateLimiter | undefined;
  readonly #outgoing: RateLimiter | undefined;
  readonly #handled = this.middleware();
  #onError: ErrorHandler<S> | undefined;
  #started: Started | undefined;
  #starting = false;
  #stopping: Promise<void> | undefined;
  readonly #onSignal = (): void => {
    this.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        this.#logger.error({ error: errorMessage(error) }, 'stopping failed');
        process.exit(1);
      },
    );
  };

  constructor(options: BotOptions<S>) {
    super();
    this.#options = options;
    this.#logger = options.logger ?? consoleLogger;
    this.#clock = options.clock ?? systemClock;
    this.#waiters = new Waiters(this.#clock);
    const { incoming, outgoing } = options.rateLimit ?? {};
    this.#incoming = incoming === undefined ? undefined : new RateLimiter(incoming, this.#clock);
    this.#outgoing = outgoing === undefined ? undefined : new RateLimiter(outgoing, this.#clock);
  }

  /** The API of the started bot. */
  get api(): ApiClient {
    return this.#running().api;
  }

  /** The link under which people reach the bot. */
  get address(): string {
    const { address } = this.#running().setup;
    if (address === undefined) throw new BotError('NO_ADDRESS', 'the bot has no address: see the option address');
    return address;
  }

  /** The bot's own profile. */
  get user(): User {
    return this.#running().user;
  }

  /** What the start created or changed. */
  get setup(): Setup['results'] {
    return this.#running().setup.results;
  }

  /** Deals with errors of handlers. Without it they are logged; the event counts as handled in both cases. */
  catch(handler: ErrorHandler<S>): this {
    this.#onError = handler;
    return this;
  }

  /**
   * Connects, brings profile, address and commands into effect, then begins to handle events, those first that came while
   * the bot did not run.
   * @throws ChatApiError, ConnectionRefusedError, StoreError
   */
  async start(): Promise<this> {
    if (this.#starting) throw new BotError('STARTED', 'a bot is started once');
    this.#starting = true;
    const connection = this.#options.connection ?? environmentConnection(process.env);
    const transport = openTransport(connection, this.#logger);
    try {
      this.#started = await this.#start(transport);
    } catch (error) {
      await transport.close();
      throw error;
    }
    this.#started.dispatcher.start();
    return this;
  }

  /** Starts, prints the address, and stops when the process is asked to end (SIGINT, SIGTERM). */
  async run(): Promise<this> {
    await this.start();
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, this.#onSignal);
    const { address } = this.#running().setup;
    const name = this.user.profile.displayName;
    process.stdout.write(address === undefined ? `${name} runs.\n` : `${name} runs. Connect to it:\n${address}\n`);
    return this;
  }

  /** Takes no more events, lets running handlers finish, closes the connection. */
  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  /** Sends a message. */
  async send(target: SendTarget, content: Content, options: SendOptions = {}): Promise<Message> {
    return this.#running().sender.send(targetRef(target), content, options);
  }

  /** Begins a live message, which grows while text is appended. */
  live(target: SendTarget, options: SendOptions & LiveOptions = {}): LiveMessage {
    return liveMessage(this.#running().sender, targetRef(target), options);
  }

  /** The next event with this tag that `accept` lets through. */
  waitFor<T extends EventTag>(
    tag: T,
    accept?: (event: Events[T]) => boolean,
    options?: WaitOptions,
  ): Promise<Events[T]> {
    return this.#waiters.wait(tag, accept, options);
  }

  /** The state of a conversation, outside of its handlers. */
  async readSession(target: SendTarget): Promise<S> {
    return this.#loadSession(this.#running(), targetRef(target));
  }

  /** Replaces the state of a conversation. A handler of the same chat that is at work may replace it again. */
  async writeSession(target: SendTarget, session: S): Promise<void> {
    await this.#running().sessions.save(targetRef(target), toJson(session));
  }

  async #start(transport: Transport): Promise<Started> {
    await transport.open();
    const api = new ApiClient(transport);
    const steps = new DoneSteps(transport.state);
    await steps.open();
    const dispatcher = new Dispatcher({
      handle: (delivery) => this.#handle(delivery),
      state: transport.state,
      steps,
      handled: (seq) => transport.handled(seq),
      concurrency: this.#options.concurrency ?? 64,
      clock: this.#clock,
      logger: this.#logger,
    });
    const after = await dispatcher.open();
    await transport.connect({
      after,
      onEvent: (event) => {
        this.#waiters.offer(event.event);
        return dispatcher.accept(event);
      },
    });
    const setup = await setUp(api, this.#options, this.menu);
    const sender = new Sender(api, this.#clock, async (chat) => this.#outgoing?.wait(`${chat.chatType}${chat.chatId}`));
    const sessions =
      this.#options.sessions ??
      (transport.sessions === 'state' ? new StateSessions(transport.state) : new CustomDataSessions(api));
    return {
      transport,
      dispatcher,
      setup,
      sessions,
      api,
      sender,
      steps,
      user: setup.user,
      download: (fileId, options) => this.#download(api, fileId, options),
    };
  }

  async #stop(): Promise<void> {
    const started = this.#started;
    if (started === undefined) return;
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.off(signal, this.#onSignal);
    this.#waiters.end();
    await started.dispatcher.stop(this.#options.stopTimeoutMs ?? 10_000);
    await started.transport.close();
  }

  #running(): Started {
    if (this.#started === undefined) throw new BotError('NOT_STARTED', 'the bot is not started');
    return this.#started;
  }

  async #handle(delivery: Delivery): Promise<Outcome> {
    const started = this.#running();
    const { event } = delivery;
    const user = userOf(event);
    // Other profiles of the same engine are none of the bot's business.
    if (user !== undefined && user.userId !== started.user.userId) return 'done';
    if (matches('message', event) && this.#incoming?.take(orderKey(event)) === false) {
      this.#logger.warn({}, 'a message was not handled: its chat sends too many');
      return 'done';
    }
    for (let attempt = 1; ; attempt++) {
      try {
        await this.#run(started, delivery);
        return 'done';
      } catch (error) {
        if (!(error instanceof ConnectionLostError) && !isStop(error)) {
          this.#logger.error({ error: errorMessage(error) }, 'the handler of errors failed');
          return 'done';
        }
        if (this.#stopping !== undefined) return 'again';
        if (attempt === maxAttempts) {
          this.#logger.error({ attempts: attempt }, 'a handler was given up: the connection was lost each time');
          return 'done';
        }
        try {
          await started.transport.ready();
        } catch {
          return 'again';
        }
      }
    }
  }

  /** Throws only what asks for another attempt, or what the error handler throws. */
  async #run(started: Started, delivery: Delivery): Promise<void> {
    const info = chatOf(delivery.event);
    const chat = info === undefined ? undefined : chatRefOf(info);
    const session = chat === undefined ? this.#newSession() : await this.#loadSession(started, chat);
    const before = JSON.stringify(session);
    const ctx = context(started, delivery, session);
    try {
      await this.#handled(ctx, async () => {});
      if (chat !== undefined && this.#options.session !== undefined && JSON.stringify(ctx.session) !== before) {
        await started.sessions.save(chat, toJson(ctx.session));
      }
    } catch (error) {
      if ((error instanceof ConnectionLostError && error.code !== 'COMMAND_TIMEOUT') || isStop(error)) throw error;
      if (this.#onError === undefined) {
        this.#logger.error({ event: ctx.tag, error: errorMessage(error) }, 'a handler failed');
      } else await this.#onError(error, ctx);
    }
  }

  /** The state of a new conversation. */
  #newSession(): S {
    // Without the option, S is undefined: the default of the type.
    return this.#options.session === undefined ? (undefined as S) : this.#options.session();
  }

  async #loadSession(started: Started, chat: ChatRef): Promise<S> {
    const fresh = this.#newSession();
    if (this.#options.session === undefined || (chat.chatType !== 'direct' && chat.chatType !== 'group')) return fresh;
    const stored = await started.sessions.load(chat);
    // Fields that were added to the bot since get their first value. What was stored was an S.
    return stored === undefined ? fresh : (merged(fresh, stored) as S);
  }

  async #download(api: ApiClient, fileId: number, options: DownloadOptions): Promise<string> {
    const { path, timeoutMs = 600_000 } = options;
    const stop = new AbortController();
    const isIt = (event: ApiEvent): boolean => itemOf(event)?.chatItem.file?.fileId === fileId;
    const waiting = { timeoutMs, signal: stop.signal };
    const complete = this.#waiters.wait('rcvFileComplete', isIt, waiting);
    const failed = Promise.race([
      this.#waiters.wait('rcvFileError', isIt, waiting),
      this.#waiters.wait('rcvFileSndCancelled', isIt, waiting),
    ]).then((event) => {
      throw new BotError('FILE_FAILED', `the file was not received: ${event.type}`);
    });
    // One of them settles first; the others are ended, unheard.
    complete.catch(() => {});
    failed.catch(() => {});
    try {
      await api.receiveFile({ fileId, userApprovedRelays: true, ...(path === undefined ? {} : { filePath: path }) });
      const { chatItem } = await Promise.race([complete, failed]);
      const source = chatItem.chatItem.file?.fileSource?.filePath;
      if (source === undefined) throw new BotError('FILE_FAILED', 'the file was received without a path');
      return source;
    } finally {
      stop.abort();
    }
  }
}

function context<S>(runtime: BotRuntime, delivery: Delivery, session: S): Context<S> {
  const { event } = delivery;
  return event.type === 'newChatItems' && matches('message', event)
    ? new MessageContext(runtime, delivery, event, session)
    : new Context(runtime, delivery, event, session);
}

function isStop(error: unknown): boolean {
  return error instanceof BotError && error.code === 'STOPPED';
}

function targetRef(target: SendTarget): ChatRef {
  if ('chatType' in target) return target;
  return 'contactId' in target
    ? { chatType: 'direct', chatId: target.contactId }
    : { chatType: 'group', chatId: target.groupId };
}

/** The JSON of a session. */
function toJson(session: unknown): JsonValue | undefined {
  const text: string | undefined = JSON.stringify(session);
  return text === undefined ? undefined : (JSON.parse(text) as JsonValue);
}

function merged(fresh: unknown, stored: JsonValue): unknown {
  const objects = [fresh, stored].every((v) => typeof v === 'object' && v !== null && !Array.isArray(v));
  return objects ? { ...Object(fresh), ...Object(stored) } : structuredClone(stored);
}
