import { sameQueueAddress } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { type AgentContext, raise } from '../context.js';
import { prohibited, queueError } from '../errors.js';
import { receiveQkey } from '../rotation/recipient.js';
import { receiveQadd, receiveQuse } from '../rotation/sender.js';
import { findConn } from '../rows/connections.js';
import { enqueueMessage } from '../sending/enqueue.js';
import { type Conn, connKind, type RcvQueue } from '../state/connection.js';
import { AgentV } from '../versions.js';
import type { ReceivedMessage } from './message.js';
import { receiveReceipts } from './receipts.js';

/** What each message does (table of section 8.2). */
export async function act(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  rq: RcvQueue,
  received: ReceivedMessage,
): Promise<void> {
  const { message } = received;
  switch (message.type) {
    case 'HELLO':
      return onHello(ctx, tx, conn, received);
    case 'A_MSG':
      return onMessage(ctx, tx, conn, received, message.body);
    case 'A_RCVD':
      return receiveReceipts(ctx, tx, duplex(conn), received, message.receipts);
    case 'A_QCONT': {
      const sq = duplex(conn).sndQueues.find((q) =>
        sameQueueAddress({ server: q.server, senderId: q.sndId }, message.address),
      );
      if (sq === undefined) throw queueError('QCONT: queue address not found');
      tx.onCommit(() => ctx.deliveries.retryNow(sq.id));
      await raise(ctx, tx, { type: 'QCONT', connId: conn.connId });
      return;
    }
    case 'QADD':
      return receiveQadd(ctx, tx, synchronised(conn), message.queues[0]);
    case 'QKEY':
      return receiveQkey(ctx, tx, synchronised(conn), rq, message.queues[0]);
    case 'QUSE':
      return receiveQuse(ctx, tx, synchronised(conn), message.queues[0]);
    case 'QTEST':
      return;
    case 'EREADY':
      if (!received.couldSend) {
        await enqueueMessage(ctx, tx, duplex(conn), { type: 'EREADY', lastDecryptedSndMsgId: conn.lastExtSndId });
      }
      return;
  }
}

function duplex(conn: Conn): Conn {
  if (connKind(conn) !== 'duplex') throw queueError('message can only be sent to duplex connection');
  return conn;
}

function synchronised(conn: Conn): Conn {
  duplex(conn);
  if (conn.syncState !== 'ok' && conn.syncState !== 'allowed') throw queueError('ratchet is not synchronized');
  return conn;
}

/** Section 6.3, steps 12 and 14. */
async function onHello(ctx: AgentContext, tx: Tx, conn: Conn, received: ReceivedMessage): Promise<void> {
  if (received.statusBefore === 'active') throw prohibited('hello: active');
  const sq = conn.sndQueues[0];
  if (sq === undefined) return;
  if (sq.status === 'active') {
    await raise(ctx, tx, { type: 'CON', connId: conn.connId, pqEncryption: received.meta.pqEncryption });
  } else {
    await enqueueMessage(ctx, tx, conn, { type: 'HELLO' });
  }
}

async function onMessage(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  received: ReceivedMessage,
  body: Uint8Array,
): Promise<void> {
  const { connId } = conn;
  const { meta, arrival, hash } = received;
  const result = await raise(ctx, tx, { type: 'MSG', connId, meta, flags: arrival.flags, body });
  if (result?.receipt !== true) return;
  // The handler may have deleted it.
  const now = await findConn(ctx, tx, connId);
  if (now === undefined || now.deleted || connKind(now) !== 'duplex' || now.agentVersion < AgentV.DeliveryReceipts)
    return;
  const receipt = { sndMsgId: meta.sndMsgId, msgHash: hash, info: new Uint8Array() };
  await ctx.receipts.send(tx, now, receipt);
}
