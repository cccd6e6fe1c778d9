import type { Generated } from 'kysely';

// Profiles, contacts, connections, addresses, requests: one interface per table, columns as in people.sql.ts. Columns with a default may be left out of an insert.

export interface UsersTable {
  user_id: Generated<number>;
  agent_user_id: number;
  contact_id: Generated<number>;
  local_display_name: string;
  active_user: Generated<number>;
  active_order: Generated<number>;
  view_pwd_hash: Generated<Uint8Array | null>;
  view_pwd_salt: Generated<Uint8Array | null>;
  show_ntfs: Generated<number>;
  send_rcpts_contacts: Generated<number>;
  send_rcpts_small_groups: Generated<number>;
  auto_accept_member_contacts: Generated<number>;
  user_member_profile_updated_at: Generated<number | null>;
  chat_item_ttl: Generated<number | null>;
  ui_themes: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface DisplayNamesTable {
  user_id: number;
  local_display_name: string;
  ldn_base: string;
  ldn_suffix: number;
  created_at: number;
}

export interface ContactProfilesTable {
  contact_profile_id: Generated<number>;
  user_id: number;
  display_name: string;
  full_name: string;
  short_descr: Generated<string | null>;
  image: Generated<string | null>;
  contact_link: Generated<string | null>;
  preferences: Generated<string | null>;
  peer_type: Generated<string | null>;
  local_alias: Generated<string>;
  incognito: Generated<number>;
  created_at: number;
  updated_at: number;
}

export interface ContactsTable {
  contact_id: Generated<number>;
  user_id: number;
  contact_profile_id: number;
  local_display_name: string;
  is_user: Generated<number>;
  via_group: Generated<number | null>;
  contact_used: Generated<number>;
  contact_status: Generated<string>;
  enable_ntfs: Generated<string>;
  send_rcpts: Generated<number | null>;
  favorite: Generated<number>;
  user_preferences: Generated<string>;
  unread_chat: Generated<number>;
  chat_deleted: Generated<number>;
  chat_ts: Generated<number | null>;
  chat_item_ttl: Generated<number | null>;
  conn_full_link_to_connect: Generated<string | null>;
  conn_short_link_to_connect: Generated<string | null>;
  conn_link_mode: Generated<string | null>;
  welcome_shared_msg_id: Generated<string | null>;
  request_shared_msg_id: Generated<string | null>;
  contact_request_id: Generated<number | null>;
  xcontact_id: Generated<string | null>;
  contact_group_member_id: Generated<number | null>;
  contact_grp_inv_sent: Generated<number>;
  grp_direct_inv_link: Generated<string | null>;
  grp_direct_inv_from_group_id: Generated<number | null>;
  grp_direct_inv_from_group_member_id: Generated<number | null>;
  grp_direct_inv_from_group_member_conn_id: Generated<number | null>;
  grp_direct_inv_started_connection: Generated<number>;
  custom_data: Generated<string | null>;
  ui_themes: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface ConnectionsTable {
  connection_id: Generated<number>;
  user_id: number;
  agent_conn_id: string;
  conn_type: string;
  conn_status: string;
  conn_level: Generated<number>;
  contact_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  user_contact_link_id: Generated<number | null>;
  via_contact: Generated<number | null>;
  via_user_contact_link: Generated<number | null>;
  via_group_link: Generated<number>;
  group_link_id: Generated<string | null>;
  xcontact_id: Generated<string | null>;
  via_contact_uri_hash: Generated<string | null>;
  via_contact_uri: Generated<string | null>;
  via_short_link: Generated<string | null>;
  custom_user_profile_id: Generated<number | null>;
  contact_conn_initiated: Generated<number>;
  local_alias: Generated<string>;
  conn_req_inv: Generated<string | null>;
  short_link_inv: Generated<string | null>;
  conn_chat_version: Generated<number>;
  peer_chat_min_version: Generated<number>;
  peer_chat_max_version: Generated<number>;
  security_code: Generated<string | null>;
  security_code_verified_at: Generated<number | null>;
  pq_support: Generated<number>;
  pq_encryption: Generated<number>;
  pq_snd_enabled: Generated<number | null>;
  pq_rcv_enabled: Generated<number | null>;
  auth_err_counter: Generated<number>;
  quota_err_counter: Generated<number>;
  created_at: number;
  updated_at: number;
}

export interface UserContactLinksTable {
  user_contact_link_id: Generated<number>;
  user_id: number;
  conn_full_link: string;
  conn_short_link: Generated<string | null>;
  short_link_data_set: Generated<number>;
  short_link_large_data_set: Generated<number>;
  business_address: Generated<number>;
  auto_accept: Generated<number>;
  auto_accept_incognito: Generated<number>;
  auto_reply: Generated<string | null>;
  group_id: Generated<number | null>;
  group_link_id: Generated<string | null>;
  group_link_member_role: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface ContactRequestsTable {
  contact_request_id: Generated<number>;
  user_id: number;
  user_contact_link_id: Generated<number | null>;
  agent_invitation_id: string;
  contact_id: Generated<number | null>;
  business_group_id: Generated<number | null>;
  contact_profile_id: number;
  local_display_name: string;
  xcontact_id: Generated<string | null>;
  peer_chat_min_version: number;
  peer_chat_max_version: number;
  pq_support: Generated<number>;
  welcome_shared_msg_id: Generated<string | null>;
  request_shared_msg_id: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface SentProbesTable {
  sent_probe_id: Generated<number>;
  user_id: number;
  contact_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  probe: string;
  created_at: number;
}

export interface SentProbeHashesTable {
  sent_probe_hash_id: Generated<number>;
  user_id: number;
  sent_probe_id: number;
  contact_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  created_at: number;
}

export interface ReceivedProbesTable {
  received_probe_id: Generated<number>;
  user_id: number;
  contact_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  probe: Generated<string | null>;
  probe_hash: string;
  created_at: number;
}

declare module '../../store/tables.js' {
  interface Tables {
    users: UsersTable;
    display_names: DisplayNamesTable;
    contact_profiles: ContactProfilesTable;
    contacts: ContactsTable;
    connections: ConnectionsTable;
    user_contact_links: UserContactLinksTable;
    contact_requests: ContactRequestsTable;
    sent_probes: SentProbesTable;
    sent_probe_hashes: SentProbeHashesTable;
    received_probes: ReceivedProbesTable;
  }
}
