import type { Generated } from 'kysely';

// Groups and members: one interface per table, columns as in groups.sql.ts. Columns with a default may be left out of an insert.

export interface GroupProfilesTable {
  group_profile_id: Generated<number>;
  user_id: number;
  display_name: string;
  full_name: string;
  short_descr: Generated<string | null>;
  description: Generated<string | null>;
  image: Generated<string | null>;
  preferences: Generated<string | null>;
  member_admission: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface GroupsTable {
  group_id: Generated<number>;
  user_id: number;
  local_display_name: string;
  group_profile_id: number;
  local_alias: Generated<string>;
  enable_ntfs: Generated<string>;
  send_rcpts: Generated<number | null>;
  favorite: Generated<number>;
  inv_queue_info: Generated<string | null>;
  chat_item_id: Generated<number | null>;
  host_conn_custom_user_profile_id: Generated<number | null>;
  via_group_link_uri: Generated<string | null>;
  via_group_link_uri_hash: Generated<string | null>;
  user_member_profile_sent_at: Generated<number | null>;
  business_chat: Generated<string | null>;
  business_member_id: Generated<string | null>;
  customer_member_id: Generated<string | null>;
  business_xcontact_id: Generated<string | null>;
  conn_full_link_to_connect: Generated<string | null>;
  conn_short_link_to_connect: Generated<string | null>;
  conn_link_prepared_connection: Generated<number>;
  conn_link_started_connection: Generated<number>;
  welcome_shared_msg_id: Generated<string | null>;
  request_shared_msg_id: Generated<string | null>;
  members_require_attention: Generated<number>;
  unread_chat: Generated<number>;
  chat_ts: Generated<number | null>;
  chat_item_ttl: Generated<number | null>;
  custom_data: Generated<string | null>;
  ui_themes: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface GroupMembersTable {
  group_member_id: Generated<number>;
  user_id: number;
  group_id: number;
  member_id: string;
  member_role: string;
  member_category: string;
  member_status: string;
  show_messages: Generated<number>;
  member_restriction: Generated<string | null>;
  invited_by: Generated<number | null>;
  invited_by_group_member_id: Generated<number | null>;
  sent_inv_queue_info: Generated<string | null>;
  group_queue_info: Generated<string | null>;
  direct_queue_info: Generated<string | null>;
  local_display_name: string;
  contact_id: Generated<number | null>;
  contact_profile_id: number;
  member_profile_id: Generated<number | null>;
  peer_chat_min_version: Generated<number>;
  peer_chat_max_version: Generated<number>;
  xgrplinkmem_received: Generated<number>;
  support_chat_ts: Generated<number | null>;
  support_chat_items_unread: Generated<number>;
  support_chat_items_member_attention: Generated<number>;
  support_chat_items_mentions: Generated<number>;
  support_chat_last_msg_from_member_ts: Generated<number | null>;
  member_xcontact_id: Generated<string | null>;
  member_welcome_shared_msg_id: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface GroupMemberIntrosTable {
  group_member_intro_id: Generated<number>;
  re_group_member_id: number;
  to_group_member_id: number;
  group_queue_info: Generated<string | null>;
  direct_queue_info: Generated<string | null>;
  intro_status: string;
  intro_chat_protocol_version: Generated<number>;
  created_at: number;
  updated_at: number;
}

export interface ChatItemModerationsTable {
  chat_item_moderation_id: Generated<number>;
  group_id: number;
  moderator_member_id: number;
  item_member_id: string;
  shared_msg_id: string;
  created_by_msg_id: Generated<number | null>;
  moderated_at: number;
  created_at: number;
}

declare module '../../store/tables.js' {
  interface Tables {
    group_profiles: GroupProfilesTable;
    groups: GroupsTable;
    group_members: GroupMembersTable;
    group_member_intros: GroupMemberIntrosTable;
    chat_item_moderations: ChatItemModerationsTable;
  }
}
