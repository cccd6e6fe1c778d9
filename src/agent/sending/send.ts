import { nextTurn } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import type { AgentContext } from '../context.js';
import { encodeAMessage } from '../envelopes/index.js';
import { AgentError, cmdError, connError } from '../errors.js';
import { loadConn } from '../rows/connections.js';
import { connKind, isSendProhibited } from '../state/connection.js';
import type { SendItem, SentItem } from '../types.js';
import { enqueueEncoded, type SharedBody } from './enqueue.js';

/** How long a batch may keep the event loop, in milliseconds. */
const maxSlice = 3;

/** Section 7: queues application messages. A failed item does not disturb the others. */
export async function sendMessages(
  ctx: AgentContext,
  tx: Tx,
  items: readonly SendItem[],
): Promise<(SentItem | AgentError)[]> {
  const shared = sharedBodies(items);
  const results: (SentItem | AgentError)[] = [];
  let sliceStart = ctx.clock.monotonic();
  for (const item of items) {
    // Other transactions wait until this one is over, but sockets and timers do not.
    if (ctx.clock.monotonic() - sliceStart > maxSlice) {
      await nextTurn();
      sliceStart = ctx.clock.monotonic();
    }
    try {
      const body = shared.get(item.body);
      results.push(await sendOne(ctx, tx, item, body));
    } catch (error) {
      // Everything that an item can be guilty of comes before its first write; a failing database undoes all.
      if (!(error instanceof AgentError)) throw error;
      results.push(error);
    }
  }
  return results;
}

/** Bodies that more than one item holds: encoded and stored once. */
function sharedBodies(items: readonly SendItem[]): Map<Uint8Array, SharedBody> {
  const shared = new Map<Uint8Array, SharedBody>();
  if (items.length < 2) return shared;
  const seen = new Set<Uint8Array>();
  for (const { body } of items) {
    if (seen.has(body) && !shared.has(body)) {
      shared.set(body, { encoded: encodeAMessage({ type: 'A_MSG', body }), rowId: undefined });
    }
    seen.add(body);
  }
  return shared;
}

async function sendOne(ctx: AgentContext, tx: Tx, item: SendItem, shared: SharedBody | undefined): Promise<SentItem> {
  const conn = await loadConn(ctx, tx, item.connId);
  const kind = connKind(conn);
  if (kind !== 'snd' && kind !== 'duplex') throw connError('SIMPLEX', 'sendMessagesB_');
  if (isSendProhibited(conn)) throw cmdError('PROHIBITED', 'sendMessagesB: send prohibited');
  const encoded = shared?.encoded ?? encodeAMessage({ type: 'A_MSG', body: item.body });
  return enqueueEncoded(ctx, tx, conn, 'M', encoded, {
    notification: item.flags.notification,
    pqEncryption: item.pqEncryption,
    shared,
  });
}
