import { WebSocket } from 'ws';
import { type ApiEvent, type ApiResponse, isJsonObject, parseJson } from '../../api/index.js';
import {
  type Clock,
  type Deferred,
  deferred,
  errorMessage,
  type Logger,
  type RandomSource,
  randomInt,
  silentLogger,
  systemClock,
  systemRandom,
  type Timer,
} from '../../core/index.js';
import { ConnectionLostError, ConnectionRefusedError } from '../errors.js';
import { isEvent, isPassing } from '../events.js';
import { FileState } from '../state/file.js';
import type { StateStore } from '../state/types.js';
import type { ConnectOptions, Transport } from './types.js';

/** Any bot API server: `fanion serve`, or the official `simplex-chat -p`. */
export interface WebSocketConnection {
  /** `ws://localhost:5225` */
  readonly url: string;
  /** The token of `fanion serve --api-token`. */
  readonly token?: string;
  /**
   * Where the bot keeps the number of the last event and what it has done: a file, by default `fanion-bot-<host>-<port>.json`
   * in the working folder, or a store of your own.
   */
  readonly state?: string | StateStore;
  /** The first pause before connecting again, in milliseconds; it doubles up to `maxPauseMs`. Default 500. */
  readonly pauseMs?: number;
  /** Default 30 seconds. */
  readonly maxPauseMs?: number;
  /** A command that is not answered in this time fails. Default 5 minutes. */
  readonly commandTimeoutMs?: number;
  readonly logger?: Logger;
  readonly clock?: Clock;
  readonly random?: RandomSource;
}

interface Pending {
  readonly answer: Deferred<ApiResponse>;
  readonly timer: Timer;
}

const pingIntervalMs = 30_000;

/**
 * A client of a bot API server. It connects again with growing pauses when the connection is lost, and asks the server for
 * the events that came meanwhile (`?since=`). Commands that are sent while it is not connected wait until it is.
 */
export class WebSocketTransport implements Transport {
  readonly kind = 'websocket';
  readonly sessions = 'customData';
  readonly state: StateStore;
  readonly #options: WebSocketConnection;
  readonly #clock: Clock;
  readonly #random: RandomSource;
  readonly #logger: Logger;
  readonly #pending = new Map<string, Pending>();
  readonly #stop = new AbortController();
  #corrId = 0;
  #ws: WebSocket | undefined;
  #ready = deferred<void>();
  #after: number | undefined;
  #onEvent: ConnectOptions['onEvent'] = () => {};
  /** Events are given one after the other, in the order in which they come. */
  #events: Promise<void> = Promise.resolve();
  #toldUnnumbered = false;
  #running: Promise<void> = Promise.resolve();

  constructor(options: WebSocketConnection, logger: Logger = silentLogger) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
    this.#logger = options.logger ?? logger;
    const { state } = options;
    this.state =
      state === undefined || typeof state === 'string' ? new FileState(state ?? stateFile(options.url)) : state;
    // Who waits for it gets the error; nobody has to.
    this.#ready.promise.catch(() => {});
  }

  async open(): Promise<void> {
    await this.state.open();
  }

  async connect({ after, onEvent }: ConnectOptions): Promise<void> {
    this.#after = after;
    this.#onEvent = onEvent;
    this.#running = this.#run();
    await this.#ready.promise;
  }

  async execute(command: string): Promise<ApiResponse> {
    await this.#ready.promise;
    const ws = this.#ws;
    if (ws === undefined || ws.readyState !== WebSocket.OPEN) throw lost();
    const corrId = String(++this.#corrId);
    const answer = deferred<ApiResponse>();
    const limit = this.#options.commandTimeoutMs ?? 300_000;
    const timer = this.#clock.after(
      limit,
      () => {
        this.#pending.delete(corrId);
        answer.reject(new ConnectionLostError('COMMAND_TIMEOUT', `no answer to a command in ${limit} ms`));
      },
      { unref: true },
    );
    this.#pending.set(corrId, { answer, timer });
    ws.send(JSON.stringify({ corrId, cmd: command }), (error) => {
      if (error != null) this.#settle(corrId)?.reject(lost(error));
    });
    return answer.promise;
  }

  ready(): Promise<void> {
    return this.#ready.promise;
  }

  /** The server counts what it has sent. */
  handled(): void {}

  async close(): Promise<void> {
    if (this.#stop.signal.aborted) return;
    this.#stop.abort();
    this.#ready.reject(new ConnectionLostError('CLOSED', 'the client is closed'));
    this.#ws?.close(1000);
    await this.#running;
    await this.#events;
    await this.state.close();
  }

  async #run(): Promise<void> {
    const first = this.#options.pauseMs ?? 500;
    let pause = first;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#session(() => {
          pause = first;
        });
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        if (error instanceof ConnectionRefusedError) {
          this.#stop.abort();
          this.#ready.reject(error);
          this.#logger.error({ error: error.message }, 'the API server refuses the connection');
          return;
        }
        this.#logger.warn(
          { error: errorMessage(error), pauseMs: pause },
          'not connected to the API server, trying again',
        );
      }
      // Many bots that lost the same server do not come back at the same moment.
      await this.#clock
        .sleep(pause / 2 + randomInt(this.#random, Math.ceil(pause / 2) + 1), this.#stop.signal)
        .catch(() => {});
      pause = Math.min(pause * 2, this.#options.maxPauseMs ?? 30_000);
    }
  }

  /** One connection, from the first byte to the last. Rejects with the reason of its end. */
  async #session(onOpen: () => void): Promise<void> {
    const url = new URL(this.#options.url);
    url.searchParams.set('since', this.#after === undefined ? 'delivered' : String(this.#after));
    const { token } = this.#options;
    const ws = new WebSocket(url, {
      perMessageDeflate: false,
      handshakeTimeout: 30_000,
      maxPayload: 256 * 1024 * 1024,
      headers: token === undefined ? {} : { Authorization: `Bearer ${token}` },
    });
    this.#ws = ws;
    const ended = deferred<void>();
    let alive = true;
    let opened = false;
    let ping: Timer | undefined;
    const keepAlive = (): void => {
      ping = this.#clock.after(
        pingIntervalMs,
        () => {
          if (!alive) ws.terminate();
          alive = false;
          if (ws.readyState === WebSocket.OPEN) ws.ping();
          keepAlive();
        },
        { unref: true },
      );
    };
    ws.on('unexpected-response', (_request, response) => {
      const { statusCode = 0 } = response;
      response.resume();
      ws.terminate();
      const refused = statusCode === 401 || statusCode === 403;
      const message = `the API server answered HTTP ${statusCode}`;
      ended.reject(
        refused
          ? new ConnectionRefusedError('CONNECTION_REFUSED', message)
          : new ConnectionLostError('CONNECTION_LOST', message),
      );
    });
    ws.on('open', () => {
      opened = true;
      onOpen();
      keepAlive();
      this.#ready.resolve();
    });
    ws.on('pong', () => {
      alive = true;
    });
    ws.on('message', (data: unknown) => {
      alive = true;
      this.#receive(data);
    });
    ws.on('error', (error) => ended.reject(lost(error)));
    ws.on('close', (code) => ended.reject(lost(new Error(`closed with code ${code}`))));
    if (this.#stop.signal.aborted) ws.terminate();
    try {
      await ended.promise;
    } finally {
      ping?.cancel();
      this.#ws = undefined;
      if (opened && !this.#stop.signal.aborted) this.#notReady();
      for (const corrId of [...this.#pending.keys()]) this.#settle(corrId)?.reject(lost());
    }
  }

  /** From now on commands wait for the next connection. */
  #notReady(): void {
    this.#ready = deferred();
    this.#ready.promise.catch(() => {});
  }

  #settle(corrId: string): Deferred<ApiResponse> | undefined {
    const pending = this.#pending.get(corrId);
    this.#pending.delete(corrId);
    pending?.timer.cancel();
    return pending?.answer;
  }

  #receive(data: unknown): void {
    const message = data instanceof Uint8Array ? parseJson(Buffer.from(data).toString('utf8')) : undefined;
    if (!isJsonObject(message) || !isEvent(message.resp)) {
      this.#logger.warn({}, 'the API server sent something that is neither a response nor an event');
      return;
    }
    const { corrId, seq, resp } = message;
    if (typeof corrId === 'string') {
      // An answer: its tag is checked by who has asked.
      this.#settle(corrId)?.resolve(resp as unknown as ApiResponse);
      return;
    }
    this.#event(typeof seq === 'number' ? seq : undefined, resp);
  }

  #event(seq: number | undefined, event: ApiEvent): void {
    if (event.type === 'eventsLost') this.#lost(event.from, event.to);
    else if (seq === undefined) this.#unnumbered(event);
    else if (this.#after !== undefined && seq <= this.#after) return;
    if (seq !== undefined) this.#after = seq;
    this.#events = this.#events.then(() => this.#onEvent({ seq, event }));
  }

  #lost(from: number, to: number): void {
    this.#logger.warn({ from, to }, 'the API server no longer has all events that the bot has missed');
  }

  #unnumbered(event: ApiEvent): void {
    if (this.#toldUnnumbered || isPassing(event)) return;
    this.#toldUnnumbered = true;
    this.#logger.warn(
      {},
      'the API server does not number events (?since=): events can be missed when the connection is lost',
    );
  }
}

function lost(cause?: Error): ConnectionLostError {
  const message = cause === undefined ? 'the connection to the API server was lost' : cause.message;
  return new ConnectionLostError('CONNECTION_LOST', message, cause === undefined ? {} : { cause });
}

function stateFile(url: string): string {
  const { hostname, port } = new URL(url);
  return `fanion-bot-${hostname.replace(/[^\w.-]/g, '')}-${port === '' ? '80' : port}.json`;
}
