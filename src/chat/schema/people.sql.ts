/**
 * Profiles, contacts, connections, addresses and requests.
 *
 * Ids that travel on the wire (shared message ids, member ids, request ids, link ids) are kept as TEXT: the padded
 * base64url of their bytes, which is what both the protocol and the API show. Instants are milliseconds.
 */
export const peopleSql = `
CREATE TABLE users (
  user_id ROW_ID,
  agent_user_id INTEGER NOT NULL,
  contact_id INTEGER NOT NULL DEFAULT 0,          -- the contact that stands for the user
  local_display_name TEXT NOT NULL,
  active_user INTEGER NOT NULL DEFAULT 0,
  active_order INTEGER NOT NULL DEFAULT 0,
  view_pwd_hash BLOB,
  view_pwd_salt BLOB,
  show_ntfs INTEGER NOT NULL DEFAULT 1,
  send_rcpts_contacts INTEGER NOT NULL DEFAULT 1,
  send_rcpts_small_groups INTEGER NOT NULL DEFAULT 1,
  auto_accept_member_contacts INTEGER NOT NULL DEFAULT 0,
  user_member_profile_updated_at INTEGER,
  chat_item_ttl INTEGER,                          -- seconds
  ui_themes TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_users_name ON users(local_display_name);

CREATE TABLE display_names (
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  local_display_name TEXT NOT NULL,
  ldn_base TEXT NOT NULL,
  ldn_suffix INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, local_display_name)
);
CREATE UNIQUE INDEX idx_display_names_suffix ON display_names(user_id, ldn_base, ldn_suffix);

CREATE TABLE contact_profiles (
  contact_profile_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  display_name TEXT NOT NULL,
  full_name TEXT NOT NULL,
  short_descr TEXT,
  image TEXT,
  contact_link TEXT,
  preferences TEXT,                               -- JSON Preferences
  peer_type TEXT,
  local_alias TEXT NOT NULL DEFAULT '',
  incognito INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_contact_profiles_user ON contact_profiles(user_id, display_name);

CREATE TABLE contacts (
  contact_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_profile_id INTEGER NOT NULL,
  local_display_name TEXT NOT NULL,
  is_user INTEGER NOT NULL DEFAULT 0,
  via_group INTEGER,
  contact_used INTEGER NOT NULL DEFAULT 0,
  contact_status TEXT NOT NULL DEFAULT 'active',
  enable_ntfs TEXT NOT NULL DEFAULT 'all',        -- none | all | mentions
  send_rcpts INTEGER,
  favorite INTEGER NOT NULL DEFAULT 0,
  user_preferences TEXT NOT NULL DEFAULT '{}',    -- JSON Preferences: overrides for this contact
  unread_chat INTEGER NOT NULL DEFAULT 0,
  chat_deleted INTEGER NOT NULL DEFAULT 0,
  chat_ts INTEGER,
  chat_item_ttl INTEGER,
  conn_full_link_to_connect TEXT,                 -- prepared contact
  conn_short_link_to_connect TEXT,
  conn_link_mode TEXT,                            -- inv | con
  welcome_shared_msg_id TEXT,
  request_shared_msg_id TEXT,
  contact_request_id INTEGER,
  xcontact_id TEXT,                               -- set when its request is accepted
  contact_group_member_id INTEGER,                -- member contact
  contact_grp_inv_sent INTEGER NOT NULL DEFAULT 0,
  grp_direct_inv_link TEXT,
  grp_direct_inv_from_group_id INTEGER,
  grp_direct_inv_from_group_member_id INTEGER,
  grp_direct_inv_from_group_member_conn_id INTEGER,
  grp_direct_inv_started_connection INTEGER NOT NULL DEFAULT 0,
  custom_data TEXT,
  ui_themes TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_contacts_name ON contacts(user_id, local_display_name);
CREATE INDEX idx_contacts_profile ON contacts(contact_profile_id);
CREATE INDEX idx_contacts_chat_ts ON contacts(user_id, chat_ts);
CREATE INDEX idx_contacts_xcontact_id ON contacts(user_id, xcontact_id);
CREATE INDEX idx_contacts_short_link ON contacts(user_id, conn_short_link_to_connect);
CREATE INDEX idx_contacts_request ON contacts(contact_request_id);
CREATE INDEX idx_contacts_group_member ON contacts(contact_group_member_id);

CREATE TABLE connections (
  connection_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  agent_conn_id TEXT NOT NULL,
  conn_type TEXT NOT NULL,                        -- contact | member | user_contact
  conn_status TEXT NOT NULL,                      -- new prepared joined requested accepted snd-ready ready deleted
  conn_level INTEGER NOT NULL DEFAULT 0,
  contact_id INTEGER,
  group_member_id INTEGER,
  user_contact_link_id INTEGER,
  via_contact INTEGER,
  via_user_contact_link INTEGER,
  via_group_link INTEGER NOT NULL DEFAULT 0,
  group_link_id TEXT,
  xcontact_id TEXT,
  via_contact_uri_hash TEXT,                      -- base64url SHA-256 of the full link, for what was joined by an address
  via_short_link TEXT,
  custom_user_profile_id INTEGER,                 -- incognito
  contact_conn_initiated INTEGER NOT NULL DEFAULT 0,
  local_alias TEXT NOT NULL DEFAULT '',
  conn_req_inv TEXT,                              -- full one-time link, until ready
  short_link_inv TEXT,
  conn_chat_version INTEGER NOT NULL DEFAULT 1,
  peer_chat_min_version INTEGER NOT NULL DEFAULT 1,
  peer_chat_max_version INTEGER NOT NULL DEFAULT 1,
  security_code TEXT,
  security_code_verified_at INTEGER,
  pq_support INTEGER NOT NULL DEFAULT 0,
  pq_encryption INTEGER NOT NULL DEFAULT 0,
  pq_snd_enabled INTEGER,
  pq_rcv_enabled INTEGER,
  auth_err_counter INTEGER NOT NULL DEFAULT 0,
  quota_err_counter INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_connections_agent ON connections(agent_conn_id);
CREATE INDEX idx_connections_contact ON connections(contact_id);
CREATE INDEX idx_connections_member ON connections(group_member_id);
CREATE INDEX idx_connections_link ON connections(user_contact_link_id);
CREATE INDEX idx_connections_uri_hash ON connections(user_id, via_contact_uri_hash);
CREATE INDEX idx_connections_inv ON connections(user_id, conn_req_inv);
CREATE INDEX idx_connections_custom_profile ON connections(custom_user_profile_id) WHERE custom_user_profile_id IS NOT NULL;
CREATE INDEX idx_connections_short_inv ON connections(user_id, short_link_inv);

CREATE TABLE user_contact_links (
  user_contact_link_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  conn_full_link TEXT NOT NULL,
  conn_short_link TEXT,
  short_link_data_set INTEGER NOT NULL DEFAULT 0,
  short_link_large_data_set INTEGER NOT NULL DEFAULT 0,
  business_address INTEGER NOT NULL DEFAULT 0,
  auto_accept INTEGER NOT NULL DEFAULT 0,
  auto_accept_incognito INTEGER NOT NULL DEFAULT 0,
  auto_reply TEXT,                                -- JSON MsgContent
  group_id INTEGER,                               -- group links
  group_link_id TEXT,
  group_link_member_role TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_user_contact_links_address ON user_contact_links(user_id) WHERE group_id IS NULL;
CREATE UNIQUE INDEX idx_user_contact_links_group ON user_contact_links(group_id) WHERE group_id IS NOT NULL;

CREATE TABLE contact_requests (
  contact_request_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  user_contact_link_id INTEGER,
  agent_invitation_id TEXT NOT NULL,
  contact_id INTEGER,
  business_group_id INTEGER,
  contact_profile_id INTEGER NOT NULL,
  local_display_name TEXT NOT NULL,
  xcontact_id TEXT,
  peer_chat_min_version INTEGER NOT NULL,
  peer_chat_max_version INTEGER NOT NULL,
  pq_support INTEGER NOT NULL DEFAULT 0,
  welcome_shared_msg_id TEXT,
  request_shared_msg_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_contact_requests_xcontact ON contact_requests(user_id, xcontact_id);
CREATE INDEX idx_contact_requests_link ON contact_requests(user_contact_link_id);
CREATE INDEX idx_contact_requests_contact ON contact_requests(contact_id);
CREATE INDEX idx_contact_requests_group ON contact_requests(business_group_id);

CREATE TABLE sent_probes (
  sent_probe_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_member_id INTEGER,
  probe TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_sent_probes ON sent_probes(user_id, probe);
CREATE INDEX idx_sent_probes_time ON sent_probes(created_at);

CREATE TABLE sent_probe_hashes (
  sent_probe_hash_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  sent_probe_id INTEGER NOT NULL REFERENCES sent_probes(sent_probe_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_member_id INTEGER,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_sent_probe_hashes ON sent_probe_hashes(sent_probe_id);

CREATE TABLE received_probes (
  received_probe_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_member_id INTEGER,
  probe TEXT,
  probe_hash TEXT NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_received_probes ON received_probes(user_id, probe_hash);
CREATE INDEX idx_received_probes_time ON received_probes(created_at);
`;
