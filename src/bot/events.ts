import {
  type AChatItem,
  type ApiEvent,
  type ChatInfo,
  type ChatRef,
  type CIFile,
  type Contact,
  chatRefString,
  type GroupInfo,
  type GroupMember,
  isJsonObject,
  parseJson,
  type User,
} from '../api/index.js';

/** The event in this JSON; `undefined` when it is none. Events of unknown tags and unknown fields stay as they are. */
export function parseEvent(json: string): ApiEvent | undefined {
  const value = parseJson(json);
  return isEvent(value) ? value : undefined;
}

/** A tagged object: what an event is, whether this version knows its tag or not. */
export function isEvent(value: unknown): value is ApiEvent {
  return isJsonObject(value) && typeof value.type === 'string';
}

/** The fields that events have in common. */
interface Subjects {
  readonly user?: User | undefined;
  readonly chatItem?: AChatItem | undefined;
  readonly chatItem_?: AChatItem | undefined;
  readonly chatItems?: readonly AChatItem[] | undefined;
  readonly chatInfo?: ChatInfo | undefined;
  readonly contact?: Contact | undefined;
  readonly toContact?: Contact | undefined;
  readonly groupInfo?: GroupInfo | undefined;
  readonly toGroup?: GroupInfo | undefined;
  readonly member?: GroupMember | undefined;
  readonly reaction?: { readonly chatInfo?: ChatInfo } | undefined;
  readonly chatItemDeletions?: readonly { readonly deletedChatItem: AChatItem }[] | undefined;
}

/** Events have some of these fields, of these types: the generated types say which ones. */
function subjects(event: ApiEvent): Subjects {
  return event as Subjects;
}

/** The profile that an event belongs to. */
export function userOf(event: ApiEvent): User | undefined {
  const { user } = subjects(event);
  return user;
}

function chatInfoOf(event: ApiEvent): ChatInfo | undefined {
  const s = subjects(event);
  const [first] = Array.isArray(s.chatItems) ? s.chatItems : [];
  const [deleted] = Array.isArray(s.chatItemDeletions) ? s.chatItemDeletions : [];
  return (
    s.chatInfo ??
    first?.chatInfo ??
    s.chatItem?.chatInfo ??
    s.chatItem_?.chatInfo ??
    s.reaction?.chatInfo ??
    deleted?.deletedChatItem.chatInfo
  );
}

/** The chat that an event is about, with the contact or group. */
export function chatOf(event: ApiEvent): ChatInfo | undefined {
  const info = chatInfoOf(event);
  if (info !== undefined) return info;
  const { groupInfo, toGroup, contact, toContact } = subjects(event);
  const group = groupInfo ?? toGroup;
  if (group !== undefined) return { type: 'group', groupInfo: group };
  const person = contact ?? toContact;
  return person === undefined ? undefined : { type: 'direct', contact: person };
}

/** The contact that an event is about. */
export function contactOf(event: ApiEvent): Contact | undefined {
  const { contact, toContact } = subjects(event);
  if (contact !== undefined || toContact !== undefined) return contact ?? toContact;
  const chat = chatInfoOf(event);
  return chat?.type === 'direct' ? chat.contact : undefined;
}

/** The group that an event is about. */
export function groupOf(event: ApiEvent): GroupInfo | undefined {
  const chat = chatOf(event);
  return chat?.type === 'group' ? chat.groupInfo : undefined;
}

/** The member that an event is about, or who wrote the message. */
export function memberOf(event: ApiEvent): GroupMember | undefined {
  const { member } = subjects(event);
  if (member !== undefined) return member;
  const dir = itemOf(event)?.chatItem.chatDir;
  return dir?.type === 'groupRcv' ? dir.groupMember : undefined;
}

/** The chat item that an event is about; the first, if there are several. */
export function itemOf(event: ApiEvent): AChatItem | undefined {
  const { chatItem, chatItem_, chatItems } = subjects(event);
  return chatItem ?? chatItem_ ?? (Array.isArray(chatItems) ? chatItems[0] : undefined);
}

/** The file of the item that an event is about. */
export function fileOf(event: ApiEvent): CIFile | undefined {
  return itemOf(event)?.chatItem.file;
}

/** How commands name a chat; `undefined` for chats that nothing can be sent to. */
export function chatRefOf(chat: ChatInfo): ChatRef | undefined {
  switch (chat.type) {
    case 'direct':
      return { chatType: 'direct', chatId: chat.contact.contactId };
    case 'group': {
      const scope = chat.groupChatScope;
      const { groupId } = chat.groupInfo;
      if (scope === undefined) return { chatType: 'group', chatId: groupId };
      const member = scope.groupMember_?.groupMemberId;
      return {
        chatType: 'group',
        chatId: groupId,
        chatScope: { type: 'memberSupport', ...(member === undefined ? {} : { groupMemberId_: member }) },
      };
    }
    case 'local':
      return { chatType: 'local', chatId: chat.noteFolder.noteFolderId };
    default:
      return undefined;
  }
}

/** What is handled in order: the events of one chat (a group with its support chats is one), or those of no chat. */
export function orderKey(event: ApiEvent): string {
  const chat = chatOf(event);
  const ref = chat === undefined ? undefined : chatRefOf(chat);
  return ref === undefined ? '' : chatRefString({ chatType: ref.chatType, chatId: ref.chatId });
}

/** One event for each of its items, so that handlers deal with one message at a time. */
export function splitEvent(event: ApiEvent): readonly ApiEvent[] {
  if (event.type !== 'newChatItems' || !Array.isArray(event.chatItems) || event.chatItems.length < 2) return [event];
  return event.chatItems.map((item) => ({ ...event, chatItems: [item] }));
}

/** Events that no server keeps or numbers. */
const passing: ReadonlySet<string> = new Set([
  'rcvFileProgressXFTP',
  'sndFileProgressXFTP',
  'hostConnected',
  'hostDisconnected',
  'contactsSubscribed',
  'contactsDisconnected',
  'networkStatus',
  'networkStatuses',
  'contactSubSummary',
  'userContactSubSummary',
  'terminalEvent',
]);

/** Whether an event is only told to who is connected, and has no number on any server. */
export function isPassing(event: ApiEvent): boolean {
  return passing.has(event.type);
}
