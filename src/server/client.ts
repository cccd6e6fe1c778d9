import type { WebSocket } from 'ws';
import { chatCmdError, commandError } from '../api/index.js';
import { type Clock, errorFields, type Logger } from '../core/index.js';
import { type MemoryRelief, worthCollecting } from './memory.js';
import {
  type ApiRequest,
  eventMessage,
  eventsLostMessage,
  invalidRequestMessage,
  largeRequest,
  parseRequest,
  responseMessage,
} from './messages.js';
import type { ServerMetrics } from './metrics.js';
import type { BotApiEngine, ClientSession, SourceEvent } from './port.js';
import type { Turns } from './turns.js';

/** Limits of one client. */
export interface ClientLimits {
  /** A client whose unread data grow beyond this many bytes is disconnected. */
  readonly maxBuffered: number;
  /** Commands in work; while there are more, nothing is read from the client. */
  readonly maxCommands: number;
}

/** A client with less unread data than this (bytes) is not looked at when memory is short. */
const littleUnread = 128 * 1024;

/** Events read from the log at once. */
const pageSize = 200;

const isQuit = /^\/(?:quit|q|exit)\s*$/;

/** What one client is served with. `turns` and `memory` are shared by all clients. */
export interface ClientOptions {
  readonly engine: BotApiEngine;
  readonly limits: ClientLimits;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: ServerMetrics;
  /**
   * `?since=`: the client has all events up to this number. Without it, it gets what no client has received; with
   * `delivered` also that, but numbered.
   */
  readonly since: number | 'delivered' | undefined;
  /** What `/quit` does; without it the command is refused. */
  readonly onQuit: (() => void) | undefined;
  /** Bytes that the client's connection has read so far. */
  readonly bytesRead: () => number;
  readonly turns: Turns;
  readonly memory: MemoryRelief;
  /** Called before something is sent to a client that has not read much: the server may end it, or another one. */
  readonly onUnread: () => void;
}

/**
 * One connected client. Events come from the log until it has caught up, then live; both in the order of their numbers,
 * each once. Commands run as the engine's session orders them.
 */
export class ApiClient {
  readonly #ws: WebSocket;
  readonly #o: ClientOptions;
  readonly #session: ClientSession;
  #commands = 0;
  /** Requests that have been read and not begun: at most those that came in one piece. */
  readonly #waiting: ApiRequest[] = [];
  /** What {@link ClientOptions.bytesRead} was at the end of the last message. */
  #consumed = 0;
  /** A large message was just read: nothing is begun until its bytes are free. */
  #held = false;
  #paused = false;
  #closed = false;
  /** The number of the last event that was sent or skipped. */
  #cursor = 0;
  #live = false;
  /** The newest event that came while catching up. */
  #newest = 0;
  #idle: (() => void) | undefined;
  readonly #onClose: () => void;

  constructor(ws: WebSocket, options: ClientOptions, onClose: () => void) {
    this.#ws = ws;
    this.#o = options;
    this.#onClose = onClose;
    this.#session = options.engine.session();
    this.#consumed = options.bytesRead();
    ws.on('message', (data: unknown) => this.#receive(data));
    // Control frames may come between the parts of a message, which stays incomplete.
    for (const control of ['ping', 'pong'] as const) {
      ws.on(control, (data: Buffer) => {
        this.#consumed += data.length + 6;
      });
    }
    ws.on('close', () => this.#end());
    // Errors of the protocol (frames too large, bad frames) close the connection.
    ws.on('error', (error) => this.#o.logger.debug(errorFields(error), 'API client failed'));
    void this.#catchUp();
  }

  /** An event of the engine, after its commit. `plain` is its message without a number, made once for all clients. */
  onEvent(event: SourceEvent, plain: () => string): void {
    if (this.#closed) return;
    const { seq } = event;
    if (!this.#live) {
      // Progress events are not in the log; who is catching up does without them.
      if (seq !== undefined) this.#newest = Math.max(this.#newest, seq);
      return;
    }
    if (seq !== undefined) {
      if (seq <= this.#cursor) return;
      this.#cursor = seq;
    }
    this.#sendEvent(this.#o.since === undefined || seq === undefined ? plain() : eventMessage(event.json, seq), seq);
  }

  /** Bytes of a message that is not complete. */
  get incoming(): number {
    return this.#closed ? 0 : this.#o.bytesRead() - this.#consumed;
  }

  /** Bytes that the client has not read. */
  get unread(): number {
    return this.#closed ? 0 : this.#ws.bufferedAmount;
  }

  /** Ends a client that takes more than its share of memory. */
  drop(why: string): void {
    this.#o.metrics.slowClients.inc();
    this.#o.logger.warn({ unread: this.unread, incoming: this.incoming }, why);
    this.#ws.terminate();
    this.#end();
    this.#o.memory.collectSoon();
  }

  /** Ends the connection; commands in work are finished, their responses dropped. */
  close(code: number, reason: string): void {
    this.#ws.close(code, reason);
  }

  terminate(): void {
    this.#ws.terminate();
  }

  /** Resolves when no command of this client is in work. */
  idle(): Promise<void> {
    if (this.#commands === 0) return Promise.resolve();
    return new Promise((resolve) => {
      this.#idle = resolve;
    });
  }

  #end(): void {
    if (this.#closed) return;
    const large = this.incoming > worthCollecting;
    this.#closed = true;
    if (large) this.#o.memory.collectSoon();
    // Commands in work are finished, the others never begin.
    this.#commands -= this.#o.turns.drop(this);
    if (this.#commands === 0) this.#idle?.();
    this.#onClose();
  }

  #receive(data: unknown): void {
    this.#consumed = this.#o.bytesRead();
    const bytes = data instanceof Uint8Array ? data : undefined;
    const request = bytes === undefined ? undefined : parseRequest(bytes);
    if (request === undefined) {
      this.#o.metrics.badRequests.inc();
      this.#send(invalidRequestMessage);
      if (bytes !== undefined && bytes.length > worthCollecting) this.#o.memory.collectSoon();
      return;
    }
    this.#waiting.push(request);
    if (bytes !== undefined && bytes.length > largeRequest) {
      // What a large message was read from is free again before its command makes copies of its parts.
      this.#held = true;
      setImmediate(() => {
        this.#held = false;
        if (bytes.length > worthCollecting) this.#o.memory.collect();
        this.#advance();
      });
    }
    this.#advance();
  }

  /** Begins what waits as far as the limit allows; reads from the client again when nothing waits. */
  #advance(): void {
    const { maxCommands } = this.#o.limits;
    while (!this.#closed && !this.#held && this.#commands < maxCommands) {
      const request = this.#waiting.shift();
      if (request === undefined) break;
      this.#commands++;
      this.#o.turns.run(this, () => this.#execute(request));
    }
    const full = this.#waiting.length > 0 || this.#commands >= maxCommands;
    if (full && !this.#paused) {
      this.#paused = true;
      this.#ws.pause();
    } else if (this.#paused && !full && this.#commands < maxCommands / 2 && !this.#closed) {
      this.#paused = false;
      this.#ws.resume();
    }
  }

  async #execute({ corrId, cmd }: ApiRequest): Promise<void> {
    const { clock, metrics, logger } = this.#o;
    const start = clock.monotonic();
    try {
      if (isQuit.test(cmd)) {
        if (this.#o.onQuit === undefined) {
          this.#send(responseMessage(corrId, chatCmdError(commandError('not allowed over WebSocket'))));
        } else this.#o.onQuit();
        return;
      }
      const response = await this.#session.execute(cmd);
      metrics.commands.inc({ result: response.type === 'chatCmdError' ? 'error' : 'ok' });
      this.#send(responseMessage(corrId, response));
    } catch (error) {
      // The engine answers failures itself; this is a mistake of the program, which must not end the process.
      logger.error(errorFields(error), 'a command failed without an answer');
      metrics.commands.inc({ result: 'error' });
      const failed = chatCmdError({ type: 'error', errorType: { type: 'internalError', message: 'internal error' } });
      this.#send(responseMessage(corrId, failed));
    } finally {
      metrics.commandSeconds.observe((clock.monotonic() - start) / 1000);
      this.#commands--;
      this.#advance();
      if (this.#commands === 0) this.#idle?.();
    }
  }

  /** Sends one message, unless the client has let too much pile up: then it is disconnected. */
  #send(message: string, sent?: () => void): void {
    if (this.#closed || this.#ws.readyState !== this.#ws.OPEN) return;
    const unread = this.#ws.bufferedAmount;
    if (unread > this.#o.limits.maxBuffered) {
      this.drop('API client does not read: disconnected');
      return;
    }
    if (unread > littleUnread) {
      this.#o.onUnread();
      if (this.#closed) return;
    }
    this.#o.memory.sent(message.length);
    this.#ws.send(message, (error) => {
      if (error == null) sent?.();
    });
  }

  #sendEvent(message: string, seq: number | undefined): void {
    this.#o.metrics.eventsSent.inc();
    // Delivered = handed to the system: what is lost after that, a client with `?since=` asks for.
    this.#send(message, seq === undefined ? undefined : () => this.#o.engine.events.markDelivered(seq));
  }

  /** Sends from the log what the client has not, page by page as it reads, then switches to live events. */
  async #catchUp(): Promise<void> {
    const { events } = this.#o.engine;
    const { since } = this.#o;
    try {
      this.#cursor = typeof since === 'number' ? since : events.delivered;
      if (typeof since === 'number') await this.#checkLost(since);
      for (;;) {
        const page = await events.since(this.#cursor, pageSize);
        if (this.#closed) return;
        for (const { seq, json } of page) {
          this.#cursor = seq;
          this.#sendEvent(eventMessage(json, since === undefined ? undefined : seq), seq);
          if (this.#ws.bufferedAmount > this.#o.limits.maxBuffered / 4) await this.#drained();
        }
        if (page.length === 0 && this.#newest <= this.#cursor) {
          this.#live = true;
          return;
        }
      }
    } catch (error) {
      if (this.#closed) return;
      this.#o.logger.error(errorFields(error), 'cannot read the event log');
      this.close(1011, 'cannot read the event log');
    }
  }

  async #checkLost(since: number): Promise<void> {
    const { oldest, last } = await this.#o.engine.events.range();
    if (last === 0) return;
    if (since > last) {
      // A number of another database: nothing that it names is here.
      this.#cursor = last;
      this.#send(eventsLostMessage(since, last));
    } else if (since > 0 && since < oldest - 1) {
      this.#cursor = oldest - 1;
      this.#send(eventsLostMessage(since, oldest - 1));
    }
  }

  /** Waits until the client has read most of what was sent. */
  async #drained(): Promise<void> {
    while (!this.#closed && this.#ws.bufferedAmount > this.#o.limits.maxBuffered / 8) await this.#o.clock.sleep(20);
  }
}
