import type { Selectable } from 'kysely';
import type {
  ChatSettings,
  Contact,
  ContactStatus,
  GroupDirectInvitation,
  JsonObject,
  LocalProfile,
  MsgFilter,
  Preferences,
  PreparedContact,
  UIThemeEntityOverrides,
  User,
} from '../../api/index.js';
import { type ConnectionRow, connectionView } from '../connections/view.js';
import { isoTime, isoTimeOrUndefined } from '../engine/time.js';
import { mergePreferences } from '../preferences/merge.js';
import type { ContactsTable } from '../schema/index.js';
import { localProfileView, type ProfileColumns } from '../users/profiles.js';

export type ContactRow = Selectable<ContactsTable>;

/** A contact with its profile, and the number of its chat tags. */
export type ContactWithProfile = ContactRow & Omit<ProfileColumns, 'contact_profile_id'> & { readonly tags: number };

/** `mergedPreferences` are computed here, not stored (50, sections 2.1 and 3.3). */
export function contactView(
  user: User,
  row: ContactWithProfile,
  connection: ConnectionRow | undefined,
  chatTags: readonly number[],
): Contact {
  const profile = localProfileView(row);
  const userPreferences = JSON.parse(row.user_preferences) as Preferences;
  return {
    contactId: row.contact_id,
    localDisplayName: row.local_display_name,
    profile,
    activeConn: connection === undefined ? undefined : connectionView(connection),
    viaGroup: row.via_group ?? undefined,
    contactUsed: row.contact_used !== 0,
    contactStatus: row.contact_status as ContactStatus,
    chatSettings: chatSettingsView(row),
    userPreferences,
    mergedPreferences: mergedPreferencesOf(user, profile, userPreferences, isIncognito(connection)),
    createdAt: isoTime(row.created_at),
    updatedAt: isoTime(row.updated_at),
    chatTs: isoTimeOrUndefined(row.chat_ts),
    preparedContact: preparedContactView(row),
    contactRequestId: row.contact_request_id ?? undefined,
    contactGroupMemberId: row.contact_group_member_id ?? undefined,
    contactGrpInvSent: row.contact_grp_inv_sent !== 0,
    groupDirectInv: groupDirectInvitationView(row),
    chatTags,
    chatItemTTL: row.chat_item_ttl ?? undefined,
    uiThemes: row.ui_themes === null ? undefined : (JSON.parse(row.ui_themes) as UIThemeEntityOverrides),
    chatDeleted: row.chat_deleted !== 0,
    customData: row.custom_data === null ? undefined : (JSON.parse(row.custom_data) as JsonObject),
  };
}

function isIncognito(connection: ConnectionRow | undefined): boolean {
  return connection !== undefined && connection.custom_user_profile_id !== null;
}

function mergedPreferencesOf(user: User, profile: LocalProfile, overrides: Preferences, incognito: boolean) {
  return mergePreferences({ preferences: user.profile.preferences, incognito, overrides }, profile.preferences);
}

/** The contact with preferences merged anew: after its profile, overrides or the user's profile changed. */
export function withMergedPreferences(user: User, contact: Contact): Contact {
  return {
    ...contact,
    mergedPreferences: mergedPreferencesOf(
      user,
      contact.profile,
      contact.userPreferences,
      contact.activeConn?.customUserProfileId !== undefined,
    ),
  };
}

/** Settings of a chat, of a contact or group row. */
export function chatSettingsView(row: {
  readonly enable_ntfs: string;
  readonly send_rcpts: number | null;
  readonly favorite: number;
}): ChatSettings {
  return {
    enableNtfs: row.enable_ntfs as MsgFilter,
    sendRcpts: row.send_rcpts === null ? undefined : row.send_rcpts !== 0,
    favorite: row.favorite !== 0,
  };
}

function preparedContactView(row: ContactRow): PreparedContact | undefined {
  if (row.conn_full_link_to_connect === null) return undefined;
  return {
    connLinkToConnect: {
      connFullLink: row.conn_full_link_to_connect,
      connShortLink: row.conn_short_link_to_connect ?? undefined,
    },
    uiConnLinkType: row.conn_link_mode === 'con' ? 'con' : 'inv',
    welcomeSharedMsgId: row.welcome_shared_msg_id ?? undefined,
    requestSharedMsgId: row.request_shared_msg_id ?? undefined,
  };
}

function groupDirectInvitationView(row: ContactRow): GroupDirectInvitation | undefined {
  if (row.grp_direct_inv_link === null) return undefined;
  return {
    groupDirectInvLink: row.grp_direct_inv_link,
    fromGroupId_: row.grp_direct_inv_from_group_id ?? undefined,
    fromGroupMemberId_: row.grp_direct_inv_from_group_member_id ?? undefined,
    fromGroupMemberConnId_: row.grp_direct_inv_from_group_member_conn_id ?? undefined,
    groupDirectInvStartedConnection: row.grp_direct_inv_started_connection !== 0,
  };
}
