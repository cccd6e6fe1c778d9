import type { CIContent, Contact, GroupMember, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { linkAsyncCommand, storeAsyncCommand } from '../connections/async.js';
import { shownFullLink } from '../connections/links.js';
import { chatBanner } from '../connections/prepared.js';
import { contactConnections, deleteConnectionRows, updateConnectionStatus } from '../connections/queries.js';
import { getContact, touchContact, updateContactRow } from '../contacts/queries.js';
import type { AsyncReply } from '../engine/capability.js';
import type { ChatContext } from '../engine/context.js';
import { emitDirectItems, storeItem, viewDirectItem } from '../items/create.js';
import { encodeInfo } from '../messaging/send.js';
import { type ChatEventOf, chatVersion } from '../protocol/index.js';
import { refuseSender } from './content-receive.js';
import type { GroupMessage } from './group-message.js';
import { emitGroupItem } from './items.js';
import { contactProfile, insertContactConnection, insertMemberContact } from './member-contact-rows.js';
import { messageError, messageWarning } from './member-loading.js';
import { featureAllowedFor } from './preferences.js';
import { isBlocked } from './roles.js';
import { placeEvent } from './scope.js';

type Invitation = GroupMessage<ChatEventOf<'x.grp.direct.inv'>>;

/** `x.grp.direct.inv` (60, section 7.15): a member wants a direct chat. */
export async function directInvitationReceived(ctx: ChatContext, tx: Tx, m: Invitation): Promise<void> {
  const { user, group, member, event } = m;
  if (await refuseSender(ctx, tx, m, event.scope)) return;
  if (!featureAllowedFor(group, 'directMessages', member)) {
    return messageError(ctx, tx, user, 'x.grp.direct.inv: direct messages not allowed');
  }
  if (isBlocked(member)) {
    return messageWarning(ctx, tx, user, 'x.grp.direct.inv: member is blocked (ignoring)');
  }
  if (m.direct === undefined) return;
  if (member.memberContactId === undefined) {
    const contact = await insertMemberContact(tx, user, group, member, invitedColumns(m, user), ctx.clock.now());
    if (user.autoAcceptMemberContacts) await joinContact(ctx, tx, m, contact.contactId);
    const current = await getContact(tx, user, contact.contactId);
    await emitDirectItems(ctx, tx, user, current, true, [chatBanner]);
    if (!user.autoAcceptMemberContacts) await emitLinkReceived(ctx, tx, m, current);
    await emitInvited(ctx, tx, m, current, { ...member, memberContactId: current.contactId });
    return;
  }
  const contact = await getContact(tx, user, member.memberContactId);
  if (contact.activeConn === undefined) return;
  const rows = await contactConnections(tx, contact.contactId);
  const own = rows.find((r) => r.conn_req_inv !== null)?.conn_req_inv ?? undefined;
  // Both have sent links: the greater one is joined, so that both do the same.
  if (contact.contactGrpInvSent && own !== undefined && shownFullLink(event.connReq) <= shownFullLink(own)) {
    return emitInvited(ctx, tx, m, contact, member);
  }
  await ctx.agent.deleteConnectionsAsync(
    tx,
    rows.filter((r) => r.conn_status !== 'deleted').map((r) => r.agent_conn_id),
  );
  await deleteConnectionRows(
    tx,
    rows.map((r) => r.connection_id),
  );
  await updateContactRow(
    tx,
    contact.contactId,
    {
      contact_status: 'active',
      contact_group_member_id: null,
      contact_grp_inv_sent: 0,
      ...invitedColumns(m, user),
    },
    ctx.clock.now(),
  );
  if (user.autoAcceptMemberContacts) await joinContact(ctx, tx, m, contact.contactId);
  const current = await getContact(tx, user, contact.contactId);
  await emitDirectItems(ctx, tx, user, current, false, [
    { content: { type: 'rcvConnEvent', rcvConnEvent: { type: 'verificationCodeReset' } } },
  ]);
  if (!user.autoAcceptMemberContacts) await emitLinkReceived(ctx, tx, m, current);
  await emitInvited(ctx, tx, m, current, member);
}

function invitedColumns(m: Invitation, user: User) {
  return {
    grp_direct_inv_link: m.event.connReq,
    grp_direct_inv_from_group_id: m.group.groupId,
    grp_direct_inv_from_group_member_id: m.member.groupMemberId,
    grp_direct_inv_from_group_member_conn_id: m.direct?.connection.connection_id ?? null,
    grp_direct_inv_started_connection: user.autoAcceptMemberContacts ? 1 : 0,
  };
}

async function joinContact(ctx: ChatContext, tx: Tx, m: Invitation, contactId: number): Promise<void> {
  const { user, group, direct, event } = m;
  if (direct === undefined) return;
  const now = ctx.clock.now();
  const corrId = await storeAsyncCommand(tx, user.userId, 'joinMemberContact', now);
  const profile = await contactProfile(tx, user, group);
  const agentConnId = await ctx.agent.joinConnectionAsync(tx, corrId, {
    userId: Number(user.agentUserId),
    link: event.connReq,
    info: encodeInfo(ctx, { type: 'x.info', profile }, false, chatVersion(1)),
    pqSupport: false,
  });
  const row = await insertContactConnection(
    tx,
    user,
    group,
    direct.connection,
    { contactId, agentConnId, status: 'joined' },
    now,
  );
  await linkAsyncCommand(tx, corrId, row.connection_id);
}

/** JOINED: the connection can send. */
export async function memberContactJoined(ctx: ChatContext, tx: Tx, { connection, event }: AsyncReply): Promise<void> {
  if (event.type !== 'JOINED' || !event.sndSecured || connection.conn_status !== 'joined') return;
  await updateConnectionStatus(tx, connection.connection_id, 'snd-ready', ctx.clock.now());
}

async function emitLinkReceived(ctx: ChatContext, tx: Tx, m: Invitation, contact: Contact): Promise<void> {
  const content: CIContent = {
    type: 'rcvDirectEvent',
    rcvDirectEvent: { type: 'groupInvLinkReceived', groupProfile: m.group.groupProfile },
  };
  await emitDirectItems(ctx, tx, m.user, contact, false, [{ content }]);
}

async function emitInvited(
  ctx: ChatContext,
  tx: Tx,
  m: Invitation,
  contact: Contact,
  member: GroupMember,
): Promise<void> {
  const { user, event } = m;
  const now = ctx.clock.now();
  const placed = await placeEvent(tx, m.group, member, now);
  await emitGroupItem(
    ctx,
    tx,
    user,
    { group: placed.group, scope: placed.scope, from: placed.member },
    { type: 'rcvGroupEvent', rcvGroupEvent: { type: 'memberCreatedContact' } },
  );
  await ctx.emit(tx, {
    type: 'newMemberContactReceivedInv',
    user,
    contact,
    groupInfo: placed.group,
    member: placed.member,
  });
  if (event.content === undefined) return;
  const row = await storeItem(tx, {
    userId: user.userId,
    chat: { type: 'direct', contactId: contact.contactId },
    sent: false,
    content: { type: 'rcvMsgContent', msgContent: event.content },
    itemTs: m.brokerTs,
    createdAt: now,
    sharedMsgId: m.msgId,
    createdByMsgId: m.messageId,
  });
  await touchContact(tx, contact.contactId, now);
  await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [await viewDirectItem(ctx, tx, contact, row)] });
}
