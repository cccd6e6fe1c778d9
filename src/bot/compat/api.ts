import type {
  AChat,
  AChatItem,
  AddressSettings,
  ApiEvent,
  ApiResponse,
  ChatDeleteMode,
  ChatInfo,
  ChatItem,
  ChatItemDeletion,
  ChatListQuery,
  ChatRef,
  ChatType,
  CIDeleteMode,
  CommandName,
  CommandParams,
  CommandResponses,
  ComposedMessage,
  ConnectionPlan,
  Contact,
  CRChatItemReaction,
  CreatedConnLink,
  Events,
  EventTag,
  GroupInfo,
  GroupLink,
  GroupMember,
  GroupMemberRole,
  GroupProfile,
  JsonObject,
  MsgContent,
  MsgReaction,
  Preferences,
  Profile,
  TimePagination,
  User,
  UserContactLink,
  UserInfo,
  UserProfileUpdateSummary,
} from '../../api/index.js';
import { chatErrorText, cmdString, commandInfo } from '../../api/index.js';
import { errorMessage, type Logger, systemClock } from '../../core/index.js';
import { consoleLogger } from '../bot/logger.js';
import { linkText } from '../bot/setup.js';
import { BotError } from '../errors.js';
import { chatRefOf } from '../events.js';
import { openTransport } from '../transport/connection.js';
import type { Transport } from '../transport/types.js';
import { connectionOf, type DbConfig, MigrationConfirmation } from './core.js';
import { ChatAPIError, ChatCommandError, ChatInitError } from './errors.js';
import { type EventHandler, type EventSubscribers, Subscribers } from './events.js';
import { apiAddressSettings, type BotAddressSettings } from './util.js';

export { ChatAPIError, ChatCommandError, ChatInitError } from './errors.js';
export type { EventHandler, EventSubscribers } from './events.js';
export type { BotAddressSettings } from './util.js';

/** What a link was for. */
export const ConnReqType = { Invitation: 'invitation', Contact: 'contact' } as const;
export type ConnReqType = (typeof ConnReqType)[keyof typeof ConnReqType];

/** The settings of addresses that name none. */
export const defaultBotAddressSettings: BotAddressSettings = {
  autoAccept: true,
  welcomeMessage: undefined,
  businessAddress: false,
};

export type Role = Exclude<GroupMemberRole, 'author'>;
export type ChatTarget = readonly [ChatType, number] | ChatRef | ChatInfo;

/** The API of the official library for Node.js (70-bot-api.md, section 10), on the engine in this process. */
export class ChatApi {
  #transport: Transport | undefined;
  #started = false;
  readonly #subscribers: Subscribers;
  readonly #events: ApiEvent[] = [];
  #wake: () => void = () => {};

  private constructor(transport: Transport, logger: Logger) {
    this.#transport = transport;
    this.#subscribers = new Subscribers(systemClock, logger);
  }

  /** Opens the database. */
  static async init(
    db: DbConfig,
    _confirm: MigrationConfirmation = MigrationConfirmation.YesUp,
    _queueSize?: number,
  ): Promise<ChatApi> {
    const transport = openTransport(connectionOf(db), consoleLogger);
    const chat = new ChatApi(transport, consoleLogger);
    try {
      await transport.open();
      await transport.connect({
        after: undefined,
        onEvent: async ({ seq, event }) => {
          await chat.#deliver(event);
          if (seq !== undefined) transport.handled(seq);
        },
      });
    } catch (cause) {
      await transport.close();
      throw new ChatInitError(`cannot open the database: ${errorMessage(cause)}`, cause);
    }
    return chat;
  }

  get initialized(): boolean {
    return this.#transport !== undefined;
  }

  get started(): boolean {
    return this.#started;
  }

  /** The handle of the native layer, which does not exist here. */
  get ctrl(): bigint {
    return this.#open() === undefined ? 0n : 1n;
  }

  async startChat(): Promise<void> {
    await this.#run('StartChat', {});
    this.#started = true;
  }

  async stopChat(): Promise<void> {
    await this.#run('APIStopChat', {});
    this.#started = false;
  }

  async close(): Promise<void> {
    const transport = this.#transport;
    this.#transport = undefined;
    this.#started = false;
    this.#wake();
    await transport?.close();
  }

  on<T extends EventTag>(event: T, subscriber: EventHandler<T>): void;
  on(subscribers: EventSubscribers): void;
  on<T extends EventTag>(event: T | EventSubscribers, subscriber?: EventHandler<T>): void {
    if (typeof event === 'string') {
      if (subscriber !== undefined) this.#subscribers.add(event, subscriber, false);
      return;
    }
    for (const [tag, handler] of Object.entries(event)) {
      if (handler !== undefined) this.#subscribers.add(tag, handler, false);
    }
  }

  once<T extends EventTag>(event: T, subscriber: EventHandler<T>): void {
    this.#subscribers.add(event, subscriber, true);
  }

  onAny(receiver: EventHandler): void {
    this.#subscribers.addAny(receiver);
  }

  off<T extends EventTag>(event: T, subscriber?: EventHandler<T>): void {
    this.#subscribers.remove(event, subscriber);
  }

  offAny(receiver?: EventHandler): void {
    this.#subscribers.removeAny(receiver);
  }

  /** The next such event; `undefined` when the time is up. */
  wait<T extends EventTag>(event: T): Promise<Events[T] | undefined>;
  wait<T extends EventTag>(event: T, timeoutMs: number): Promise<Events[T] | undefined>;
  wait<T extends EventTag>(
    event: T,
    predicate: ((event: Events[T]) => boolean) | undefined,
    timeoutMs?: number,
  ): Promise<Events[T] | undefined>;
  wait<T extends EventTag>(
    event: T,
    second?: number | ((event: Events[T]) => boolean),
    timeoutMs?: number,
  ): Promise<Events[T] | undefined> {
    return typeof second === 'number'
      ? this.#subscribers.wait(event, undefined, second)
      : this.#subscribers.wait(event, second, timeoutMs);
  }

  /** The answer to a command, errors as {@link ChatAPIError}. */
  async sendChatCmd(cmd: string): Promise<ApiResponse> {
    const response = await this.#open().execute(cmd);
    if (response.type === 'chatCmdError') throw new ChatAPIError(chatErrorText(response.chatError), response.chatError);
    return response;
  }

  /** The next event that was not taken by this function before; `undefined` when none comes in time. */
  async recvChatEvent(waitMicros = 5_000_000): Promise<ApiEvent | undefined> {
    if (this.#events.length === 0) {
      await new Promise<void>((resolve) => {
        const timer = systemClock.after(waitMicros / 1000, resolve);
        this.#wake = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    return this.#events.shift();
  }

  async apiCreateUserAddress(userId: number): Promise<CreatedConnLink> {
    return (await this.#run('APICreateMyAddress', { userId })).connLinkContact;
  }

  async apiDeleteUserAddress(userId: number): Promise<void> {
    await this.#run('APIDeleteMyAddress', { userId });
  }

  async apiGetUserAddress(userId: number): Promise<UserContactLink | undefined> {
    return this.#unless(
      'userContactLinkNotFound',
      async () => (await this.#run('APIShowMyAddress', { userId })).contactLink,
    );
  }

  async apiSetProfileAddress(userId: number, enable: boolean): Promise<UserProfileUpdateSummary> {
    return (await this.#run('APISetProfileAddress', { userId, enable })).updateSummary;
  }

  async apiSetAddressSettings(userId: number, settings: BotAddressSettings): Promise<void> {
    const all: AddressSettings = apiAddressSettings(settings);
    await this.#run('APISetAddressSettings', { userId, settings: all });
  }

  async apiSendMessages(
    chat: ChatTarget,
    messages: readonly ComposedMessage[],
    liveMessage = false,
  ): Promise<readonly AChatItem[]> {
    const params = { sendRef: targetRef(chat), composedMessages: messages, ...(liveMessage ? { liveMessage } : {}) };
    return (await this.#run('APISendMessages', params)).chatItems;
  }

  async apiSendTextMessage(chat: ChatTarget, text: string, inReplyTo?: number): Promise<readonly AChatItem[]> {
    const quoted = inReplyTo === undefined ? {} : { quotedItemId: inReplyTo };
    return this.apiSendMessages(chat, [{ msgContent: { type: 'text', text }, mentions: {}, ...quoted }]);
  }

  async apiSendTextReply(chatItem: AChatItem, text: string): Promise<readonly AChatItem[]> {
    return this.apiSendTextMessage(chatItem.chatInfo, text, chatItem.chatItem.meta.itemId);
  }

  async apiUpdateChatItem(
    chatType: ChatType,
    chatId: number,
    chatItemId: number,
    msgContent: MsgContent,
    liveMessage = false,
  ): Promise<ChatItem> {
    const response = await this.#run('APIUpdateChatItem', {
      chatRef: { chatType, chatId },
      chatItemId,
      ...(liveMessage ? { liveMessage } : {}),
      updatedMessage: { msgContent, mentions: {} },
    });
    return response.chatItem.chatItem;
  }

  async apiDeleteChatItems(
    chatType: ChatType,
    chatId: number,
    chatItemIds: readonly number[],
    deleteMode: CIDeleteMode,
  ): Promise<readonly ChatItemDeletion[]> {
    const params = { chatRef: { chatType, chatId }, chatItemIds, deleteMode };
    return (await this.#run('APIDeleteChatItem', params)).chatItemDeletions;
  }

  async apiDeleteMemberChatItem(groupId: number, chatItemIds: readonly number[]): Promise<readonly ChatItemDeletion[]> {
    return (await this.#run('APIDeleteMemberChatItem', { groupId, chatItemIds })).chatItemDeletions;
  }

  async apiChatItemReaction(
    chatType: ChatType,
    chatId: number,
    chatItemId: number,
    add: boolean,
    reaction: MsgReaction,
  ): Promise<CRChatItemReaction> {
    return this.#run('APIChatItemReaction', { chatRef: { chatType, chatId }, chatItemId, add, reaction });
  }

  async apiReceiveFile(fileId: number): Promise<AChatItem> {
    const response = await this.#run('ReceiveFile', { fileId, userApprovedRelays: true });
    if (response.type !== 'rcvFileAccepted') throw new ChatCommandError('the sender has cancelled the file', response);
    return response.chatItem;
  }

  async apiCancelFile(fileId: number): Promise<void> {
    await this.#run('CancelFile', { fileId });
  }

  async apiAddMember(groupId: number, contactId: number, memberRole: Role): Promise<GroupMember> {
    return (await this.#run('APIAddMember', { groupId, contactId, memberRole })).member;
  }

  async apiJoinGroup(groupId: number): Promise<GroupInfo> {
    return (await this.#run('APIJoinGroup', { groupId })).groupInfo;
  }

  async apiAcceptMember(groupId: number, groupMemberId: number, memberRole: Role): Promise<GroupMember> {
    return (await this.#run('APIAcceptMember', { groupId, groupMemberId, memberRole })).member;
  }

  async apiSetMembersRole(groupId: number, groupMemberIds: readonly number[], memberRole: Role): Promise<void> {
    await this.#run('APIMembersRole', { groupId, groupMemberIds, memberRole });
  }

  async apiBlockMembersForAll(groupId: number, groupMemberIds: readonly number[], blocked: boolean): Promise<void> {
    await this.#run('APIBlockMembersForAll', { groupId, groupMemberIds, blocked });
  }

  async apiRemoveMembers(
    groupId: number,
    groupMemberIds: readonly number[],
    withMessages = false,
  ): Promise<readonly GroupMember[]> {
    return (await this.#run('APIRemoveMembers', { groupId, groupMemberIds, withMessages })).members;
  }

  async apiLeaveGroup(groupId: number): Promise<GroupInfo> {
    return (await this.#run('APILeaveGroup', { groupId })).groupInfo;
  }

  async apiListMembers(groupId: number): Promise<readonly GroupMember[]> {
    return (await this.#run('APIListMembers', { groupId })).group.members;
  }

  async apiNewGroup(userId: number, groupProfile: GroupProfile): Promise<GroupInfo> {
    return (await this.#run('APINewGroup', { userId, groupProfile })).groupInfo;
  }

  async apiUpdateGroupProfile(groupId: number, groupProfile: GroupProfile): Promise<GroupInfo> {
    return (await this.#run('APIUpdateGroupProfile', { groupId, groupProfile })).toGroup;
  }

  async apiCreateGroupLink(groupId: number, memberRole: Role): Promise<string> {
    return linkText((await this.#run('APICreateGroupLink', { groupId, memberRole })).groupLink.connLinkContact);
  }

  async apiSetGroupLinkMemberRole(groupId: number, memberRole: Role): Promise<void> {
    await this.#run('APIGroupLinkMemberRole', { groupId, memberRole });
  }

  async apiDeleteGroupLink(groupId: number): Promise<void> {
    await this.#run('APIDeleteGroupLink', { groupId });
  }

  async apiGetGroupLink(groupId: number): Promise<GroupLink> {
    return (await this.#run('APIGetGroupLink', { groupId })).groupLink;
  }

  async apiGetGroupLinkStr(groupId: number): Promise<string> {
    return linkText((await this.apiGetGroupLink(groupId)).connLinkContact);
  }

  async apiCreateLink(userId: number): Promise<string> {
    return linkText((await this.#run('APIAddContact', { userId })).connLinkInvitation);
  }

  async apiConnectPlan(userId: number, connectionLink: string): Promise<[ConnectionPlan, CreatedConnLink]> {
    const { connectionPlan, connLink } = await this.#run('APIConnectPlan', { userId, connectionLink });
    return [connectionPlan, connLink];
  }

  async apiConnect(userId: number, incognito: boolean, preparedLink?: CreatedConnLink): Promise<ConnReqType> {
    const link = preparedLink === undefined ? {} : { preparedLink_: preparedLink };
    return connReqType(await this.#run('APIConnect', { userId, incognito, ...link }));
  }

  async apiConnectActiveUser(connLink: string): Promise<ConnReqType> {
    return connReqType(await this.#run('Connect', { connLink_: connLink }));
  }

  async apiAcceptContactRequest(contactReqId: number): Promise<Contact> {
    return (await this.#run('APIAcceptContact', { contactReqId })).contact;
  }

  async apiRejectContactRequest(contactReqId: number): Promise<void> {
    await this.#run('APIRejectContact', { contactReqId });
  }

  async apiListContacts(userId: number): Promise<readonly Contact[]> {
    return (await this.#run('APIListContacts', { userId })).contacts;
  }

  async apiListGroups(userId: number, contactId?: number, search?: string): Promise<readonly GroupInfo[]> {
    return (await this.#run('APIListGroups', { userId, contactId_: contactId, search })).groups;
  }

  async apiGetChats(
    userId: number,
    pagination: TimePagination,
    query?: ChatListQuery,
    pendingConnections = false,
  ): Promise<readonly AChat[]> {
    return (await this.#run('APIGetChats', { userId, pagination, query, pendingConnections })).chats;
  }

  async apiGetChat(chatType: ChatType, chatId: number, count: number): Promise<AChat> {
    return (await this.#run('APIGetChat', { chatRef: { chatType, chatId }, pagination: { type: 'last', count } })).chat;
  }

  async apiDeleteChat(
    chatType: ChatType,
    chatId: number,
    chatDeleteMode: ChatDeleteMode = { type: 'full', notify: true },
  ): Promise<void> {
    await this.#run('APIDeleteChat', { chatRef: { chatType, chatId }, chatDeleteMode });
  }

  async apiSetGroupCustomData(groupId: number, customData?: JsonObject): Promise<void> {
    await this.#run('APISetGroupCustomData', { groupId, customData });
  }

  async apiSetContactCustomData(contactId: number, customData?: JsonObject): Promise<void> {
    await this.#run('APISetContactCustomData', { contactId, customData });
  }

  async apiSetAutoAcceptMemberContacts(userId: number, onOff: boolean): Promise<void> {
    await this.#run('APISetUserAutoAcceptMemberContacts', { userId, onOff });
  }

  async apiCreateMemberContact(groupId: number, groupMemberId: number): Promise<Contact> {
    return (await this.#run('APICreateMemberContact', { groupId, groupMemberId })).contact;
  }

  async apiSendMemberContactInvitation(contactId: number, message?: MsgContent | string): Promise<Contact> {
    const msgContent_: MsgContent | undefined = typeof message === 'string' ? { type: 'text', text: message } : message;
    return (await this.#run('APISendMemberContactInvitation', { contactId, msgContent_ })).contact;
  }

  async apiGetActiveUser(): Promise<User | undefined> {
    return this.#unless('noActiveUser', async () => (await this.#run('ShowActiveUser', {})).user);
  }

  async apiCreateActiveUser(profile?: Profile): Promise<User> {
    return (await this.#run('CreateActiveUser', { newUser: { profile, pastTimestamp: false } })).user;
  }

  async apiListUsers(): Promise<readonly UserInfo[]> {
    return (await this.#run('ListUsers', {})).users;
  }

  async apiSetActiveUser(userId: number, viewPwd?: string): Promise<User> {
    return (await this.#run('APISetActiveUser', { userId, viewPwd })).user;
  }

  async apiDeleteUser(userId: number, delSMPQueues: boolean, viewPwd?: string): Promise<void> {
    await this.#run('APIDeleteUser', { userId, delSMPQueues, viewPwd });
  }

  async apiUpdateProfile(userId: number, profile: Profile): Promise<UserProfileUpdateSummary | undefined> {
    const response = await this.#run('APIUpdateProfile', { userId, profile });
    return response.type === 'userProfileUpdated' ? response.updateSummary : undefined;
  }

  async apiSetContactPrefs(contactId: number, preferences: Preferences): Promise<void> {
    await this.#run('APISetContactPrefs', { contactId, preferences });
  }

  async #deliver(event: ApiEvent): Promise<void> {
    this.#events.push(event);
    if (this.#events.length > 1000) this.#events.shift();
    this.#wake();
    await this.#subscribers.deliver(event);
  }

  #open(): Transport {
    if (this.#transport === undefined) throw new BotError('CLOSED', 'the chat is closed');
    return this.#transport;
  }

  async #run<K extends CommandName>(name: K, params: CommandParams[K]): Promise<CommandResponses[K]> {
    const response = await this.sendChatCmd(cmdString[name](params));
    if (!isResponseOf(name, response)) throw new ChatCommandError(`${name}: unexpected response`, response);
    return response;
  }

  async #unless<T>(tag: string, run: () => Promise<T>): Promise<T | undefined> {
    try {
      return await run();
    } catch (error) {
      if (error instanceof ChatAPIError && JSON.stringify(error.chatError).includes(`"${tag}"`)) return undefined;
      throw error;
    }
  }
}

function isResponseOf<K extends CommandName>(name: K, response: ApiResponse): response is CommandResponses[K] {
  const tags: readonly string[] = commandInfo[name].responses;
  return tags.includes(response.type);
}

function connReqType(response: CommandResponses['Connect']): ConnReqType {
  if (response.type === 'sentConfirmation') return ConnReqType.Invitation;
  if (response.type === 'sentInvitation') return ConnReqType.Contact;
  throw new ChatCommandError('connection error', response);
}

function targetRef(chat: ChatTarget): ChatRef {
  if (isPair(chat)) return { chatType: chat[0], chatId: chat[1] };
  if (!('type' in chat)) return chat;
  const ref = chatRefOf(chat);
  if (ref === undefined) throw new BotError('NO_CHAT', `nothing can be sent to a ${chat.type}`);
  return ref;
}

function isPair(chat: ChatTarget): chat is readonly [ChatType, number] {
  return Array.isArray(chat);
}
