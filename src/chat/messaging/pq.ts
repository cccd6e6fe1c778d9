import type { CIContent, Connection, Contact, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { updateConnection } from '../connections/queries.js';
import { getContact } from '../contacts/queries.js';
import type { ChatContext } from '../engine/context.js';
import { emitDirectItems } from '../items/create.js';

/** Both directions use post-quantum encryption. */
function isPqEnabled(contact: Contact): boolean {
  return contact.activeConn?.pqSndEnabled === true && contact.activeConn.pqRcvEnabled === true;
}

/** What the agent said about post-quantum encryption of a sent message (50, section 2.15). */
export async function observeSentPq(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  connection: Connection,
  enabled: boolean,
): Promise<void> {
  if (!changes(connection.pqSndEnabled, enabled)) return;
  await updateConnection(tx, connection.connId, { pq_snd_enabled: enabled ? 1 : 0 }, ctx.clock.now());
  await tellPqChange(ctx, tx, user, contact, connection.pqSndEnabled === undefined, enabled, true);
}

/** ... and of a received one: the contact as it is afterwards. */
export async function observeReceivedPq(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  enabled: boolean,
): Promise<Contact> {
  const connection = contact.activeConn;
  if (connection === undefined || !changes(connection.pqRcvEnabled, enabled)) return contact;
  await updateConnection(tx, connection.connId, { pq_rcv_enabled: enabled ? 1 : 0 }, ctx.clock.now());
  return tellPqChange(ctx, tx, user, contact, connection.pqRcvEnabled === undefined, enabled, false);
}

function changes(stored: boolean | undefined, seen: boolean): boolean {
  return stored === undefined ? seen : stored !== seen;
}

/** Item and event, when the change makes a difference to the contact as a whole. */
async function tellPqChange(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  before: Contact,
  first: boolean,
  enabled: boolean,
  sent: boolean,
): Promise<Contact> {
  const contact = await getContact(tx, user, before.contactId);
  const pqEnabled = isPqEnabled(contact);
  if (pqEnabled === isPqEnabled(before)) return contact;
  const content: CIContent = first
    ? { type: sent ? 'sndDirectE2EEInfo' : 'rcvDirectE2EEInfo', e2eeInfo: { pqEnabled: true } }
    : sent
      ? { type: 'sndConnEvent', sndConnEvent: { type: 'pqEnabled', enabled } }
      : { type: 'rcvConnEvent', rcvConnEvent: { type: 'pqEnabled', enabled } };
  await emitDirectItems(ctx, tx, user, contact, sent, [{ content }]);
  await ctx.emit(tx, { type: 'contactPQEnabled', user, contact, pqEnabled });
  return contact;
}
