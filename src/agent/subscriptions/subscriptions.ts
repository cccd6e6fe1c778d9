import { decodePrivateKey, type PrivateKey } from '../../crypto/index.js';
import {
  formatServer,
  type PoolHandler,
  type SmpClient,
  type SmpClientError,
  type SmpEvent,
  type SmpPool,
  type SmpServer,
  type TransportSession,
} from '../../smp/index.js';
import { type AgentContext, announce, errorJson } from '../context.js';
import { type AgentErrorJson, connError, internalError } from '../errors.js';
import { smpAgentError } from '../network/errors.js';
import type { Receiver } from '../receiving/receiver.js';
import { findConn } from '../rows/connections.js';
import { connKind, type RcvQueue } from '../state/connection.js';
import type { ConnId, SubscribeResult, SubscriptionCounts, UserId } from '../types.js';

/** A queue as the pool keeps it subscribed: only what SUB and ACK need. */
export interface SubscribedQueue {
  readonly userId: UserId;
  readonly server: SmpServer;
  readonly rcvId: Uint8Array;
  readonly authKey: PrivateKey<'ed25519'>;
  readonly entity: ConnId;
  readonly connId: ConnId;
  /** Row of the receive queue. */
  readonly queueId: number;
}

/** `entity` is the connection: it only counts in session mode `entity`. */
export function subscribedQueue(userId: UserId, rq: RcvQueue): SubscribedQueue {
  return {
    userId,
    server: rq.server,
    rcvId: rq.rcvId,
    authKey: rq.rcvPrivateKey,
    entity: rq.connId,
    connId: rq.connId,
    queueId: rq.id,
  };
}

/** Connections that are read from the database and subscribed in one go. */
const page = 1_000;

/**
 * Which receive queues are subscribed, and what their servers tell (30-agent.md, section 13). The pool keeps them
 * subscribed through reconnects; here are the agent's rules and events.
 */
export class Subscriptions implements PoolHandler<SubscribedQueue> {
  readonly #ctx: AgentContext;
  readonly #pool: () => SmpPool<SubscribedQueue>;
  readonly #receiver: Receiver;
  /** Queues that a server refused for good. */
  #removed = 0;

  constructor(ctx: AgentContext, pool: () => SmpPool<SubscribedQueue>, receiver: Receiver) {
    this.#ctx = ctx;
    this.#pool = pool;
    this.#receiver = receiver;
  }

  /** A queue that NEW subscribed on `client`. */
  added(userId: UserId, rq: RcvQueue, client: SmpClient): void {
    this.#pool().addSubscribed(subscribedQueue(userId, rq), client);
  }

  /** The queue is deleted or suspended: forgets the subscription. */
  remove(userId: UserId, rq: Pick<RcvQueue, 'server' | 'rcvId' | 'connId'>): void {
    this.#pool().unsubscribe({ userId, server: rq.server, rcvId: rq.rcvId, entity: rq.connId });
  }

  /** The connection belongs to another user now: another session. */
  move(from: UserId, to: UserId, rq: RcvQueue): void {
    const wanted = this.isActive(from, rq);
    this.remove(from, rq);
    if (wanted) void this.#pool().subscribe([subscribedQueue(to, rq)]);
  }

  isActive(userId: UserId, rq: RcvQueue): boolean {
    return this.#pool().isActive({ userId, server: rq.server, rcvId: rq.rcvId, entity: rq.connId });
  }

  counts(): SubscriptionCounts {
    const { active, pending } = this.#pool().stats();
    return { active, pending, removed: this.#removed };
  }

  /** Section 13.3. */
  async subscribe(connIds: readonly ConnId[]): Promise<Map<ConnId, SubscribeResult>> {
    const results = new Map<ConnId, SubscribeResult>();
    const queues: { readonly queue: SubscribedQueue; readonly active: boolean }[] = [];
    for (let at = 0; at < connIds.length; at += page) {
      await this.#ctx.store.read(async (tx) => {
        for (const connId of connIds.slice(at, at + page)) {
          const conn = await findConn(this.#ctx, tx, connId);
          if (conn === undefined || conn.deleted) {
            results.set(connId, failed(connError('NOT_FOUND').json));
            continue;
          }
          const kind = connKind(conn);
          if (kind === 'new') results.set(connId, { type: 'ok' });
          else if (kind === 'snd') results.set(connId, sndResult(conn.sndQueues[0]?.status));
          for (const rq of conn.rcvQueues) {
            if (rq.status === 'active' || rq.status === 'new' || rq.status === 'confirmed' || rq.status === 'secured') {
              queues.push({ queue: subscribedQueue(conn.userId, rq), active: rq.status === 'active' });
            }
          }
        }
      });
    }
    const answers = await this.#pool().subscribe(queues.map((q) => q.queue));
    const errors = new Map<ConnId, { result: SubscribeResult; active: boolean }>();
    answers.forEach((answer, i) => {
      const active = queues[i]?.active === true;
      const result: SubscribeResult = answer.ok
        ? { type: 'ok' }
        : failed(smpAgentError(answer.error, answer.queue.server).json);
      const { connId } = answer.queue;
      const previous = errors.get(connId);
      if (previous === undefined || isBetter(result, active, previous)) errors.set(connId, { result, active });
    });
    for (const [connId, { result }] of errors) results.set(connId, result);
    return results;
  }

  /** All connections, those of `activeUserId` first; results as events. */
  async subscribeAll(activeUserId: UserId | undefined): Promise<void> {
    const rows = await this.#ctx.store.read((tx) =>
      tx.db
        .selectFrom('agent_rcv_queues as q')
        .innerJoin('agent_connections as c', 'c.conn_id', 'q.conn_id')
        .select(['q.id', 'q.conn_id', 'q.server_id', 'q.rcv_id', 'q.rcv_private_key', 'c.user_id'])
        .where('q.deleted', '=', 0)
        .where('c.deleted', '=', 0)
        .where('c.delete_wait_since', 'is', null)
        .orderBy('q.id')
        .execute(),
    );
    rows.sort((a, b) => Number(b.user_id === activeUserId) - Number(a.user_id === activeUserId));
    const queues = await this.#ctx.store.read(async (tx) => {
      const list: SubscribedQueue[] = [];
      for (const r of rows) {
        const server = await this.#ctx.servers.get(tx, r.server_id);
        list.push({
          userId: r.user_id,
          server,
          rcvId: r.rcv_id,
          authKey: decodePrivateKey(r.rcv_private_key, 'key', ['ed25519']),
          entity: r.conn_id,
          connId: r.conn_id,
          queueId: r.id,
        });
      }
      return list;
    });
    const wanted = queues.filter((q) => !this.#pool().isActive(q));
    const up = new Map<SmpServer, Set<ConnId>>();
    const errors: { connId: ConnId; error: AgentErrorJson }[] = [];
    for (const answer of await this.#pool().subscribe(wanted)) {
      const { server, connId } = answer.queue;
      if (answer.ok) {
        let ids = up.get(server);
        if (ids === undefined) {
          ids = new Set();
          up.set(server, ids);
        }
        ids.add(connId);
      } else {
        errors.push({ connId, error: smpAgentError(answer.error, server).json });
      }
    }
    for (const [server, ids] of up) {
      await announce(this.#ctx, { type: 'UP', server: formatServer(server), connIds: [...ids] });
    }
    if (errors.length > 0) await announce(this.#ctx, { type: 'ERRS', errors });
  }

  // --- what the pool tells ---

  onEvent(
    event: SmpEvent,
    queue: SubscribedQueue | undefined,
    client: SmpClient,
    session: TransportSession,
  ): void | Promise<void> {
    switch (event.type) {
      case 'message':
        return this.#receiver.message(session, event.rcvId, queue, client, event);
      case 'end':
      case 'deleted':
        if (queue === undefined) return;
        return announce(
          this.#ctx,
          event.type === 'end' ? { type: 'END', connId: queue.connId } : { type: 'DELD', connId: queue.connId },
        );
      case 'blocked': {
        if (queue === undefined) return;
        this.#removed++;
        const error: AgentErrorJson = {
          type: 'SMP',
          serverAddress: formatServer(session.server),
          smpErr: event.error,
        };
        return announce(this.#ctx, { type: 'ERR', connId: queue.connId, error });
      }
      default:
    }
  }

  onConnect(session: TransportSession): void {
    this.#ctx.deliveries.serverBack(session.server);
    void announce(this.#ctx, { type: 'CONNECT', protocol: 'smp', host: session.server.hosts[0] });
  }

  onDisconnect(session: TransportSession): void {
    void announce(this.#ctx, { type: 'DISCONNECT', protocol: 'smp', host: session.server.hosts[0] });
  }

  onUp(session: TransportSession, queues: readonly SubscribedQueue[]): void {
    void announce(this.#ctx, { type: 'UP', server: formatServer(session.server), connIds: connIdsOf(queues) });
  }

  onDown(session: TransportSession, queues: readonly SubscribedQueue[]): void {
    void announce(this.#ctx, { type: 'DOWN', server: formatServer(session.server), connIds: connIdsOf(queues) });
  }

  onRefused(
    session: TransportSession,
    refused: readonly { readonly queue: SubscribedQueue; readonly error: SmpClientError }[],
  ): void {
    this.#removed += refused.length;
    const errors = refused.map(({ queue, error }) => ({
      connId: queue.connId,
      error: errorJson(smpAgentError(error, session.server)),
    }));
    void announce(this.#ctx, { type: 'ERRS', errors });
  }
}

const connIdsOf = (queues: readonly SubscribedQueue[]): ConnId[] => [...new Set(queues.map((q) => q.connId))];

const failed = (error: AgentErrorJson): SubscribeResult => ({ type: 'error', error });

function sndResult(status: string | undefined): SubscribeResult {
  if (status === 'confirmed') return { type: 'ok' };
  if (status === 'active') return failed(connError('SIMPLEX').json);
  return failed(internalError('unexpected queue status').json);
}

/** Of several queues: an active one that is up, then an active one with an error, then any that is up. */
function isBetter(
  result: SubscribeResult,
  active: boolean,
  previous: { readonly result: SubscribeResult; readonly active: boolean },
): boolean {
  const rank = (r: SubscribeResult, a: boolean): number => (r.type === 'ok' ? (a ? 3 : 1) : a ? 2 : 0);
  return rank(result, active) > rank(previous.result, previous.active);
}
