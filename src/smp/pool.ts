import type { Clock, Logger, RandomSource } from '../core/index.js';
import type { VersionRange } from '../wire/index.js';
import { Backoff } from './backoff.js';
import { SmpClient } from './client.js';
import type { RequestOptions, SmpEvent } from './client-types.js';
import { formatFailure, isHostFailure, isTemporaryFailure, networkFailure, SmpClientError } from './failures.js';
import type { NetworkConfig } from './network.js';
import { formatServer } from './server.js';
import { subscriptionRound } from './sizes.js';
import { type PoolQueue, rcvIdKey, Subscriptions, type TransportSession } from './subscriptions.js';
import type { SmpVersion } from './versions.js';

/** What the pool tells its owner. Called in order; must not throw. */
export interface PoolHandler<Q extends PoolQueue> {
  /**
   * A message or another event of a queue, from the connection that is current for its transport session. `queue`
   * is undefined for one that the pool does not keep. The promise is back-pressure, see `SmpClientHandler`.
   * After `end`, `deleted` and `blocked` the pool does not subscribe the queue again.
   */
  onEvent(event: SmpEvent, queue: Q | undefined, client: SmpClient, session: TransportSession): void | Promise<void>;
  onConnect?(session: TransportSession): void;
  onDisconnect?(session: TransportSession): void;
  /** Subscriptions that came back: after a reconnect, or late. Not those of `subscribe` itself. */
  onUp(session: TransportSession, queues: readonly Q[]): void;
  /** Subscriptions that were lost with their connection. */
  onDown(session: TransportSession, queues: readonly Q[]): void;
  /** Subscriptions that the relay refuses for good: they are given up. */
  onRefused(session: TransportSession, refused: readonly { readonly queue: Q; readonly error: SmpClientError }[]): void;
}

/** What a pool connects with; `network` is where it starts, see {@link SmpPool.setNetwork}. */
export interface PoolOptions<Q extends PoolQueue> {
  readonly network: NetworkConfig;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
  readonly handler: PoolHandler<Q>;
  readonly range?: VersionRange<SmpVersion>;
}

/** What became of a subscription that was asked for. After a temporary failure the pool goes on trying by itself. */
export type SubscribeResult<Q extends PoolQueue> =
  | { readonly queue: Q; readonly ok: true }
  | { readonly queue: Q; readonly ok: false; readonly error: SmpClientError };

/** One transport session: its client, if it has one, and its subscriptions. */
interface State<Q extends PoolQueue> {
  readonly key: string;
  readonly session: TransportSession;
  readonly subscriptions: Subscriptions<Q>;
  client: SmpClient | undefined;
  connecting: Promise<SmpClient> | undefined;
  failed: { readonly at: number; readonly error: SmpClientError } | undefined;
  /** The resubscribe worker runs; wakes early when aborted. */
  worker: AbortController | undefined;
}

function clientError(e: unknown): SmpClientError {
  return e instanceof SmpClientError ? e : networkFailure({ type: 'failedError' }, e);
}

/** Whether a subscription is tried again: temporary failures and host errors are (20-smp.md, section 8.2). */
function isRetried(error: SmpClientError): boolean {
  return isTemporaryFailure(error.failure) || isHostFailure(error.failure) || error.failure.type === 'transport';
}

/**
 * The clients of all transport sessions, and the subscriptions that are kept through reconnects (30-agent.md,
 * section 13). `Q` is the caller's queue.
 */
export class SmpPool<Q extends PoolQueue = PoolQueue> {
  readonly #options: PoolOptions<Q>;
  readonly #states = new Map<string, State<Q>>();
  readonly #sessionTime: string;
  #network: NetworkConfig;
  #closed = false;

  constructor(options: PoolOptions<Q>) {
    this.#options = options;
    this.#network = options.network;
    this.#sessionTime = new Date(options.clock.now()).toISOString();
  }

  get network(): NetworkConfig {
    return this.#network;
  }

  /** Changes the settings: all connections are made anew. */
  setNetwork(network: NetworkConfig): void {
    this.#network = network;
    this.reconnect();
  }

  /** The transport session of a queue, or of a request about `entity` (connection or link id). */
  sessionOf(queue: Pick<PoolQueue, 'userId' | 'server' | 'entity'>): TransportSession {
    const entity = this.#network.sessionMode === 'entity' ? queue.entity : undefined;
    return { userId: queue.userId, server: queue.server, entity };
  }

  #key(session: TransportSession): string {
    return `${session.userId} ${formatServer(session.server)} ${session.entity ?? ''}`;
  }

  #state(session: TransportSession): State<Q> {
    const key = this.#key(session);
    let state = this.#states.get(key);
    if (state === undefined) {
      state = {
        key,
        session,
        subscriptions: new Subscriptions<Q>(),
        client: undefined,
        connecting: undefined,
        failed: undefined,
        worker: undefined,
      };
      this.#states.set(key, state);
    }
    return state;
  }

  #recentFailure({ failed }: State<Q>): SmpClientError | undefined {
    if (failed === undefined) return undefined;
    return this.#options.clock.monotonic() - failed.at < this.#network.errorMemory ? failed.error : undefined;
  }

  #forgetIfIdle(state: State<Q>): void {
    const idle = state.client === undefined && state.connecting === undefined && state.worker === undefined;
    if (this.#recentFailure(state) !== undefined) return;
    if (idle && state.subscriptions.empty && this.#states.get(state.key) === state) this.#states.delete(state.key);
  }

  /**
   * The connected client of a session. Callers at the same time share one attempt; a failure is the answer for the
   * next three seconds without a new attempt.
   */
  client(session: TransportSession, mode: RequestOptions = {}): Promise<SmpClient> {
    if (this.#closed) return Promise.reject(networkFailure({ type: 'failedError' }));
    return this.#connected(this.#state(session), mode);
  }

  #connected(state: State<Q>, mode: RequestOptions): Promise<SmpClient> {
    if (this.#closed) return Promise.reject(networkFailure({ type: 'failedError' }));
    if (state.client !== undefined && !state.client.closed) return Promise.resolve(state.client);
    if (state.connecting !== undefined) return state.connecting;
    const failure = this.#recentFailure(state);
    if (failure !== undefined) return Promise.reject(failure);
    const attempt = this.#connect(state, mode);
    state.connecting = attempt;
    return attempt;
  }

  async #connect(state: State<Q>, mode: RequestOptions): Promise<SmpClient> {
    const { clock, random, range, handler, log } = this.#options;
    const { session } = state;
    let connected: SmpClient | undefined;
    try {
      const client = await SmpClient.connect(
        {
          server: session.server,
          network: this.#network,
          isolation: { userId: session.userId, entity: session.entity, sessionTime: this.#sessionTime },
          clock,
          random,
          ...(range === undefined ? {} : { range }),
          handler: {
            onEvent: (event) => this.#onEvent(state, connected, event),
            onClose: (error) => this.#onClose(state, connected, error),
          },
        },
        mode,
      );
      connected = client;
      if (this.#closed) {
        client.close();
        throw networkFailure({ type: 'failedError' });
      }
      state.client = client;
      state.failed = undefined;
      state.connecting = undefined;
      handler.onConnect?.(session);
      return client;
    } catch (e) {
      const error = clientError(e);
      log.debug({ code: error.code, failure: formatFailure(error.failure) }, 'SMP connection failed');
      state.failed = { at: clock.monotonic(), error };
      state.connecting = undefined;
      // The failure is remembered with the state.
      clock.after(this.#network.errorMemory, () => this.#forgetIfIdle(state), { unref: true });
      throw error;
    }
  }

  #onClose(state: State<Q>, client: SmpClient | undefined, error: SmpClientError): void {
    if (client === undefined || state.client !== client) return;
    state.client = undefined;
    const { handler, log } = this.#options;
    log.debug({ code: error.code, failure: formatFailure(error.failure) }, 'SMP connection closed');
    const lost = state.subscriptions.deactivate();
    handler.onDisconnect?.(state.session);
    if (lost.length > 0) handler.onDown(state.session, lost);
    if (state.subscriptions.pendingCount > 0) this.#startWorker(state);
    else this.#forgetIfIdle(state);
  }

  #onEvent(state: State<Q>, client: SmpClient | undefined, event: SmpEvent): void | Promise<void> {
    const { handler } = this.#options;
    // Events of an old connection are void: END there is the echo of our own new subscription.
    if (client === undefined || (state.client !== undefined && state.client !== client)) return;
    const { subscriptions, session } = state;
    switch (event.type) {
      case 'subscribed': {
        const queue = subscriptions.activate(event.rcvId, client);
        if (queue !== undefined) handler.onUp(session, [queue]);
        return;
      }
      case 'end':
      case 'deleted':
      case 'blocked':
        return handler.onEvent(event, subscriptions.remove(event.rcvId), client, session);
      case 'message':
        return handler.onEvent(event, subscriptions.get(event.rcvId), client, session);
      case 'notification':
        return handler.onEvent(event, undefined, client, session);
    }
  }

  /**
   * Subscribes queues and keeps them subscribed. Sessions run in parallel, the SUBs of one session are packed into
   * blocks. The results are those of the first attempt, in the order of `queues`.
   */
  async subscribe(queues: readonly Q[]): Promise<SubscribeResult<Q>[]> {
    const groups = new Map<State<Q>, Q[]>();
    for (const queue of queues) {
      const state = this.#state(this.sessionOf(queue));
      state.subscriptions.add(queue);
      const group = groups.get(state);
      if (group === undefined) groups.set(state, [queue]);
      else group.push(queue);
    }
    const results = new Map<Q, SubscribeResult<Q>>();
    await Promise.all(
      [...groups].map(async ([state, group]) => {
        const failures = new Map<string, SmpClientError>();
        try {
          const client = await this.#connected(state, { mode: 'background' });
          // Round by round: an answer to the last of 100,000 would not come in time if all were asked at once.
          for (let at = 0; at < group.length; at += subscriptionRound) {
            const { failed } = await this.#round(state, client, group.slice(at, at + subscriptionRound));
            for (const r of failed) failures.set(rcvIdKey(r.queue.rcvId), r.error);
          }
        } catch (e) {
          const error = clientError(e);
          for (const queue of group) failures.set(rcvIdKey(queue.rcvId), error);
        }
        for (const queue of group) {
          const error = failures.get(rcvIdKey(queue.rcvId));
          results.set(queue, error === undefined ? { queue, ok: true } : { queue, ok: false, error });
        }
        if (state.subscriptions.pendingCount > 0) this.#startWorker(state);
      }),
    );
    return queues.map((queue) => results.get(queue) ?? { queue, ok: true });
  }

  /** One round of SUBs on a client; its results count only while the client is the current one. */
  async #round(
    state: State<Q>,
    client: SmpClient,
    queues: readonly Q[],
  ): Promise<{ readonly up: Q[]; readonly failed: { queue: Q; error: SmpClientError }[] }> {
    const settled = await client.subscribeAll(queues);
    const up: Q[] = [];
    const failed: { queue: Q; error: SmpClientError }[] = [];
    const current = state.client === client && !client.closed;
    settled.forEach((result, i) => {
      const queue = queues[i];
      if (queue === undefined) return;
      if (!current) {
        failed.push({ queue, error: networkFailure({ type: 'failedError' }) });
        return;
      }
      if (result.status === 'fulfilled') {
        if (state.subscriptions.activate(queue.rcvId, client) !== undefined) up.push(queue);
        return;
      }
      const error = clientError(result.reason);
      if (!isRetried(error)) state.subscriptions.remove(queue.rcvId);
      failed.push({ queue, error });
    });
    const inVain = current && failed.length > 0 && failed.every((f) => isRetried(f.error));
    if (inVain && up.length === 0 && state.subscriptions.activeCount === 0) client.close();
    return { up, failed };
  }

  /** A queue that NEW subscribed on `client`: active if that connection is still the current one. */
  addSubscribed(queue: Q, client: SmpClient): void {
    const state = this.#state(this.sessionOf(queue));
    state.subscriptions.add(queue);
    if (state.client === client && !client.closed) state.subscriptions.activate(queue.rcvId, client);
    else this.#startWorker(state);
  }

  /** The queue is not wanted any more (deleted, suspended). Nothing is sent. */
  unsubscribe(queue: Pick<PoolQueue, 'userId' | 'server' | 'entity' | 'rcvId'>): void {
    const state = this.#state(this.sessionOf(queue));
    state.subscriptions.remove(queue.rcvId);
    this.#forgetIfIdle(state);
  }

  /** Whether the queue is subscribed now. */
  isActive(queue: Pick<PoolQueue, 'userId' | 'server' | 'entity' | 'rcvId'>): boolean {
    return this.#states.get(this.#key(this.sessionOf(queue)))?.subscriptions.isActive(queue.rcvId) ?? false;
  }

  /** Numbers for tests and metrics. */
  stats(): {
    readonly sessions: number;
    readonly connected: number;
    readonly active: number;
    readonly pending: number;
  } {
    let connected = 0;
    let active = 0;
    let pending = 0;
    for (const s of this.#states.values()) {
      if (s.client !== undefined) connected++;
      active += s.subscriptions.activeCount;
      pending += s.subscriptions.pendingCount;
    }
    return { sessions: this.#states.size, connected, active, pending };
  }

  #startWorker(state: State<Q>): void {
    if (state.worker !== undefined || this.#closed) return;
    state.worker = new AbortController();
    void this.#resubscribe(state);
  }

  /** Subscribes what is pending, again and again with growing pauses, until nothing is. */
  async #resubscribe(state: State<Q>): Promise<void> {
    const { clock, random, handler, log } = this.#options;
    const backoff = new Backoff(this.#network.reconnect, random);
    while (!this.#closed && state.subscriptions.pendingCount > 0) {
      try {
        await this.#resubscribePending(state, handler);
      } catch (e) {
        log.debug({ failure: formatFailure(clientError(e).failure) }, 'SMP resubscription failed');
      }
      if (this.#closed || state.subscriptions.pendingCount === 0) break;
      const wake = state.worker?.signal;
      try {
        await clock.sleep(backoff.next(), wake);
      } catch {
        // Woken: the network is back, or the application came to the foreground.
        state.worker = new AbortController();
        backoff.reset();
      }
    }
    // In the same turn as the last look at what is pending: whoever adds more from now on starts another worker.
    state.worker = undefined;
    this.#forgetIfIdle(state);
  }

  async #resubscribePending(state: State<Q>, handler: PoolHandler<Q>): Promise<void> {
    const client = await this.#connected(state, { mode: 'background' });
    const queues = state.subscriptions.pending();
    for (let at = 0; at < queues.length; at += subscriptionRound) {
      const { up, failed } = await this.#round(state, client, queues.slice(at, at + subscriptionRound));
      if (up.length > 0) handler.onUp(state.session, up);
      const refused = failed.filter((f) => !isRetried(f.error));
      if (refused.length > 0) handler.onRefused(state.session, refused);
      if (state.client !== client) return;
    }
  }

  /** The network is back, or there is reason to hope: all workers try at once. */
  wake(): void {
    for (const state of this.#states.values()) {
      state.failed = undefined;
      state.worker?.abort();
    }
  }

  /** Drops all connections; those with subscriptions come back by themselves. */
  reconnect(): void {
    for (const state of this.#states.values()) {
      state.failed = undefined;
      state.client?.close();
    }
  }

  /** Ends all connections and workers. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    for (const state of this.#states.values()) {
      state.worker?.abort();
      state.client?.close();
    }
    this.#states.clear();
  }
}
