import { AgentError } from '../../agent/index.js';
import type { ApiResponse, Contact, GroupInfo, GroupMember, MsgFilter, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { linkAsyncCommand, storeAsyncCommand } from '../connections/async.js';
import { insertConnection, memberConnection } from '../connections/queries.js';
import { findContact } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, storeFailure } from '../engine/errors.js';
import { contentColumns, viewDirectItem } from '../items/create.js';
import { findItem, updateItemRow } from '../items/queries.js';
import { itemContent } from '../items/view.js';
import { encodeInfo } from '../messaging/send.js';
import { acceptedChatVersion, chatVersion } from '../protocol/index.js';
import { findHost, getGroup, groupIdByName, setMemberStatus, updateGroupRow } from './queries.js';

interface ReceivedInvitation {
  readonly group: GroupInfo;
  readonly host: GroupMember;
  readonly contact: Contact;
  readonly connRequest: string;
}

async function receivedInvitation(
  tx: Tx,
  user: User,
  groupId: number,
  status: 'invited' | 'accepted' = 'invited',
): Promise<ReceivedInvitation> {
  const row = await tx.db
    .selectFrom('groups')
    .select('inv_queue_info')
    .where('group_id', '=', groupId)
    .where('user_id', '=', user.userId)
    .executeTakeFirst();
  if (row === undefined) throw storeFailure({ type: 'groupNotFound', groupId });
  if (row.inv_queue_info === null) throw storeFailure({ type: 'groupInvitationNotFound' });
  const group = await getGroup(tx, user, groupId);
  if (group.membership.memberStatus !== status) throw storeFailure({ type: 'groupAlreadyJoined' });
  const host = await findHost(tx, user, groupId);
  if (host === undefined) throw storeFailure({ type: 'groupInvitationNotFound' });
  const contact = host.memberContactId === undefined ? undefined : await findContact(tx, user, host.memberContactId);
  if (contact === undefined) {
    throw storeFailure({ type: 'contactNotFoundByMemberId', groupMemberId: host.groupMemberId });
  }
  return { group, host, contact, connRequest: row.inv_queue_info };
}

/** `/_join` (60, section 7.3.1): the connection is prepared first, so that a retry uses the same one. */
async function joinGroup(ctx: ChatContext, user: User, groupId: number, enableNtfs: MsgFilter): Promise<ApiResponse> {
  return ctx.locks.run(`group:${groupId}`, async () => {
    const start = await ctx.store.transaction(async (tx) => {
      const invitation = await receivedInvitation(tx, user, groupId);
      const { contact, host, connRequest } = invitation;
      if (contact.activeConn === undefined) throw chatFailure({ type: 'contactNotActive', contact });
      const connId = await hostConnection(ctx, tx, user, host, contact, connRequest);
      await setStatuses(ctx, tx, invitation, 'accepted');
      if (enableNtfs !== 'all') await updateGroupRow(tx, groupId, { enable_ntfs: enableNtfs });
      return { ...invitation, connId };
    });
    return finishJoin(ctx, user, start);
  });
}

interface StartedJoin extends ReceivedInvitation {
  readonly connId: string;
}

async function finishJoin(ctx: ChatContext, user: User, start: StartedJoin): Promise<ApiResponse> {
  const { groupId } = start.group;
  try {
    await ctx.agent.joinConnection({
      userId: Number(user.agentUserId),
      connId: start.connId,
      link: start.connRequest,
      info: acceptInfo(ctx, start.group),
      pqSupport: false,
    });
  } catch (error) {
    // The agent had joined before the process ended.
    if (!isJoined(error)) {
      await ctx.store.transaction((tx) => setStatuses(ctx, tx, start, 'invited'));
      throw error;
    }
  }
  return ctx.store.transaction(async (tx) => {
    await markInvitationItem(ctx, tx, user, start.contact, groupId, 'accepted');
    // The invitation may have been repeated meanwhile, with another role.
    const group = await getGroup(tx, user, groupId);
    const membership: GroupMember = { ...group.membership, memberStatus: 'accepted' };
    return { type: 'userAcceptedGroupSent', user, groupInfo: { ...group, membership } };
  });
}

function isJoined(error: unknown): boolean {
  return error instanceof AgentError && error.json.type === 'CMD' && error.json.cmdErr.type === 'PROHIBITED';
}

/** Goes on with joins that the end of the process has interrupted: their groups count as accepted, and nobody else would. */
export async function resumeJoins(ctx: ChatContext): Promise<void> {
  const { rows } = await ctx.store.read((tx) =>
    tx.execute<{ group_id: number; user_id: number; agent_conn_id: string }>(
      `SELECT g.group_id, g.user_id, c.agent_conn_id FROM groups g
       JOIN group_members own ON own.group_id = g.group_id AND own.member_category = 'user' AND own.member_status = 'accepted'
       JOIN group_members host ON host.group_id = g.group_id AND host.member_category = 'host'
       JOIN connections c ON c.group_member_id = host.group_member_id AND c.conn_status = 'new'
       WHERE g.inv_queue_info IS NOT NULL ORDER BY g.group_id`,
      [],
    ),
  );
  await Promise.all(
    rows.map(async ({ group_id: groupId, user_id: userId, agent_conn_id: connId }) => {
      const user = ctx.users.get(userId);
      if (user === undefined) return;
      const join = ctx.locks.run(`group:${groupId}`, async () => {
        const start = await ctx.store.read((tx) => receivedInvitation(tx, user, groupId, 'accepted'));
        await finishJoin(ctx, user, { ...start, connId });
      });
      // What fails can be joined again by the user.
      await join.catch(() => {});
    }),
  );
}

function acceptInfo(ctx: ChatContext, group: GroupInfo): Uint8Array {
  return encodeInfo(ctx, { type: 'x.grp.acpt', memberId: group.membership.memberId }, false, chatVersion(1));
}

async function setStatuses(
  ctx: ChatContext,
  tx: Tx,
  invitation: Pick<ReceivedInvitation, 'group' | 'host'>,
  status: 'accepted' | 'invited',
): Promise<void> {
  const now = ctx.clock.now();
  await setMemberStatus(tx, invitation.host.groupMemberId, status, now);
  await setMemberStatus(tx, invitation.group.membership.groupMemberId, status, now);
}

/** The agent's id of the connection with the host: prepared now, unless an earlier attempt did it. */
async function hostConnection(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  host: GroupMember,
  contact: Contact,
  link: string,
): Promise<string> {
  const existing = await memberConnection(tx, host.groupMemberId);
  if (existing !== undefined) return existing.agent_conn_id;
  const connId = await ctx.agent.prepareConnectionToJoin(tx, Number(user.agentUserId), link, false);
  await insertHostConnection(ctx, tx, user, host, contact, connId);
  return connId;
}

async function insertHostConnection(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  host: GroupMember,
  contact: Contact,
  connId: string,
): Promise<number> {
  const peer = contact.activeConn?.peerChatVRange ?? host.memberChatVRange;
  const row = await insertConnection(
    tx,
    {
      user_id: user.userId,
      agent_conn_id: connId,
      conn_type: 'member',
      conn_status: 'new',
      group_member_id: host.groupMemberId,
      conn_chat_version: acceptedChatVersion({ min: chatVersion(peer.minVersion), max: chatVersion(peer.maxVersion) }),
      peer_chat_min_version: peer.minVersion,
      peer_chat_max_version: peer.maxVersion,
    },
    ctx.clock.now(),
  );
  return row.connection_id;
}

/** The invitation in the direct chat shows what became of it. */
export async function markInvitationItem(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  groupId: number,
  status: 'accepted' | 'rejected',
): Promise<void> {
  const group = await tx.db
    .selectFrom('groups')
    .select('chat_item_id')
    .where('group_id', '=', groupId)
    .executeTakeFirst();
  if (group === undefined || group.chat_item_id === null) return;
  const item = await findItem(tx, group.chat_item_id);
  if (item === undefined) return;
  const content = itemContent(item);
  if (content.type !== 'rcvGroupInvitation' || content.groupInvitation.status !== 'pending') return;
  const row = await updateItemRow(tx, item.chat_item_id, {
    ...contentColumns({ ...content, groupInvitation: { ...content.groupInvitation, status } }),
    updated_at: ctx.clock.now(),
  });
  await ctx.emit(tx, { type: 'chatItemUpdated', user, chatItem: await viewDirectItem(ctx, tx, contact, row) });
}

/** An invitation that answers a join by an old group link is accepted at once (60, section 7.5.5). */
export async function joinAutomatically(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  group: GroupInfo,
  contact: Contact,
  link: string,
): Promise<void> {
  const host = await findHost(tx, user, group.groupId);
  if (host === undefined) return;
  const now = ctx.clock.now();
  const corrId = await storeAsyncCommand(tx, user.userId, 'joinMemberConnection', now);
  const connId = await ctx.agent.joinConnectionAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    link,
    info: acceptInfo(ctx, group),
    pqSupport: false,
  });
  await linkAsyncCommand(tx, corrId, await insertHostConnection(ctx, tx, user, host, contact, connId));
  await setStatuses(ctx, tx, { group, host }, 'accepted');
  const membership: GroupMember = { ...group.membership, memberStatus: 'accepted' };
  await ctx.emit(tx, {
    type: 'userAcceptedGroupSent',
    user,
    groupInfo: { ...group, membership },
    hostContact: contact,
  });
}

export const joinCommands: CommandTable = {
  APIJoinGroup: whenRunning((ctx, cmd, user) => joinGroup(ctx, user, cmd.groupId, 'all')),
  JoinGroup: whenRunning(async (ctx, cmd, user) => {
    const groupId = await ctx.store.read((tx) => groupIdByName(tx, user, cmd.groupName));
    return joinGroup(ctx, user, groupId, cmd.enableNtfs);
  }),
};
