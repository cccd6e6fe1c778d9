import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Registry } from 'prom-client';
import { type WebSocket, WebSocketServer } from 'ws';
import { type Clock, FanionError, type Logger, silentLogger, systemClock } from '../core/index.js';
import { type AccessRules, type Refusal, refusal, requestUrl } from './access.js';
import { ApiClient, type ClientLimits } from './client.js';
import { MemoryRelief } from './memory.js';
import { eventMessage } from './messages.js';
import { type ServerMetrics, serverMetrics } from './metrics.js';
import type { BotApiEngine, SourceEvent } from './port.js';
import { Turns } from './turns.js';

/** Where the server listens, who may connect, and how much memory clients may take. */
export interface ApiServerOptions extends AccessRules {
  readonly engine: BotApiEngine;
  /** 0 takes a free one. Default 5225. */
  readonly port?: number | undefined;
  /** Addresses to listen on. Default: loopback of IPv4, and of IPv6 where the machine has it. */
  readonly hosts?: readonly string[] | undefined;
  /** The largest message of a client in bytes. Default 8 MiB: the longest commands hold a profile with a picture. */
  readonly maxFrameBytes?: number | undefined;
  /** More clients than this are refused. Default 256. */
  readonly maxClients?: number | undefined;
  /** See {@link ClientLimits}. Default 8 MiB. */
  readonly maxBuffered?: number | undefined;
  /** Unread data of all clients in bytes; above it, the client with most of it is disconnected. Default 16 MiB. */
  readonly maxBufferedTotal?: number | undefined;
  /** Incomplete messages of all clients in bytes; above it, the client with most of it is disconnected. Default 16 MiB. */
  readonly maxIncomingTotal?: number | undefined;
  /** See {@link ClientLimits}. Default 256. */
  readonly maxCommands?: number | undefined;
  /** What `/quit` of a client does. Without it the command is refused. */
  readonly onQuit?: (() => void) | undefined;
  /** Whether the process is well, for `/health`. Default: it is. */
  readonly health?: (() => Readonly<Record<string, unknown>> & { readonly ok: boolean }) | undefined;
  /** Metrics of the rest of the program, shown at `/metrics` with those of the server. */
  readonly registry?: Registry | undefined;
  readonly clock?: Clock | undefined;
  readonly logger?: Logger | undefined;
}

/** A running API server (70-bot-api.md 1). */
export interface ApiServer {
  readonly port: number;
  /** `ws://127.0.0.1:5225`: where clients connect. */
  readonly url: string;
  /** Connected clients. */
  readonly clients: number;
  readonly metrics: ServerMetrics;
  /** Takes no more connections and requests, waits up to `graceMs` for commands in work, closes. Default 2 s. */
  close(graceMs?: number): Promise<void>;
}

/** Listening failed: `SERVER_PORT_TAKEN`, or `SERVER_LISTEN` for other reasons. */
export class ServerError extends FanionError {}

const megabyte = 1024 * 1024;
/** A client with less of an incomplete message than this (bytes) is not looked at when memory is short. */
const littleIncoming = 256 * 1024;
const loopback = ['127.0.0.1', '::1'];

class Running implements ApiServer {
  readonly port: number;
  readonly url: string;
  readonly metrics: ServerMetrics;
  readonly #o: ApiServerOptions;
  readonly #limits: ClientLimits;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #servers: readonly Server[];
  readonly #wss: WebSocketServer;
  readonly #turns: Turns;
  readonly #memory: MemoryRelief;
  readonly #clients = new Set<ApiClient>();
  readonly #stopListening: () => void;
  #closing = false;

  constructor(options: ApiServerOptions, servers: readonly Server[], url: string, port: number) {
    this.#o = options;
    this.#clock = options.clock ?? systemClock;
    this.#logger = options.logger ?? silentLogger;
    this.#servers = servers;
    this.#turns = new Turns(this.#clock);
    this.#memory = new MemoryRelief(this.#clock);
    this.port = port;
    this.url = url;
    this.metrics = serverMetrics(options.registry);
    this.#limits = {
      maxBuffered: options.maxBuffered ?? 8 * megabyte,
      maxCommands: options.maxCommands ?? 256,
    };
    this.#wss = new WebSocketServer({
      noServer: true,
      clientTracking: false,
      perMessageDeflate: false,
      maxPayload: options.maxFrameBytes ?? 8 * megabyte,
      // Checked when the request is read: a bad one is answered, the connection stays.
      skipUTF8Validation: true,
      handleProtocols: () => false,
    });
    this.#stopListening = options.engine.events.listen((event) => this.#onEvent(event));
    for (const server of servers) {
      server.on('request', (request, response) => this.#http(request, response));
      server.on('upgrade', (request, socket, head) => this.#upgrade(request, socket, head));
    }
  }

  get clients(): number {
    return this.#clients.size;
  }

  async close(graceMs = 2000): Promise<void> {
    if (this.#closing) return;
    this.#closing = true;
    this.#stopListening();
    const closed = this.#servers.map((s) => new Promise<void>((resolve) => s.close(() => resolve())));
    const clients = [...this.#clients];
    const grace = new AbortController();
    await Promise.race([
      Promise.all(clients.map((c) => c.idle())),
      this.#clock.sleep(graceMs, grace.signal).catch(() => {}),
    ]);
    grace.abort();
    for (const c of clients) c.close(1001, 'the server stops');
    // Sleeps that are cut short reject; that is how they end here.
    const closing = new AbortController();
    await Promise.race([Promise.all(closed), this.#clock.sleep(300, closing.signal).catch(() => {})]);
    closing.abort();
    for (const c of clients) c.terminate();
    for (const s of this.#servers) s.closeAllConnections();
    await Promise.all(closed);
  }

  #onEvent(event: SourceEvent): void {
    let text: string | undefined;
    const plain = (): string => {
      text ??= eventMessage(event.json);
      return text;
    };
    for (const client of this.#clients) client.onEvent(event, plain);
  }

  #refuse(request: IncomingMessage): Refusal | undefined {
    if (this.#closing) return { status: 503, reason: 'the server stops' };
    return refusal(request, this.#o);
  }

  #upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void {
    socket.on('error', () => socket.destroy());
    const since = requestUrl(request)?.searchParams.get('since') ?? undefined;
    const refused =
      this.#refuse(request) ??
      (since !== undefined && !/^(?:\d{1,15}|delivered)$/.test(since)
        ? ({ status: 400, reason: 'since is the number of an event, or delivered' } as const)
        : this.#clients.size >= (this.#o.maxClients ?? 256)
          ? ({ status: 503, reason: 'too many clients' } as const)
          : undefined);
    if (refused !== undefined) {
      this.metrics.refused.inc({ status: String(refused.status) });
      socket.end(
        `HTTP/1.1 ${refused.status} ${statusTexts[refused.status]}\r\nConnection: close\r\nContent-Type: text/plain\r\nContent-Length: ${refused.reason.length}\r\n\r\n${refused.reason}`,
      );
      return;
    }
    this.#wss.handleUpgrade(request, socket, head, (ws) => this.#connected(ws, request, since));
  }

  #connected(ws: WebSocket, { socket }: IncomingMessage, since: string | undefined): void {
    const client = new ApiClient(
      ws,
      {
        engine: this.#o.engine,
        limits: this.#limits,
        clock: this.#clock,
        logger: this.#logger,
        metrics: this.metrics,
        since: since === undefined || since === 'delivered' ? since : Number(since),
        onQuit: this.#o.onQuit,
        turns: this.#turns,
        memory: this.#memory,
        bytesRead: () => socket.bytesRead,
        onUnread: () =>
          this.#limitTotal((c) => c.unread, this.#o.maxBufferedTotal ?? 16 * megabyte, 'API clients do not read'),
      },
      () => {
        this.#clients.delete(client);
        this.metrics.clients.set(this.#clients.size);
        this.#logger.debug({ clients: this.#clients.size }, 'API client disconnected');
      },
    );
    this.#clients.add(client);
    socket.on('data', () => {
      if (client.incoming < littleIncoming) return;
      const limit = this.#o.maxIncomingTotal ?? 16 * megabyte;
      this.#limitTotal((c) => c.incoming, limit, 'API clients send messages without end');
    });
    this.metrics.clients.set(this.#clients.size);
    this.#logger.debug({ clients: this.#clients.size }, 'API client connected');
  }

  /** When all clients together hold more than `limit` bytes of something, the one that holds most is disconnected. */
  #limitTotal(held: (client: ApiClient) => number, limit: number, why: string): void {
    let total = 0;
    let largest: ApiClient | undefined;
    for (const client of this.#clients) {
      total += held(client);
      if (largest === undefined || held(client) > held(largest)) largest = client;
    }
    if (total > limit) largest?.drop(`${why}: the one with most data is disconnected`);
  }

  #http(request: IncomingMessage, response: ServerResponse): void {
    void this.#answer(request, response).catch(() => response.destroy());
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = requestUrl(request)?.pathname;
    if (path === '/health') {
      const health = this.#o.health?.() ?? { ok: true };
      reply(response, health.ok && !this.#closing ? 200 : 503, 'application/json', `${JSON.stringify(health)}\n`);
      return;
    }
    const refused = this.#refuse(request);
    if (refused !== undefined) reply(response, refused.status, 'text/plain', `${refused.reason}\n`);
    else if (path === '/metrics') {
      reply(response, 200, this.metrics.registry.contentType, await this.metrics.registry.metrics());
    } else reply(response, 426, 'text/plain', 'This is a SimpleX bot API server: connect by WebSocket.\n');
  }
}

const statusTexts = { 400: 'Bad Request', 401: 'Unauthorized', 403: 'Forbidden', 503: 'Service Unavailable' } as const;

function reply(response: ServerResponse, status: number, type: string, text: string): void {
  response.writeHead(status, { 'Content-Type': type, 'Content-Length': Buffer.byteLength(text) });
  response.end(text);
}

/**
 * Starts the API server.
 * @throws ServerError with `SERVER_PORT_TAKEN` when another program has the port
 */
export async function startApiServer(options: ApiServerOptions): Promise<ApiServer> {
  const hosts = options.hosts ?? loopback;
  const servers: Server[] = [];
  let port = options.port ?? 5225;
  try {
    for (const host of hosts) {
      const server = createServer();
      // A slow or silent peer does not hold a connection that is not yet upgraded.
      server.headersTimeout = 10_000;
      try {
        await listen(server, host, port);
      } catch (error) {
        // Without IPv6 on this machine, IPv4 does: nobody has asked for it.
        if (options.hosts === undefined && host === '::1') {
          options.logger?.debug({ host }, 'not listening on the IPv6 loopback address');
          continue;
        }
        throw error;
      }
      servers.push(server);
      port = portOf(server);
    }
  } catch (error) {
    for (const s of servers) s.close();
    throw error;
  }
  const first = hosts[0] ?? '127.0.0.1';
  const shown =
    first === '0.0.0.0' ? '127.0.0.1' : first === '::' ? '[::1]' : first.includes(':') ? `[${first}]` : first;
  return new Running(options, servers, `ws://${shown}:${port}`, port);
}

function portOf(server: Server): number {
  const address: AddressInfo | string | null = server.address();
  return typeof address === 'object' && address !== null ? address.port : 0;
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      const taken = error.code === 'EADDRINUSE';
      const message = taken
        ? `port ${port} is taken by another program: stop it, or choose another port with -p`
        : `cannot listen on ${host}:${port}: ${error.message}`;
      reject(new ServerError(taken ? 'SERVER_PORT_TAKEN' : 'SERVER_LISTEN', message, { cause: error }));
    });
    server.listen({ host, port }, () => resolve());
  });
}
