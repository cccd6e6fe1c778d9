import { prepare, type Tx } from '../../store/index.js';
import type { AMessageReceipt } from '../envelopes/index.js';
import type { ConnId } from '../types.js';

const insertReceipt = prepare<{ connId: ConnId; sndMsgId: number; hash: Uint8Array }>((db, p) =>
  db.insertInto('agent_rcv_receipts').values({ conn_id: p('connId'), snd_msg_id: p('sndMsgId'), msg_hash: p('hash') }),
);

const firstReceipts = prepare<
  { connId: ConnId; limit: number },
  { id: number; snd_msg_id: number; msg_hash: Uint8Array }
>((db, p) =>
  db
    .selectFrom('agent_rcv_receipts')
    .select(['id', 'snd_msg_id', 'msg_hash'])
    .where('conn_id', '=', p('connId'))
    .orderBy('id')
    .limit(p('limit')),
);

const deleteReceipts = prepare<{ connId: ConnId; upTo: number }>((db, p) =>
  db.deleteFrom('agent_rcv_receipts').where('conn_id', '=', p('connId')).where('id', '<=', p('upTo')),
);

/** Keeps a receipt for later. */
export async function addReceipt(tx: Tx, connId: ConnId, receipt: AMessageReceipt): Promise<void> {
  await insertReceipt.run(tx, { connId, sndMsgId: receipt.sndMsgId, hash: receipt.msgHash });
}

/** Takes the oldest receipts out, at most `limit`. */
export async function takeReceipts(tx: Tx, connId: ConnId, limit: number): Promise<AMessageReceipt[]> {
  const rows = await firstReceipts.all(tx, { connId, limit });
  const last = rows.at(-1);
  if (last !== undefined) await deleteReceipts.run(tx, { connId, upTo: last.id });
  return rows.map((r) => ({ sndMsgId: r.snd_msg_id, msgHash: r.msg_hash, info: new Uint8Array() }));
}

/** Connections that have receipts to send. */
export async function connsWithReceipts(tx: Tx): Promise<ConnId[]> {
  const rows = await tx.db.selectFrom('agent_rcv_receipts').select('conn_id').distinct().execute();
  return rows.map((r) => r.conn_id);
}
