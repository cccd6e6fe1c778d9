import { AgentError, type SendItem } from '../../agent/index.js';
import type { GroupInfo, GroupSndStatus, User } from '../../api/index.js';
import { nextTurn, type RandomSource, randomInt } from '../../core/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { ChatException, storeFailure, toChatError } from '../engine/errors.js';
import { parseIsoTime } from '../engine/time.js';
import type { OutMessage } from '../messaging/send.js';
import { ChatV, hasNotification, type JsonChatEvent, joinBatch, packBatches } from '../protocol/index.js';
import { type GroupMessageRow, storeGroupMessage } from './message-rows.js';
import { updateGroupRow } from './queries.js';
import { type Recipient, type RecipientConnection, SendPlan } from './recipients.js';
import { atLeast } from './roles.js';
import { type GroupScope, isIncognitoMembership, memberProfile } from './view.js';

/** What became of some of the messages at one member. */
export interface MemberDelivery {
  readonly groupMemberId: number;
  /** Indexes into the messages. */
  readonly messages: readonly number[];
  readonly status: GroupSndStatus;
}

/** What became of messages to a group: stored or not, and on which way to each member. */
export interface GroupSendResult {
  /** One for each message; a message that cannot be sent does not disturb the others. */
  readonly messages: readonly (GroupMessageRow | ChatException)[];
  readonly deliveries: readonly MemberDelivery[];
}

/** Members whose ratchet steps are done between two breaths of the event loop. */
const chunk = 16;

interface Encoded {
  readonly index: number;
  readonly event: JsonChatEvent;
  readonly body: Uint8Array;
  readonly row: GroupMessageRow;
}

/**
 * Sends messages to members (60, section 5.2), in one transaction: one body for all of them, one ratchet step for
 * each. Members that cannot be reached yet get them later, or by the member that invited them.
 */
export async function sendToMembers(
  ctx: ChatContext,
  tx: Tx,
  group: GroupInfo,
  recipients: readonly Recipient[],
  messages: readonly OutMessage[],
): Promise<GroupSendResult> {
  const plan = new SendPlan(
    group,
    recipients,
    messages.map((m) => m.event),
  );
  const separate: Recipient[] = [];
  const batched: Recipient[] = [];
  const pending: Recipient[] = [];
  const forwarded: Recipient[] = [];
  const byAction = { separate, batched, pending, forwarded, skip: [] };
  const seen = new Set<number>();
  for (const r of shuffled(ctx.random, recipients)) {
    if (seen.has(r.groupMemberId)) continue;
    seen.add(r.groupMemberId);
    byAction[plan.action(r)].push(r as never);
  }
  const results: (GroupMessageRow | ChatException)[] = [];
  const encoded: Encoded[] = [];
  for (const [index, message] of messages.entries()) {
    const stored = await storeMessage(ctx, tx, group.groupId, message, index, pending.length > 0);
    results[index] = stored instanceof ChatException ? stored : stored.row;
    if (!(stored instanceof ChatException)) encoded.push(stored);
  }
  const deliveries: MemberDelivery[] = [];
  const deliver = async (members: readonly Recipient[], bodies: readonly Batch[]): Promise<void> => {
    for (let i = 0; i < members.length; i += chunk) {
      if (i > 0) await nextTurn();
      await deliverChunk(ctx, tx, members.slice(i, i + chunk), bodies, deliveries);
    }
  };
  if (separate.length > 0) await deliver(separate, encoded.map(single));
  if (batched.length > 0) await deliver(batched, batchesOf(encoded));
  const all = encoded.map((e) => e.index);
  if (pending.length > 0 && encoded.length > 0) {
    await insertPending(tx, pending, encoded, ctx.clock.now());
    for (const r of pending) deliveries.push(deliveryOf(r, all, { type: 'inactive' }));
  }
  for (const r of forwarded) deliveries.push(deliveryOf(r, all, { type: 'forwarded' }));
  return { messages: results, deliveries };
}

function deliveryOf(r: Recipient, messages: readonly number[], status: GroupSndStatus): MemberDelivery {
  return { groupMemberId: r.groupMemberId, messages, status };
}

async function storeMessage(
  ctx: ChatContext,
  tx: Tx,
  groupId: number,
  message: OutMessage,
  index: number,
  keepBody: boolean,
): Promise<Encoded | ChatException> {
  try {
    const { body, ...row } = await storeGroupMessage(ctx, tx, groupId, message, keepBody);
    return { index, event: message.event, body, row };
  } catch (error) {
    return error instanceof ChatException ? error : new ChatException(toChatError(error), { cause: error });
  }
}

interface Batch {
  readonly body: Uint8Array;
  readonly parts: readonly Encoded[];
  readonly notification: boolean;
}

function single(e: Encoded): Batch {
  return { body: e.body, parts: [e], notification: hasNotification(e.event) };
}

function batchesOf(encoded: readonly Encoded[]): Batch[] {
  const notification = encoded.some((e) => hasNotification(e.event));
  return packBatches(encoded, (e) => e.body.length).flatMap((b) =>
    b.type === 'batch' ? [{ body: joinBatch(b.items.map((e) => e.body)), parts: b.items, notification }] : [],
  );
}

async function deliverChunk(
  ctx: ChatContext,
  tx: Tx,
  members: readonly Recipient[],
  batches: readonly Batch[],
  deliveries: MemberDelivery[],
): Promise<void> {
  const items: SendItem[] = [];
  const of: { readonly member: Recipient; readonly connection: RecipientConnection; readonly batch: Batch }[] = [];
  for (const member of members) {
    const { connection } = member;
    if (connection === undefined) continue;
    for (const batch of batches) {
      items.push({
        connId: connection.agentConnId,
        flags: { notification: batch.notification },
        body: batch.body,
      });
      of.push({ member, connection, batch });
    }
  }
  if (items.length === 0) return;
  const sent = await ctx.agent.sendMessages(tx, items);
  const rows: unknown[] = [];
  const now = ctx.clock.now();
  for (const [i, { member, connection, batch }] of of.entries()) {
    const result = sent[i];
    const indexes = batch.parts.map((p) => p.index);
    if (result === undefined || result instanceof AgentError) {
      const sndError = result === undefined ? 'not sent' : result.message;
      deliveries.push(deliveryOf(member, indexes, { type: 'error', agentError: { type: 'other', sndError } }));
      continue;
    }
    deliveries.push(deliveryOf(member, indexes, { type: 'new' }));
    for (const part of batch.parts) {
      rows.push(part.row.messageId, connection.connectionId, result.msgId, 'pending', now);
    }
  }
  await insertRows(
    tx,
    'INSERT INTO msg_deliveries (message_id, connection_id, agent_msg_id, delivery_status, created_at) VALUES ',
    5,
    rows,
  );
}

/** Inserts many rows with few statements; their number of texts is small, so that they stay prepared. */
export async function insertRows(tx: Tx, head: string, columns: number, values: readonly unknown[]): Promise<void> {
  const tuple = `(${Array(columns).fill('?').join(', ')})`;
  let at = 0;
  for (const rows of [32, 8, 1]) {
    const size = rows * columns;
    while (values.length - at >= size) {
      await tx.execute(head + Array(rows).fill(tuple).join(', '), values.slice(at, at + size));
      at += size;
    }
  }
}

async function insertPending(
  tx: Tx,
  members: readonly Recipient[],
  encoded: readonly Encoded[],
  now: number,
): Promise<void> {
  const rows = members.flatMap((m) => encoded.flatMap((e) => [m.groupMemberId, e.row.messageId, now]));
  await insertRows(tx, 'INSERT INTO pending_group_messages (group_member_id, message_id, created_at) VALUES ', 3, rows);
}

/** Admins first, each part in random order: no member is always the last. */
function shuffled(random: RandomSource, recipients: readonly Recipient[]): Recipient[] {
  const admins = recipients.filter((r) => atLeast(r.memberRole, 'admin'));
  const others = recipients.filter((r) => !atLeast(r.memberRole, 'admin'));
  return [...shuffle(random, admins), ...shuffle(random, others)];
}

/** A random order. */
export function shuffle<T>(random: RandomSource, list: readonly T[]): T[] {
  const out = [...list];
  for (let i = out.length - 1; i > 0; i--) {
    const j = randomInt(random, i + 1);
    const [a, b] = [out[i], out[j]];
    if (a !== undefined && b !== undefined) {
      out[i] = b;
      out[j] = a;
    }
  }
  return out;
}

/** The user's profile has changed since this group was told (60, section 5.1). */
function profileIsNews(user: User, group: GroupInfo, scope: GroupScope | undefined): boolean {
  if (scope !== undefined || isIncognitoMembership(group)) return false;
  const updated = user.userMemberProfileUpdatedAt;
  if (updated === undefined) return false;
  const sent = group.userMemberProfileSentAt;
  return sent === undefined || (parseIsoTime(sent) ?? 0) < (parseIsoTime(updated) ?? 0);
}

/** {@link sendToMembers}, after the user's new profile when the group does not know it yet. */
export async function sendToGroup(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  scope: GroupScope | undefined,
  recipients: readonly Recipient[],
  messages: readonly OutMessage[],
): Promise<GroupSendResult> {
  if (profileIsNews(user, group, scope)) {
    const knowing = recipients.filter((r) => r.version >= ChatV.MemberProfileUpdate);
    const event: JsonChatEvent = { type: 'x.info', profile: memberProfile(user.profile) };
    await sendToMembers(ctx, tx, group, knowing, [{ event }]);
    await updateGroupRow(tx, group.groupId, { user_member_profile_sent_at: ctx.clock.now() });
  }
  return sendToMembers(ctx, tx, group, recipients, messages);
}

/** The row of the only message; throws why it could not be sent. */
export function onlyMessage(result: GroupSendResult): GroupMessageRow {
  const [message] = result.messages;
  if (message === undefined) throw storeFailure({ type: 'internalError', message: 'no result for a message' });
  if (message instanceof ChatException) throw message;
  return message;
}
