/** Groups and their members (60-groups, 2.12). */
export const groupsSql = `
CREATE TABLE group_profiles (
  group_profile_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  display_name TEXT NOT NULL,
  full_name TEXT NOT NULL,
  short_descr TEXT,
  description TEXT,                               -- the welcome message
  image TEXT,
  preferences TEXT,                               -- JSON GroupPreferences
  member_admission TEXT,                          -- JSON GroupMemberAdmission
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);

CREATE TABLE groups (
  group_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  local_display_name TEXT NOT NULL,
  group_profile_id INTEGER NOT NULL,
  local_alias TEXT NOT NULL DEFAULT '',
  enable_ntfs TEXT NOT NULL DEFAULT 'all',
  send_rcpts INTEGER,
  favorite INTEGER NOT NULL DEFAULT 0,
  inv_queue_info TEXT,                            -- connection request of a received invitation
  chat_item_id INTEGER,                           -- the item of that invitation
  host_conn_custom_user_profile_id INTEGER,
  via_group_link_uri TEXT,
  via_group_link_uri_hash TEXT,
  user_member_profile_sent_at INTEGER,
  business_chat TEXT,                             -- business | customer
  business_member_id TEXT,
  customer_member_id TEXT,
  business_xcontact_id TEXT,
  conn_full_link_to_connect TEXT,                 -- prepared group
  conn_short_link_to_connect TEXT,
  conn_link_prepared_connection INTEGER NOT NULL DEFAULT 0,
  conn_link_started_connection INTEGER NOT NULL DEFAULT 0,
  welcome_shared_msg_id TEXT,
  request_shared_msg_id TEXT,
  members_require_attention INTEGER NOT NULL DEFAULT 0,
  unread_chat INTEGER NOT NULL DEFAULT 0,
  chat_ts INTEGER,
  chat_item_ttl INTEGER,
  custom_data TEXT,
  ui_themes TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_groups_name ON groups(user_id, local_display_name);
CREATE INDEX idx_groups_profile ON groups(group_profile_id);
CREATE INDEX idx_groups_chat_ts ON groups(user_id, chat_ts);
CREATE INDEX idx_groups_link_hash ON groups(user_id, via_group_link_uri_hash);
CREATE INDEX idx_groups_short_link ON groups(user_id, conn_short_link_to_connect);
CREATE INDEX idx_groups_business_xcontact ON groups(user_id, business_xcontact_id);

CREATE TABLE group_members (
  group_member_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  group_id INTEGER NOT NULL REFERENCES groups(group_id) ON DELETE CASCADE,
  member_id TEXT NOT NULL,
  member_role TEXT NOT NULL,
  member_category TEXT NOT NULL,                  -- user | host | invitee | pre | post
  member_status TEXT NOT NULL,
  show_messages INTEGER NOT NULL DEFAULT 1,
  member_restriction TEXT,                        -- blocked | unrestricted
  invited_by INTEGER,                             -- contact id; the user's own contact: by user; null: unknown
  invited_by_group_member_id INTEGER,
  sent_inv_queue_info TEXT,
  group_queue_info TEXT,
  direct_queue_info TEXT,
  local_display_name TEXT NOT NULL,
  contact_id INTEGER,
  contact_profile_id INTEGER NOT NULL,
  member_profile_id INTEGER,                      -- incognito profile
  peer_chat_min_version INTEGER NOT NULL DEFAULT 1,
  peer_chat_max_version INTEGER NOT NULL DEFAULT 1,
  xgrplinkmem_received INTEGER NOT NULL DEFAULT 0,
  support_chat_ts INTEGER,
  support_chat_items_unread INTEGER NOT NULL DEFAULT 0,
  support_chat_items_member_attention INTEGER NOT NULL DEFAULT 0,
  support_chat_items_mentions INTEGER NOT NULL DEFAULT 0,
  support_chat_last_msg_from_member_ts INTEGER,
  member_xcontact_id TEXT,
  member_welcome_shared_msg_id TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_group_members_member_id ON group_members(group_id, member_id);
CREATE INDEX idx_group_members_contact ON group_members(contact_id);
CREATE INDEX idx_group_members_profile ON group_members(contact_profile_id);
CREATE INDEX idx_group_members_member_profile ON group_members(member_profile_id) WHERE member_profile_id IS NOT NULL;
CREATE INDEX idx_group_members_name ON group_members(user_id, local_display_name);
CREATE INDEX idx_group_members_category ON group_members(group_id, member_category);

CREATE TABLE group_member_intros (
  group_member_intro_id AUTO_ID,
  re_group_member_id INTEGER NOT NULL REFERENCES group_members(group_member_id) ON DELETE CASCADE,
  to_group_member_id INTEGER NOT NULL REFERENCES group_members(group_member_id) ON DELETE CASCADE,
  group_queue_info TEXT,
  direct_queue_info TEXT,
  intro_status TEXT NOT NULL,
  intro_chat_protocol_version INTEGER NOT NULL DEFAULT 1,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_group_member_intros ON group_member_intros(re_group_member_id, to_group_member_id);
CREATE INDEX idx_group_member_intros_to ON group_member_intros(to_group_member_id);

CREATE TABLE chat_item_moderations (
  chat_item_moderation_id AUTO_ID,
  group_id INTEGER NOT NULL REFERENCES groups(group_id) ON DELETE CASCADE,
  moderator_member_id INTEGER NOT NULL,
  item_member_id TEXT NOT NULL,
  shared_msg_id TEXT NOT NULL,
  created_by_msg_id INTEGER,
  moderated_at INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_chat_item_moderations ON chat_item_moderations(group_id, item_member_id, shared_msg_id);
`;
