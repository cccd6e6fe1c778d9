import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server, type TLSSocket } from 'node:tls';
import {
  type Clock,
  deferred,
  errorFields,
  FanionError,
  type Logger,
  nextTurn,
  type RandomSource,
  silentLogger,
  systemClock,
  systemRandom,
  type Timer,
} from '../../core/index.js';
import { decodePrivateKey, dh, generateKeyPair, pad, signKey, unpad } from '../../crypto/index.js';
import {
  blockCiphers,
  blockSize,
  blocksEncrypted,
  decodeClientHello,
  encodeServerHello,
  encodeServiceResponse,
  formatServer,
  type ServerHello,
  smpRange,
  tlsParameters,
} from '../../smp/index.js';
import { equalBytes, isInRange } from '../../wire/index.js';
import { toPem } from '../certificates.js';
import { createIdentity, loadOrCreateIdentity, type RelayIdentity } from '../identity.js';
import { createRelayMetrics, type RelayMetrics } from '../metrics.js';
import { BlockAssembler } from './blocks.js';
import { RelayConnection } from './connection.js';
import { Delivery } from './delivery.js';
import type { BlockReason, SmpRelay, SmpRelayOptions } from './options.js';
import { ProxyPool } from './proxy.js';
import { Releaser } from './release.js';
import type { RelayState } from './state.js';
import type { QueueRecord, SmpStorage } from './storage.js';
import { MemorySmpStorage } from './storage-memory.js';
import { SqliteSmpStorage } from './storage-sqlite.js';
import { relayGroups, relayProtocols } from './tls-options.js';

const hour = 3_600_000;
const day = 24 * hour;

/** Messages that one step of the expiry removes: a step must not hold up the clients. */
const expiryStep = 200;
/** How long a stopping relay waits for answers that are on their way. */
const stopGraceMs = 2_000;

/**
 * Starts an SMP relay (20-smp.md, sections 3 to 5, 10, 11) and resolves when it listens. Its certificates are made
 * on the first start. Errors: RELAY_STORAGE_IN_USE, RELAY_CERTIFICATE, and those of listening (EADDRINUSE).
 */
export async function startSmpRelay(options: SmpRelayOptions): Promise<SmpRelay> {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const log = options.log ?? silentLogger;
  const metrics = options.metrics ?? createRelayMetrics();
  const host = options.host ?? '127.0.0.1';
  const prefix = options.certificatePrefix ?? (options.storage.kind === 'sqlite' ? options.storage.prefix : undefined);
  const identityOptions = { kind: 'smp', host: options.publicHosts?.[0] ?? host, now: clock.now(), random } as const;
  const identity =
    prefix === undefined ? createIdentity(identityOptions) : loadOrCreateIdentity(prefix, identityOptions);
  const storage = openStorage(options, metrics);
  const relay = new Relay(options, { host, identity, storage, metrics, clock, random, log });
  try {
    await relay.listen();
  } catch (error) {
    await relay.close();
    throw error;
  }
  return relay;
}

function openStorage({ storage }: SmpRelayOptions, metrics: RelayMetrics): SmpStorage {
  switch (storage.kind) {
    case 'memory':
      return new MemorySmpStorage();
    case 'custom':
      return storage.storage;
    case 'sqlite':
      return new SqliteSmpStorage(`${storage.prefix}_smp.db`, {
        onCommit: (writes) => {
          metrics.counts.commits++;
          metrics.counts.commitWrites += writes;
        },
      });
  }
}

interface RelayParts {
  readonly host: string;
  readonly identity: RelayIdentity;
  readonly storage: SmpStorage;
  readonly metrics: RelayMetrics;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
}

class Relay implements SmpRelay {
  readonly #options: SmpRelayOptions;
  readonly #parts: RelayParts;
  readonly #state: RelayState;
  readonly #releaser: Releaser;
  readonly #server: Server;
  readonly #leafKey;
  /** Every open socket; with the connection once the handshake is done. */
  readonly #sockets = new Map<TLSSocket, RelayConnection | undefined>();
  /** Every open TCP connection: those in the TLS handshake, too. */
  readonly #raw = new Set<Socket>();
  #timers: Timer[] = [];
  /** Resolves when the last socket of a stopping relay is closed. */
  readonly #empty = deferred<void>();
  #port = 0;
  #closing: Promise<void> | undefined;
  readonly host: string;

  constructor(options: SmpRelayOptions, parts: RelayParts) {
    this.#options = options;
    this.#parts = parts;
    this.host = parts.host;
    const { storage, metrics, clock, random, log, identity } = parts;
    const eventDelayMs = options.eventDelayMs ?? 1_000;
    metrics.countQueues = () => storage.countQueues();
    this.#state = {
      settings: {
        password: options.password,
        newQueues: options.newQueues ?? true,
        proxy: options.proxy ?? true,
        quota: options.quota ?? 128,
        maxSubscriptions: options.maxSubscriptions ?? 1_000_000,
        eventDelayMs,
      },
      storage,
      delivery: new Delivery({ storage, counts: metrics.counts, clock, random, eventDelayMs }),
      proxies: new ProxyPool({
        connectTimeoutMs: options.proxyConnectTimeoutMs ?? 45_000,
        responseTimeoutMs: options.proxyResponseTimeoutMs ?? 30_000,
        clock,
        random,
      }),
      metrics,
      clock,
      random,
      log,
    };
    this.#releaser = new Releaser(storage, log);
    this.#leafKey = decodePrivateKey(identity.leafKey, 'leafKey', ['ed25519', 'ed448']);
    this.#server = createServer({
      key: toPem('PRIVATE KEY', identity.leafKey),
      cert: identity.chain.map((certificate) => toPem('CERTIFICATE', certificate)).join(''),
      ...tlsParameters,
      ecdhCurve: relayGroups,
      handshakeTimeout: options.tlsTimeoutMs ?? 60_000,
      // The first of the client's protocols that we know, whatever it is: SMP is spoken (section 3.2).
      ALPNCallback: ({ protocols }) => protocols.find((p) => relayProtocols.includes(p)),
    });
    this.#server.on('connection', (socket) => {
      this.#raw.add(socket);
      socket.on('close', () => this.#raw.delete(socket));
    });
    this.#server.on('secureConnection', (socket) => this.#accept(socket));
    this.#server.on('tlsClientError', (_error, socket) => {
      metrics.counts.handshakeFailures++;
      // After a time-out Node leaves this to us.
      socket.destroy();
    });
    if (options.maxConnections !== undefined) this.#server.maxConnections = options.maxConnections;
  }

  get metrics(): RelayMetrics {
    return this.#parts.metrics;
  }

  get port(): number {
    return this.#port;
  }

  get fingerprint(): Uint8Array {
    return this.#parts.identity.fingerprint;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  get address(): string {
    const [first, ...rest] = this.#options.publicHosts ?? [];
    const server = {
      scheme: 'smp' as const,
      hosts: [first ?? this.host, ...rest] as const,
      port: String(this.#port),
      keyHash: this.fingerprint,
    };
    return formatServer(server, this.#options.password);
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject);
      this.#server.listen(this.#options.port ?? 0, this.host, () => {
        this.#server.off('error', reject);
        // Out of file descriptors, for example: those who are connected stay.
        this.#server.on('error', (err) => this.#parts.log.error(errorFields(err), 'listening failed'));
        resolve();
      });
    });
    const { port } = this.#server.address() as AddressInfo;
    this.#port = port;
    await this.expireMessages();
    this.#repeat(this.#options.expiryIntervalMs ?? 2 * hour, async () => {
      this.#state.delivery.expireNotifications();
      await this.expireMessages();
    });
    this.#repeat(this.#options.inactiveCheckMs ?? hour, () => this.#closeInactive());
    this.#parts.log.info({ port }, 'SMP relay listens');
  }

  #repeat(ms: number, task: () => Promise<void> | void): void {
    const { clock, log } = this.#parts;
    const index = this.#timers.length;
    const run = async (): Promise<void> => {
      try {
        await task();
      } catch (error) {
        log.error(errorFields(error), 'periodic task failed');
      }
      if (this.#closing === undefined) this.#timers[index] = clock.after(ms, run, { unref: true });
    };
    this.#timers.push(clock.after(ms, run, { unref: true }));
  }

  // --- connections ---

  #accept(socket: TLSSocket): void {
    const { clock, metrics, log } = this.#parts;
    const { counts } = metrics;
    counts.connectionsTotal++;
    counts.connections++;
    this.#sockets.set(socket, undefined);
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const timer = clock.after(this.#options.handshakeTimeoutMs ?? 120_000, () => socket.destroy(), { unref: true });
    let hello: ((block: Uint8Array) => RelayConnection) | undefined;
    const assembler = new BlockAssembler((block) => {
      const connection = this.#sockets.get(socket);
      if (connection !== undefined) {
        connection.receive(block);
        return;
      }
      if (hello === undefined || socket.destroyed) return;
      try {
        this.#sockets.set(socket, hello(block));
        timer.cancel();
      } catch (error) {
        log.debug({ code: error instanceof FanionError ? error.code : 'INTERNAL' }, 'SMP handshake failed');
        // Clients of services wait for a reason, which may be on its way; others get none.
        socket.end();
        socket.destroySoon();
      }
    });
    socket.on('data', (chunk: Uint8Array) => assembler.push(chunk));
    socket.on('error', () => {});
    socket.on('close', () => {
      timer.cancel();
      counts.connections--;
      const connection = this.#sockets.get(socket);
      if (connection === undefined) counts.handshakeFailures++;
      this.#sockets.delete(socket);
      connection?.destroy();
      if (this.#sockets.size === 0 && this.#closing !== undefined) this.#empty.resolve();
    });
    try {
      hello = this.#greet(socket);
    } catch {
      socket.destroy();
    }
  }

  /** Sends the relay's hello; the result takes the client's. Throws when the client must go. */
  #greet(socket: TLSSocket): (block: Uint8Array) => RelayConnection {
    const finished = socket.getPeerFinished();
    // Without ALPN the client knows only version 6, which is not offered.
    if (finished === undefined || typeof socket.alpnProtocol !== 'string') {
      throw new FanionError('RELAY_HANDSHAKE', 'no session id or no ALPN');
    }
    const sessionId = Uint8Array.from(finished);
    const session = generateKeyPair('x25519', this.#parts.random);
    const { identity } = this.#parts;
    const hello: ServerHello = {
      range: smpRange,
      sessionId,
      credentials: { chain: [...identity.chain], signedKey: signKey(session.publicKey, this.#leafKey).der },
    };
    socket.write(pad(encodeServerHello(hello), blockSize));
    return (block) => {
      const client = decodeClientHello(unpad(block));
      const { version, sessionKey: clientKey } = client;
      if (!equalBytes(client.keyHash, identity.fingerprint)) {
        throw new FanionError('RELAY_HANDSHAKE', 'client wants another relay');
      }
      if (!isInRange(version, smpRange)) throw new FanionError('RELAY_HANDSHAKE', 'version out of range');
      if (client.service !== undefined) {
        const error = { type: 'handshake', handshakeErr: { type: 'BAD_SERVICE' } } as const;
        socket.write(pad(encodeServiceResponse({ kind: 'error', error }), blockSize));
        throw new FanionError('RELAY_HANDSHAKE', 'services are not offered');
      }
      const secret = blocksEncrypted(client) && clientKey !== undefined ? dh(clientKey, session.privateKey) : undefined;
      const { sealer, opener } = blockCiphers('relay', sessionId, secret);
      return new RelayConnection(this.#state, this.#releaser, socket, {
        version,
        sessionId,
        sessionKey: session.privateKey,
        clientKey,
        sealer,
        opener,
      });
    };
  }

  /** Closes connections without subscriptions that were silent for too long. */
  #closeInactive(): void {
    const before = this.#parts.clock.monotonic() - (this.#options.inactiveMs ?? 6 * hour);
    for (const [socket, connection] of this.#sockets) {
      if (connection === undefined || connection.lastActive > before) continue;
      if (connection.subscriptions.size === 0 && connection.notifiers.size === 0) socket.end();
    }
  }

  // --- operation ---

  async #findAny(id: Uint8Array): Promise<QueueRecord | undefined> {
    const { storage } = this.#parts;
    for (const kind of ['recipient', 'sender', 'link'] as const) {
      const queue = await storage.findQueue(kind, id);
      if (queue !== undefined) return queue;
    }
    return undefined;
  }

  async blockQueue(id: Uint8Array, reason: BlockReason, noticeTtl?: number): Promise<boolean> {
    const queue = await this.#findAny(id);
    if (queue === undefined) return false;
    const info = noticeTtl === undefined ? { reason } : { reason, notice: { ttl: noticeTtl } };
    const { storage } = this.#parts;
    const done = await storage.setStatus(queue.recipientId, { kind: 'blocked', info });
    await storage.durable();
    if (done) this.#state.delivery.queueBlocked(queue, { type: 'BLOCKED', blockInfo: info });
    return done;
  }

  async unblockQueue(id: Uint8Array): Promise<boolean> {
    const queue = await this.#findAny(id);
    if (queue === undefined || queue.status.kind !== 'blocked') return false;
    const { storage } = this.#parts;
    const done = await storage.setStatus(queue.recipientId, { kind: 'active' });
    await storage.durable();
    return done;
  }

  async expireMessages(): Promise<number> {
    const { storage, clock, metrics } = this.#parts;
    const before = Math.floor((clock.now() - (this.#options.messageTtlMs ?? 21 * day)) / 1000);
    let total = 0;
    for (;;) {
      const { expired, more } = await storage.expireMessages(before, expiryStep);
      total += expired;
      if (!more) break;
      await nextTurn();
    }
    metrics.counts.messagesExpired += total;
    return total;
  }

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { clock, storage, log } = this.#parts;
    for (const timer of this.#timers) timer.cancel();
    this.#timers = [];
    const stopped = new Promise<void>((resolve) => {
      this.#server.close(() => resolve());
      if (!this.#server.listening) resolve();
    });
    // No new commands; what is being worked on may finish and its answers may leave.
    for (const connection of this.#sockets.values()) connection?.stop();
    const grace = deferred<void>();
    const timer = clock.after(stopGraceMs, () => grace.resolve());
    const idle = Promise.all([...this.#sockets.values()].map((connection) => connection?.whenIdle()));
    await Promise.race([idle, grace.promise]);
    this.#state.delivery.flushEvents();
    this.#state.proxies.close();
    await nextTurn();
    for (const socket of this.#sockets.keys()) {
      socket.end();
      // A paused socket would not see the other side's end.
      socket.resume();
    }
    if (this.#sockets.size > 0) await Promise.race([this.#empty.promise, grace.promise]);
    timer.cancel();
    for (const socket of [...this.#sockets.keys(), ...this.#raw]) socket.destroy();
    await stopped;
    this.#state.delivery.close();
    await storage.close();
    log.info({}, 'SMP relay stopped');
  }
}
