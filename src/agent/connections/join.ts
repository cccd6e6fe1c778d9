import {
  type E2EKeys,
  type E2EParams,
  e2eParamsOf,
  generateJoiningE2EKeys,
  generateKeyPair,
  initSndRatchet,
  pqE2EVersion,
  type RatchetState,
} from '../../crypto/index.js';
import type { ServerWithAuth, SmpServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, raise, transaction } from '../context.js';
import { encodeAgentMessage } from '../envelopes/index.js';
import { cmdError, internalError } from '../errors.js';
import type { Urgency } from '../network/network.js';
import { addRcvQueue, addSndQueue, loadConn, saveConn, saveSndState } from '../rows/connections.js';
import { updateSndQueue } from '../rows/queues.js';
import { loadE2EParams, replaceRatchet, saveE2EParams } from '../rows/ratchets.js';
import { encodeConfirmation, isSenderSecured } from '../sending/encode.js';
import { confirmationStep, enqueueConfirmation } from '../sending/enqueue.js';
import { type Conn, connKind, rcvQueueOf, type SndQueue, sndQueueOf } from '../state/connection.js';
import type { ConnId, UserId } from '../types.js';
import { AgentV } from '../versions.js';
import { type CompatibleLink, linkPqSupport } from './compatibility.js';
import { deleteInvLinkKey, findInvLinkKey } from './inv-links.js';
import { addressOf, makeQueue, newSndQueue } from './queue.js';

/** How the servers of new queues are chosen: commands try another one each time. */
export type ChooseServer = (avoid: readonly SmpServer[]) => ServerWithAuth<'smp'>;

/** A join, by a direct call or by a command. `info` goes to the peer. */
export interface JoinRequest {
  readonly userId: UserId;
  readonly connId: ConnId;
  readonly link: CompatibleLink;
  readonly info: Uint8Array;
  readonly pqSupport: boolean;
  readonly choose: ChooseServer;
  readonly urgency: Urgency;
  /** Runs in the transaction that stores that the confirmation was sent. */
  readonly joined?: (tx: Tx) => Promise<void>;
}

/** Keys and ratchet of a joiner, made outside of the transaction that stores them. */
interface JoinerKeys {
  readonly keys: E2EKeys;
  readonly params: E2EParams;
  readonly ratchet: RatchetState;
}

async function joinerKeys(ctx: AgentContext, link: CompatibleLink, pqSupport: boolean): Promise<JoinerKeys> {
  const { e2e } = link;
  if (e2e === undefined) throw cmdError('PROHIBITED', 'joinConn: not an invitation');
  const pq =
    pqSupport && e2e.version >= pqE2EVersion ? { kem: ctx.kem.kem, keyPair: await ctx.kem.keyPair() } : undefined;
  const keys = generateJoiningE2EKeys(ctx.random, e2e, pq);
  return {
    keys,
    params: e2eParamsOf(keys, e2e.version),
    ratchet: initSndRatchet(keys, e2e, generateKeyPair('x448', ctx.random)),
  };
}

/** T1: ratchet and send queue keys, before anything is sent; a repeated join finds them. */
async function startJoin(ctx: AgentContext, r: JoinRequest): Promise<SndQueue> {
  const pqSupport = linkPqSupport(r.pqSupport, r.link);
  const fresh = await joinerKeys(ctx, r.link, pqSupport);
  return transaction(ctx, 'join-start', async (tx) => {
    const conn = await loadConn(ctx, tx, r.connId);
    const existing = joinable(conn);
    if (existing !== undefined) {
      const stored = await loadE2EParams(tx, conn.connId);
      if (conn.ratchet !== undefined && stored !== undefined) return existing;
      await raise(ctx, tx, { type: 'ERR', connId: conn.connId, error: internalError('no snd ratchet').json });
    }
    conn.agentVersion = r.link.agentVersion;
    conn.pqSupport = pqSupport;
    await saveConn(ctx, tx, conn);
    await replaceRatchet(ctx, tx, conn, fresh.ratchet);
    await saveE2EParams(tx, conn.connId, fresh.params);
    if (existing !== undefined) return existing;
    const secured = await findInvLinkKey(ctx, tx, r.link.queue);
    return addSndQueue(ctx, tx, conn, newSndQueue(ctx, r.link.queue, { clientVersion: r.link.clientVersion, secured }));
  });
}

/** The send queue of an earlier attempt; undefined when there was none. @throws AgentError when it went too far */
function joinable(conn: Conn): SndQueue | undefined {
  const kind = connKind(conn);
  if (kind === 'new') return undefined;
  const sq = conn.sndQueues[0];
  const early = sq !== undefined && (sq.status === 'new' || sq.status === 'secured');
  if (sq !== undefined && early && (kind === 'snd' || (kind === 'duplex' && rcvQueueOf(conn).status === 'new')))
    return sq;
  throw cmdError('PROHIBITED', `joinConnSrv: bad connection ${kind}`);
}

/** SKEY, if the queue wants it and has not got it. */
export async function secureSndQueue(ctx: AgentContext, userId: UserId, sq: SndQueue, urgency: Urgency): Promise<void> {
  if (!isSenderSecured(sq) || sq.status !== 'new') return;
  await ctx.operations.run(() =>
    ctx.network.secureSender({ userId, server: sq.server, sndId: sq.sndId }, sq.sndPrivateKey, urgency),
  );
  await transaction(ctx, 'snd-secured', async (tx) => {
    const conn = await loadConn(ctx, tx, sq.connId);
    const current = conn.sndQueues.find((q) => q.id === sq.id);
    if (current === undefined || current.status !== 'new') return;
    current.status = 'secured';
    await updateSndQueue(tx, current);
  });
}

/** Steps 2 to 4 of section 6.2: everything of a join but the confirmation. */
async function prepareJoin(ctx: AgentContext, r: JoinRequest): Promise<SndQueue> {
  const sq = await startJoin(ctx, r);
  await secureSndQueue(ctx, r.userId, sq, r.urgency);
  const hasQueue = await ctx.store.read(async (tx) => (await loadConn(ctx, tx, r.connId)).rcvQueues.length > 0);
  if (!hasQueue) {
    const { clientVersion, queue } = r.link;
    const server = r.choose([queue.server]);
    const made = await makeQueue(
      ctx,
      r.userId,
      server,
      { mode: 'messaging', subscribe: true, clientVersion },
      r.urgency,
    );
    await transaction(ctx, 'reply-queue', async (tx) => {
      const conn = await loadConn(ctx, tx, r.connId);
      const rq = await addRcvQueue(ctx, tx, conn, made.queue);
      tx.onCommit(() => ctx.subscriptions.added(r.userId, rq, made.client));
    });
  }
  return sq;
}

/** The joiner's info with its reply queue. */
function replyMessage(conn: Conn, info: Uint8Array): Uint8Array {
  const rq = rcvQueueOf(conn);
  return encodeAgentMessage({
    type: 'connInfoReply',
    queues: [{ clientVersion: rq.clientVersion, address: addressOf(rq) }],
    connInfo: info,
  });
}

/** Messages may follow at once: the peer has a ratchet as soon as it processed the confirmation. */
const sndSecured = (sq: SndQueue, link: CompatibleLink): boolean =>
  isSenderSecured(sq) && link.agentVersion >= AgentV.RatchetOnConfirmation;

/** Joins an invitation and sends the confirmation before it returns (sections 6.2, 6.3). The caller holds the lock. */
export async function joinInvitation(ctx: AgentContext, r: JoinRequest): Promise<boolean> {
  const sq = await prepareJoin(ctx, r);
  const body = await transaction(ctx, 'confirmation', async (tx) => {
    const conn = await loadConn(ctx, tx, r.connId);
    const e2e = await loadE2EParams(tx, r.connId);
    if (e2e === undefined) throw internalError('no snd ratchet');
    const message = replyMessage(conn, r.info);
    const step = confirmationStep(conn, message);
    await saveSndState(ctx, tx, conn);
    return encodeConfirmation(ctx, sq, { agentVersion: conn.agentVersion, e2e, ...step, body: message });
  });
  await ctx.operations.run(() =>
    ctx.network.send(
      { userId: r.userId, server: sq.server, sndId: sq.sndId },
      isSenderSecured(sq) ? sq.sndPrivateKey : undefined,
      true,
      body,
      r.urgency,
    ),
  );
  await transaction(ctx, 'joined', async (tx) => {
    await confirmed(ctx, tx, r);
    await r.joined?.(tx);
  });
  return sndSecured(sq, r.link);
}

async function confirmed(ctx: AgentContext, tx: Tx, r: JoinRequest): Promise<void> {
  const conn = await loadConn(ctx, tx, r.connId);
  const sq = sndQueueOf(conn);
  if (sq.status === 'new' || sq.status === 'secured') {
    sq.status = 'confirmed';
    await updateSndQueue(tx, sq);
  }
  await deleteInvLinkKey(ctx, tx, r.link.queue);
}

/**
 * The asynchronous form: gives what stores the confirmation as a message to deliver, to be run together with what
 * tells JOINED.
 */
export async function joinInvitationAsync(
  ctx: AgentContext,
  r: JoinRequest,
): Promise<{ readonly sndSecured: boolean; readonly store: (tx: Tx) => Promise<void> }> {
  const sq = await prepareJoin(ctx, r);
  return {
    sndSecured: sndSecured(sq, r.link),
    store: async (tx) => {
      const conn = await loadConn(ctx, tx, r.connId);
      await enqueueConfirmation(ctx, tx, conn, sndQueueOf(conn), 'D', replyMessage(conn, r.info));
      await deleteInvLinkKey(ctx, tx, r.link.queue);
    },
  };
}
