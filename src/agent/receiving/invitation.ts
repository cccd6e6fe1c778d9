import { e2eVersions } from '../../crypto/index.js';
import { formatServer } from '../../smp/index.js';
import type { Tx } from '../../store/index.js';
import { agreeVersion } from '../../wire/index.js';
import { pqSupportedBy } from '../connections/compatibility.js';
import { type AgentContext, newId, raise } from '../context.js';
import type { AgentEnvelope } from '../envelopes/index.js';
import { prohibited } from '../errors.js';
import { formatConnectionRequest } from '../links/index.js';
import { insertInvitation } from '../rows/requests.js';
import type { Conn } from '../state/connection.js';
import { agentVersions } from '../versions.js';

/** A request to our contact address (section 6.4): stored, and shown as REQ even when it is not compatible with us. */
export async function receiveInvitation(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  { request, connInfo }: Extract<AgentEnvelope, { type: 'invitation' }>,
): Promise<void> {
  if (conn.mode !== 'contact') throw prohibited('inv: sent to message conn');
  const id = newId(ctx);
  await insertInvitation(tx, {
    id,
    contactConnId: conn.connId,
    userId: conn.userId,
    link: formatConnectionRequest(request),
    peerInfo: connInfo,
    now: ctx.clock.now(),
  });
  const agent = agreeVersion(agentVersions, request.agentVersions);
  const e2e = agreeVersion(e2eVersions, request.e2e.versions);
  await raise(ctx, tx, {
    type: 'REQ',
    connId: conn.connId,
    invId: id,
    pqSupport: agent !== undefined && e2e !== undefined && pqSupportedBy(agent, e2e),
    servers: request.queues.map((q) => formatServer(q.address.server)),
    info: connInfo,
  });
}
