import type { GroupSndStatus, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { updateConnection } from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { sndError } from '../contacts/errors.js';
import { decryptionError } from '../contacts/events.js';
import type { ConnectionHandlers, ConnectionInput } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { contentColumns } from '../items/create.js';
import { updateItemRow } from '../items/queries.js';
import { itemContent } from '../items/view.js';
import { toProfile } from '../users/profiles.js';
import { updateDeliveries } from './delivery.js';
import { handshakeHandlers } from './handshake.js';
import { emitGroupItem, viewGroupItem } from './items.js';
import { connectionContinues, connectionFailed, deliveryFailed, deliveryWarned } from './member-failures.js';
import { loadMember, withConnection } from './member-loading.js';
import { groupIdOfMember } from './queries.js';
import { groupMessageReceived } from './receive.js';
import { type Placed, placeEvent } from './scope.js';

/** Notes what became of agent messages to a member. */
async function progress(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  connection: ConnectionRow,
  agentMsgIds: readonly number[],
  status: GroupSndStatus,
  viaProxy?: boolean,
): Promise<void> {
  if (connection.group_member_id === null) return;
  const groupId = await groupIdOfMember(tx, user, connection.group_member_id);
  await updateDeliveries(ctx, tx, user, groupId, {
    connectionId: connection.connection_id,
    groupMemberId: connection.group_member_id,
    agentMsgIds,
    status,
    viaProxy,
    recompute: status.type === 'sent' || status.type === 'rcvd',
  });
}

/** Events of connections with group members. */
export const memberEvents: ConnectionHandlers = {
  ...handshakeHandlers,
  MSG: groupMessageReceived,

  async RCVD(ctx, tx, { user, connection, event }) {
    for (const receipt of event.receipts) {
      const status: GroupSndStatus = { type: 'rcvd', msgRcptStatus: receipt.msgRcptStatus };
      await progress(ctx, tx, user, connection, [receipt.agentMsgId], status);
    }
  },

  async SENT(ctx, tx, { user, connection, event }) {
    await progress(ctx, tx, user, connection, [event.msgId], { type: 'sent' }, event.proxyServer !== undefined);
    if (connection.quota_err_counter > 0) await connectionContinues(ctx, tx, await loadMember(tx, user, connection));
  },

  async QCONT(ctx, tx, { user, connection }) {
    if (connection.quota_err_counter > 0) await connectionContinues(ctx, tx, await loadMember(tx, user, connection));
  },

  async MWARN(ctx, tx, { user, connection, event }) {
    const status: GroupSndStatus = { type: 'warning', agentError: sndError(event.error) };
    await progress(ctx, tx, user, connection, [event.msgId], status);
    await deliveryWarned(ctx, tx, await loadMember(tx, user, connection), event.error);
  },

  async MERR(ctx, tx, { user, connection, event }) {
    const status: GroupSndStatus = { type: 'error', agentError: sndError(event.error) };
    await progress(ctx, tx, user, connection, [event.msgId], status);
    await deliveryFailed(ctx, tx, await loadMember(tx, user, connection), event.error);
  },

  async MERRS(ctx, tx, { user, connection, event }) {
    const status: GroupSndStatus = { type: 'error', agentError: sndError(event.error) };
    await progress(ctx, tx, user, connection, event.msgIds, status);
    await connectionFailed(ctx, tx, await loadMember(tx, user, connection), event.error);
  },

  async ERR(ctx, tx, { user, connection, event }) {
    await connectionFailed(ctx, tx, await loadMember(tx, user, connection), event.error);
  },

  async SWITCH(ctx, tx, { user, connection, event }) {
    const { group, member } = await loadMember(tx, user, connection);
    const { phase, direction, stats } = event;
    await ctx.emit(tx, {
      type: 'groupMemberSwitch',
      user,
      groupInfo: group,
      member,
      switchProgress: { queueDirection: direction, switchPhase: phase, connectionStats: stats },
    });
    if (phase !== 'started' && phase !== 'completed') return;
    const placed = await placeEvent(tx, group, member, ctx.clock.now());
    const { group: groupInfo, scope } = placed;
    if (direction === 'rcv') {
      const { groupMemberId, memberProfile } = placed.member;
      const memberRef = { groupMemberId, profile: toProfile(memberProfile) };
      await emitGroupItem(
        ctx,
        tx,
        user,
        { group: groupInfo, scope },
        {
          type: 'sndConnEvent',
          sndConnEvent: { type: 'switchQueue', phase, member: memberRef },
        },
      );
    } else {
      await emitGroupItem(
        ctx,
        tx,
        user,
        { group: groupInfo, scope, from: placed.member },
        {
          type: 'rcvConnEvent',
          rcvConnEvent: { type: 'switchQueue', phase },
        },
      );
    }
  },

  RSYNC: ratchetSync,
};

/** The ratchets of both sides went apart, or together again. */
async function ratchetSync(
  ctx: ChatContext,
  tx: Tx,
  { user, connection, event }: ConnectionInput<'RSYNC'>,
): Promise<void> {
  const entity = await loadMember(tx, user, connection);
  const { state, error, stats } = event;
  const placed = await placeEvent(tx, entity.group, entity.member, ctx.clock.now());
  const place = { group: placed.group, scope: placed.scope, from: placed.member };
  const tell = async (): Promise<void> => {
    await ctx.emit(tx, {
      type: 'groupMemberRatchetSync',
      user,
      groupInfo: placed.group,
      member: place.from,
      ratchetSyncProgress: { ratchetSyncStatus: state, connectionStats: stats },
    });
  };
  if ((state === 'required' || state === 'allowed') && error !== undefined) {
    const [msgDecryptError, msgCount] = decryptionError(error);
    if (await countDecryptionError(ctx, tx, user, placed, msgDecryptError, msgCount)) return;
    await tell();
    await emitGroupItem(ctx, tx, user, place, { type: 'rcvDecryptionError', msgDecryptError, msgCount });
    return;
  }
  const verified = state === 'agreed' && connection.security_code !== null;
  if (verified) {
    const none = { security_code: null, security_code_verified_at: null };
    const row = await updateConnection(tx, connection.connection_id, none, ctx.clock.now());
    place.from = withConnection(placed.member, row);
  }
  await tell();
  const rcvConnEvent = { type: 'ratchetSync', syncStatus: state } as const;
  await emitGroupItem(ctx, tx, user, place, { type: 'rcvConnEvent', rcvConnEvent });
  if (verified) {
    await emitGroupItem(ctx, tx, user, place, {
      type: 'rcvConnEvent',
      rcvConnEvent: { type: 'verificationCodeReset' },
    });
  }
}

/** Errors of one kind in a row are one item with a count. */
async function countDecryptionError(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  placed: Placed,
  kind: ReturnType<typeof decryptionError>[0],
  count: number,
): Promise<boolean> {
  const last = await tx.db
    .selectFrom('chat_items')
    .selectAll()
    .where('group_member_id', '=', placed.member.groupMemberId)
    .orderBy('chat_item_id', 'desc')
    .limit(1)
    .executeTakeFirst();
  if (last === undefined) return false;
  const content = itemContent(last);
  if (content.type !== 'rcvDecryptionError' || content.msgDecryptError !== kind) return false;
  const msgCount = kind === 'tooManySkipped' ? count : kind === 'ratchetSync' ? 0 : content.msgCount + count;
  const row = await updateItemRow(tx, last.chat_item_id, {
    ...contentColumns({ ...content, msgCount }),
    updated_at: ctx.clock.now(),
  });
  const chatItem = await viewGroupItem(ctx, tx, user, placed.group, row, placed.scope);
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem });
  return true;
}
