import type {
  AChat,
  ApiResponse,
  CIContent,
  CreatedConnLink,
  GroupInfo,
  GroupMember,
  GroupProfile,
  MsgContent,
  User,
} from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import { base64url, utf8Bytes } from '../../wire/index.js';
import { requestContact } from '../connections/address.js';
import { linkHash } from '../connections/links.js';
import { storedLink } from '../connections/prepared.js';
import { memberConnection } from '../connections/queries.js';
import { type CommandTable, checkActiveUser, whenRunning } from '../engine/commands.js';
import type { ChatContext } from '../engine/context.js';
import { chatFailure, commandFailure } from '../engine/errors.js';
import type { GroupHooks } from '../engine/group-hooks.js';
import { newSharedMsgId } from '../protocol/index.js';
import { allocateName, freeUnusedName } from '../users/names.js';
import { knownUser } from '../users/queries.js';
import { businessProfile } from './business.js';
import { createGroupItems, emitGroupItem } from './items.js';
import { businessPreferences, featureContents } from './preferences.js';
import { findHost, getGroup, getMemberById, updateGroupRow, updateMemberRow } from './queries.js';
import { insertGroup, insertMember, insertMembership, nameFromMemberId } from './records.js';
import { groupChatInfo } from './view.js';

interface Preparation {
  readonly link: { readonly connFullLink: string; readonly connShortLink?: string | undefined };
  readonly profile: GroupProfile;
  readonly business: boolean;
  readonly welcome: MsgContent | undefined;
}

/** A group with what its link says about it, before joining (60, section 7.5.2). */
async function prepare(ctx: ChatContext, user: User, p: Preparation): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const { group, host, welcomeId } = await storePrepared(ctx, tx, user, p);
    await createGroupItems(ctx, tx, user, { group }, [{ content: { type: 'chatBanner' }, itemTs: 0 }]);
    const place = { group, from: host };
    const features = featureContents(group.fullGroupPreferences, false);
    await createGroupItems(
      ctx,
      tx,
      user,
      place,
      features.map((content) => ({ content, showGroupAsSender: true })),
    );
    const content: CIContent | undefined =
      p.welcome === undefined ? undefined : { type: 'rcvMsgContent', msgContent: p.welcome };
    const [item] =
      content === undefined
        ? []
        : await createGroupItems(ctx, tx, user, place, [{ content, sharedMsgId: welcomeId, showGroupAsSender: true }]);
    const chat: AChat = {
      chatInfo: groupChatInfo(group),
      chatItems: item === undefined ? [] : [item.chatItem],
      chatStats: {
        unreadCount: item === undefined ? 0 : 1,
        unreadMentions: 0,
        reportsCount: 0,
        minUnreadItemId: item?.chatItem.meta.itemId ?? 0,
        unreadChat: false,
      },
    };
    return { type: 'newPreparedChat', user, chat };
  });
}

/** Ids that stand for members until the host tells the real ones. */
function placeholderId(groupName: string, of: 'user' | 'host'): string {
  return base64url(utf8Bytes(`${groupName}_${of}_unknown_id`));
}

async function storePrepared(
  ctx: ChatContext,
  tx: Tx,
  user: User,
  p: Preparation,
): Promise<{ readonly group: GroupInfo; readonly host: GroupMember; readonly welcomeId: string | undefined }> {
  const now = ctx.clock.now();
  const welcomeId = p.welcome === undefined ? undefined : newSharedMsgId(ctx.random);
  const groupId = await insertGroup(
    tx,
    user.userId,
    p.profile,
    {
      conn_full_link_to_connect: p.link.connFullLink,
      conn_short_link_to_connect: p.link.connShortLink ?? null,
      welcome_shared_msg_id: welcomeId ?? null,
    },
    now,
  );
  const row = await tx.db
    .selectFrom('groups')
    .select('local_display_name')
    .where('group_id', '=', groupId)
    .executeTakeFirstOrThrow();
  const hostMemberId = placeholderId(row.local_display_name, 'host');
  const ownMemberId = placeholderId(row.local_display_name, 'user');
  const hostId = await insertMember(
    tx,
    user.userId,
    groupId,
    {
      memberId: hostMemberId,
      role: 'admin',
      category: 'host',
      status: 'accepted',
      who: { type: 'profile', profile: { displayName: nameFromMemberId(hostMemberId), fullName: '' } },
      invitedBy: null,
    },
    now,
  );
  await insertMembership(
    tx,
    user,
    groupId,
    { memberId: ownMemberId, role: 'member', status: 'unknown', invitedBy: null, invitedByGroupMemberId: hostId },
    now,
  );
  if (p.business) {
    await updateGroupRow(tx, groupId, {
      business_chat: 'business',
      business_member_id: hostMemberId,
      customer_member_id: ownMemberId,
    });
  }
  return { group: await getGroup(tx, user, groupId), host: await getMemberById(tx, user, hostId), welcomeId };
}

/** `/_prepare contact` with the data of a business address. */
export const prepareBusiness: GroupHooks['prepareBusiness'] = (ctx, user, link, data) =>
  prepare(ctx, user, {
    link,
    profile: businessProfile(data.profile, businessPreferences(data.profile.preferences)),
    business: true,
    welcome: data.message,
  });

async function preparedGroup(tx: Tx, user: User, groupId: number) {
  const group = await getGroup(tx, user, groupId);
  const host = await findHost(tx, user, groupId);
  const { preparedGroup: prepared } = group;
  if (prepared === undefined || host === undefined) throw commandFailure("group doesn't have link to connect");
  return { group, host, prepared, connection: await memberConnection(tx, host.groupMemberId) };
}

/** `/_connect group`. A message can go with requests to business addresses only. */
async function connectPrepared(
  ctx: ChatContext,
  user: User,
  groupId: number,
  incognito: boolean,
  content: MsgContent | undefined,
): Promise<ApiResponse> {
  const { host, prepared, connection } = await ctx.store.read((tx) => preparedGroup(tx, user, groupId));
  const { full, shortLink } = storedLink(prepared.connLinkToConnect);
  const message =
    content === undefined
      ? undefined
      : { content, sharedMsgId: prepared.requestSharedMsgId ?? (await newRequestId(ctx, groupId)) };
  const result = await requestContact(ctx, user, {
    incognito,
    link: full,
    shortLink,
    prepared: {
      type: 'group',
      groupMemberId: host.groupMemberId,
      connection,
      stored: async (tx, row) => {
        await updateGroupRow(tx, groupId, {
          conn_link_prepared_connection: 1,
          via_group_link_uri: full.text,
          via_group_link_uri_hash: linkHash(full.text),
        });
        const { membership } = await getGroup(tx, user, groupId);
        const columns = { member_profile_id: row.custom_user_profile_id };
        await updateMemberRow(tx, membership.groupMemberId, columns, ctx.clock.now());
      },
    },
    welcomeSharedMsgId: prepared.welcomeSharedMsgId,
    message,
  }).catch(async (error: unknown) => {
    // The connection may have been prepared: clients are told what the group is like now.
    await ctx.store.transaction(async (tx) => {
      const group = await getGroup(tx, user, groupId);
      await ctx.emit(tx, { type: 'chatInfoUpdated', user, chatInfo: groupChatInfo(group) });
    });
    throw error;
  });
  if (result.type === 'connected') {
    throw chatFailure({ type: 'exception', message: 'contact already exists when connecting to group' });
  }
  return ctx.store.transaction(async (tx) => {
    await updateGroupRow(tx, groupId, { conn_link_started_connection: 1 });
    const group = await getGroup(tx, user, groupId);
    if (message !== undefined) {
      const item: CIContent = { type: 'sndMsgContent', msgContent: message.content };
      await emitGroupItem(ctx, tx, user, { group }, item, { sharedMsgId: message.sharedMsgId });
    }
    return { type: 'startedConnectionToGroup', user, groupInfo: group, customUserProfile: result.profile };
  });
}

async function newRequestId(ctx: ChatContext, groupId: number): Promise<string> {
  const sharedMsgId = newSharedMsgId(ctx.random);
  await ctx.store.transaction((tx) => updateGroupRow(tx, groupId, { request_shared_msg_id: sharedMsgId }));
  return sharedMsgId;
}

/** Moves a prepared group that is not joined yet to another profile. */
async function changeUser(ctx: ChatContext, user: User, groupId: number, newUser: User): Promise<ApiResponse> {
  return ctx.store.transaction(async (tx) => {
    const { group, host, connection } = await preparedGroup(tx, user, groupId);
    if (connection !== undefined) throw commandFailure('host member already has connection');
    const now = ctx.clock.now();
    const { userId } = newUser;
    const name = await allocateName(tx, userId, group.groupProfile.displayName, now);
    await updateGroupRow(tx, groupId, { user_id: userId, local_display_name: name }, now);
    await tx.execute(
      'UPDATE group_profiles SET user_id = ? WHERE group_profile_id = (SELECT group_profile_id FROM groups WHERE group_id = ?)',
      [userId, groupId],
    );
    await updateMemberRow(
      tx,
      group.membership.groupMemberId,
      {
        user_id: userId,
        local_display_name: newUser.localDisplayName,
        contact_id: newUser.userContactId,
        contact_profile_id: newUser.profile.profileId,
      },
      now,
    );
    const hostName = await allocateName(tx, userId, host.memberProfile.displayName, now);
    await updateMemberRow(tx, host.groupMemberId, { user_id: userId, local_display_name: hostName }, now);
    await tx.db
      .updateTable('contact_profiles')
      .set({ user_id: userId, updated_at: now })
      .where('contact_profile_id', '=', host.memberProfile.profileId)
      .execute();
    await tx.db.updateTable('chat_items').set({ user_id: userId }).where('group_id', '=', groupId).execute();
    await freeUnusedName(tx, user.userId, group.localDisplayName);
    await freeUnusedName(tx, user.userId, host.localDisplayName);
    const toGroup = await getGroup(tx, newUser, groupId);
    return { type: 'groupUserChanged', user, fromGroup: group, newUser, toGroup };
  });
}

/** The group or business chat that was prepared from this short link. */
export const preparedByShortLink: GroupHooks['preparedByShortLink'] = async (tx, user, shortLink) => {
  const row = await tx.db
    .selectFrom('groups')
    .select(['group_id', 'conn_full_link_to_connect'])
    .where('user_id', '=', user.userId)
    .where('conn_short_link_to_connect', '=', shortLink)
    .orderBy('group_id')
    .executeTakeFirst();
  if (row === undefined || row.conn_full_link_to_connect === null) return undefined;
  return { fullLink: row.conn_full_link_to_connect, groupInfo: await getGroup(tx, user, row.group_id) };
};

function fullAndShort(link: CreatedConnLink): Preparation['link'] {
  const { full, shortLink } = storedLink(link);
  return { connFullLink: full.text, connShortLink: shortLink };
}

export const preparedCommands: CommandTable = {
  APIPrepareGroup: whenRunning(async (ctx, cmd, user) => {
    checkActiveUser(user, cmd.userId);
    const { groupProfile } = cmd.groupShortLinkData;
    const { description } = groupProfile;
    return prepare(ctx, user, {
      link: fullAndShort(cmd.connLink),
      profile: groupProfile,
      business: false,
      welcome: description === undefined ? undefined : { type: 'text', text: description },
    });
  }),
  APIConnectPreparedGroup: whenRunning((ctx, cmd, user) =>
    connectPrepared(ctx, user, cmd.groupId, cmd.incognito, cmd.msgContent_),
  ),
  APIChangePreparedGroupUser: whenRunning(async (ctx, cmd, user) =>
    changeUser(ctx, user, cmd.groupId, knownUser(ctx.users, cmd.newUserId)),
  ),
};
