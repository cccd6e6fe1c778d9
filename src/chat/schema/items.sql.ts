/** Chat items, the messages that carry them, files and the API's event log. */
export const itemsSql = `
CREATE TABLE note_folders (
  note_folder_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  favorite INTEGER NOT NULL DEFAULT 0,
  unread_chat INTEGER NOT NULL DEFAULT 0,
  chat_ts INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_note_folders_user ON note_folders(user_id);

CREATE TABLE messages (
  message_id AUTO_ID,
  msg_sent INTEGER NOT NULL,
  chat_msg_event TEXT NOT NULL,
  msg_body BLOB,                                  -- the encoded message; kept while it may have to be sent again
  connection_id INTEGER,                          -- received: where from; sent: null
  group_id INTEGER,
  shared_msg_id TEXT,
  author_group_member_id INTEGER,
  forwarded_by_group_member_id INTEGER,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_messages_group_rcv ON messages(group_id, shared_msg_id) WHERE group_id IS NOT NULL AND msg_sent = 0;
CREATE INDEX idx_messages_created_at ON messages(created_at);
CREATE INDEX idx_messages_connection ON messages(connection_id);

CREATE TABLE msg_deliveries (
  msg_delivery_id AUTO_ID,
  message_id INTEGER NOT NULL REFERENCES messages(message_id) ON DELETE CASCADE,
  connection_id INTEGER NOT NULL,
  agent_msg_id INTEGER NOT NULL,                  -- one agent message may carry several chat messages
  delivery_status TEXT NOT NULL,                  -- pending | sent | rcvd
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_msg_deliveries_message ON msg_deliveries(message_id);
CREATE INDEX idx_msg_deliveries_agent ON msg_deliveries(connection_id, agent_msg_id);

CREATE TABLE pending_group_messages (
  pending_group_message_id AUTO_ID,
  group_member_id INTEGER NOT NULL REFERENCES group_members(group_member_id) ON DELETE CASCADE,
  message_id INTEGER NOT NULL REFERENCES messages(message_id) ON DELETE CASCADE,
  group_member_intro_id INTEGER,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_pending_group_messages ON pending_group_messages(group_member_id, pending_group_message_id);
CREATE INDEX idx_pending_group_messages_message ON pending_group_messages(message_id);

CREATE TABLE chat_items (
  chat_item_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_id INTEGER,
  note_folder_id INTEGER,
  group_member_id INTEGER,                        -- author of a received group item
  group_scope_tag TEXT,                           -- member_support
  group_scope_group_member_id INTEGER,            -- null: own support chat
  item_sent INTEGER NOT NULL,
  item_ts INTEGER NOT NULL,
  item_content_tag TEXT NOT NULL,                 -- type of CIContent
  item_content TEXT NOT NULL,                     -- JSON CIContent
  msg_content_tag TEXT,                           -- type of its MsgContent
  item_text TEXT NOT NULL,
  formatted_text TEXT,                            -- JSON FormattedText[]; null: nothing is formatted
  item_status TEXT NOT NULL,                      -- the type when it has no fields, else JSON CIStatus
  shared_msg_id TEXT,
  created_by_msg_id INTEGER,
  via_proxy INTEGER,
  item_forwarded TEXT,                            -- JSON CIForwardedFrom
  item_deleted INTEGER NOT NULL DEFAULT 0,        -- 0 no, 1 deleted or moderated, 2 blocked, 3 blocked by admin
  item_deleted_ts INTEGER,
  item_deleted_by_group_member_id INTEGER,
  item_edited INTEGER NOT NULL DEFAULT 0,
  item_live INTEGER,
  timed_ttl INTEGER,                              -- seconds
  timed_delete_at INTEGER,
  user_mention INTEGER NOT NULL DEFAULT 0,
  include_in_history INTEGER NOT NULL DEFAULT 0,
  forwarded_by_group_member_id INTEGER,
  show_group_as_sender INTEGER NOT NULL DEFAULT 0,
  quoted_shared_msg_id TEXT,
  quoted_sent_at INTEGER,                         -- not null: the item quotes
  quoted_content TEXT,                            -- JSON MsgContent
  quoted_sent INTEGER,
  quoted_member_id TEXT,
  has_mentions INTEGER NOT NULL DEFAULT 0,        -- rows in chat_item_mentions
  has_reactions INTEGER NOT NULL DEFAULT 0,       -- there are or were reactions
  has_file INTEGER NOT NULL DEFAULT 0,            -- a row in files
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_chat_items_direct_shared ON chat_items(contact_id, shared_msg_id) WHERE contact_id IS NOT NULL AND shared_msg_id IS NOT NULL;
CREATE UNIQUE INDEX idx_chat_items_group_shared ON chat_items(group_id, shared_msg_id, group_member_id) WHERE group_id IS NOT NULL AND shared_msg_id IS NOT NULL;
CREATE INDEX idx_chat_items_contact ON chat_items(contact_id, created_at, chat_item_id) WHERE contact_id IS NOT NULL;
CREATE INDEX idx_chat_items_group ON chat_items(group_id, item_ts, chat_item_id) WHERE group_id IS NOT NULL;
CREATE INDEX idx_chat_items_scope ON chat_items(group_id, group_scope_tag, group_scope_group_member_id, item_ts, chat_item_id) WHERE group_scope_tag IS NOT NULL;
CREATE INDEX idx_chat_items_notes ON chat_items(note_folder_id, created_at, chat_item_id) WHERE note_folder_id IS NOT NULL;
CREATE INDEX idx_chat_items_unread_contact ON chat_items(contact_id, chat_item_id) WHERE item_status = 'rcvNew' AND contact_id IS NOT NULL;
CREATE INDEX idx_chat_items_unread_group ON chat_items(group_id, chat_item_id) WHERE item_status = 'rcvNew' AND group_id IS NOT NULL;
CREATE INDEX idx_chat_items_group_author ON chat_items(group_member_id) WHERE group_member_id IS NOT NULL;
CREATE INDEX idx_chat_items_reports ON chat_items(group_id, msg_content_tag) WHERE msg_content_tag = 'report';
CREATE INDEX idx_chat_items_timed ON chat_items(timed_delete_at) WHERE timed_delete_at IS NOT NULL;
CREATE INDEX idx_chat_items_user ON chat_items(user_id, item_ts, chat_item_id);

CREATE TABLE chat_item_messages (
  chat_item_id INTEGER NOT NULL REFERENCES chat_items(chat_item_id) ON DELETE CASCADE,
  message_id INTEGER NOT NULL REFERENCES messages(message_id) ON DELETE CASCADE,
  PRIMARY KEY (chat_item_id, message_id)
);
CREATE INDEX idx_chat_item_messages_message ON chat_item_messages(message_id);

CREATE TABLE chat_item_versions (
  chat_item_version_id AUTO_ID,
  chat_item_id INTEGER NOT NULL REFERENCES chat_items(chat_item_id) ON DELETE CASCADE,
  msg_content TEXT NOT NULL,                      -- JSON MsgContent
  item_version_ts INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_chat_item_versions ON chat_item_versions(chat_item_id);

CREATE TABLE chat_item_reactions (
  chat_item_reaction_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_id INTEGER,
  group_member_id INTEGER,                        -- who reacted; null: the user, or the contact
  item_member_id TEXT,                            -- author of the item in a group
  shared_msg_id TEXT NOT NULL,
  reaction TEXT NOT NULL,                         -- JSON MsgReaction
  reaction_sent INTEGER NOT NULL,
  reaction_ts INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_chat_item_reactions_contact ON chat_item_reactions(contact_id, shared_msg_id) WHERE contact_id IS NOT NULL;
CREATE INDEX idx_chat_item_reactions_group ON chat_item_reactions(group_id, shared_msg_id) WHERE group_id IS NOT NULL;

CREATE TABLE chat_item_mentions (
  chat_item_mention_id AUTO_ID,
  chat_item_id INTEGER NOT NULL REFERENCES chat_items(chat_item_id) ON DELETE CASCADE,
  group_id INTEGER NOT NULL,
  member_id TEXT NOT NULL,
  display_name TEXT NOT NULL                      -- as in the text
);
CREATE INDEX idx_chat_item_mentions ON chat_item_mentions(chat_item_id);

CREATE TABLE group_snd_item_statuses (
  group_snd_item_status_id AUTO_ID,
  chat_item_id INTEGER NOT NULL REFERENCES chat_items(chat_item_id) ON DELETE CASCADE,
  group_member_id INTEGER NOT NULL,
  snd_item_status TEXT NOT NULL,                  -- as item_status, GroupSndStatus
  via_proxy INTEGER,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_group_snd_item_statuses ON group_snd_item_statuses(chat_item_id, group_member_id);

CREATE TABLE files (
  file_id ROW_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_id INTEGER,
  note_folder_id INTEGER,
  chat_item_id INTEGER,
  file_name TEXT NOT NULL,
  file_path TEXT,
  file_size INTEGER NOT NULL,
  chunk_size INTEGER NOT NULL,
  protocol TEXT NOT NULL,                         -- xftp | smp | local
  ci_file_status TEXT NOT NULL,                   -- as item_status, CIFileStatus
  cancelled INTEGER NOT NULL DEFAULT 0,
  file_inline TEXT,
  file_crypto_key TEXT,
  file_crypto_nonce TEXT,
  agent_snd_file_id TEXT,
  agent_snd_file_deleted INTEGER NOT NULL DEFAULT 0,
  private_snd_file_descr TEXT,
  redirect_file_id INTEGER,
  shared_msg_id TEXT,                             -- of the message that carries the file
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_files_item ON files(chat_item_id);
CREATE INDEX idx_files_contact ON files(contact_id, shared_msg_id);
CREATE INDEX idx_files_group ON files(group_id, shared_msg_id);
CREATE INDEX idx_files_agent_snd ON files(agent_snd_file_id);

CREATE TABLE file_descriptions (
  file_descr_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  file_descr_text TEXT NOT NULL,
  file_descr_part_no INTEGER NOT NULL,
  file_descr_complete INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);

CREATE TABLE rcv_files (
  file_id INTEGER PRIMARY KEY REFERENCES files(file_id) ON DELETE CASCADE,
  file_status TEXT NOT NULL,                      -- new accepted connected complete cancelled
  group_member_id INTEGER,
  sender_display_name TEXT NOT NULL,
  file_descr_id INTEGER,
  agent_rcv_file_id TEXT,
  agent_rcv_file_deleted INTEGER NOT NULL DEFAULT 0,
  rcv_file_inline TEXT,
  to_receive INTEGER NOT NULL DEFAULT 0,
  to_encrypt INTEGER NOT NULL DEFAULT 0,
  user_approved_relays INTEGER NOT NULL DEFAULT 0,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_rcv_files_agent ON rcv_files(agent_rcv_file_id);

CREATE TABLE snd_files (
  snd_file_id AUTO_ID,
  file_id INTEGER NOT NULL REFERENCES files(file_id) ON DELETE CASCADE,
  connection_id INTEGER NOT NULL,
  group_member_id INTEGER,
  file_status TEXT NOT NULL,
  file_descr_id INTEGER,
  file_inline TEXT,
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL
);
CREATE INDEX idx_snd_files_file ON snd_files(file_id);
CREATE INDEX idx_snd_files_connection ON snd_files(connection_id);

CREATE TABLE calls (
  call_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  contact_id INTEGER NOT NULL REFERENCES contacts(contact_id) ON DELETE CASCADE,
  shared_call_id TEXT NOT NULL,
  chat_item_id INTEGER NOT NULL,
  call_state TEXT NOT NULL,
  call_ts INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_calls_contact ON calls(contact_id);

CREATE TABLE chat_tags (
  chat_tag_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  chat_tag_text TEXT NOT NULL,
  chat_tag_emoji TEXT,
  tag_order INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_chat_tags_text ON chat_tags(user_id, chat_tag_text);

CREATE TABLE chat_tags_chats (
  chat_tag_id INTEGER NOT NULL REFERENCES chat_tags(chat_tag_id) ON DELETE CASCADE,
  contact_id INTEGER,
  group_id INTEGER
);
CREATE INDEX idx_chat_tags_chats_contact ON chat_tags_chats(contact_id);
CREATE INDEX idx_chat_tags_chats_group ON chat_tags_chats(group_id);
CREATE INDEX idx_chat_tags_chats_tag ON chat_tags_chats(chat_tag_id);

CREATE TABLE protocol_servers (
  server_id AUTO_ID,
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  protocol TEXT NOT NULL,                         -- smp | xftp
  address TEXT NOT NULL,                          -- smp://fingerprint[:password]@hosts
  preset INTEGER NOT NULL,
  tested INTEGER,
  enabled INTEGER NOT NULL,
  created_at INTEGER NOT NULL
);
CREATE UNIQUE INDEX idx_protocol_servers ON protocol_servers(user_id, protocol, address);

CREATE TABLE async_commands (
  command_id AUTO_ID,                             -- correlation id of an agent command
  user_id INTEGER NOT NULL REFERENCES users(user_id) ON DELETE CASCADE,
  connection_id INTEGER,
  command_function TEXT NOT NULL,
  data TEXT,
  created_at INTEGER NOT NULL
);
CREATE INDEX idx_async_commands_connection ON async_commands(connection_id);

CREATE TABLE event_log (
  seq AUTO_ID,
  created_at INTEGER NOT NULL,
  important INTEGER NOT NULL,                     -- newChatItems: must not be dropped before somebody received it
  event TEXT NOT NULL                             -- the JSON of the event
);

CREATE TABLE chat_settings (
  setting TEXT PRIMARY KEY,
  value TEXT NOT NULL
);
`;
