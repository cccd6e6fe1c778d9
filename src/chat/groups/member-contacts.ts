import type { ApiResponse, Contact, GroupInfo, MsgContent, User } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { readFullLink, shownFullLink } from '../connections/links.js';
import { chatBanner } from '../connections/prepared.js';
import {
  connectionById,
  contactConnections,
  memberConnection,
  updateConnectionStatus,
} from '../connections/queries.js';
import type { ConnectionRow } from '../connections/view.js';
import { contactIdByName, getContact, touchContact, updateContactRow } from '../contacts/queries.js';
import { type CommandTable, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure, storeFailure } from '../engine/errors.js';
import { emitDirectItems, storeItem, viewDirectItem } from '../items/create.js';
import { encodeInfo, linkItemMessage } from '../messaging/send.js';
import { ChatV, chatVersion } from '../protocol/index.js';
import { contactProfile, insertContactConnection, insertMemberContact } from './member-contact-rows.js';
import { featureAllowedFor } from './preferences.js';
import { getGroup, getMember, getMemberById, groupIdByName, memberIdByName } from './queries.js';
import { supports } from './recipients.js';
import { checkRole } from './roles.js';
import { connectionOf, sendOnConnection } from './send-member.js';

function checkDirectMessages(group: GroupInfo): void {
  if (!featureAllowedFor(group, 'directMessages', group.membership)) {
    throw commandFailure('direct messages not allowed');
  }
}

/** `/_create member contact` (60, section 7.15): a contact for a member, with a link that is not sent yet. */
async function createMemberContact(
  ctx: ChatContext,
  user: User,
  groupId: number,
  groupMemberId: number,
): Promise<ApiResponse & { readonly type: 'newMemberContact' }> {
  return ctx.locks.run(`group:${groupId}`, async () => {
    const { group, member, connection } = await ctx.store.read(async (tx) => ({
      group: await getGroup(tx, user, groupId),
      member: await getMember(tx, user, groupId, groupMemberId),
      connection: await memberConnection(tx, groupMemberId),
    }));
    checkRole(group, 'author');
    checkDirectMessages(group);
    if (connection === undefined) throw chatFailure({ type: 'groupMemberNotActive' });
    if (!supports(member, ChatV.GroupDirectInvitation)) throw chatFailure({ type: 'peerChatVRangeIncompatible' });
    if (member.memberContactId !== undefined) throw commandFailure('member contact already exists');
    let contact: Contact | undefined;
    await ctx.agent.createConnection({
      userId: Number(user.agentUserId),
      mode: 'invitation',
      initialKeys: 'linkPQOff',
      stored: async (tx, created) => {
        const now = ctx.clock.now();
        const columns = { contact_group_member_id: groupMemberId };
        const { contactId } = await insertMemberContact(tx, user, group, member, columns, now);
        await insertContactConnection(
          tx,
          user,
          group,
          connection,
          {
            contactId,
            agentConnId: created.connId,
            status: 'new',
            link: shownFullLink(created.link.connFullLink),
          },
          now,
        );
        contact = await getContact(tx, user, contactId);
        await emitDirectItems(ctx, tx, user, contact, true, [chatBanner]);
      },
    });
    if (contact === undefined) throw new Error('the agent did not store the connection');
    return { type: 'newMemberContact', user, contact, groupInfo: group, member };
  });
}

/** `/_invite member contact`: the link goes to the member by the group. */
async function inviteMemberContact(
  ctx: ChatContext,
  user: User,
  contactId: number,
  content: MsgContent | undefined,
): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const contact = await getContact(tx, user, contactId);
    const link = (await contactConnections(tx, contactId)).find((c) => c.conn_req_inv !== null)?.conn_req_inv;
    const { contactGroupMemberId } = contact;
    if (contactGroupMemberId === undefined || contact.activeConn === undefined || link === undefined || link === null) {
      throw storeFailure({ type: 'memberContactGroupMemberNotFound', contactId });
    }
    const member = await getMemberById(tx, user, contactGroupMemberId);
    const group = await getGroup(tx, user, member.groupId);
    if (contact.contactGrpInvSent) throw commandFailure('x.grp.direct.inv already sent');
    const connection = await memberConnection(tx, contactGroupMemberId);
    if (connection === undefined) throw chatFailure({ type: 'groupMemberNotActive' });
    const sent = await sendOnConnection(ctx, tx, group.groupId, connectionOf(connection), {
      type: 'x.grp.direct.inv',
      connReq: link,
      content,
    });
    const now = ctx.clock.now();
    await updateContactRow(tx, contactId, { contact_grp_inv_sent: 1 }, now);
    const invited: Contact = { ...contact, contactGrpInvSent: true };
    if (content !== undefined) {
      const row = await storeItem(tx, {
        userId: user.userId,
        chat: { type: 'direct', contactId },
        sent: true,
        content: { type: 'sndMsgContent', msgContent: content },
        createdAt: now,
        sharedMsgId: sent.sharedMsgId,
        createdByMsgId: sent.messageId,
      });
      await linkItemMessage(tx, row.chat_item_id, sent.messageId);
      await touchContact(tx, contactId, now);
      const item = await viewDirectItem(ctx, tx, invited, row);
      await ctx.emit(tx, { type: 'newChatItems', user, chatItems: [item] });
    }
    return { type: 'newMemberContactSentInv', user, contact: invited, groupInfo: group, member };
  });
}

interface Invited {
  readonly group: GroupInfo;
  readonly memberConnection: ConnectionRow;
  readonly link: string;
}

async function readInvited(tx: Tx, user: User, contact: Contact): Promise<Invited> {
  const invitation = contact.groupDirectInv;
  const { fromGroupId_: groupId, fromGroupMemberConnId_: connId } = invitation ?? {};
  if (invitation === undefined || groupId === undefined || connId === undefined) {
    throw storeFailure({ type: 'memberContactGroupMemberNotFound', contactId: contact.contactId });
  }
  return {
    group: await getGroup(tx, user, groupId),
    memberConnection: await connectionById(tx, user.userId, connId),
    link: invitation.groupDirectInvLink,
  };
}

/** The connection that joins; a failed attempt is repeated with the same one. */
async function preparedConnection(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  contact: Contact,
  invited: Invited,
): Promise<ConnectionRow> {
  const [existing] = await contactConnections(tx, contact.contactId);
  if (existing !== undefined) {
    if (existing.conn_status === 'prepared') return existing;
    throw chatFailure({ type: 'exception', message: 'connection already started (past prepared status)' });
  }
  const agentConnId = await ctx.agent.prepareConnectionToJoin(tx, Number(user.agentUserId), invited.link, false);
  return insertContactConnection(
    tx,
    user,
    invited.group,
    invited.memberConnection,
    { contactId: contact.contactId, agentConnId, status: 'prepared' },
    ctx.clock.now(),
  );
}

/** `/_accept member contact`: joins the link that a member sent. */
async function acceptMemberContact(ctx: ChatContext, user: User, contactId: number): Promise<ApiResponse> {
  return ctx.locks.run(`contact:${contactId}`, async () => {
    const { invited, connection, info } = await ctx.store.transaction(async (tx) => {
      const contact = await getContact(tx, user, contactId);
      const invitation = await readInvited(tx, user, contact);
      if (contact.groupDirectInv?.groupDirectInvStartedConnection === true) {
        throw commandFailure('connection already started');
      }
      const profile = await contactProfile(tx, user, invitation.group);
      return {
        invited: invitation,
        connection: await preparedConnection(ctx, tx, user, contact, invitation),
        info: encodeInfo(ctx, { type: 'x.info', profile }, false, chatVersion(1)),
      };
    });
    try {
      const { sndSecured } = await ctx.agent.joinConnection({
        userId: Number(user.agentUserId),
        connId: connection.agent_conn_id,
        link: readFullLink(invited.link)?.text ?? invited.link,
        info,
        pqSupport: false,
      });
      return await ctx.store.transaction(async (tx) => {
        const now = ctx.clock.now();
        const current = await connectionById(tx, user.userId, connection.connection_id);
        if (current.conn_status === 'prepared') {
          await updateConnectionStatus(tx, current.connection_id, sndSecured ? 'snd-ready' : 'joined', now);
        }
        await updateContactRow(tx, contactId, { grp_direct_inv_started_connection: 1 }, now);
        return { type: 'memberContactAccepted', user, contact: await getContact(tx, user, contactId) };
      });
    } catch (error) {
      await ctx.store.transaction(async (tx) => {
        const contact = await getContact(tx, user, contactId);
        await ctx.emit(tx, { type: 'chatInfoUpdated', user, chatInfo: { type: 'direct', contact } });
      });
      throw error;
    }
  });
}

export const memberContactCommands: CommandTable = {
  APICreateMemberContact: whenRunning((ctx, c, user) => createMemberContact(ctx, user, c.groupId, c.groupMemberId)),
  APISendMemberContactInvitation: whenRunning((ctx, c, user) =>
    inviteMemberContact(ctx, user, c.contactId, c.msgContent_),
  ),
  APIAcceptMemberContact: whenRunning((ctx, c, user) => acceptMemberContact(ctx, user, c.contactId)),
  AcceptMemberContact: whenRunning(async (ctx, c, user) => {
    const contactId = await ctx.store.read((tx) => contactIdByName(tx, user, c.contactName));
    return acceptMemberContact(ctx, user, contactId);
  }),
  SendMemberContactMessage: whenRunning(async (ctx, { groupName, memberName, text }, user) => {
    const { group, member } = await ctx.store.read(async (tx) => {
      const groupId = await groupIdByName(tx, user, groupName);
      return {
        group: await getGroup(tx, user, groupId),
        member: await getMember(tx, user, groupId, await memberIdByName(tx, groupId, memberName)),
      };
    });
    const content: MsgContent = { type: 'text', text };
    if (member.memberContactId !== undefined) {
      return ctx.run({
        tag: 'APISendMessages',
        sendRef: { chatType: 'direct', chatId: member.memberContactId },
        liveMessage: false,
        ttl: undefined,
        composedMessages: [{ msgContent: content }],
      });
    }
    checkDirectMessages(group);
    await ctx.store.transaction((tx) =>
      ctx.emit(tx, { type: 'noMemberContactCreating', user, groupInfo: group, member }),
    );
    const { contact } = await createMemberContact(ctx, user, group.groupId, member.groupMemberId);
    return inviteMemberContact(ctx, user, contact.contactId, content);
  }),
};
