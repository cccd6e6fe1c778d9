import type { Tx } from '../../store/index.js';
import { equalBytes } from '../../wire/index.js';
import { type AgentContext, raise } from '../context.js';
import type { AMessageReceipt } from '../envelopes/index.js';
import { internalError, prohibited } from '../errors.js';
import { saveReceipt, sndMessageBySndId } from '../rows/messages.js';
import type { Conn } from '../state/connection.js';
import type { MsgReceipt } from '../types.js';
import type { ReceivedMessage } from './message.js';

/** Section 9.2. Each receipt is judged alone; RCVD is raised when one is left. */
export async function receiveReceipts(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  received: ReceivedMessage,
  receipts: readonly AMessageReceipt[],
): Promise<void> {
  const { connId } = conn;
  const results: MsgReceipt[] = [];
  for (const { sndMsgId, msgHash } of receipts) {
    const sent = await sndMessageBySndId(tx, connId, sndMsgId);
    if (sent === undefined) {
      const { json } = internalError('receipt: message not found');
      await raise(ctx, tx, { type: 'ERR', connId, error: json });
      continue;
    }
    if (sent.kind !== 'M') {
      await raise(ctx, tx, { type: 'ERR', connId, error: prohibited('receipt: not a msg').json });
      continue;
    }
    if (sent.receipt === 'ok') continue;
    const msgRcptStatus = equalBytes(sent.hash, msgHash) ? 'ok' : 'badMsgHash';
    await saveReceipt(tx, connId, sent.internalId, msgRcptStatus, sent.pending);
    results.push({ agentMsgId: sent.internalId, msgRcptStatus });
  }
  if (results.length > 0) await raise(ctx, tx, { type: 'RCVD', connId, meta: received.meta, receipts: results });
}
