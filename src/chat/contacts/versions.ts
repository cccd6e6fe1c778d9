import { prepare, type Tx } from '../../store/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ChatContext } from '../engine/context.js';
import { ChatV, type ChatVersionRange, chatVersion, updatedChatVersion } from '../protocol/index.js';

const update = prepare<{
  connId: number;
  version: number;
  min: number;
  max: number;
  pqSupport: number;
  pqEncryption: number;
  now: number;
}>((db, p) =>
  db
    .updateTable('connections')
    .set({
      conn_chat_version: p('version'),
      peer_chat_min_version: p('min'),
      peer_chat_max_version: p('max'),
      pq_support: p('pqSupport'),
      pq_encryption: p('pqEncryption'),
      updated_at: p('now'),
    })
    .where('connection_id', '=', p('connId')),
);

/**
 * Notes the versions that a peer offers in a message (50, section 1.5). The agreed version never goes down. A
 * connection with a contact that knows post-quantum encryption turns that on: also one that a group arranged.
 */
export async function updatePeerVersions(
  ctx: ChatContext,
  tx: Tx,
  row: ConnectionRow,
  peer: ChatVersionRange,
): Promise<ConnectionRow> {
  const version = updatedChatVersion(chatVersion(row.conn_chat_version), peer);
  const enablePq =
    row.conn_type === 'contact' && version >= ChatV.Compression && (row.pq_support === 0 || row.pq_encryption === 0);
  if (
    !enablePq &&
    version === row.conn_chat_version &&
    peer.min === row.peer_chat_min_version &&
    peer.max === row.peer_chat_max_version
  ) {
    return row;
  }
  const updated = {
    ...row,
    conn_chat_version: version,
    peer_chat_min_version: peer.min,
    peer_chat_max_version: peer.max,
    pq_support: enablePq ? 1 : row.pq_support,
    pq_encryption: enablePq ? 1 : row.pq_encryption,
  };
  await update.run(tx, {
    connId: row.connection_id,
    version,
    min: peer.min,
    max: peer.max,
    pqSupport: updated.pq_support,
    pqEncryption: updated.pq_encryption,
    now: ctx.clock.now(),
  });
  return updated;
}
