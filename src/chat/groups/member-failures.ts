import { AgentError, type AgentErrorJson } from '../../agent/index.js';
import type { Tx } from '../../store/index.js';
import { updateConnection } from '../connections/queries.js';
import type { ChatContext } from '../engine/context.js';
import { toChatError } from '../engine/errors.js';
import { maxAuthErrors } from '../messaging/send.js';
import { type MemberEntity, memberConnectionEntity, withConnection } from './member-loading.js';
import { maxQuotaErrors } from './recipients.js';
import { connectionOf, sendPending } from './send-member.js';

/** The relay has said for certain that the queue is full. */
const inactiveNow = 999;

/** Sets the count of quota errors; events tell when a connection stops, or starts, to take messages (60, section 5.4). */
async function setQuotaErrors(ctx: ChatContext, tx: Tx, e: MemberEntity, count: number): Promise<MemberEntity> {
  const was = e.connection.quota_err_counter >= maxQuotaErrors;
  const connection = await updateConnection(
    tx,
    e.connection.connection_id,
    { quota_err_counter: count },
    ctx.clock.now(),
  );
  const after: MemberEntity = { ...e, connection, member: withConnection(e.member, connection) };
  const inactive = count >= maxQuotaErrors;
  if (inactive !== was) {
    const connectionEntity = memberConnectionEntity(after);
    await ctx.emit(tx, { type: 'connectionInactive', connectionEntity, inactive });
  }
  return after;
}

/** A delivery that is tried again: the member's queue may be full. */
export async function deliveryWarned(ctx: ChatContext, tx: Tx, e: MemberEntity, error: AgentErrorJson): Promise<void> {
  if (error.type !== 'SMP' || error.smpErr.type !== 'QUOTA') return;
  await setQuotaErrors(ctx, tx, e, e.connection.quota_err_counter + 1);
}

/** A delivery that failed for good. In groups this is no event of its own: members go without saying so. */
export async function deliveryFailed(ctx: ChatContext, tx: Tx, e: MemberEntity, error: AgentErrorJson): Promise<void> {
  if (error.type !== 'SMP') return;
  if (error.smpErr.type === 'QUOTA') {
    await setQuotaErrors(ctx, tx, e, inactiveNow);
    return;
  }
  if (error.smpErr.type !== 'AUTH') return;
  const counter = e.connection.auth_err_counter + 1;
  const connection = await updateConnection(
    tx,
    e.connection.connection_id,
    { auth_err_counter: counter },
    ctx.clock.now(),
  );
  if (counter < maxAuthErrors) return;
  const connectionEntity = memberConnectionEntity({
    ...e,
    connection,
    member: withConnection(e.member, connection),
  });
  await ctx.emit(tx, { type: 'connectionDisabled', connectionEntity });
}

/** An error of the connection, as an event. */
export async function connectionFailed(
  ctx: ChatContext,
  tx: Tx,
  e: MemberEntity,
  error: AgentErrorJson,
): Promise<void> {
  const chatError = toChatError(new AgentError(error), memberConnectionEntity(e));
  await ctx.emit(tx, { type: 'chatError', chatError });
}

/** The member takes messages again: it gets what was kept for it. */
export async function connectionContinues(ctx: ChatContext, tx: Tx, e: MemberEntity): Promise<void> {
  if (e.connection.quota_err_counter === 0) return;
  const was = e.connection.quota_err_counter >= maxQuotaErrors;
  const after = await setQuotaErrors(ctx, tx, e, 0);
  if (was) await sendPending(ctx, tx, e.member.groupMemberId, connectionOf(after.connection));
}
