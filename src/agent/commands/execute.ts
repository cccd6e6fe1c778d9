import { authAlgorithms, parsePublicKey } from '../../crypto/index.js';
import { smpClientRange } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { agreeVersion } from '../../wire/index.js';
import { requireCompatible } from '../connections/compatibility.js';
import { joinContact } from '../connections/contact.js';
import { prepareLink, storePrepared } from '../connections/create.js';
import { type JoinRequest, joinInvitationAsync, secureSndQueue } from '../connections/join.js';
import { newSndQueue } from '../connections/queue.js';
import { type AgentContext, raise, transaction } from '../context.js';
import { encodeAgentMessage } from '../envelopes/index.js';
import { AgentError, connError, internalError, isTemporaryOrHostError, versionError } from '../errors.js';
import {
  deleteRcvQueueCommand,
  removeOldQueue,
  secureNewQueue,
  startSwitch,
  switchFailed,
} from '../rotation/recipient.js';
import type { Command, CommandRow } from '../rows/commands.js';
import { addSndQueue, findConn, loadConn } from '../rows/connections.js';
import { updateRcvQueue } from '../rows/queues.js';
import { findConfirmation, setInvitationAccepted } from '../rows/requests.js';
import { enqueueConfirmation, enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind, type RcvQueue, type SndQueue } from '../state/connection.js';
import { MoveToServer } from './worker.js';

/** What ends a command: runs in the transaction that deletes it. */
export type Finish = (tx: Tx) => Promise<void>;
type Of<T extends Command['tag']> = Extract<Command, { tag: T }>;

const nothing: Finish = async () => {};

/** Does what the command wants on the network. The caller holds the connection's lock. */
export async function execute(
  ctx: AgentContext,
  row: CommandRow,
  tried: Set<string>,
  attempt: number,
): Promise<Finish> {
  const conn = await ctx.store.read((tx) => findConn(ctx, tx, row.connId));
  if (conn === undefined || conn.deleted) return nothing;
  const { command } = row;
  switch (command.tag) {
    case 'NEW':
      return create(ctx, row, conn, command, tried);
    case 'JOIN':
      return join(ctx, row, conn, command, tried);
    case 'ALLOW_SECURE':
      return allowSecure(ctx, row, command);
    case 'DUPLEX_SECURE':
      return duplexSecure(ctx, row, command);
    case 'SWCH': {
      // Aborted before it began.
      if (!conn.rcvQueues.some((q) => q.switchStatus === 'switch_started')) return nothing;
      const finish = await startSwitch(ctx, row.connId, { raise: true, tried });
      return async (tx) => void (await finish(tx));
    }
    case 'QSECURE':
      return secureNewQueue(ctx, row.connId, command.rcvQueueId, parseKey(command.senderKey));
    case 'QDELETE':
      return removeOldQueue(ctx, row.connId, command.rcvQueueId, attempt);
    case 'DELETE_RCV_QUEUE':
      return deleteRcvQueueCommand(ctx, row.connId, command.rcvQueueId);
  }
}

/** Undoes what was stored together with the command, when it failed for good. */
export async function onCommandFailed(ctx: AgentContext, tx: Tx, row: CommandRow): Promise<void> {
  const { command } = row;
  if (command.tag === 'JOIN' && command.invId !== undefined) {
    await setInvitationAccepted(tx, command.invId, false, undefined);
  } else if (command.tag === 'SWCH') {
    await switchFailed(ctx, tx, row.connId);
  }
}

const parseKey = (text: string) => parsePublicKey(text, 'senderKey', authAlgorithms);

async function create(
  ctx: AgentContext,
  row: CommandRow,
  conn: Conn,
  { mode, initialKeys }: Of<'NEW'>,
  tried: Set<string>,
): Promise<Finish> {
  const server = ctx.users.chooseNext(conn.userId, [], tried);
  const prepared = await prepareLink(
    ctx,
    { userId: conn.userId, mode, initialKeys, subscribe: true },
    server,
    'background',
  );
  return async (tx) => {
    await storePrepared(ctx, tx, row.connId, prepared);
    await raise(ctx, tx, { type: 'INV', connId: row.connId, corrId: row.corrId, link: prepared.link });
  };
}

async function join(
  ctx: AgentContext,
  row: CommandRow,
  conn: Conn,
  { link, info, pqSupport }: Of<'JOIN'>,
  tried: Set<string>,
): Promise<Finish> {
  const { connId, corrId } = row;
  const request: JoinRequest = {
    userId: conn.userId,
    connId,
    link: requireCompatible(link),
    info: Buffer.from(info, 'base64'),
    pqSupport,
    choose: (avoid) => ctx.users.chooseNext(conn.userId, avoid, tried),
    urgency: 'background',
  };
  if (request.link.mode === 'contact') {
    // The owner may have accepted before we could store that the request arrived; the handshake goes on then.
    if (connKind(conn) !== 'duplex') await joinContact(ctx, request);
    return async (tx) => void (await raise(ctx, tx, { type: 'JOINED', connId, corrId, sndSecured: false }));
  }
  const { sndSecured, store } = await joinInvitationAsync(ctx, request);
  return async (tx) => {
    await store(tx);
    await raise(ctx, tx, { type: 'JOINED', connId, corrId, sndSecured });
  };
}

/** KEY with the sender's key; the queue is secured then. */
async function secureRcvQueue(
  ctx: AgentContext,
  userId: number,
  rq: RcvQueue,
  key: ReturnType<typeof parseKey>,
): Promise<void> {
  await ctx.operations.run(() =>
    ctx.network.secureQueue({ userId, server: rq.server, rcvId: rq.rcvId, rcvPrivateKey: rq.rcvPrivateKey }, key),
  );
}

/** Steps 8 of sections 6.2 and 6.3: secures our queue if we have to, and answers with our own confirmation. */
async function allowSecure(ctx: AgentContext, row: CommandRow, command: Of<'ALLOW_SECURE'>): Promise<Finish> {
  const { connId } = row;
  const { conn, rq, confirmation } = await ctx.store.read(async (tx) => {
    const c = await loadConn(ctx, tx, connId);
    return {
      conn: c,
      rq: c.rcvQueues.find((q) => q.id === command.rcvQueueId),
      confirmation: await findConfirmation(tx, connId, command.confId),
    };
  });
  if (rq === undefined || confirmation === undefined) throw internalError('SEConfirmationNotFound');
  const { ownInfo, senderKey } = confirmation;
  if (ownInfo === undefined) throw internalError('confirmation is not accepted');
  if (senderKey !== undefined && rq.status === 'confirmed') {
    await secureRcvQueue(ctx, conn.userId, rq, senderKey);
    await transaction(ctx, 'rcv-secured', async (tx) => {
      const current = (await loadConn(ctx, tx, connId)).rcvQueues.find((q) => q.id === rq.id);
      if (current?.status !== 'confirmed') return;
      current.status = 'secured';
      await updateRcvQueue(tx, current);
    });
  }
  const sq = await replyQueue(ctx, connId, confirmation.replyQueues[0]);
  try {
    await secureSndQueue(ctx, conn.userId, sq, 'background');
  } catch (error) {
    // Commands of our own server must not wait for the peer's.
    const temporary = error instanceof AgentError && isTemporaryOrHostError(error.json);
    if (temporary && row.serverId !== sq.serverId) throw new MoveToServer(sq.serverId, error);
    throw error;
  }
  return async (tx) => {
    const now = await loadConn(ctx, tx, connId);
    const current = now.sndQueues.find((q) => q.id === sq.id);
    if (current === undefined) throw connError('NOT_FOUND');
    const body = encodeAgentMessage({ type: 'connInfo', connInfo: ownInfo });
    await enqueueConfirmation(ctx, tx, now, current, 'C', body);
  };
}

/** The send queue to the joiner: made with the first attempt. */
async function replyQueue(
  ctx: AgentContext,
  connId: string,
  info: NonNullable<Awaited<ReturnType<typeof findConfirmation>>>['replyQueues'][number] | undefined,
): Promise<SndQueue> {
  return transaction(ctx, 'connect-reply-queue', async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    const existing = conn.sndQueues[0];
    if (connKind(conn) === 'duplex' && existing !== undefined) return existing;
    if (info === undefined) throw internalError('no reply queue');
    const version = agreeVersion(smpClientRange, { min: info.clientVersion, max: info.clientVersion });
    if (version === undefined) throw versionError();
    return addSndQueue(ctx, tx, conn, newSndQueue(ctx, info.address, { clientVersion: version }));
  });
}

/** Step 10 of section 6.3: the joiner secures its queue and says HELLO. */
async function duplexSecure(ctx: AgentContext, row: CommandRow, command: Of<'DUPLEX_SECURE'>): Promise<Finish> {
  const { connId } = row;
  const { userId, rq } = await ctx.store.read(async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    return { userId: conn.userId, rq: conn.rcvQueues.find((q) => q.id === command.rcvQueueId) };
  });
  if (rq === undefined) return nothing;
  await secureRcvQueue(ctx, userId, rq, parseKey(command.senderKey));
  return async (tx) => {
    const conn = await loadConn(ctx, tx, connId);
    const current = conn.rcvQueues.find((q) => q.id === rq.id);
    if (current === undefined) return;
    if (current.status === 'confirmed') {
      current.status = 'secured';
      await updateRcvQueue(tx, current);
    }
    await enqueueMessage(ctx, tx, conn, { type: 'HELLO' });
  };
}
