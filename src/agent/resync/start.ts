import { e2eVersions } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { AgentContext } from '../context.js';
import { cmdError } from '../errors.js';
import { loadConn, saveConn } from '../rows/connections.js';
import { saveE2EKeys } from '../rows/ratchets.js';
import { connKind } from '../state/connection.js';
import { connectionStats } from '../state/stats.js';
import type { ConnectionStats, ConnId } from '../types.js';
import { AgentV } from '../versions.js';
import { resyncKeys, sendRatchetKey } from './keys.js';

/** T13: starts a re-synchronisation (30-agent.md, section 11). @throws AgentError `CMD PROHIBITED` */
export async function synchronizeRatchet(
  ctx: AgentContext,
  tx: Tx,
  connId: ConnId,
  pqSupport: boolean,
  force: boolean,
): Promise<ConnectionStats> {
  const conn = await loadConn(ctx, tx, connId);
  if (connKind(conn) !== 'duplex') throw cmdError('PROHIBITED', 'synchronizeRatchet: not duplex');
  if (conn.agentVersion < AgentV.RatchetSync) throw cmdError('PROHIBITED', 'synchronizeRatchet: not supported');
  if (!force && conn.syncState !== 'allowed' && conn.syncState !== 'required') {
    throw cmdError('PROHIBITED', 'synchronizeRatchet: not allowed');
  }
  conn.pqSupport = pqSupport;
  const keys = resyncKeys(ctx, pqSupport);
  await sendRatchetKey(ctx, tx, conn, keys, e2eVersions.max);
  await saveE2EKeys(tx, connId, keys);
  conn.syncState = 'started';
  await saveConn(ctx, tx, conn);
  return connectionStats(conn);
}
