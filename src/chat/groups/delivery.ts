import type { AChatItem, CIStatus, GroupSndStatus, User } from '../../api/index.js';
import { prepare, type Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { findItem, updateItemRow } from '../items/queries.js';
import { groupSndStatusOf, statusColumn } from '../items/status.js';
import { viewGroupItem } from './items.js';
import { getGroup } from './queries.js';
import { insertRows, type MemberDelivery } from './send.js';

/** Stores how far new items have come at each member (60, section 5.6). `items[i]`: the item of message `i`. */
export async function storeDeliveries(
  tx: Tx,
  items: readonly (number | undefined)[],
  deliveries: readonly MemberDelivery[],
  now: number,
): Promise<void> {
  const rows: unknown[] = [];
  const totals = new Map<number, number>();
  for (const d of deliveries) {
    for (const index of d.messages) {
      const itemId = items[index];
      if (itemId === undefined) continue;
      rows.push(itemId, d.groupMemberId, statusColumn(d.status), now, now);
      totals.set(itemId, (totals.get(itemId) ?? 0) + 1);
    }
  }
  await insertRows(
    tx,
    'INSERT INTO group_snd_item_statuses (chat_item_id, group_member_id, snd_item_status, created_at, updated_at) VALUES ',
    5,
    rows,
  );
  for (const [itemId, total] of totals) {
    await tx.db.insertInto('group_item_progress').values({ chat_item_id: itemId, total }).execute();
  }
}

interface StatusRow {
  readonly chat_item_id: number;
  readonly snd_item_status: string;
}

const statusesOf = prepare<{ connectionId: number; agentMsgId: number; memberId: number }, StatusRow>((db, p) =>
  db
    .selectFrom('msg_deliveries')
    .innerJoin('chat_item_messages', 'chat_item_messages.message_id', 'msg_deliveries.message_id')
    .innerJoin('group_snd_item_statuses', 'group_snd_item_statuses.chat_item_id', 'chat_item_messages.chat_item_id')
    .select(['group_snd_item_statuses.chat_item_id', 'group_snd_item_statuses.snd_item_status'])
    .where('msg_deliveries.connection_id', '=', p('connectionId'))
    .where('msg_deliveries.agent_msg_id', '=', p('agentMsgId'))
    .where('group_snd_item_statuses.group_member_id', '=', p('memberId')),
);
const setStatus = prepare<{ itemId: number; memberId: number; status: string; now: number }>((db, p) =>
  db
    .updateTable('group_snd_item_statuses')
    .set({ snd_item_status: p('status'), updated_at: p('now') })
    .where('chat_item_id', '=', p('itemId'))
    .where('group_member_id', '=', p('memberId')),
);
const setViaProxy = prepare<{ itemId: number; memberId: number; viaProxy: number }>((db, p) =>
  db
    .updateTable('group_snd_item_statuses')
    .set({ via_proxy: p('viaProxy') })
    .where('chat_item_id', '=', p('itemId'))
    .where('group_member_id', '=', p('memberId')),
);
const setDelivery = prepare<{ connectionId: number; agentMsgId: number; status: string }>((db, p) =>
  db
    .updateTable('msg_deliveries')
    .set({ delivery_status: p('status') })
    .where('connection_id', '=', p('connectionId'))
    .where('agent_msg_id', '=', p('agentMsgId')),
);
const progressOf = prepare<{ itemId: number }, Progress>((db, p) =>
  db.selectFrom('group_item_progress').selectAll().where('chat_item_id', '=', p('itemId')),
);
const setProgress = prepare<{ itemId: number; sent: number; ok: number; bad: number }>((db, p) =>
  db
    .updateTable('group_item_progress')
    .set({ sent: p('sent'), rcvd_ok: p('ok'), rcvd_bad: p('bad') })
    .where('chat_item_id', '=', p('itemId')),
);

const ownStatus = prepare<{ itemId: number }, { item_status: string }>((db, p) =>
  db.selectFrom('chat_items').select('item_status').where('chat_item_id', '=', p('itemId')),
);

interface Progress {
  readonly total: number;
  readonly sent: number;
  readonly rcvd_ok: number;
  readonly rcvd_bad: number;
}

/** Counters after the status of one member changed. */
function moved(p: Progress, from: GroupSndStatus, to: GroupSndStatus): Progress {
  const counter = (s: GroupSndStatus): 'sent' | 'rcvd_ok' | 'rcvd_bad' | undefined =>
    s.type === 'sent' ? 'sent' : s.type !== 'rcvd' ? undefined : s.msgRcptStatus === 'ok' ? 'rcvd_ok' : 'rcvd_bad';
  const next = { total: p.total, sent: p.sent, rcvd_ok: p.rcvd_ok, rcvd_bad: p.rcvd_bad };
  const less = counter(from);
  const more = counter(to);
  if (less !== undefined) next[less] -= 1;
  if (more !== undefined) next[more] += 1;
  return next;
}

/** The status of an item by the statuses of its members (60, section 5.6). */
export function itemStatus(p: Progress): CIStatus {
  if (p.rcvd_ok === p.total) return { type: 'sndRcvd', msgRcptStatus: 'ok', sndProgress: 'complete' };
  if (p.rcvd_ok + p.rcvd_bad === p.total) {
    return { type: 'sndRcvd', msgRcptStatus: 'badMsgHash', sndProgress: 'complete' };
  }
  if (p.rcvd_bad > 0) return { type: 'sndRcvd', msgRcptStatus: 'badMsgHash', sndProgress: 'partial' };
  if (p.rcvd_ok > 0) return { type: 'sndRcvd', msgRcptStatus: 'ok', sndProgress: 'partial' };
  if (p.sent === p.total) return { type: 'sndSent', sndProgress: 'complete' };
  if (p.sent > 0) return { type: 'sndSent', sndProgress: 'partial' };
  return { type: 'sndNew' };
}

/** What the agent told about messages to one member. */
export interface MemberProgress {
  readonly connectionId: number;
  readonly groupMemberId: number;
  readonly agentMsgIds: readonly number[];
  readonly status: GroupSndStatus;
  readonly viaProxy?: boolean | undefined;
  /** The items' own status follows: not for errors. */
  readonly recompute: boolean;
}

/** Notes the progress of messages at one member, and tells which items have another status now. */
export async function updateDeliveries(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  groupId: number,
  p: MemberProgress,
): Promise<void> {
  const changed: number[] = [];
  for (const agentMsgId of p.agentMsgIds) {
    const key = { connectionId: p.connectionId, agentMsgId };
    if (p.status.type === 'sent' || p.status.type === 'rcvd') {
      await setDelivery.run(tx, { ...key, status: p.status.type });
    }
    for (const row of await statusesOf.all(tx, { ...key, memberId: p.groupMemberId })) {
      if (await updateItem(ctx, tx, row, p)) changed.push(row.chat_item_id);
    }
  }
  if (changed.length === 0) return;
  const group = await getGroup(tx, user, groupId);
  const chatItems: AChatItem[] = [];
  for (const id of new Set(changed)) {
    const row = await findItem(tx, id);
    if (row !== undefined) chatItems.push(await viewGroupItem(ctx, tx, user, group, row));
  }
  await ctx.emit(tx, { type: 'chatItemsStatusesUpdated', user, chatItems });
}

/** True when the item's own status is another one now. */
async function updateItem(ctx: ChatContext, tx: Tx, row: StatusRow, p: MemberProgress): Promise<boolean> {
  const before = groupSndStatusOf(row.snd_item_status);
  const status = statusColumn(p.status);
  const itemId = row.chat_item_id;
  if (p.viaProxy !== undefined) {
    await setViaProxy.run(tx, { itemId, memberId: p.groupMemberId, viaProxy: p.viaProxy ? 1 : 0 });
  }
  // What a member has received stays received.
  if (before.type === 'rcvd' || row.snd_item_status === status) return false;
  await setStatus.run(tx, { itemId, memberId: p.groupMemberId, status, now: ctx.clock.now() });
  const progress = await progressOf.first(tx, { itemId });
  if (progress === undefined) return false;
  const after = moved(progress, before, p.status);
  await setProgress.run(tx, { itemId, sent: after.sent, ok: after.rcvd_ok, bad: after.rcvd_bad });
  if (!p.recompute) return false;
  const next = statusColumn(itemStatus(after));
  const item = await ownStatus.first(tx, { itemId });
  if (item === undefined || item.item_status === next || item.item_status === completeRcvd) return false;
  await updateItemRow(tx, itemId, { item_status: next });
  return true;
}

const completeRcvd = statusColumn({ type: 'sndRcvd', msgRcptStatus: 'ok', sndProgress: 'complete' });
