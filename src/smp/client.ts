import type { Clock, RandomSource, Timer } from '../core/index.js';
import {
  type AuthAlgorithm,
  CryptoError,
  dh,
  generateKeyPair,
  type PublicKey,
  publicKeyOf,
  sha3_384,
} from '../crypto/index.js';
import { agreeVersion, DecodeError, equalBytes, type VersionRange } from '../wire/index.js';
import type {
  AuthPublicKey,
  LinkData,
  MsgFlags,
  NotifierKeys,
  QueueRequest,
  SmpCommand,
  SmpCommandName,
  SubscriptionMode,
} from './commands.js';
import { Connection } from './connection.js';
import type { SmpError } from './errors.js';
import { networkFailure, protocolFailure, SmpClientError, transportFailure } from './failures.js';
import {
  type ForwardedResponse,
  type ForwardedTransmission,
  openForwardedAnswer,
  openRelayResponse,
  sealForwardedCommand,
  sealRelayForward,
} from './forward.js';
import type { ServerHello } from './handshake.js';
import { decodeMessage, type QueueIds, type QueueState, type SmpMessage } from './messages.js';
import { chooseEndpoint, type IsolationKey, type NetworkConfig, socksLogin } from './network.js';
import { RequestTable } from './requests.js';
import type { SmpServer } from './server.js';
import { checkProxiedCredentials, type Outgoing, Session, type SessionHandler } from './session.js';
import { idSize, maxSendBody, maxTransmission } from './sizes.js';
import {
  type AuthPrivateKey,
  decodeTransmission,
  encodeCommandTransmission,
  type RawTransmission,
} from './transmission.js';
import { SmpV, type SmpVersion, smpRange } from './versions.js';

/** A message as the relay delivered it: open it with `openRcvBody`, store it, then acknowledge it. */
export interface EncryptedMessage {
  readonly msgId: Uint8Array;
  readonly encBody: Uint8Array;
}

/**
 * What a relay tells without being asked, or with an answer (20-smp.md, sections 7.2, 12.7). Ids are copies.
 *
 * - `message`: every message, whether it came by itself or as the response to SUB or ACK;
 * - `end`: another client subscribed to the queue; `deleted`; `blocked`: the operator's act;
 * - `subscribed`: the answer to a SUB that had timed out.
 */
export type SmpEvent =
  | ({ readonly type: 'message'; readonly rcvId: Uint8Array } & EncryptedMessage)
  | { readonly type: 'end' | 'deleted' | 'subscribed'; readonly rcvId: Uint8Array }
  | { readonly type: 'blocked'; readonly rcvId: Uint8Array; readonly error: SmpError }
  | {
      readonly type: 'notification';
      readonly notifierId: Uint8Array;
      readonly nonce: Uint8Array;
      readonly encMeta: Uint8Array;
    };

export interface SmpClientHandler {
  /**
   * Called in the order in which the relay sent. A promise means that the event is being taken in: while too many
   * are, nothing is read from the relay. It must not wait for a response of the same relay.
   */
  onEvent(event: SmpEvent): void | Promise<void>;
  /** Once: the connection is gone. All requests that waited were rejected. */
  onClose(error: SmpClientError): void;
}

export interface SmpClientOptions {
  readonly server: SmpServer;
  readonly network: NetworkConfig;
  readonly isolation: Omit<IsolationKey, 'server'>;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly handler: SmpClientHandler;
  readonly range?: VersionRange<SmpVersion>;
  /** We are a relay that forwards for others. */
  readonly proxyServer?: boolean;
}

/** How urgent a request is: it decides the time-out. `retry` counts the attempts before, for interactive ones. */
export interface RequestOptions {
  readonly mode?: 'background' | 'interactive';
  readonly retry?: number;
}

export interface NewQueue {
  /** The recipient's key: signs NEW and all later commands of the recipient. */
  readonly authKey: AuthPrivateKey;
  readonly dhKey: PublicKey<'x25519'>;
  readonly basicAuth?: string | undefined;
  readonly subMode: SubscriptionMode;
  readonly request: QueueRequest;
  readonly notifier?: NotifierKeys | undefined;
  /** 24 random bytes: needed with link data, where the sender id is {@link senderIdFor} of it. Never reused. */
  readonly corrId?: Uint8Array;
}

/** A queue of ours and the key that its commands are signed with. */
export interface RcvQueue {
  readonly rcvId: Uint8Array;
  readonly authKey: AuthPrivateKey;
}

export interface LinkAnswer {
  readonly senderId: Uint8Array;
  readonly data: LinkData;
}

/** A destination that a proxy has a session with (PKEY): good for as long as the connection to the proxy. */
export interface ProxiedRelay {
  readonly server: SmpServer;
  readonly sessionId: Uint8Array;
  readonly version: SmpVersion;
  readonly relayKey: PublicKey<'x25519'>;
}

/** The sender id of a queue with link data: SHA3-384 of NEW's correlation id, cut to 24 bytes (section 6.2). */
export function senderIdFor(corrId: Uint8Array): Uint8Array {
  return sha3_384(corrId).slice(0, idSize);
}

const empty = new Uint8Array(0);
/** Events that are being taken in before reading stops, and goes on. */
const eventsHigh = 512;
const eventsLow = 256;
/** Growth of the interactive time-out with each retry. */
const retryFactors = [1, 1.5, 2.25, 3.375];

const minVersions: Partial<Record<SmpCommandName, SmpVersion>> = {
  PRXY: SmpV.PrivateRouting,
  PFWD: SmpV.PrivateRouting,
  RFWD: SmpV.PrivateRouting,
  SKEY: SmpV.SenderSecures,
  RKEY: SmpV.ShortLinks,
  LSET: SmpV.ShortLinks,
  LDEL: SmpV.ShortLinks,
  LKEY: SmpV.ShortLinks,
  LGET: SmpV.ShortLinks,
  SUBS: SmpV.Services,
  NSUBS: SmpV.Services,
};

function unexpected(m: SmpMessage): SmpClientError {
  return new SmpClientError({ type: 'unexpected', text: m.msg });
}

/** OK, or the error that the relay answered. */
function expectOk(m: SmpMessage): void {
  if (m.msg === 'OK') return;
  throw m.msg === 'ERR' ? protocolFailure(m.error) : unexpected(m);
}

/**
 * A client of one relay over one connection: requests and responses, events, PING (20-smp.md, section 12). It does not
 * reconnect: when `onClose` was called it is of no more use. Errors are {@link SmpClientError}s.
 */
export class SmpClient implements SessionHandler {
  readonly server: SmpServer;
  readonly #options: SmpClientOptions;
  readonly #session: Session;
  readonly #requests: RequestTable;
  readonly #proxied = new Map<string, Promise<ProxiedRelay>>();
  #taking = 0;
  #paused = false;
  #pingTimer: Timer | undefined;
  #lastReceived: number;
  #missed = 0;
  #closed = false;

  private constructor(options: SmpClientOptions, session: Session) {
    this.server = options.server;
    this.#options = options;
    this.#session = session;
    this.#lastReceived = options.clock.monotonic();
    this.#requests = new RequestTable(options.clock, () => this.#onTimeout());
  }

  /** Connects and does the handshake. One time-out covers both. */
  static async connect(options: SmpClientOptions, mode: RequestOptions = {}): Promise<SmpClient> {
    const { network, clock, server } = options;
    const endpoint = chooseEndpoint(server, network);
    const login =
      endpoint.socks === undefined
        ? undefined
        : socksLogin(endpoint.socks, network.sessionMode, { ...options.isolation, server });
    const timeout = network.connectTimeout[mode.mode ?? 'background'];
    const started = clock.monotonic();
    const connection = await Connection.open({ endpoint, socksLogin: login, clock, timeout });
    const session = await Session.open(connection, {
      server,
      clock,
      random: options.random,
      timeout: Math.max(1, timeout - (clock.monotonic() - started)),
      ...(options.range === undefined ? {} : { range: options.range }),
      ...(options.proxyServer === undefined ? {} : { proxyServer: options.proxyServer }),
    });
    const client = new SmpClient(options, session);
    session.setHandler(client);
    return client;
  }

  get version(): SmpVersion {
    return this.#session.version;
  }

  /** tls-unique of the connection: names it in subscriptions. */
  get sessionId(): Uint8Array {
    return this.#session.sessionId;
  }

  /** What the relay said of itself in its hello. */
  get hello(): ServerHello {
    return this.#session.hello;
  }

  get closed(): boolean {
    return this.#closed || this.#session.closed;
  }

  /** Requests that wait for a response. */
  get inFlight(): number {
    return this.#requests.size;
  }

  /** Ends the connection; requests that wait are rejected, `onClose` is called. */
  close(error: SmpClientError = networkFailure({ type: 'failedError' })): void {
    this.#session.close(error);
  }

  // --- what comes from the session ---

  onTransmission(t: RawTransmission): void {
    this.#lastReceived = this.#options.clock.monotonic();
    this.#missed = 0;
    let message: SmpMessage;
    try {
      message = decodeMessage(t.body, this.version);
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      this.#requests.reject(t.corrId, new SmpClientError({ type: 'response', text: e.problem }, e));
      return;
    }
    if (t.corrId.length === 0) {
      this.#event(t.entityId, message);
      return;
    }
    const command = this.#requests.command(t.corrId);
    // A message that answers SUB or ACK is a message like any other; it is given before the request is settled.
    if (message.msg === 'MSG' && (command === 'SUB' || command === 'ACK')) this.#event(t.entityId, message);
    const delivery = this.#requests.deliver(t.corrId, t.entityId, message);
    if (delivery.kind !== 'late') return;
    if (delivery.command === 'SUB') this.#lateSubscription(delivery.entityId, delivery.message);
    else if (delivery.command === 'ACK' && message.msg === 'MSG') this.#event(t.entityId, message);
  }

  #lateSubscription(rcvId: Uint8Array, m: SmpMessage): void {
    if (m.msg !== 'OK' && m.msg !== 'SOK' && m.msg !== 'MSG') return;
    this.#emit({ type: 'subscribed', rcvId: rcvId.slice() });
    if (m.msg === 'MSG') this.#event(rcvId, m);
  }

  onBlockEnd(): void {}

  onClose(error: SmpClientError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pingTimer?.cancel();
    // Whatever closed the connection: for the requests it is a network failure, which is tried again.
    const f = error.failure;
    const failed = f.type === 'network' ? error : networkFailure({ type: 'failedError' }, error);
    this.#requests.failAll(failed);
    this.#options.handler.onClose(error);
  }

  #event(entityId: Uint8Array, m: SmpMessage): void {
    if (entityId.length === 0) return;
    const rcvId = entityId.slice();
    switch (m.msg) {
      case 'MSG':
        this.#emit({ type: 'message', rcvId, msgId: m.msgId.slice(), encBody: m.encBody });
        return;
      case 'END':
        this.#emit({ type: 'end', rcvId });
        return;
      case 'DELD':
        this.#emit({ type: 'deleted', rcvId });
        return;
      case 'NMSG':
        this.#emit({ type: 'notification', notifierId: rcvId, nonce: m.nonce.slice(), encMeta: m.encMeta.slice() });
        return;
      case 'ERR':
        if (m.error.type === 'BLOCKED' || m.error.type === 'AUTH') {
          this.#emit({ type: 'blocked', rcvId, error: m.error });
        }
        return;
      default:
    }
  }

  #emit(event: SmpEvent): void {
    const taken = this.#options.handler.onEvent(event);
    if (taken === undefined) return;
    this.#taking++;
    if (this.#taking >= eventsHigh && !this.#paused) {
      this.#paused = true;
      this.#session.pause();
    }
    const done = (): void => {
      this.#taking--;
      if (this.#paused && this.#taking <= eventsLow) {
        this.#paused = false;
        this.#session.resume();
      }
    };
    // The handler reports its own errors; here only the count matters.
    taken.then(done, done);
  }

  // --- time-outs and PING (section 12.5) ---

  #onTimeout(): void {
    this.#missed++;
    this.#dropIfSilent();
  }

  #dropIfSilent(): void {
    const { maxMissed, silence } = this.#options.network.ping;
    const silent = this.#options.clock.monotonic() - this.#lastReceived;
    if (this.#missed >= maxMissed && silent >= silence) this.close(networkFailure({ type: 'timeoutError' }));
  }

  /** PING is sent only by connections with subscriptions, after a time without any block. */
  #startPings(): void {
    if (this.#pingTimer !== undefined || this.#closed) return;
    this.#schedulePing(this.#options.network.ping.interval);
  }

  #schedulePing(delay: number): void {
    this.#pingTimer = this.#options.clock.after(delay, () => this.#pingNow(), { unref: true });
  }

  #pingNow(): void {
    if (this.closed) return;
    const { interval } = this.#options.network.ping;
    const left = interval - (this.#options.clock.monotonic() - this.#lastReceived);
    if (left > 1_000) {
      this.#schedulePing(left);
      return;
    }
    this.ping().catch(() => this.#dropIfSilent());
    this.#schedulePing(interval);
  }

  // --- requests ---

  #timeout(options: RequestOptions, size: number, factor = 1): number {
    const { commandTimeout, timeoutPerKb } = this.#options.network;
    const mode = options.mode ?? 'interactive';
    const retry = mode === 'interactive' ? (retryFactors[Math.min(options.retry ?? 0, 3)] ?? 1) : 1;
    return commandTimeout[mode] * retry * factor + (size / 1024) * timeoutPerKb;
  }

  #checkVersion(command: SmpCommandName, version: SmpVersion): void {
    const min = minVersions[command];
    if (min !== undefined && version < min) throw transportFailure({ type: 'version' });
  }

  /** Sends a command and gives the response, whatever it is. The typed methods below are built on it. */
  async request(
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions & { readonly corrId?: Uint8Array; readonly factor?: number } = {},
  ): Promise<SmpMessage> {
    if (this.closed) throw networkFailure({ type: 'failedError' });
    this.#checkVersion(command.cmd, this.version);
    const corrId = options.corrId ?? this.#options.random.bytes(idSize);
    const bytes = encodeCommandTransmission(this.#session, corrId, entityId, command, key, this.#session.relayKey);
    if (bytes.length > maxTransmission) throw transportFailure({ type: 'largeMsg' });
    const outgoing: Outgoing = { bytes, cancelled: false };
    const timeout = this.#timeout(options, bytes.length, options.factor);
    const response = this.#requests.add(corrId, { command: command.cmd, entityId, outgoing }, timeout);
    this.#session.send(outgoing);
    return await response;
  }

  async #ok(
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options?: RequestOptions,
  ): Promise<void> {
    expectOk(await this.request(entityId, command, key, options));
  }

  /** NEW. Not idempotent: a retry makes another queue and needs fresh keys (section 6.2). */
  async createQueue(queue: NewQueue, options?: RequestOptions): Promise<QueueIds> {
    const command: SmpCommand = {
      cmd: 'NEW',
      rcvAuthKey: publicKeyOf<AuthAlgorithm>(queue.authKey),
      rcvDhKey: queue.dhKey,
      basicAuth: queue.basicAuth,
      subMode: queue.subMode,
      queueReq: queue.request,
      notifier: queue.notifier,
    };
    const withCorrId = { ...options, ...(queue.corrId === undefined ? {} : { corrId: queue.corrId }) };
    const m = await this.request(empty, command, queue.authKey, withCorrId);
    if (queue.subMode === 'subscribe') this.#startPings();
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'IDS') throw unexpected(m);
    const { link } = queue.request;
    if (link !== undefined && this.version >= SmpV.ShortLinks && !equalBytes(m.sndId, link.senderId)) {
      throw new SmpClientError({ type: 'unexpected', text: 'IDS with another sender id' });
    }
    return {
      rcvId: m.rcvId.slice(),
      sndId: m.sndId.slice(),
      relayDhKey: m.relayDhKey,
      queueMode: m.queueMode,
      linkId: m.linkId?.slice(),
      serviceId: m.serviceId?.slice(),
      notifier:
        m.notifier === undefined
          ? undefined
          : { notifierId: m.notifier.notifierId.slice(), relayDhKey: m.notifier.relayDhKey },
    };
  }

  /** SUB. A message that waits comes as an event, perhaps before this resolves. */
  async subscribe(queue: RcvQueue, options: RequestOptions = { mode: 'background' }): Promise<void> {
    this.#startPings();
    const m = await this.request(queue.rcvId, { cmd: 'SUB' }, queue.authKey, options);
    if (m.msg === 'SOK' || m.msg === 'MSG') return;
    expectOk(m);
  }

  /** SUB for many queues at once, packed into blocks. One result for each, in order; never rejects. */
  subscribeAll(
    queues: readonly RcvQueue[],
    options: RequestOptions = { mode: 'background' },
  ): Promise<PromiseSettledResult<void>[]> {
    return Promise.allSettled(queues.map((q) => this.subscribe(q, options)));
  }

  /** KEY: the recipient sets the key of the sender. Repeating it with the same key is OK. */
  secureQueue(queue: RcvQueue, senderKey: AuthPublicKey, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'KEY', key: senderKey }, queue.authKey, options);
  }

  /** SKEY: the sender sets its own key. Store the key before: with another one the queue is lost. */
  secureBySender(senderId: Uint8Array, senderKey: AuthPrivateKey, options?: RequestOptions): Promise<void> {
    const key = publicKeyOf<AuthAlgorithm>(senderKey);
    return this.#ok(senderId, { cmd: 'SKEY', key }, senderKey, options);
  }

  /** RKEY: replaces the recipient keys of a contact queue. */
  setRecipientKeys(
    queue: RcvQueue,
    keys: readonly [AuthPublicKey, ...AuthPublicKey[]],
    options?: RequestOptions,
  ): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'RKEY', keys }, queue.authKey, options);
  }

  /** LSET: adds link data or replaces its `user` part. */
  setLink(queue: RcvQueue, linkId: Uint8Array, data: LinkData, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'LSET', linkId, data }, queue.authKey, options);
  }

  /** LDEL. */
  deleteLink(queue: RcvQueue, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'LDEL' }, queue.authKey, options);
  }

  /** LKEY: secures a one-time invitation's queue and gets its data. Store the key before. */
  async secureAndGetLink(linkId: Uint8Array, senderKey: AuthPrivateKey, options?: RequestOptions): Promise<LinkAnswer> {
    const key = publicKeyOf<AuthAlgorithm>(senderKey);
    return linkAnswer(await this.request(linkId, { cmd: 'LKEY', key }, senderKey, options));
  }

  /** LGET: the data of a contact link. */
  async getLink(linkId: Uint8Array, options?: RequestOptions): Promise<LinkAnswer> {
    return linkAnswer(await this.request(linkId, { cmd: 'LGET' }, undefined, options));
  }

  /** NKEY. */
  async enableNotifications(
    queue: RcvQueue,
    notifier: NotifierKeys,
    options?: RequestOptions,
  ): Promise<{ readonly notifierId: Uint8Array; readonly relayDhKey: PublicKey<'x25519'> }> {
    const m = await this.request(queue.rcvId, { cmd: 'NKEY', notifier }, queue.authKey, options);
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'NID') throw unexpected(m);
    return { notifierId: m.notifierId.slice(), relayDhKey: m.relayDhKey };
  }

  /** NDEL. */
  disableNotifications(queue: RcvQueue, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'NDEL' }, queue.authKey, options);
  }

  /** NSUB: this connection gets `notification` events of the queue. */
  async subscribeNotifications(
    notifierId: Uint8Array,
    key: AuthPrivateKey,
    options: RequestOptions = { mode: 'background' },
  ): Promise<void> {
    this.#startPings();
    const m = await this.request(notifierId, { cmd: 'NSUB' }, key, options);
    if (m.msg !== 'SOK') expectOk(m);
  }

  /** GET: the message that waits, without subscribing; undefined when there is none. */
  async getMessage(queue: RcvQueue, options?: RequestOptions): Promise<EncryptedMessage | undefined> {
    const m = await this.request(queue.rcvId, { cmd: 'GET' }, queue.authKey, options);
    if (m.msg === 'MSG') return { msgId: m.msgId.slice(), encBody: m.encBody };
    expectOk(m);
    return undefined;
  }

  /** ACK: the message is stored. The next one comes as an event. NO_MSG is harmless and counts as success. */
  async ack(queue: RcvQueue, msgId: Uint8Array, options: RequestOptions = { mode: 'background' }): Promise<void> {
    const m = await this.request(queue.rcvId, { cmd: 'ACK', msgId }, queue.authKey, options);
    if (m.msg === 'MSG' || (m.msg === 'ERR' && m.error.type === 'NO_MSG')) return;
    expectOk(m);
  }

  /** OFF: senders are refused from now on. */
  suspendQueue(queue: RcvQueue, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'OFF' }, queue.authKey, options);
  }

  /** DEL. AUTH means that the queue was gone already. */
  deleteQueue(queue: RcvQueue, options?: RequestOptions): Promise<void> {
    return this.#ok(queue.rcvId, { cmd: 'DEL' }, queue.authKey, options);
  }

  /** DEL for many queues at once; one result for each, in order. */
  deleteQueues(queues: readonly RcvQueue[], options?: RequestOptions): Promise<PromiseSettledResult<void>[]> {
    return Promise.allSettled(queues.map((q) => this.deleteQueue(q, options)));
  }

  /** QUE: the state of a queue, for debugging. */
  async queueState(queue: RcvQueue, options?: RequestOptions): Promise<QueueState> {
    const m = await this.request(queue.rcvId, { cmd: 'QUE' }, queue.authKey, options);
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'INFO') throw unexpected(m);
    return m.info;
  }

  /** SEND. Without a key for queues that are not secured: an authorized SEND to them is refused. */
  sendMessage(
    senderId: Uint8Array,
    senderKey: AuthPrivateKey | undefined,
    flags: MsgFlags,
    body: Uint8Array,
    options: RequestOptions = { mode: 'background' },
  ): Promise<void> {
    if (body.length > maxSendBody(this.version)) return Promise.reject(transportFailure({ type: 'largeMsg' }));
    return this.#ok(senderId, { cmd: 'SEND', flags, body }, senderKey, options);
  }

  /** PING. */
  async ping(options: RequestOptions = { mode: 'background' }): Promise<void> {
    const m = await this.request(empty, { cmd: 'PING' }, undefined, options);
    if (m.msg !== 'PONG') throw m.msg === 'ERR' ? protocolFailure(m.error) : unexpected(m);
  }

  // --- through this relay as proxy (section 10) ---

  /**
   * PRXY: a session of this relay with a destination, whose credentials are checked. Sessions are kept per
   * destination; one that could not be made because of a host error is not tried again on this connection.
   */
  proxiedRelay(server: SmpServer, basicAuth: string | undefined, options?: RequestOptions): Promise<ProxiedRelay> {
    const id = proxiedId(server);
    const known = this.#proxied.get(id);
    if (known !== undefined) return known;
    const made = this.#connectProxied(server, basicAuth, options);
    this.#proxied.set(id, made);
    made.catch((e: unknown) => {
      const host = e instanceof SmpClientError && isLastingProxyError(e);
      if (!host && this.#proxied.get(id) === made) this.#proxied.delete(id);
    });
    return made;
  }

  async #connectProxied(
    server: SmpServer,
    basicAuth: string | undefined,
    options: RequestOptions = {},
  ): Promise<ProxiedRelay> {
    const { connectTimeout, commandTimeout } = this.#options.network;
    const mode = options.mode ?? 'interactive';
    const factor = (connectTimeout[mode] + commandTimeout[mode]) / commandTimeout[mode];
    const m = await this.request(empty, { cmd: 'PRXY', server, basicAuth }, undefined, { ...options, factor });
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'PKEY') throw unexpected(m);
    const version = agreeVersion(this.#options.range ?? smpRange, m.range);
    if (version === undefined) throw transportFailure({ type: 'version' });
    const relayKey = checkProxiedCredentials(m, server.keyHash, this.#options.clock.now());
    return { server, sessionId: m.sessionId.slice(), version, relayKey };
  }

  /** Forgets the session with a destination (NO_SESSION). */
  #forgetProxied(relay: ProxiedRelay, made: Promise<ProxiedRelay>): void {
    const id = proxiedId(relay.server);
    if (this.#proxied.get(id) === made) this.#proxied.delete(id);
  }

  /** PFWD: has the command executed by the destination; gives its response. */
  async #forwardOnce(
    relay: ProxiedRelay,
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions,
  ): Promise<SmpMessage> {
    this.#checkVersion(command.cmd, relay.version);
    // A key pair for each command: the destination cannot link two commands of one sender.
    const own = generateKeyPair('x25519', this.#options.random);
    const corrId = this.#options.random.bytes(idSize);
    const inner = encodeCommandTransmission(relay, corrId, entityId, command, key, relay.relayKey);
    const secret = dh(relay.relayKey, own.privateKey);
    let encrypted: Uint8Array;
    try {
      encrypted = sealForwardedCommand(secret, corrId, inner);
    } catch (e) {
      throw transportFailure({ type: 'largeMsg' }, e);
    }
    const forwarded: SmpCommand = { cmd: 'PFWD', version: relay.version, key: own.publicKey, encrypted };
    const m = await this.request(relay.sessionId, forwarded, undefined, { ...options, corrId, factor: 2 });
    if (m.msg === 'ERR') {
      throw new SmpClientError({ type: 'proxy', error: { type: 'protocolError', protocolErr: m.error } });
    }
    if (m.msg !== 'PRES') {
      throw new SmpClientError({ type: 'proxy', error: { type: 'unexpectedResponse', responseStr: m.msg } });
    }
    return openAnswer(relay, secret, corrId, entityId, m.encrypted);
  }

  async #forward(
    server: SmpServer,
    basicAuth: string | undefined,
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions,
  ): Promise<SmpMessage> {
    for (let attempt = 0; ; attempt++) {
      const made = this.proxiedRelay(server, basicAuth, options);
      const relay = await made;
      try {
        return await this.#forwardOnce(relay, entityId, command, key, options);
      } catch (e) {
        if (!(e instanceof SmpClientError && isNoSession(e))) throw e;
        this.#forgetProxied(relay, made);
        // The proxy lost its connection: once more the same way, then it is a temporary failure.
        if (attempt > 0) throw e;
      }
    }
  }

  /** SEND to a queue of another relay through this one. */
  async sendViaProxy(
    destination: SmpServer,
    proxyAuth: string | undefined,
    senderId: Uint8Array,
    senderKey: AuthPrivateKey | undefined,
    flags: MsgFlags,
    body: Uint8Array,
    options: RequestOptions = { mode: 'background' },
  ): Promise<void> {
    const relay = await this.proxiedRelay(destination, proxyAuth, options);
    if (body.length > maxSendBody(relay.version)) throw transportFailure({ type: 'largeMsg' });
    const command: SmpCommand = { cmd: 'SEND', flags, body };
    expectOk(await this.#forward(destination, proxyAuth, senderId, command, senderKey, options));
  }

  /** SKEY through this relay. */
  async secureBySenderViaProxy(
    destination: SmpServer,
    proxyAuth: string | undefined,
    senderId: Uint8Array,
    senderKey: AuthPrivateKey,
    options: RequestOptions = {},
  ): Promise<void> {
    const command: SmpCommand = { cmd: 'SKEY', key: publicKeyOf<AuthAlgorithm>(senderKey) };
    expectOk(await this.#forward(destination, proxyAuth, senderId, command, senderKey, options));
  }

  /** LKEY through this relay. */
  async secureAndGetLinkViaProxy(
    destination: SmpServer,
    proxyAuth: string | undefined,
    linkId: Uint8Array,
    senderKey: AuthPrivateKey,
    options: RequestOptions = {},
  ): Promise<LinkAnswer> {
    const command: SmpCommand = { cmd: 'LKEY', key: publicKeyOf<AuthAlgorithm>(senderKey) };
    return linkAnswer(await this.#forward(destination, proxyAuth, linkId, command, senderKey, options));
  }

  /** LGET through this relay. */
  async getLinkViaProxy(
    destination: SmpServer,
    proxyAuth: string | undefined,
    linkId: Uint8Array,
    options: RequestOptions = {},
  ): Promise<LinkAnswer> {
    return linkAnswer(await this.#forward(destination, proxyAuth, linkId, { cmd: 'LGET' }, undefined, options));
  }

  // --- as a proxy for others ---

  /** RFWD: passes a sender's command to this relay and gives the encrypted answer. For relays. */
  async forwardTransmission(
    f: ForwardedTransmission,
    options: RequestOptions = { mode: 'background' },
  ): Promise<ForwardedResponse> {
    const { sharedKey } = this.#session;
    if (sharedKey === undefined) throw transportFailure({ type: 'noServerAuth' });
    const corrId = this.#options.random.bytes(idSize);
    const command: SmpCommand = { cmd: 'RFWD', encrypted: sealRelayForward(sharedKey, corrId, f) };
    const m = await this.request(empty, command, undefined, { ...options, corrId });
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'RRES') throw unexpected(m);
    try {
      return openRelayResponse(sharedKey, corrId, m.encrypted);
    } catch (e) {
      throw new SmpClientError({ type: 'crypto' }, e);
    }
  }
}

function linkAnswer(m: SmpMessage): LinkAnswer {
  if (m.msg === 'ERR') throw protocolFailure(m.error);
  if (m.msg !== 'LNK') throw unexpected(m);
  return { senderId: m.senderId.slice(), data: { fixed: m.data.fixed.slice(), user: m.data.user.slice() } };
}

function proxiedId(server: SmpServer): string {
  return `${server.hosts.join(',')}:${server.port}#${Buffer.from(server.keyHash).toString('hex')}`;
}

function isNoSession(e: SmpClientError): boolean {
  const f = e.failure;
  if (f.type !== 'proxy' || f.error.type !== 'protocolError') return false;
  const p = f.error.protocolErr;
  return p.type === 'PROXY' && p.proxyErr.type === 'NO_SESSION';
}

/** Errors of PRXY that stay for the life of the connection to the proxy (section 12.6). */
function isLastingProxyError(e: SmpClientError): boolean {
  const f = e.failure;
  if (f.type === 'transport') return f.error.type === 'version';
  if (f.type !== 'protocol' || f.error.type !== 'PROXY' || f.error.proxyErr.type !== 'BROKER') return false;
  const b = f.error.proxyErr.brokerErr;
  return b.type === 'HOST' || (b.type === 'TRANSPORT' && b.transportErr.type === 'version');
}

/** Opens the destination's answer: anything but one transmission for this request is a proxy's response error. */
function openAnswer(
  relay: ProxiedRelay,
  secret: Uint8Array,
  corrId: Uint8Array,
  entityId: Uint8Array,
  encrypted: Uint8Array,
): SmpMessage {
  try {
    const t = decodeTransmission(openForwardedAnswer(secret, corrId, encrypted), relay.version);
    const m = decodeMessage(t.body, relay.version);
    const entityFits = equalBytes(t.entityId, entityId) || (m.msg === 'ERR' && t.entityId.length === 0);
    if (!equalBytes(t.corrId, corrId) || !entityFits) throw new DecodeError('forwarded', 'another request', 0);
    return m;
  } catch (e) {
    if (!(e instanceof CryptoError || e instanceof DecodeError)) throw e;
    const error = e instanceof CryptoError ? ({ type: 'CRYPTO' } as const) : ({ type: 'BLOCK' } as const);
    throw new SmpClientError({ type: 'proxy', error: { type: 'responseError', responseErr: error } }, e);
  }
}
