import type { EventResult, MsgMeta } from '../../agent/index.js';
import type { Contact, MsgErrorType, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ConnectionRow } from '../connections/view.js';
import type { ConnectionInput, DirectMessage } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, toChatError } from '../engine/errors.js';
import { emitDirectItems } from '../items/create.js';
import { observeReceivedPq } from '../messaging/pq.js';
import { type ChatEvent, parseChatBody, type ReceivedMessage, wantsReceipt } from '../protocol/index.js';
import { getContact } from './queries.js';
import { updatePeerVersions } from './versions.js';

/**
 * A message body from a contact (50, section 6.3): each message in it is handled on its own, an error in one is
 * reported and does not stop the others. The receipt depends on what could be read.
 */
export async function messageReceived(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'MSG'>,
): Promise<EventResult | undefined> {
  if (connection.contact_id === null) return undefined;
  const { meta } = event;
  const loaded = await getContact(tx, user, connection.contact_id);
  let contact = await observeReceivedPq(ctx, tx, user, loaded, meta.pqEncryption);
  await checkIntegrity(ctx, tx, user, contact, meta);
  const messages = parseChatBody(event.body, ctx.compression);
  let row = connection;
  for (const message of messages) {
    try {
      await tx.savepoint(async () => {
        row = await oneMessage(ctx, tx, user, contact, row, message, meta);
      });
    } catch (error) {
      await ctx.emit(tx, { type: 'chatError', chatError: toChatError(error) });
    }
    // What one message changed, the next one must see.
    if (messages.length > 1) contact = await getContact(tx, user, contact.contactId);
  }
  const enabled = contact.chatSettings.sendRcpts ?? user.sendRcptsContacts;
  return { receipt: enabled && messages.some((m) => wantsReceipt(m)) };
}

async function oneMessage(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  connection: ConnectionRow,
  message: ReceivedMessage,
  meta: MsgMeta,
): Promise<ConnectionRow> {
  if (message.type === 'error') {
    throw chatFailure({ type: 'exception', message: `error parsing chat message: ${message.error}` });
  }
  let row = connection;
  let event: ChatEvent;
  let msgId: string | undefined;
  if (message.type === 'binary') {
    event = message.event;
    msgId = message.msgId;
  } else {
    event = message.message.event;
    msgId = message.message.msgId;
    row = await updatePeerVersions(ctx, tx, connection, message.message.versions);
  }
  const handler = ctx.directMessages[event.type] as
    | ((ctx: ChatContext, tx: Tx, message: DirectMessage<ChatEvent>) => Promise<void>)
    | undefined;
  if (handler !== undefined) await handler(ctx, tx, { user, contact, connection: row, event, msgId, meta });
  else await messageProblem(ctx, tx, user, 'error', `unsupported message: ${unsupportedText(event)}`);
  return row;
}

function unsupportedText(event: ChatEvent): string {
  return event.type === 'unknown' ? `XUnknown ${event.event}` : event.type;
}

/** Event `messageError`: the other side did what it must not. */
export async function messageProblem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  severity: 'error' | 'warning',
  errorMessage: string,
): Promise<void> {
  await ctx.emit(tx, { type: 'messageError', user, severity, errorMessage });
}

/** An item for messages that were lost or changed on the way. */
async function checkIntegrity(ctx: ChatContext, tx: Tx, user: User, contact: Contact, meta: MsgMeta): Promise<void> {
  if (meta.integrity.type === 'msgOk') return;
  const msgError: MsgErrorType = meta.integrity.errorInfo;
  await emitDirectItems(ctx, tx, user, contact, false, [
    { content: { type: 'rcvIntegrityError', msgError }, itemTs: meta.broker.ts },
  ]);
}

/** RCVD: as MSG, for receipts. */
export async function integrityOfReceipts(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  meta: MsgMeta,
): Promise<void> {
  await checkIntegrity(ctx, tx, user, contact, meta);
}
