import type { Generated } from 'kysely';

// Chat items, messages, files, settings: one interface per table, columns as in items.sql.ts. Columns with a default may be left out of an insert.

export interface NoteFoldersTable {
  note_folder_id: Generated<number>;
  user_id: number;
  favorite: Generated<number>;
  unread_chat: Generated<number>;
  chat_ts: number;
  created_at: number;
  updated_at: number;
}

export interface MessagesTable {
  message_id: Generated<number>;
  msg_sent: number;
  chat_msg_event: string;
  msg_body: Generated<Uint8Array | null>;
  connection_id: Generated<number | null>;
  group_id: Generated<number | null>;
  shared_msg_id: Generated<string | null>;
  author_group_member_id: Generated<number | null>;
  forwarded_by_group_member_id: Generated<number | null>;
  created_at: number;
}

export interface MsgDeliveriesTable {
  msg_delivery_id: Generated<number>;
  message_id: number;
  connection_id: number;
  agent_msg_id: number;
  delivery_status: string;
  created_at: number;
}

export interface PendingGroupMessagesTable {
  pending_group_message_id: Generated<number>;
  group_member_id: number;
  message_id: number;
  group_member_intro_id: Generated<number | null>;
  created_at: number;
}

export interface ChatItemsTable {
  chat_item_id: Generated<number>;
  user_id: number;
  contact_id: Generated<number | null>;
  group_id: Generated<number | null>;
  note_folder_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  group_scope_tag: Generated<string | null>;
  group_scope_group_member_id: Generated<number | null>;
  item_sent: number;
  item_ts: number;
  item_content_tag: string;
  item_content: string;
  msg_content_tag: Generated<string | null>;
  item_text: string;
  formatted_text: Generated<string | null>;
  item_status: string;
  shared_msg_id: Generated<string | null>;
  created_by_msg_id: Generated<number | null>;
  via_proxy: Generated<number | null>;
  item_forwarded: Generated<string | null>;
  item_deleted: Generated<number>;
  item_deleted_ts: Generated<number | null>;
  item_deleted_by_group_member_id: Generated<number | null>;
  item_edited: Generated<number>;
  item_live: Generated<number | null>;
  timed_ttl: Generated<number | null>;
  timed_delete_at: Generated<number | null>;
  user_mention: Generated<number>;
  include_in_history: Generated<number>;
  forwarded_by_group_member_id: Generated<number | null>;
  show_group_as_sender: Generated<number>;
  quoted_shared_msg_id: Generated<string | null>;
  quoted_sent_at: Generated<number | null>;
  quoted_content: Generated<string | null>;
  quoted_sent: Generated<number | null>;
  quoted_member_id: Generated<string | null>;
  has_mentions: Generated<number>;
  has_reactions: Generated<number>;
  has_file: Generated<number>;
  created_at: number;
  updated_at: number;
}

export interface ChatItemMessagesTable {
  chat_item_id: number;
  message_id: number;
}

export interface ChatItemVersionsTable {
  chat_item_version_id: Generated<number>;
  chat_item_id: number;
  msg_content: string;
  item_version_ts: number;
  created_at: number;
}

export interface ChatItemReactionsTable {
  chat_item_reaction_id: Generated<number>;
  user_id: number;
  contact_id: Generated<number | null>;
  group_id: Generated<number | null>;
  group_member_id: Generated<number | null>;
  item_member_id: Generated<string | null>;
  shared_msg_id: string;
  reaction: string;
  reaction_sent: number;
  reaction_ts: number;
  created_at: number;
}

export interface ChatItemMentionsTable {
  chat_item_mention_id: Generated<number>;
  chat_item_id: number;
  group_id: number;
  member_id: string;
  display_name: string;
}

export interface GroupSndItemStatusesTable {
  group_snd_item_status_id: Generated<number>;
  chat_item_id: number;
  group_member_id: number;
  snd_item_status: string;
  via_proxy: Generated<number | null>;
  created_at: number;
  updated_at: number;
}

export interface FilesTable {
  file_id: Generated<number>;
  user_id: number;
  contact_id: Generated<number | null>;
  group_id: Generated<number | null>;
  note_folder_id: Generated<number | null>;
  chat_item_id: Generated<number | null>;
  file_name: string;
  file_path: Generated<string | null>;
  file_size: number;
  chunk_size: number;
  protocol: string;
  ci_file_status: string;
  cancelled: Generated<number>;
  file_inline: Generated<string | null>;
  file_crypto_key: Generated<string | null>;
  file_crypto_nonce: Generated<string | null>;
  agent_snd_file_id: Generated<string | null>;
  agent_snd_file_deleted: Generated<number>;
  private_snd_file_descr: Generated<string | null>;
  redirect_file_id: Generated<number | null>;
  shared_msg_id: Generated<string | null>;
  created_at: number;
  updated_at: number;
}

export interface FileDescriptionsTable {
  file_descr_id: Generated<number>;
  user_id: number;
  file_descr_text: string;
  file_descr_part_no: number;
  file_descr_complete: number;
  created_at: number;
}

export interface RcvFilesTable {
  file_id: number;
  file_status: string;
  group_member_id: Generated<number | null>;
  sender_display_name: string;
  file_descr_id: Generated<number | null>;
  agent_rcv_file_id: Generated<string | null>;
  agent_rcv_file_deleted: Generated<number>;
  rcv_file_inline: Generated<string | null>;
  to_receive: Generated<number>;
  to_encrypt: Generated<number>;
  user_approved_relays: Generated<number>;
  created_at: number;
  updated_at: number;
}

export interface SndFilesTable {
  snd_file_id: Generated<number>;
  file_id: number;
  connection_id: number;
  group_member_id: Generated<number | null>;
  file_status: string;
  file_descr_id: Generated<number | null>;
  file_inline: Generated<string | null>;
  last_agent_msg_id: Generated<number | null>;
  created_at: number;
  updated_at: number;
}

export interface CallsTable {
  call_id: Generated<number>;
  user_id: number;
  contact_id: number;
  shared_call_id: string;
  chat_item_id: number;
  call_state: string;
  call_ts: number;
  created_at: number;
}

export interface ChatTagsTable {
  chat_tag_id: Generated<number>;
  user_id: number;
  chat_tag_text: string;
  chat_tag_emoji: Generated<string | null>;
  tag_order: number;
}

export interface ChatTagsChatsTable {
  chat_tag_id: number;
  contact_id: Generated<number | null>;
  group_id: Generated<number | null>;
}

export interface ProtocolServersTable {
  server_id: Generated<number>;
  user_id: number;
  protocol: string;
  address: string;
  preset: number;
  tested: Generated<number | null>;
  enabled: number;
  created_at: number;
}

export interface AsyncCommandsTable {
  command_id: Generated<number>;
  user_id: number;
  connection_id: Generated<number | null>;
  command_function: string;
  data: Generated<string | null>;
  created_at: number;
}

export interface EventLogTable {
  seq: Generated<number>;
  created_at: number;
  important: number;
  event: string;
}

export interface ChatSettingsTable {
  setting: string;
  value: string;
}

declare module '../../store/tables.js' {
  interface Tables {
    note_folders: NoteFoldersTable;
    messages: MessagesTable;
    msg_deliveries: MsgDeliveriesTable;
    pending_group_messages: PendingGroupMessagesTable;
    chat_items: ChatItemsTable;
    chat_item_messages: ChatItemMessagesTable;
    chat_item_versions: ChatItemVersionsTable;
    chat_item_reactions: ChatItemReactionsTable;
    chat_item_mentions: ChatItemMentionsTable;
    group_snd_item_statuses: GroupSndItemStatusesTable;
    files: FilesTable;
    file_descriptions: FileDescriptionsTable;
    rcv_files: RcvFilesTable;
    snd_files: SndFilesTable;
    calls: CallsTable;
    chat_tags: ChatTagsTable;
    chat_tags_chats: ChatTagsChatsTable;
    protocol_servers: ProtocolServersTable;
    async_commands: AsyncCommandsTable;
    event_log: EventLogTable;
    chat_settings: ChatSettingsTable;
  }
}
