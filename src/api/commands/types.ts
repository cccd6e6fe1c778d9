import type { JsonObject, JsonValue } from '../json.js';
import type {
  AddressSettings,
  ChatBotCommand,
  ChatDeleteMode,
  ChatRef,
  ChatSettings,
  ChatType,
  CIDeleteMode,
  ComposedMessage,
  ContactShortLinkData,
  CreatedConnLink,
  CryptoFile,
  FeatureAllowed,
  GroupFeature,
  GroupFeatureEnabled,
  GroupMemberRole,
  GroupMemberSettings,
  GroupProfile,
  GroupShortLinkData,
  HelpSection,
  MsgContent,
  MsgFilter,
  MsgReaction,
  NewUser,
  Preferences,
  Profile,
  ReportReason,
  UIThemeEntityOverrides,
  UpdatedMessage,
} from '../types.generated.js';

/** Roles that commands accept: all but `author`. */
export type CommandRole = Exclude<GroupMemberRole, 'author'>;

/** A chat named by its local name; private notes (`*`) have the name `''`. */
export interface ChatNameRef {
  readonly chatType: Extract<ChatType, 'direct' | 'group' | 'local' | 'contactConnection'>;
  readonly chatName: string;
}

/** Where `@name text`, `#name text` and `/* text` send to. `support` is present for a support chat of a group. */
export type SendNameRef =
  | { readonly type: 'direct'; readonly name: string }
  | { readonly type: 'group'; readonly name: string; readonly support?: { readonly memberName: string | undefined } }
  | { readonly type: 'local' };

/** Where `/_send` sends to: a contact, or a group with an optional scope. */
export type SendRef = ChatRef & { readonly chatType: 'direct' | 'group' };

/** Which items of one chat: `count` items next to an item, or around the first unread one. */
export type ChatPagination =
  | { readonly type: 'last'; readonly count: number }
  | { readonly type: 'after'; readonly itemId: number; readonly count: number }
  | { readonly type: 'before'; readonly itemId: number; readonly count: number }
  | { readonly type: 'around'; readonly itemId: number; readonly count: number }
  | { readonly type: 'initial'; readonly count: number };

/** Which chats of the list. Times are milliseconds since the epoch (ISO 8601 on the wire). */
export type TimePagination =
  | { readonly type: 'last'; readonly count: number }
  | { readonly type: 'after'; readonly time: number; readonly count: number }
  | { readonly type: 'before'; readonly time: number; readonly count: number };

/** Filter of the chat list. */
export type ChatListQuery =
  | { readonly type: 'filters'; readonly favorite: boolean; readonly unread: boolean }
  | { readonly type: 'search'; readonly search: string };

/** Settings of delivery receipts of a profile. */
export interface UserMsgReceiptSettings {
  readonly enable: boolean;
  readonly clearOverrides: boolean;
}

/** What `/set disappear @name` does: switch off or on, keeping the time, or on with a time in seconds. */
export type TimedMessagesChange =
  | { readonly type: 'disableKeepTTL' }
  | { readonly type: 'enableKeepTTL' }
  | { readonly type: 'enableSetTTL'; readonly ttl: number };

export type ServerProtocol = 'smp' | 'xftp';

/** Network settings of `/network`. `socksProxy`: `undefined` = off; otherwise `[user:pass@|@]host:port`. Times in seconds. */
export interface SimpleNetworkConfig {
  readonly socksProxy: string | undefined;
  readonly socksMode: 'always' | 'onion';
  readonly hostMode: 'onion' | 'public' | undefined;
  readonly requiredHostMode: boolean;
  readonly smpProxyMode: 'always' | 'unknown' | 'unprotected' | 'never' | undefined;
  readonly smpProxyFallback: 'yes' | 'protected' | 'no' | undefined;
  readonly smpWebPortServers: 'all' | 'preset' | 'off';
  readonly tcpTimeout: number | undefined;
  readonly logTLSErrors: boolean;
}

/** `storage`: for new queues and files. `proxy`: for messages to other servers. */
export interface ServerRoles {
  readonly storage: boolean;
  readonly proxy: boolean;
}

/** One operator of `/operators`; roles that are not given are both on. */
export interface ServerOperatorRoles {
  readonly operatorId: number;
  readonly enabled: boolean;
  readonly smpRoles: ServerRoles;
  readonly xftpRoles: ServerRoles;
}

/** `/set file paths`. Folders for assets and remote hosts belong to other programs and are not used. */
export interface AppFilePaths {
  readonly appFilesFolder: string;
  readonly appTempFolder: string;
  readonly appAssetsFolder: string;
  readonly appRemoteHostsFolder: string | undefined;
}

/** No parameters. */
export type None = Readonly<Record<never, never>>;

interface UserCommands {
  ShowActiveUser: None;
  CreateActiveUser: { newUser: NewUser };
  ListUsers: None;
  APISetActiveUser: { userId: number; viewPwd: string | undefined };
  SetActiveUser: { userName: string; viewPwd: string | undefined };
  APIDeleteUser: { userId: number; delSMPQueues: boolean; viewPwd: string | undefined };
  DeleteUser: { userName: string; delSMPQueues: boolean; viewPwd: string | undefined };
  APIHideUser: { userId: number; viewPwd: string };
  APIUnhideUser: { userId: number; viewPwd: string };
  APIMuteUser: { userId: number };
  APIUnmuteUser: { userId: number };
  HideUser: { viewPwd: string };
  UnhideUser: { viewPwd: string };
  MuteUser: None;
  UnmuteUser: None;
  SetAllContactReceipts: { enable: boolean };
  APISetUserContactReceipts: { userId: number; settings: UserMsgReceiptSettings };
  SetUserContactReceipts: { settings: UserMsgReceiptSettings };
  APISetUserGroupReceipts: { userId: number; settings: UserMsgReceiptSettings };
  SetUserGroupReceipts: { settings: UserMsgReceiptSettings };
  APISetUserAutoAcceptMemberContacts: { userId: number; onOff: boolean };
  SetUserAutoAcceptMemberContacts: { onOff: boolean };
  APIUpdateProfile: { userId: number; profile: Profile };
  ShowProfile: None;
  /** `shortDescr` absent = none; the full name becomes empty. */
  UpdateProfile: { displayName: string; shortDescr: string | undefined };
  /** `undefined` deletes the image. */
  UpdateProfileImage: { image: string | undefined };
  ShowProfileImage: None;
  SetBotCommands: { commands: readonly ChatBotCommand[] };
  APISetUserUIThemes: { userId: number; uiThemes: UIThemeEntityOverrides | undefined };
}

interface LifecycleCommands {
  StartChat: { mainApp: boolean; enableSndFiles: boolean };
  APIStopChat: None;
  CheckChatRunning: None;
  APIActivateChat: { restoreChat: boolean };
  APISuspendChat: { suspendTimeout: number };
  ResubscribeAllConnections: None;
  ReconnectAllServers: None;
  ReconnectServer: { userId: number; server: string };
  SetTempFolder: { path: string };
  SetFilesFolder: { path: string };
  APISetAppFilePaths: { paths: AppFilePaths };
  APISetEncryptLocalFiles: { onOff: boolean };
  SetContactMergeEnabled: { onOff: boolean };
  ChatHelp: { helpSection: HelpSection };
  Welcome: None;
  ShowVersion: None;
  QuitChat: None;
  CustomChatCommand: { command: string };
  /** `/_parse`: of old clients. */
  APIParseMarkdown: { text: string };
}

interface AddressCommands {
  APICreateMyAddress: { userId: number };
  CreateMyAddress: None;
  APIDeleteMyAddress: { userId: number };
  DeleteMyAddress: None;
  APIShowMyAddress: { userId: number };
  ShowMyAddress: None;
  APIAddMyAddressShortLink: { userId: number };
  APISetProfileAddress: { userId: number; enable: boolean };
  SetProfileAddress: { enable: boolean };
  APISetAddressSettings: { userId: number; settings: AddressSettings };
  /** `userId` is present only for `/_auto_accept <id> …` of old clients. */
  SetAddressSettings: { userId: number | undefined; settings: AddressSettings };
}

interface ConnectionCommands {
  APIAddContact: { userId: number; incognito: boolean };
  AddContact: { incognito: boolean };
  /** `connectionLink` is any word: the engine answers `invalidConnReq` when it is no link. */
  APIConnectPlan: { userId: number; connectionLink: string };
  /** `preparedLink_` is absent when the words are no full link with an optional short link: `invalidConnReq`. */
  APIConnect: { userId: number; incognito: boolean; preparedLink_: CreatedConnLink | undefined };
  /** `connLink_` is any word, a full or short link or neither: `invalidConnReq`. */
  Connect: { incognito: boolean; connLink_: string };
  ConnectSimplex: { incognito: boolean };
  APIAcceptContact: { incognito: boolean; contactReqId: number };
  AcceptContact: { incognito: boolean; contactName: string };
  APIRejectContact: { contactReqId: number };
  RejectContact: { contactName: string };
  APIPrepareContact: { userId: number; connLink: CreatedConnLink; contactShortLinkData: ContactShortLinkData };
  APIPrepareGroup: { userId: number; connLink: CreatedConnLink; groupShortLinkData: GroupShortLinkData };
  APIChangePreparedContactUser: { contactId: number; newUserId: number };
  APIChangePreparedGroupUser: { groupId: number; newUserId: number };
  APIConnectPreparedContact: { contactId: number; incognito: boolean; msgContent_: MsgContent | undefined };
  APIConnectPreparedGroup: { groupId: number; incognito: boolean; msgContent_: MsgContent | undefined };
  APIConnectContactViaAddress: { userId: number; incognito: boolean; contactId: number };
  APISetConnectionIncognito: { connId: number; incognito: boolean };
  APIChangeConnectionUser: { connId: number; newUserId: number };
  APISetConnectionAlias: { connId: number; localAlias: string };
  APICreateMemberContact: { groupId: number; groupMemberId: number };
  APISendMemberContactInvitation: { contactId: number; msgContent_: MsgContent | undefined };
  APIAcceptMemberContact: { contactId: number };
  AcceptMemberContact: { contactName: string };
}

interface ContactCommands {
  APIListContacts: { userId: number };
  ListContacts: None;
  APISetContactPrefs: { contactId: number; preferences: Preferences };
  APISetContactAlias: { contactId: number; localAlias: string };
  APISetContactCustomData: { contactId: number; customData: JsonObject | undefined };
  APIContactInfo: { contactId: number };
  ContactInfo: { contactName: string };
  APIGetContactCode: { contactId: number };
  GetContactCode: { contactName: string };
  APIVerifyContact: { contactId: number; connectionCode: string | undefined };
  VerifyContact: { contactName: string; connectionCode: string | undefined };
  APIEnableContact: { contactId: number };
  EnableContact: { contactName: string };
  APIContactQueueInfo: { contactId: number };
  ContactQueueInfo: { contactName: string };
  APISwitchContact: { contactId: number };
  SwitchContact: { contactName: string };
  APIAbortSwitchContact: { contactId: number };
  AbortSwitchContact: { contactName: string };
  APISyncContactRatchet: { contactId: number; force: boolean };
  SyncContactRatchet: { contactName: string; force: boolean };
  DeleteContact: { contactName: string; chatDeleteMode: ChatDeleteMode };
  ClearContact: { contactName: string };
  /** `allowed` absent for a contact: back to the default of the profile. */
  SetContactFeature: { feature: UserFeature; contactName: string; allowed: FeatureAllowed | undefined };
  SetUserFeature: { feature: UserFeature; allowed: FeatureAllowed };
  SetContactTimedMessages: { contactName: string; change: TimedMessagesChange | undefined };
  SetUserTimedMessages: { enable: boolean };
}

/** Features that `/set <feature>` changes for the profile or a contact. */
export type UserFeature = 'voice' | 'files' | 'calls' | 'fullDelete';

interface ChatCommands {
  /** `userId` absent = active user (old clients leave it out). */
  APIGetChats: {
    userId: number | undefined;
    pendingConnections: boolean;
    pagination: TimePagination;
    query: ChatListQuery;
  };
  /** `count` absent = all. */
  LastChats: { count: number | undefined };
  APIGetChat: {
    chatRef: ChatRef;
    contentTag: string | undefined;
    pagination: ChatPagination;
    search: string | undefined;
  };
  APIGetChatItems: { pagination: ChatPagination; search: string | undefined };
  APIGetChatItemInfo: { chatRef: ChatRef; chatItemId: number };
  LastMessages: { chatName: ChatNameRef | undefined; count: number; search: string | undefined };
  LastChatItemId: { chatName: ChatNameRef | undefined; index: number };
  ShowChatItem: { chatItemId: number };
  ShowLiveItems: { onOff: boolean };
  ShowChatItemInfo: { chatName: ChatNameRef; text: string };
  APIUserRead: { userId: number };
  UserRead: None;
  /** With `range` (old clients) only the items `from` to `to`, inclusive. */
  APIChatRead: { chatRef: ChatRef; range: { readonly from: number; readonly to: number } | undefined };
  APIChatItemsRead: { chatRef: ChatRef; chatItemIds: readonly number[] };
  APIChatUnread: { chatRef: ChatRef; unreadChat: boolean };
  APIDeleteChat: { chatRef: ChatRef; chatDeleteMode: ChatDeleteMode };
  APIClearChat: { chatRef: ChatRef };
  ClearNoteFolder: None;
  APISetChatSettings: { chatRef: ChatRef; chatSettings: ChatSettings };
  SetShowMessages: { chatName: ChatNameRef; enableNtfs: MsgFilter };
  /** Absent = default of the profile. */
  SetSendReceipts: { chatName: ChatNameRef; sendReceipts: boolean | undefined };
  /** Seconds; 0 = never. */
  APISetChatItemTTL: { userId: number; ttl: number };
  SetChatItemTTL: { ttl: number };
  APIGetChatItemTTL: { userId: number };
  GetChatItemTTL: None;
  /** Absent = default of the profile. */
  APISetChatTTL: { userId: number; chatRef: ChatRef; ttl: number | undefined };
  SetChatTTL: { chatName: ChatNameRef; ttl: number | undefined };
  GetChatTTL: { chatName: ChatNameRef };
  APISetChatUIThemes: { chatRef: ChatRef; uiThemes: UIThemeEntityOverrides | undefined };
  APIGetChatTags: { userId: number };
  APICreateChatTag: { chatTag: ChatTagData };
  APISetChatTags: { chatRef: ChatRef; tagIds: readonly number[] };
  APIDeleteChatTag: { tagId: number };
  APIUpdateChatTag: { tagId: number; chatTag: ChatTagData };
  APIReorderChatTags: { tagIds: readonly number[] };
}

/** A label for chats: it stays on this side. */
export interface ChatTagData {
  readonly emoji?: string | undefined;
  readonly text: string;
}

interface MessageCommands {
  /** `ttl` in seconds, absent = default of the chat. */
  APISendMessages: {
    sendRef: SendRef;
    liveMessage: boolean;
    ttl: number | undefined;
    composedMessages: readonly ComposedMessage[];
  };
  APICreateChatItems: { noteFolderId: number; composedMessages: readonly ComposedMessage[] };
  APIUpdateChatItem: { chatRef: ChatRef; chatItemId: number; liveMessage: boolean; updatedMessage: UpdatedMessage };
  APIDeleteChatItem: { chatRef: ChatRef; chatItemIds: readonly number[]; deleteMode: CIDeleteMode };
  APIDeleteMemberChatItem: { groupId: number; chatItemIds: readonly number[] };
  APIArchiveReceivedReports: { groupId: number };
  APIDeleteReceivedReports: { groupId: number; chatItemIds: readonly number[]; deleteMode: CIDeleteMode };
  APIChatItemReaction: { chatRef: ChatRef; chatItemId: number; add: boolean; reaction: MsgReaction };
  APIGetReactionMembers: { userId: number; groupId: number; chatItemId: number; reaction: MsgReaction };
  APIPlanForwardChatItems: { fromChatRef: ChatRef; chatItemIds: readonly number[] };
  APIForwardChatItems: {
    toChatRef: ChatRef;
    fromChatRef: ChatRef;
    chatItemIds: readonly number[];
    ttl: number | undefined;
  };
  APIReportMessage: { groupId: number; chatItemId: number; reportReason: ReportReason; reportText: string };
  ReportMessage: { groupName: string; memberName: string | undefined; reportReason: ReportReason; text: string };
  SendMessage: { sendName: SendNameRef; text: string };
  SendMemberContactMessage: { groupName: string; memberName: string; text: string };
  SendLiveMessage: { chatName: ChatNameRef; text: string };
  /** `msgDir`: `rcv` = the quoted message is of the contact, `snd` = it is own. */
  SendMessageQuote: { contactName: string; msgDir: 'rcv' | 'snd'; quotedText: string; text: string };
  SendGroupMessageQuote: { groupName: string; memberName: string | undefined; quotedText: string; text: string };
  SendMessageBroadcast: { text: string };
  /** `editedText` is `''` for the last message. */
  EditMessage: { chatName: ChatNameRef; editedText: string; text: string };
  DeleteMessage: { chatName: ChatNameRef; text: string };
  DeleteMemberMessage: { groupName: string; memberName: string; text: string };
  ReactToMessage: { add: boolean; reaction: MsgReaction; chatName: ChatNameRef; text: string };
  ForwardMessage: { toChatName: ChatNameRef; fromContactName: string; text: string };
  ForwardGroupMessage: {
    toChatName: ChatNameRef;
    fromGroupName: string;
    fromMemberName: string | undefined;
    text: string;
  };
  ForwardLocalMessage: { toChatName: ChatNameRef; text: string };
}

interface FileCommands {
  ReceiveFile: {
    fileId: number;
    userApprovedRelays: boolean;
    storeEncrypted: boolean | undefined;
    fileInline: boolean | undefined;
    filePath: string | undefined;
  };
  SetFileToReceive: { fileId: number; userApprovedRelays: boolean; storeEncrypted: boolean | undefined };
  CancelFile: { fileId: number };
  FileStatus: { fileId: number };
  SendFile: { chatName: ChatNameRef; file: CryptoFile };
  SendImage: { chatName: ChatNameRef; file: CryptoFile };
  ForwardFile: { chatName: ChatNameRef; fileId: number };
  ForwardImage: { chatName: ChatNameRef; fileId: number };
  SendFileDescription: { chatName: ChatNameRef; path: string };
  APIUploadStandaloneFile: { userId: number; file: CryptoFile };
  APIStandaloneFileInfo: { uri: string };
  APIDownloadStandaloneFile: { userId: number; uri: string; file: CryptoFile };
}

interface GroupCommands {
  /** `userId` absent = active user (old clients leave it out). */
  APINewGroup: { userId: number | undefined; incognito: boolean; groupProfile: GroupProfile };
  NewGroup: { incognito: boolean; groupProfile: GroupProfile };
  APIAddMember: { groupId: number; contactId: number; memberRole: CommandRole };
  AddMember: { groupName: string; contactName: string; memberRole: CommandRole };
  APIJoinGroup: { groupId: number };
  JoinGroup: { groupName: string; enableNtfs: MsgFilter };
  APIAcceptMember: { groupId: number; groupMemberId: number; memberRole: CommandRole };
  AcceptMember: { groupName: string; memberName: string; memberRole: CommandRole };
  APIDeleteMemberSupportChat: { groupId: number; groupMemberId: number };
  APIMembersRole: { groupId: number; groupMemberIds: readonly number[]; memberRole: CommandRole };
  MemberRole: { groupName: string; memberName: string; memberRole: CommandRole };
  APIBlockMembersForAll: { groupId: number; groupMemberIds: readonly number[]; blocked: boolean };
  BlockForAll: { groupName: string; memberName: string; blocked: boolean };
  APISetMemberSettings: { groupId: number; groupMemberId: number; settings: GroupMemberSettings };
  SetShowMemberMessages: { groupName: string; memberName: string; showMessages: boolean };
  APIRemoveMembers: { groupId: number; groupMemberIds: readonly number[]; withMessages: boolean };
  RemoveMembers: { groupName: string; memberNames: readonly string[]; withMessages: boolean };
  APILeaveGroup: { groupId: number };
  LeaveGroup: { groupName: string };
  DeleteGroup: { groupName: string };
  ClearGroup: { groupName: string };
  APIListMembers: { groupId: number };
  ListMembers: { groupName: string };
  ListMemberSupportChats: { groupName: string };
  APIListGroups: { userId: number; contactId_: number | undefined; search: string | undefined };
  ListGroups: { contactName: string | undefined; search: string | undefined };
  APIUpdateGroupProfile: { groupId: number; groupProfile: GroupProfile };
  ShowGroupProfile: { groupName: string };
  UpdateGroupNames: { groupName: string; displayName: string; shortDescr: string | undefined };
  UpdateGroupDescription: { groupName: string; description: string | undefined };
  ShowGroupDescription: { groupName: string };
  APICreateGroupLink: { groupId: number; memberRole: CommandRole };
  CreateGroupLink: { groupName: string; memberRole: CommandRole };
  APIGroupLinkMemberRole: { groupId: number; memberRole: CommandRole };
  GroupLinkMemberRole: { groupName: string; memberRole: CommandRole };
  APIDeleteGroupLink: { groupId: number };
  DeleteGroupLink: { groupName: string };
  APIGetGroupLink: { groupId: number };
  ShowGroupLink: { groupName: string };
  APIAddGroupShortLink: { groupId: number };
  APISetGroupAlias: { groupId: number; localAlias: string };
  APISetGroupCustomData: { groupId: number; customData: JsonObject | undefined };
  APIGroupInfo: { groupId: number };
  ShowGroupInfo: { groupName: string };
  APIGroupMemberInfo: { groupId: number; groupMemberId: number };
  GroupMemberInfo: { groupName: string; memberName: string };
  APIGetGroupMemberCode: { groupId: number; groupMemberId: number };
  GetGroupMemberCode: { groupName: string; memberName: string };
  APIVerifyGroupMember: { groupId: number; groupMemberId: number; connectionCode: string | undefined };
  VerifyGroupMember: { groupName: string; memberName: string; connectionCode: string | undefined };
  APIEnableGroupMember: { groupId: number; groupMemberId: number };
  EnableGroupMember: { groupName: string; memberName: string };
  APIGroupMemberQueueInfo: { groupId: number; groupMemberId: number };
  GroupMemberQueueInfo: { groupName: string; memberName: string };
  APISwitchGroupMember: { groupId: number; groupMemberId: number };
  SwitchGroupMember: { groupName: string; memberName: string };
  APIAbortSwitchGroupMember: { groupId: number; groupMemberId: number };
  AbortSwitchGroupMember: { groupName: string; memberName: string };
  APISyncGroupMemberRatchet: { groupId: number; groupMemberId: number; force: boolean };
  SyncGroupMemberRatchet: { groupName: string; memberName: string; force: boolean };
  /** A feature that can be limited to a role. */
  SetGroupFeatureRole: {
    feature: Extract<GroupFeature, 'voice' | 'files' | 'fullDelete' | 'directMessages' | 'simplexLinks'>;
    groupName: string;
    enable: GroupFeatureEnabled;
    role: CommandRole | undefined;
  };
  SetGroupFeature: {
    feature: Extract<GroupFeature, 'history' | 'reactions' | 'reports'>;
    groupName: string;
    enable: GroupFeatureEnabled;
  };
  /** Seconds; absent = off. */
  SetGroupTimedMessages: { groupName: string; ttl: number | undefined };
  SetGroupMemberAdmissionReview: { groupName: string; review: 'all' | undefined };
}

interface ServerCommands {
  GetUserProtoServers: { protocol: ServerProtocol };
  SetUserProtoServers: { protocol: ServerProtocol; servers: readonly string[] };
  APIGetUserServers: { userId: number };
  APISetUserServers: { userId: number; userServers: JsonValue };
  APIValidateServers: { userId: number; userServers: JsonValue };
  APITestProtoServer: { userId: number; protocol: ServerProtocol; server: string };
  TestProtoServer: { protocol: ServerProtocol; server: string };
  APIGetServerOperators: None;
  APISetServerOperators: { operators: JsonValue };
  SetServerOperators: { operators: readonly ServerOperatorRoles[] };
  APIGetUsageConditions: None;
  APISetConditionsNotified: { conditionsId: number };
  APIAcceptConditions: { conditionsId: number; operatorIds: readonly number[] };
  APIGetNetworkConfig: None;
  SetNetworkConfig: { config: SimpleNetworkConfig };
  APISetNetworkConfig: { config: JsonObject };
  APISetNetworkInfo: { info: JsonObject };
  APIGetNetworkStatuses: None;
}

/** Parameters by tag, for all commands that the engine may execute. */
export interface CommandMap
  extends UserCommands,
    LifecycleCommands,
    AddressCommands,
    ConnectionCommands,
    ContactCommands,
    ChatCommands,
    MessageCommands,
    FileCommands,
    GroupCommands,
    ServerCommands {}

export type CommandTag = keyof CommandMap;

/** The parsed command of one tag. */
export type CommandOf<T extends CommandTag> = { readonly tag: T } & Readonly<CommandMap[T]>;

/**
 * Commands of other programs that are no part of a bot API (70-bot-api.md 3.4: calls, push notifications, remote control,
 * archives, SQL, statistics). They parse, and are answered with `commandError` `not supported`.
 */
const unsupportedTags = [
  'APIExportArchive',
  'ExportArchive',
  'APIImportArchive',
  'APIDeleteStorage',
  'APIStorageEncryption',
  'TestStorageEncryption',
  'SlowSQLQueries',
  'ExecChatStoreSQL',
  'ExecAgentStoreSQL',
  'APISaveAppSettings',
  'APIGetAppSettings',
  'APIGetCallInvitations',
  'APISendCallInvitation',
  'SendCallInvitation',
  'APIRejectCall',
  'APISendCallOffer',
  'APISendCallAnswer',
  'APISendCallExtraInfo',
  'APIEndCall',
  'APICallStatus',
  'APIGetNtfToken',
  'APIRegisterToken',
  'APIVerifyToken',
  'APICheckToken',
  'APIDeleteToken',
  'APIGetNtfConns',
  'APIGetConnNtfMessages',
  'SetLocalDeviceName',
  'SetRemoteHostsFolder',
  'ListRemoteHosts',
  'SwitchRemoteHost',
  'StartRemoteHost',
  'StopRemoteHost',
  'DeleteRemoteHost',
  'StoreRemoteFile',
  'GetRemoteFile',
  'ConnectRemoteCtrl',
  'FindKnownRemoteCtrl',
  'ConfirmRemoteCtrl',
  'VerifyRemoteCtrlSession',
  'ListRemoteCtrls',
  'StopRemoteCtrl',
  'DeleteRemoteCtrl',
  'DebugLocks',
  'DebugEvent',
  'GetAgentSubs',
  'GetAgentSubsDetails',
  'GetAgentSubsTotal',
  'GetAgentServersSummary',
  'ResetAgentServersStats',
  'GetAgentWorkers',
  'GetAgentWorkersDetails',
  'GetAgentQueuesInfo',
] as const;

export type UnsupportedTag = (typeof unsupportedTags)[number];

/** A command that parses but is never executed. */
export interface UnsupportedCommand {
  readonly tag: UnsupportedTag;
}

/** A command that the engine executes. */
export type SupportedCommand = { [T in CommandTag]: CommandOf<T> }[CommandTag];

/** What the grammar makes of a command string. The engine's handlers are keyed by `tag`. */
export type ParsedCommand = SupportedCommand | UnsupportedCommand;

/** Whether the command parses, so that clients get the right error, but is never executed. */
export function isUnsupported(command: ParsedCommand): command is UnsupportedCommand {
  return (unsupportedTags as readonly string[]).includes(command.tag);
}
