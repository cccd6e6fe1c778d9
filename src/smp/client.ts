import { nextTurn } from '../core/index.js';
import { type AuthAlgorithm, type PublicKey, publicKeyOf } from '../crypto/index.js';
import { equalBytes } from '../wire/index.js';
import type {
  EncryptedMessage,
  LinkAnswer,
  NewQueue,
  ProxiedRelay,
  RcvQueue,
  RequestOptions,
  SmpClientOptions,
} from './client-types.js';
import type { AuthPublicKey, LinkData, MsgFlags, NotifierKeys, SmpCommand } from './commands.js';
import { Connection } from './connection.js';
import { protocolFailure, SmpClientError, transportFailure } from './failures.js';
import { type ForwardedResponse, type ForwardedTransmission, openRelayResponse, sealRelayForward } from './forward.js';
import type { QueueIds, QueueState, SmpMessage } from './messages.js';
import { chooseEndpoint, socksLogin } from './network.js';
import { ProxiedRelays } from './proxied.js';
import { expectOk, Requester, unexpected } from './requester.js';
import type { SmpServer } from './server.js';
import { Session } from './session.js';
import { idSize, maxSendBody } from './sizes.js';
import type { AuthPrivateKey } from './transmission.js';
import { SmpV } from './versions.js';

const empty = new Uint8Array(0);

function linkAnswer(m: SmpMessage): LinkAnswer {
  if (m.msg === 'ERR') throw protocolFailure(m.error);
  if (m.msg !== 'LNK') throw unexpected(m);
  return { senderId: m.senderId.slice(), data: { fixed: m.data.fixed.slice(), user: m.data.user.slice() } };
}

/** Requests that are signed in one turn of the event loop: about a block of them, in about 4 ms. */
const perTurn = 135;

/** Starts a request for each item, without waiting for answers but without holding up the event loop either. */
async function inTurns<T>(
  items: readonly T[],
  request: (item: T) => Promise<void>,
): Promise<PromiseSettledResult<void>[]> {
  const started: Promise<PromiseSettledResult<void>[]>[] = [];
  for (let at = 0; at < items.length; at += perTurn) {
    if (at > 0) await nextTurn();
    started.push(Promise.allSettled(items.slice(at, at + perTurn).map(request)));
  }
  return (await Promise.all(started)).flat();
}

/** A client of one relay over one connection: a method for each command (20-smp.md, sections 6, 10 and 12). */
export class SmpClient extends Requester {
  readonly #routes: ProxiedRelays;

  private constructor(options: SmpClientOptions, session: Session) {
    super(options, session);
    this.#routes = new ProxiedRelays(this, options);
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
    if (queue.subMode === 'subscribe') this.startPings();
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
    this.startPings();
    const m = await this.request(queue.rcvId, { cmd: 'SUB' }, queue.authKey, options);
    if (m.msg === 'SOK' || m.msg === 'MSG') return;
    expectOk(m);
  }

  /** SUB for many queues at once, packed into blocks. One result for each, in order; never rejects. */
  subscribeAll(
    queues: readonly RcvQueue[],
    options: RequestOptions = { mode: 'background' },
  ): Promise<PromiseSettledResult<void>[]> {
    return inTurns(queues, (q) => this.subscribe(q, options));
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
    this.startPings();
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
    return inTurns(queues, (q) => this.deleteQueue(q, options));
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

  // --- through this relay as proxy (section 10) ---

  /** The session of this relay with a destination; made with PRXY when there is none. */
  proxiedRelay(server: SmpServer, basicAuth: string | undefined, options?: RequestOptions): Promise<ProxiedRelay> {
    return this.#routes.relay(server, basicAuth, options);
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
    expectOk(await this.#routes.forward(destination, proxyAuth, senderId, command, senderKey, options));
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
    expectOk(await this.#routes.forward(destination, proxyAuth, senderId, command, senderKey, options));
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
    return linkAnswer(await this.#routes.forward(destination, proxyAuth, linkId, command, senderKey, options));
  }

  /** LGET through this relay. */
  async getLinkViaProxy(
    destination: SmpServer,
    proxyAuth: string | undefined,
    linkId: Uint8Array,
    options: RequestOptions = {},
  ): Promise<LinkAnswer> {
    return linkAnswer(await this.#routes.forward(destination, proxyAuth, linkId, { cmd: 'LGET' }, undefined, options));
  }

  // --- as a proxy for others ---

  /** RFWD: passes a sender's command to this relay and gives the encrypted answer. For relays. */
  async forwardTransmission(
    f: ForwardedTransmission,
    options: RequestOptions = { mode: 'background' },
  ): Promise<ForwardedResponse> {
    const { sharedKey } = this.session;
    if (sharedKey === undefined) throw transportFailure({ type: 'noServerAuth' });
    const corrId = this.options.random.bytes(idSize);
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
