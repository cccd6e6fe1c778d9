import type { KeyPair, PrivateKey, PublicKey } from '../../crypto/index.js';
import {
  isAddressProtected,
  type LinkAnswer,
  type LinkData,
  type QueueIds,
  type QueueRequest,
  type RequestOptions,
  type ServerWithAuth,
  type SmpClient,
  type SmpPool,
  type SmpServer,
  SmpV,
} from '../../smp/index.js';
import { type AgentError, isHostError, isTemporaryOrHostError } from '../errors.js';
import { serverKey } from '../rows/servers.js';
import type { UserServerList } from '../servers/users.js';
import type { SubscribedQueue } from '../subscriptions/subscriptions.js';
import type { AgentNetworkConfig, UserId } from '../types.js';
import { smpAgentError } from './errors.js';

/** A receive queue as the target of commands. */
export interface RcvTarget {
  readonly userId: UserId;
  readonly server: SmpServer;
  readonly rcvId: Uint8Array;
  readonly rcvPrivateKey: PrivateKey<'ed25519'>;
}

/** A queue of somebody else. */
export interface SndTarget {
  readonly userId: UserId;
  readonly server: SmpServer;
  readonly sndId: Uint8Array;
}

/** Interactive calls have shorter time-outs (20-smp.md, section 12.4). */
export type Urgency = 'interactive' | 'background';

/** What a request needs of a client, directly or through a proxy. */
interface Routed<T> {
  direct(client: SmpClient, options: RequestOptions): Promise<T>;
  proxied(proxy: SmpClient, basicAuth: string | undefined, options: RequestOptions): Promise<T>;
}

/**
 * The agent's view of SMP: one call for each thing it asks of a relay. All reject with AgentError only. Sessions are
 * opened on demand; SEND, SKEY, LKEY and LGET go by the proxy policy (30-agent.md, section 15.4).
 */
export class SmpNetwork {
  readonly #pool: SmpPool<SubscribedQueue>;
  readonly #users: UserServerList;
  #config: AgentNetworkConfig;
  /** The proxy of each destination: kept while its connection lives. */
  readonly #proxies = new Map<string, { readonly server: ServerWithAuth<'smp'>; client: SmpClient }>();

  constructor(pool: SmpPool<SubscribedQueue>, users: UserServerList, config: AgentNetworkConfig) {
    this.#pool = pool;
    this.#users = users;
    this.#config = config;
  }

  get config(): AgentNetworkConfig {
    return this.#config;
  }

  setConfig(config: AgentNetworkConfig): void {
    this.#config = config;
  }

  async #run<T>(
    userId: UserId,
    server: SmpServer,
    urgency: Urgency,
    request: (client: SmpClient, options: RequestOptions) => Promise<T>,
  ): Promise<T> {
    const options = { mode: urgency } as const;
    try {
      const client = await this.#pool.client(this.#pool.sessionOf({ userId, server }), options);
      return await request(client, options);
    } catch (error) {
      throw smpAgentError(error, server);
    }
  }

  /** NEW. `client` is the connection on which a subscribed queue is active. */
  createQueue(
    userId: UserId,
    { server, basicAuth }: ServerWithAuth<'smp'>,
    queue: {
      readonly authKey: KeyPair<'ed25519'>;
      readonly dhKey: KeyPair<'x25519'>;
      readonly subscribe: boolean;
      readonly request: QueueRequest;
      /** With link data: the sender id is derived from it. */
      readonly corrId?: Uint8Array | undefined;
    },
    urgency: Urgency,
  ): Promise<{ readonly ids: QueueIds; readonly client: SmpClient }> {
    return this.#run(userId, server, urgency, async (client, options) => {
      const ids = await client.createQueue(
        {
          authKey: queue.authKey.privateKey,
          dhKey: queue.dhKey.publicKey,
          basicAuth,
          subMode: queue.subscribe ? 'subscribe' : 'create',
          request: queue.request,
          ...(queue.corrId === undefined ? {} : { corrId: queue.corrId }),
        },
        options,
      );
      return { ids, client };
    });
  }

  /** Whether the server knows short links; opens the session. */
  supportsShortLinks(userId: UserId, server: SmpServer, urgency: Urgency): Promise<boolean> {
    return this.#run(userId, server, urgency, async (client) => client.version >= SmpV.ShortLinks);
  }

  /** KEY. */
  secureQueue(q: RcvTarget, senderKey: PublicKey<'ed25519' | 'ed448' | 'x25519'>): Promise<void> {
    return this.#rcv(q, 'background', (client, queue, options) => client.secureQueue(queue, senderKey, options));
  }

  /** ACK; NO_MSG is success. A message in the answer comes as an event. */
  ack(q: RcvTarget, msgId: Uint8Array): Promise<void> {
    return this.#rcv(q, 'background', (client, queue, options) => client.ack(queue, msgId, options));
  }

  suspendQueue(q: RcvTarget): Promise<void> {
    return this.#rcv(q, 'interactive', (client, queue, options) => client.suspendQueue(queue, options));
  }

  deleteQueue(q: RcvTarget): Promise<void> {
    return this.#rcv(q, 'background', (client, queue, options) => client.deleteQueue(queue, options));
  }

  /** Messages that wait in the queue (QUE); 0 when the server does not tell. @throws AgentError temporary ones only */
  async queueSize(q: RcvTarget): Promise<number> {
    const queue = { rcvId: q.rcvId, authKey: q.rcvPrivateKey };
    try {
      return await this.#run(
        q.userId,
        q.server,
        'background',
        async (client, options) => (await client.queueState(queue, options)).qiSize,
      );
    } catch (error) {
      const failed = smpAgentError(error, q.server);
      if (isTemporaryOrHostError(failed.json)) throw failed;
      return 0;
    }
  }

  setLinkData(q: RcvTarget, linkId: Uint8Array, data: LinkData): Promise<void> {
    return this.#rcv(q, 'interactive', (client, queue, options) => client.setLink(queue, linkId, data, options));
  }

  deleteLinkData(q: RcvTarget): Promise<void> {
    return this.#rcv(q, 'interactive', (client, queue, options) => client.deleteLink(queue, options));
  }

  #rcv(
    q: RcvTarget,
    urgency: Urgency,
    request: (
      client: SmpClient,
      queue: { rcvId: Uint8Array; authKey: PrivateKey<'ed25519'> },
      options: RequestOptions,
    ) => Promise<void>,
  ): Promise<void> {
    const queue = { rcvId: q.rcvId, authKey: q.rcvPrivateKey };
    return this.#run(q.userId, q.server, urgency, (client, options) => request(client, queue, options));
  }

  /** SKEY. */
  async secureSender(q: SndTarget, key: PrivateKey<'ed25519'>, urgency: Urgency): Promise<void> {
    await this.#route(q.userId, q.server, urgency, {
      direct: (client, options) => client.secureBySender(q.sndId, key, options),
      proxied: (proxy, auth, options) => proxy.secureBySenderViaProxy(q.server, auth, q.sndId, key, options),
    });
  }

  /**
   * SEND; gives the proxy that was used. Without `key` unsigned. `ready` is called when there is a connection, right
   * before the command goes out: what it throws is thrown, and nothing is sent.
   */
  async send(
    q: SndTarget,
    key: PrivateKey<'ed25519'> | undefined,
    notification: boolean,
    body: Uint8Array,
    urgency: Urgency,
    ready: () => void = () => {},
  ): Promise<SmpServer | undefined> {
    const flags = { notification };
    const { proxy } = await this.#route(q.userId, q.server, urgency, {
      direct: (client, options) => {
        ready();
        return client.sendMessage(q.sndId, key, flags, body, options);
      },
      proxied: (client, auth, options) => {
        ready();
        return client.sendViaProxy(q.server, auth, q.sndId, key, flags, body, options);
      },
    });
    return proxy;
  }

  /** LKEY: reads the data of a one-time link and secures its queue with `key`. */
  async lockLink(
    userId: UserId,
    server: SmpServer,
    linkId: Uint8Array,
    key: PrivateKey<'ed25519'>,
  ): Promise<LinkAnswer> {
    const { value } = await this.#route(userId, server, 'interactive', {
      direct: (client, options) => client.secureAndGetLink(linkId, key, options),
      proxied: (proxy, auth, options) => proxy.secureAndGetLinkViaProxy(server, auth, linkId, key, options),
    });
    return value;
  }

  /** LGET. */
  async getLink(userId: UserId, server: SmpServer, linkId: Uint8Array): Promise<LinkAnswer> {
    const { value } = await this.#route(userId, server, 'interactive', {
      direct: (client, options) => client.getLink(linkId, options),
      proxied: (proxy, auth, options) => proxy.getLinkViaProxy(server, auth, linkId, options),
    });
    return value;
  }

  /** Section 15.4: directly or through a proxy, with the fallback that is configured for host errors. */
  async #route<T>(
    userId: UserId,
    server: SmpServer,
    urgency: Urgency,
    request: Routed<T>,
  ): Promise<{ readonly value: T; readonly proxy: SmpServer | undefined }> {
    const direct = async () => ({
      value: await this.#run(userId, server, urgency, (client, options) => request.direct(client, options)),
      proxy: undefined,
    });
    if (!this.#wantsProxy(userId, server)) return direct();
    try {
      return await this.#viaProxy(userId, server, urgency, request);
    } catch (error) {
      const failed = error as AgentError;
      if (!isHostError(failed.json) || !this.#mayFallBack(server)) throw error;
      return direct();
    }
  }

  #wantsProxy(userId: UserId, server: SmpServer): boolean {
    switch (this.#config.smpProxyMode) {
      case 'never':
        return false;
      case 'always':
        return true;
      case 'unknown':
        return !this.#users.isKnownHost(userId, server);
      case 'unprotected':
        return !this.#users.isKnownHost(userId, server) && !isAddressProtected(server, this.#pool.network);
    }
  }

  #mayFallBack(server: SmpServer): boolean {
    switch (this.#config.smpProxyFallback) {
      case 'allow':
        return true;
      case 'protected':
        return isAddressProtected(server, this.#pool.network);
      case 'prohibit':
        return false;
    }
  }

  async #viaProxy<T>(
    userId: UserId,
    server: SmpServer,
    urgency: Urgency,
    request: Routed<T>,
  ): Promise<{ readonly value: T; readonly proxy: SmpServer }> {
    const key = `${userId} ${serverKey(server)}`;
    const options = { mode: urgency } as const;
    const known = this.#proxies.get(key);
    const choice = known !== undefined && !known.client.closed ? known.server : this.#users.chooseProxy(userId, server);
    const proxy = choice.server;
    try {
      const client = await this.#pool.client(this.#pool.sessionOf({ userId, server: proxy }), options);
      this.#proxies.set(key, { server: choice, client });
      const value = await request.proxied(client, choice.basicAuth, options);
      return { value, proxy };
    } catch (error) {
      const failed = smpAgentError(error, server, proxy);
      // Nothing was sent: another proxy may do better. A host error is remembered by the client of this one.
      if (!isHostError(failed.json)) this.#proxies.delete(key);
      throw failed;
    }
  }
}
