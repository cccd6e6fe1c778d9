import { type Clock, KeyedMutex, type Logger, type RandomSource } from '../core/index.js';
import { createKemPool, type KemPool, ratchetKeys, sha256 } from '../crypto/index.js';
import { type NetworkConfig, SmpPool } from '../smp/index.js';
import type { Store, Tx } from '../store/index.js';
import { CommandWorkers } from './commands/worker.js';
import {
  acceptContact,
  acceptContactAsync,
  allowConnection,
  connRequestPQSupport,
  joinConnection,
  joinConnectionAsync,
  prepareToAccept,
  prepareToJoin,
  rejectContact,
} from './connections/connect.js';
import { createConnection, createConnectionAsync } from './connections/create.js';
import {
  deleteConnShortLink,
  deleteLocalInvShortLink,
  getConnShortLink,
  setConnShortLink,
} from './connections/short-links.js';
import { type AgentContext, announce, type FaultPoint } from './context.js';
import { Cleanup } from './deletion/cleanup.js';
import { Deletion } from './deletion/deletion.js';
import { AgentError } from './errors.js';
import { SmpNetwork } from './network/network.js';
import { Operations } from './operations.js';
import { ReceiptSender } from './receiving/receipt-sender.js';
import { Receiver } from './receiving/receiver.js';
import { synchronizeRatchet } from './resync/start.js';
import { abortSwitch, switchConnection, switchConnectionAsync } from './rotation/recipient.js';
import { loadConn } from './rows/connections.js';
import { ratchetOf } from './rows/ratchets.js';
import { ServerRows } from './rows/servers.js';
import { sendMessages } from './sending/send.js';
import { DeliveryWorkers } from './sending/workers.js';
import { testServer } from './servers/test.js';
import { UserServerList } from './servers/users.js';
import { ConnCache } from './state/cache.js';
import { connectionStats } from './state/stats.js';
import { type SubscribedQueue, Subscriptions } from './subscriptions/subscriptions.js';
import type { Agent, AgentHandler, AgentNetworkConfig, ConnId, UserId, UserServers } from './types.js';
import { changeConnectionUser, createUser, deleteUser } from './users.js';

/** What an agent needs. The store must have been opened with `agentMigrations`; it stays the caller's. */
export interface AgentOptions {
  readonly store: Store;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly logger: Logger;
  readonly handler: AgentHandler;
  /** Connections to servers: time-outs, SOCKS, hosts. */
  readonly smp: NetworkConfig;
  /** Private message routing; default: never through proxies. */
  readonly network?: AgentNetworkConfig;
  /** Servers of the users that exist. */
  readonly users: ReadonlyMap<UserId, UserServers>;
  /** Shared by several agents of one process; otherwise the agent makes and closes its own. */
  readonly kem?: KemPool;
  /** Called right before and right after each commit of the agent: tests stop the process there. */
  readonly faults?: (point: FaultPoint) => void;
}

const defaultNetworkConfig: AgentNetworkConfig = { smpProxyMode: 'never', smpProxyFallback: 'allow' };
const suspendWait = 10_000;

/** Joins the parts of an agent, which refer to each other. */
class Parts {
  readonly ctx: AgentContext;
  readonly pool: SmpPool<SubscribedQueue>;
  readonly receiver: Receiver;
  readonly deletion: Deletion;
  readonly cleanup: Cleanup;

  constructor(options: AgentOptions, kem: KemPool) {
    const { store, clock, random, logger, handler, faults } = options;
    const users = new UserServerList(random, options.users);
    const parts = {
      store,
      clock,
      random,
      logger,
      handler,
      kem,
      ratchetKeys: ratchetKeys(random, kem),
      cache: new ConnCache(),
      servers: new ServerRows(),
      users,
      locks: new KeyedMutex<string>(),
      operations: new Operations(clock),
      faults,
    };
    // The members of `ctx` that need `ctx` are added one after the other; none of them uses it before it is whole.
    const ctx = parts as typeof parts & { -readonly [K in keyof AgentContext]: AgentContext[K] };
    this.ctx = ctx;
    this.receiver = new Receiver(ctx);
    const subscriptions = new Subscriptions(ctx, () => this.pool, this.receiver);
    ctx.subscriptions = subscriptions;
    ctx.deliveries = new DeliveryWorkers(ctx);
    ctx.receipts = new ReceiptSender(ctx);
    ctx.commands = new CommandWorkers(ctx);
    this.pool = new SmpPool({ network: options.smp, clock, random, log: logger, handler: subscriptions });
    ctx.network = new SmpNetwork(this.pool, users, options.network ?? defaultNetworkConfig);
    this.deletion = new Deletion(ctx);
    this.cleanup = new Cleanup(ctx, this.deletion);
  }
}

type State = 'opened' | 'started' | 'closed';

class AgentHandle implements Agent {
  readonly #ctx: AgentContext;
  readonly #parts: Parts;
  readonly #ownKem: KemPool | undefined;
  #state: State = 'opened';

  constructor(parts: Parts, ownKem: KemPool | undefined) {
    this.#ctx = parts.ctx;
    this.#parts = parts;
    this.#ownKem = ownKem;
  }

  async start(): Promise<void> {
    if (this.#state === 'closed') throw new AgentError({ type: 'INACTIVE' });
    await this.resume();
    if (this.#state === 'started') return;
    this.#state = 'started';
    const { ctx, deletion, cleanup } = this.#parts;
    await ctx.deliveries.start();
    await ctx.receipts.start();
    await ctx.commands.start();
    deletion.start();
    cleanup.start();
  }

  async suspend(waitMs = suspendWait): Promise<void> {
    const { ctx, receiver } = this.#parts;
    await ctx.operations.suspend(waitMs);
    // A message may wait for a handshake that is held back now: it is not waited for longer than for the rest.
    const timeout = new AbortController();
    await Promise.race([receiver.idle(), ctx.operations.sleep(waitMs, timeout.signal)]);
    timeout.abort();
    await announce(this.#ctx, { type: 'SUSPENDED' });
  }

  async resume(): Promise<void> {
    const { ctx, pool, receiver } = this.#parts;
    if (!ctx.operations.isSuspended) return;
    ctx.operations.resume();
    if (receiver.takeLeft()) pool.reconnect();
    else pool.wake();
  }

  async close(): Promise<void> {
    if (this.#state === 'closed') return;
    this.#state = 'closed';
    const { ctx, pool, receiver, deletion, cleanup } = this.#parts;
    ctx.operations.close();
    pool.close();
    await cleanup.stop();
    await ctx.receipts.stop();
    await Promise.all([ctx.deliveries.stop(), ctx.commands.stop(), deletion.stop(), receiver.idle()]);
    await this.#ownKem?.close();
  }

  createUser(tx: Tx, servers: UserServers): Promise<UserId> {
    return createUser(this.#ctx, tx, servers);
  }
  deleteUser(tx: Tx, userId: UserId, deleteQueues: boolean): Promise<void> {
    return deleteUser(this.#ctx, this.#parts.deletion, tx, userId, deleteQueues);
  }
  setUserServers(userId: UserId, servers: UserServers): void {
    this.#ctx.users.set(userId, servers);
  }
  testServer: Agent['testServer'] = (userId, server) => testServer(this.#ctx, this.#parts.pool, userId, server);
  setNetworkConfig(config: AgentNetworkConfig): void {
    this.#ctx.network.setConfig(config);
  }
  get networkConfig(): AgentNetworkConfig {
    return this.#ctx.network.config;
  }
  async reconnectServers(): Promise<void> {
    this.#parts.pool.reconnect();
  }

  createConnection: Agent['createConnection'] = (params) => createConnection(this.#ctx, params);
  joinConnection: Agent['joinConnection'] = (params) => joinConnection(this.#ctx, params);
  acceptContact: Agent['acceptContact'] = (params) => acceptContact(this.#ctx, params);
  setConnShortLink: Agent['setConnShortLink'] = (connId, mode, userData, clientData) =>
    setConnShortLink(this.#ctx, connId, mode, userData, clientData);
  deleteConnShortLink: Agent['deleteConnShortLink'] = (connId, mode) => deleteConnShortLink(this.#ctx, connId, mode);
  getConnShortLink: Agent['getConnShortLink'] = (userId, link) => getConnShortLink(this.#ctx, userId, link);
  switchConnection: Agent['switchConnection'] = (connId) => switchConnection(this.#ctx, connId);

  async suspendConnection(connId: ConnId): Promise<void> {
    const ctx = this.#ctx;
    const { userId, queues } = await ctx.store.read(async (tx) => {
      const conn = await loadConn(ctx, tx, connId);
      return { userId: conn.userId, queues: [...conn.rcvQueues] };
    });
    for (const { server, rcvId, rcvPrivateKey } of queues) {
      await ctx.operations.run(() => ctx.network.suspendQueue({ userId, server, rcvId, rcvPrivateKey }));
    }
  }

  subscribeConnections: Agent['subscribeConnections'] = (connIds) => this.#ctx.subscriptions.subscribe(connIds);
  subscribeAll(activeUserId?: UserId): Promise<void> {
    return this.#ctx.subscriptions.subscribeAll(activeUserId);
  }

  prepareConnectionToJoin: Agent['prepareConnectionToJoin'] = (tx, userId, link, pq) =>
    prepareToJoin(this.#ctx, tx, userId, link, pq);
  prepareConnectionToAccept: Agent['prepareConnectionToAccept'] = (tx, userId, invId, pq) =>
    prepareToAccept(this.#ctx, tx, userId, invId, pq);
  createConnectionAsync: Agent['createConnectionAsync'] = (tx, corrId, params) =>
    createConnectionAsync(this.#ctx, tx, corrId, params);
  joinConnectionAsync: Agent['joinConnectionAsync'] = (tx, corrId, params) =>
    joinConnectionAsync(this.#ctx, tx, corrId, params);
  allowConnection: Agent['allowConnection'] = (tx, connId, confId, info) =>
    allowConnection(this.#ctx, tx, connId, confId, info);
  acceptContactAsync: Agent['acceptContactAsync'] = (tx, corrId, params) =>
    acceptContactAsync(this.#ctx, tx, corrId, params);
  rejectContact: Agent['rejectContact'] = (tx, invId) => rejectContact(tx, invId);
  switchConnectionAsync: Agent['switchConnectionAsync'] = (tx, corrId, connId) =>
    switchConnectionAsync(this.#ctx, tx, corrId, connId);
  abortConnectionSwitch: Agent['abortConnectionSwitch'] = (tx, connId) => abortSwitch(this.#ctx, tx, connId);
  synchronizeRatchet: Agent['synchronizeRatchet'] = (tx, connId, pq, force) =>
    synchronizeRatchet(this.#ctx, tx, connId, pq, force);
  deleteConnectionsAsync: Agent['deleteConnectionsAsync'] = (tx, connIds, waitDelivery = false) =>
    this.#parts.deletion.delete(tx, connIds, waitDelivery);
  deleteLocalInvShortLink: Agent['deleteLocalInvShortLink'] = (tx, link) =>
    deleteLocalInvShortLink(this.#ctx, tx, link);
  changeConnectionUser: Agent['changeConnectionUser'] = (tx, connId, userId) =>
    changeConnectionUser(this.#ctx, tx, connId, userId);
  sendMessages: Agent['sendMessages'] = (tx, items) => sendMessages(this.#ctx, tx, items);

  connRequestPQSupport: Agent['connRequestPQSupport'] = (pq, link) => connRequestPQSupport(pq, link);
  getConnectionServers: Agent['getConnectionServers'] = async (tx, connId) =>
    connectionStats(await loadConn(this.#ctx, tx, connId));
  getConnectionRatchetAdHash: Agent['getConnectionRatchetAdHash'] = async (tx, connId) =>
    sha256(ratchetOf(await loadConn(this.#ctx, tx, connId)).associatedData);
  subscriptionCounts: Agent['subscriptionCounts'] = () => this.#ctx.subscriptions.counts();
}

/** Opens an agent. Nothing touches the network before `start`, except calls that say so. */
export async function openAgent(options: AgentOptions): Promise<Agent> {
  const ownKem = options.kem === undefined ? await createKemPool() : undefined;
  const kem = options.kem ?? ownKem;
  if (kem === undefined) throw new TypeError('no KEM pool');
  return new AgentHandle(new Parts(options, kem), ownKem);
}
