import type { ServerText } from '../../agent/index.js';
import { AgentError } from '../../agent/index.js';
import type { ContactRef } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { agentIdView } from '../connections/view.js';
import type { OtherHandlers } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { toChatError } from '../engine/errors.js';

/** Events of the network, which belong to no single connection. */
export const networkEvents: OtherHandlers = {
  UP: (ctx, tx, event) => tellSubscriptions(ctx, tx, 'contactsSubscribed', event.server, event.connIds),
  DOWN: (ctx, tx, event) => tellSubscriptions(ctx, tx, 'contactsDisconnected', event.server, event.connIds),
  async ERRS(ctx, tx, event) {
    if (event.errors.length === 0) return;
    const chatErrors = event.errors.map((e) => toChatError(new AgentError(e.error)));
    await ctx.emit(tx, { type: 'chatErrors', chatErrors });
  },
  async ERR(ctx, tx, event) {
    await ctx.emit(tx, { type: 'chatError', chatError: toChatError(new AgentError(event.error)) });
  },
  async SUSPENDED(ctx, tx) {
    tx.onCommit(() => ctx.emitLive({ type: 'chatSuspended' }));
  },
};

/** Ids in one query. */
const chunk = 500;

/** Live only: what a client missed of this is not true any more. */
async function tellSubscriptions(
  ctx: ChatContext,
  tx: Tx,
  type: 'contactsSubscribed' | 'contactsDisconnected',
  server: ServerText,
  connIds: readonly string[],
): Promise<void> {
  const contactRefs: ContactRef[] = [];
  for (let i = 0; i < connIds.length; i += chunk) {
    const rows = await tx.db
      .selectFrom('connections')
      .innerJoin('contacts', 'contacts.contact_id', 'connections.contact_id')
      .select([
        'contacts.contact_id',
        'contacts.local_display_name',
        'connections.connection_id',
        'connections.agent_conn_id',
      ])
      .where('connections.agent_conn_id', 'in', connIds.slice(i, i + chunk))
      .execute();
    for (const row of rows) {
      contactRefs.push({
        contactId: row.contact_id,
        connId: row.connection_id,
        agentConnId: agentIdView(row.agent_conn_id),
        localDisplayName: row.local_display_name,
      });
    }
  }
  if (contactRefs.length > 0) tx.onCommit(() => ctx.emitLive({ type, server, contactRefs }));
}
