import { AgentError } from '../../agent/index.js';
import type { Connection, Contact, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import { decodeBase64url, utf8String } from '../../wire/index.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, chatFailure, storeFailure, toChatError } from '../engine/errors.js';
import {
  ChatV,
  chatVersion,
  connInfoBody,
  encodeChatMessage,
  hasNotification,
  type JsonChatEvent,
  joinBatch,
  LargeMessageError,
  maxEncodedInfo,
  messageBody,
  newSharedMsgId,
  ourChatVersions,
  packBatches,
} from '../protocol/index.js';
import { observeSentPq } from './pq.js';

/** A message to send. A shared id is made when none is given. */
export interface OutMessage {
  readonly event: JsonChatEvent;
  readonly sharedMsgId?: string | undefined;
}

/** A message that the agent has taken. */
export interface SentMessage {
  readonly messageId: number;
  readonly sharedMsgId: string;
  readonly agentMsgId: number;
}

/** The connection of a contact that we may send to; throws what forbids it, in this order (50, section 2.1). */
function sendingConnection(contact: Contact): Connection {
  const connection = contact.activeConn;
  if (connection === undefined || (connection.connStatus !== 'ready' && connection.connStatus !== 'snd-ready')) {
    throw chatFailure({ type: 'contactNotReady', contact });
  }
  if (contact.contactStatus !== 'active') throw chatFailure({ type: 'contactNotActive', contact });
  if (connection.authErrCounter >= maxAuthErrors) throw chatFailure({ type: 'contactDisabled', contact });
  return connection;
}

/** Authentication errors after which a connection counts as disabled. */
export const maxAuthErrors = 10;

/** Whether messages to the contact would be taken. */
export function canSendTo(contact: Contact): boolean {
  const { activeConn: c, contactStatus } = contact;
  return (
    c !== undefined &&
    (c.connStatus === 'ready' || c.connStatus === 'snd-ready') &&
    contactStatus === 'active' &&
    c.authErrCounter < maxAuthErrors
  );
}

/** The agent's id of a connection that the API shows. */
export function agentConnIdOf(connection: Connection): string {
  return utf8String(decodeBase64url(connection.agentConnId)) ?? '';
}

const insertMessage = prepare<{ event: string; sharedMsgId: string; now: number }, { message_id: number }>((db, p) =>
  db
    .insertInto('messages')
    .values({ msg_sent: 1, chat_msg_event: p('event'), shared_msg_id: p('sharedMsgId'), created_at: p('now') })
    .returning('message_id'),
);

const insertDelivery = prepare<{ messageId: number; connectionId: number; agentMsgId: number; now: number }>((db, p) =>
  db.insertInto('msg_deliveries').values({
    message_id: p('messageId'),
    connection_id: p('connectionId'),
    agent_msg_id: p('agentMsgId'),
    delivery_status: 'pending',
    created_at: p('now'),
  }),
);

/** Notes that the agent message `agentMsgId` of a connection carries a chat message. */
export async function storeDelivery(
  tx: Tx,
  messageId: number,
  connectionId: number,
  agentMsgId: number,
  now: number,
): Promise<void> {
  await insertDelivery.run(tx, { messageId, connectionId, agentMsgId, now });
}

/** The JSON of a message in an established connection. `largeMsg` when it is too long. */
export function encodeMessage(event: JsonChatEvent, sharedMsgId: string): Uint8Array {
  try {
    return encodeChatMessage({ versions: ourChatVersions, msgId: sharedMsgId, event });
  } catch (error) {
    if (error instanceof LargeMessageError) throw storeFailure({ type: 'largeMsg' });
    throw error;
  }
}

/** Connection information of a join, acceptance or confirmation, compressed when the connection needs that. */
export function encodeInfo(ctx: ChatContext, event: JsonChatEvent, pqSupport: boolean, version: number): Uint8Array {
  const body = encodeChatMessage({ versions: ourChatVersions, msgId: undefined, event }, maxEncodedInfo);
  return connInfoBody(body, { pqSupport, version: chatVersion(version) }, ctx.compression);
}

/**
 * Sends messages to a contact, in its transaction: message rows, agent messages (batched when the contact's version
 * knows batches), delivery rows. One result for each message; a message that fails does not disturb the others.
 */
export async function sendDirectMessages(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  messages: readonly OutMessage[],
): Promise<(SentMessage | ChatException)[]> {
  return sendOnConnection(ctx, tx, user, sendingConnection(contact), messages, contact);
}

/** {@link sendDirectMessages} of one message; throws why it failed. */
export async function sendDirectMessage(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  message: OutMessage,
): Promise<SentMessage> {
  const [result] = await sendDirectMessages(ctx, tx, user, contact, [message]);
  if (result === undefined) throw new Error('no result for a message');
  if (result instanceof ChatException) throw result;
  return result;
}

interface Encoded {
  readonly index: number;
  readonly message: OutMessage;
  readonly sharedMsgId: string;
  readonly body: Uint8Array;
}

/** As {@link sendDirectMessages} on a connection whose state the caller has checked. */
export async function sendOnConnection(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: Connection,
  messages: readonly OutMessage[],
  contact?: Contact,
): Promise<(SentMessage | ChatException)[]> {
  const now = ctx.clock.now();
  const results: (SentMessage | ChatException)[] = [];
  const encoded: Encoded[] = [];
  messages.forEach((message, index) => {
    const sharedMsgId = message.sharedMsgId ?? newSharedMsgId(ctx.random);
    try {
      encoded.push({ index, message, sharedMsgId, body: encodeMessage(message.event, sharedMsgId) });
    } catch (error) {
      results[index] = asException(error);
    }
  });
  const batches: (readonly Encoded[])[] =
    connection.connChatVersion >= ChatV.DirectBatch && encoded.length > 1
      ? packBatches(encoded, (e) => e.body.length).flatMap((b) => (b.type === 'batch' ? [b.items] : []))
      : encoded.map((e) => [e]);
  const agentConnId = agentConnIdOf(connection);
  const rules = { pqSupport: connection.pqSupport, version: chatVersion(connection.connChatVersion) };
  for (const parts of batches) {
    try {
      const body = messageBody(joinBatch(parts.map((p) => p.body)), rules, ctx.compression);
      const [sent] = await ctx.agent.sendMessages(tx, [
        {
          connId: agentConnId,
          pqEncryption: connection.pqEncryption,
          flags: { notification: parts.some((p) => hasNotification(p.message.event)) },
          body,
        },
      ]);
      if (sent === undefined || sent instanceof AgentError) throw sent ?? new Error('no result for a message');
      for (const { index, message, sharedMsgId } of parts) {
        const row = await insertMessage.first(tx, { event: message.event.type, sharedMsgId, now });
        if (row === undefined) throw new Error('an insert returned no row');
        await insertDelivery.run(tx, {
          messageId: row.message_id,
          connectionId: connection.connId,
          agentMsgId: sent.msgId,
          now,
        });
        results[index] = { messageId: row.message_id, sharedMsgId, agentMsgId: sent.msgId };
      }
      if (contact !== undefined) await observeSentPq(ctx, tx, user, contact, connection, sent.pqEncryption);
    } catch (error) {
      for (const { index } of parts) results[index] = asException(error);
    }
  }
  return results;
}

function asException(error: unknown): ChatException {
  return error instanceof ChatException ? error : new ChatException(toChatError(error), { cause: error });
}

const insertLink = prepare<{ itemId: number; messageId: number }>((db, p) =>
  db.insertInto('chat_item_messages').values({ chat_item_id: p('itemId'), message_id: p('messageId') }),
);

/** Links an item with a message: deliveries of the message drive the status of the item. */
export async function linkItemMessage(tx: Tx, itemId: number, messageId: number): Promise<void> {
  await insertLink.run(tx, { itemId, messageId });
}
