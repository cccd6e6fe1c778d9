import type { Selectable } from 'kysely';
import type {
  BusinessChatInfo,
  BusinessChatType,
  ChatInfo,
  GroupInfo,
  GroupLink,
  GroupMember,
  GroupMemberAdmission,
  GroupMemberCategory,
  GroupMemberRole,
  GroupMemberStatus,
  GroupPreferences,
  GroupProfile,
  GroupSupportChat,
  InvitedBy,
  JsonObject,
  PreparedGroup,
  Profile,
  UIThemeEntityOverrides,
  User,
} from '../../api/index.js';
import { type ConnectionRow, connectionView } from '../connections/view.js';
import { chatSettingsView } from '../contacts/view.js';
import { isoTime, isoTimeOrUndefined } from '../engine/time.js';
import { ourChatVersions } from '../protocol/index.js';
import type { GroupMembersTable, GroupProfilesTable, GroupsTable, UserContactLinksTable } from '../schema/index.js';
import { localProfileView, type ProfileColumns } from '../users/profiles.js';
import { fullGroupPreferences } from './preferences.js';

export type GroupRow = Selectable<GroupsTable>;
export type MemberRow = Selectable<GroupMembersTable>;

type GroupProfileRow = Pick<
  Selectable<GroupProfilesTable>,
  'display_name' | 'full_name' | 'short_descr' | 'description' | 'image' | 'preferences' | 'member_admission'
>;
/** A group with its profile, and the number of its chat tags. */
export type GroupWithProfile = GroupRow & GroupProfileRow & { readonly tags: number };

/** A member with the profile that it has in the group. */
export type MemberWithProfile = MemberRow &
  Omit<ProfileColumns, 'contact_profile_id'> & { readonly profile_id: number };

/** The support chat that something belongs to: the user's own, or that of a member. Main chat: undefined. */
export type GroupScope = { readonly type: 'own' } | { readonly type: 'member'; readonly member: GroupMember };

/** As it travels and as the API shows it (60, section 2.2). */
export function groupProfileView(row: GroupProfileRow): GroupProfile {
  return {
    displayName: row.display_name,
    fullName: row.full_name,
    shortDescr: row.short_descr ?? undefined,
    description: row.description ?? undefined,
    image: row.image ?? undefined,
    groupPreferences: row.preferences === null ? undefined : (JSON.parse(row.preferences) as GroupPreferences),
    memberAdmission:
      row.member_admission === null ? undefined : (JSON.parse(row.member_admission) as GroupMemberAdmission),
  };
}

/** A group as the API shows it (60, section 2.1). `membership` is the user's member record. */
export function groupView(row: GroupWithProfile, membership: GroupMember, chatTags: readonly number[]): GroupInfo {
  const groupProfile = groupProfileView(row);
  return {
    groupId: row.group_id,
    localDisplayName: row.local_display_name,
    groupProfile,
    localAlias: row.local_alias,
    businessChat: businessChatView(row),
    fullGroupPreferences: fullGroupPreferences(groupProfile.groupPreferences),
    membership,
    chatSettings: chatSettingsView(row),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    chatTs: isoTimeOrUndefined(row.chat_ts),
    userMemberProfileSentAt: isoTimeOrUndefined(row.user_member_profile_sent_at),
    preparedGroup: preparedGroupView(row),
    chatTags,
    chatItemTTL: row.chat_item_ttl ?? undefined,
    uiThemes: row.ui_themes === null ? undefined : (JSON.parse(row.ui_themes) as UIThemeEntityOverrides),
    customData: row.custom_data === null ? undefined : (JSON.parse(row.custom_data) as JsonObject),
    membersRequireAttention: row.members_require_attention,
    viaGroupLinkUri: row.via_group_link_uri ?? undefined,
  };
}

function businessChatView(row: GroupRow): BusinessChatInfo | undefined {
  if (row.business_chat === null || row.business_member_id === null || row.customer_member_id === null) {
    return undefined;
  }
  return {
    chatType: row.business_chat as BusinessChatType,
    businessId: row.business_member_id,
    customerId: row.customer_member_id,
  };
}

function preparedGroupView(row: GroupRow): PreparedGroup | undefined {
  if (row.conn_full_link_to_connect === null) return undefined;
  return {
    connLinkToConnect: {
      connFullLink: row.conn_full_link_to_connect,
      connShortLink: row.conn_short_link_to_connect ?? undefined,
    },
    connLinkPreparedConnection: row.conn_link_prepared_connection !== 0,
    connLinkStartedConnection: row.conn_link_started_connection !== 0,
    welcomeSharedMsgId: row.welcome_shared_msg_id ?? undefined,
    requestSharedMsgId: row.request_shared_msg_id ?? undefined,
  };
}

/** A member as the API shows it (60, section 2.3). `connection`: the latest one. */
export function memberView(user: User, row: MemberWithProfile, connection: ConnectionRow | undefined): GroupMember {
  const own = row.member_category === 'user';
  return {
    groupMemberId: row.group_member_id,
    groupId: row.group_id,
    memberId: row.member_id,
    memberRole: row.member_role as GroupMemberRole,
    memberCategory: row.member_category as GroupMemberCategory,
    memberStatus: row.member_status as GroupMemberStatus,
    memberSettings: { showMessages: row.show_messages !== 0 },
    blockedByAdmin: row.member_restriction === 'blocked',
    invitedBy: invitedByView(user, row.invited_by),
    invitedByGroupMemberId: row.invited_by_group_member_id ?? undefined,
    // The user's name in a group is the user's, whatever it was when the row was written.
    localDisplayName: own && row.member_profile_id === null ? user.localDisplayName : row.local_display_name,
    memberProfile: localProfileView({ ...row, contact_profile_id: row.profile_id }),
    memberContactId: row.contact_id ?? undefined,
    memberContactProfileId: row.contact_profile_id,
    activeConn: connection === undefined ? undefined : connectionView(connection),
    memberChatVRange: own
      ? { minVersion: ourChatVersions.min, maxVersion: ourChatVersions.max }
      : { minVersion: row.peer_chat_min_version, maxVersion: row.peer_chat_max_version },
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    supportChat: supportChatView(row),
  };
}

function supportChatView(row: MemberRow): GroupSupportChat | undefined {
  if (row.support_chat_ts === null) return undefined;
  return {
    chatTs: isoTime(row.support_chat_ts),
    unread: row.support_chat_items_unread,
    memberAttention: row.support_chat_items_member_attention,
    mentions: row.support_chat_items_mentions,
    lastMsgFromMemberTs: isoTimeOrUndefined(row.support_chat_last_msg_from_member_ts),
  };
}

function invitedByView(user: User, invitedBy: number | null): InvitedBy {
  if (invitedBy === null) return { type: 'unknown' };
  return invitedBy === user.userContactId ? { type: 'user' } : { type: 'contact', byContactId: invitedBy };
}

/** The main chat, or with `scope` a support chat (60, section 2.9). */
export function groupChatInfo(groupInfo: GroupInfo, scope?: GroupScope | undefined): ChatInfo {
  if (scope === undefined) return { type: 'group', groupInfo };
  return {
    type: 'group',
    groupInfo,
    groupChatScope: { type: 'memberSupport', groupMember_: scope.type === 'own' ? undefined : scope.member },
  };
}

export type GroupLinkRow = Selectable<UserContactLinksTable>;

/** The link of a group as the API shows it; without a role who joins becomes `member`. */
export function groupLinkView(row: GroupLinkRow): GroupLink {
  return {
    userContactLinkId: row.user_contact_link_id,
    connLinkContact: { connFullLink: row.conn_full_link, connShortLink: row.conn_short_link ?? undefined },
    shortLinkDataSet: row.short_link_data_set !== 0,
    shortLinkLargeDataSet: row.short_link_large_data_set !== 0,
    groupLinkId: row.group_link_id ?? '',
    acceptMemberRole: (row.group_link_member_role ?? 'member') as GroupMemberRole,
  };
}

/** The profile that a member shows to a group (60, section 4.1): without link and preferences. */
export function memberProfile(p: Profile): Profile {
  return {
    displayName: p.displayName,
    fullName: p.fullName,
    shortDescr: p.shortDescr,
    image: p.image,
    peerType: p.peerType,
  };
}

/** The user takes part under a random name. */
export function isIncognitoMembership(group: GroupInfo): boolean {
  return group.membership.memberProfile.profileId !== group.membership.memberContactProfileId;
}
