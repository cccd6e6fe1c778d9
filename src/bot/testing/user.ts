import type {
  ApiEvent,
  ChatInfo,
  ChatRef,
  Contact,
  Events,
  EventTag,
  GroupInfo,
  GroupMemberRole,
} from '../../api/index.js';
import { type Clock, silentLogger, systemClock } from '../../core/index.js';
import { ApiClient } from '../api/client.js';
import { Waiters } from '../bot/waiters.js';
import { BotError } from '../errors.js';
import { chatRefOf } from '../events.js';
import { type LocalConnection, LocalTransport } from '../transport/local.js';
import { Inbox, type Pattern, type ReceivedMessage } from './inbox.js';

/** What people connect to: a bot that was started, another user, or a link. */
export type ConnectTarget = string | { readonly address: string };

/** Options of {@link TestUser.hears}. */
export interface HearOptions {
  /** Only messages of this chat; by default those of all chats. */
  readonly in?: TestChat;
  /** Default 10 seconds. */
  readonly timeoutMs?: number;
}

/** A chat of a {@link TestUser}. */
export interface TestChat {
  readonly ref: ChatRef;
  readonly info: ChatInfo;
}

/** Roles that members can be given. */
export type MemberRole = Exclude<GroupMemberRole, 'author'>;

const connectTimeoutMs = 30_000;
/** Events that are kept for who waits for them later. */
const maxEvents = 1000;

/** A person in a {@link TestNetwork}, with a chat client that tests tell what to do. */
export class TestUser {
  readonly name: string;
  /** The whole API of the client. */
  readonly api: ApiClient;
  readonly userId: number;
  readonly #transport: LocalTransport;
  readonly #waiters: Waiters;
  readonly #inbox: Inbox;
  /** What came and was not waited for, oldest first. */
  readonly #events: ApiEvent[] = [];
  #chat: TestChat | undefined;
  #address: string | undefined;

  private constructor(name: string, transport: LocalTransport, api: ApiClient, userId: number, clock: Clock) {
    this.name = name;
    this.api = api;
    this.userId = userId;
    this.#transport = transport;
    this.#waiters = new Waiters(clock);
    this.#inbox = new Inbox(clock);
  }

  /** Opens a client with a new profile. Tests call `network.user(name)`. */
  static async open(name: string, connection: LocalConnection): Promise<TestUser> {
    const transport = new LocalTransport(connection, silentLogger);
    await transport.open();
    const api = new ApiClient(transport);
    const profile = { displayName: name, fullName: '' };
    const { user } = await api.createActiveUser({ newUser: { profile, pastTimestamp: false } });
    const self = new TestUser(name, transport, api, user.userId, connection.clock ?? systemClock);
    await transport.connect({ after: undefined, onEvent: ({ event }) => self.#event(event) });
    await api.startChat();
    return self;
  }

  /** Every message that came, in order, in its newest form. */
  get messages(): readonly ReceivedMessage[] {
    return this.#inbox.messages;
  }

  /** The address under which others reach this user, after {@link createAddress}. */
  get address(): string {
    if (this.#address === undefined) throw new BotError('NO_ADDRESS', `${this.name} has no address: createAddress()`);
    return this.#address;
  }

  /** Makes an address that accepts everybody. */
  async createAddress(): Promise<string> {
    const { connLinkContact } = await this.api.createMyAddress({ userId: this.userId });
    await this.api.setAddressSettings({
      userId: this.userId,
      settings: { businessAddress: false, autoAccept: { acceptIncognito: false } },
    });
    this.#address = connLinkContact.connShortLink ?? connLinkContact.connFullLink;
    return this.#address;
  }

  /** Connects to a bot, a user or a link, and waits until messages can be sent; what is said next goes there. */
  async connect(target: ConnectTarget): Promise<TestChat> {
    const link = typeof target === 'string' ? target : target.address;
    const stop = new AbortController();
    const options = { timeoutMs: connectTimeoutMs, signal: stop.signal };
    const connected = Promise.race([
      this.#waiters.wait('contactConnected', undefined, options).then((e): ChatInfo => {
        this.#taken(e);
        return direct(e.contact);
      }),
      // Business addresses and group links lead to groups.
      this.#waiters.wait('userJoinedGroup', undefined, options).then((e): ChatInfo => {
        this.#taken(e);
        return group(e.groupInfo);
      }),
    ]);
    // The one that does not happen is ended, unheard.
    connected.catch(() => {});
    try {
      await this.api.connectActiveUser({ connLink_: link });
      return this.uses(await connected);
    } finally {
      stop.abort();
    }
  }

  /** What is said from now on goes to this chat. */
  uses(chat: ChatInfo | TestChat): TestChat {
    const info = 'info' in chat ? chat.info : chat;
    const ref = chatRefOf(info);
    if (ref === undefined) throw new BotError('NO_CHAT', `nothing can be said to a ${info.type}`);
    this.#chat = { ref, info };
    return this.#chat;
  }

  /** Sends a text, by default to the chat of the last {@link connect}. Gives the number of the message. */
  async says(text: string, chat: TestChat = this.chat): Promise<number> {
    return this.#send(chat, { msgContent: { type: 'text', text } });
  }

  /** Sends a file: `file` is a path. */
  async sendsFile(file: string, text = '', chat: TestChat = this.chat): Promise<number> {
    return this.#send(chat, { msgContent: { type: 'file', text }, fileSource: { filePath: file } });
  }

  /**
   * Waits for a message that matches: the next one that was not heard before, or a later one. Those before it count as heard.
   * A message that is edited or grows is heard as soon as it matches.
   */
  async hears(pattern: Pattern = /^/, options: HearOptions = {}): Promise<ReceivedMessage> {
    return this.#inbox.next(pattern, options.in?.ref, options.timeoutMs ?? 10_000, this.name);
  }

  /** Makes a group. */
  async newGroup(name: string): Promise<TestChat> {
    const groupProfile = { displayName: name, fullName: '' };
    const { groupInfo } = await this.api.newGroup({ userId: this.userId, groupProfile });
    return { info: group(groupInfo), ref: { chatType: 'group', chatId: groupInfo.groupId } };
  }

  /** Invites a contact, by its display name, to a group, and waits until it has joined. */
  async invites(name: string, { ref }: TestChat, memberRole: MemberRole = 'member'): Promise<void> {
    const { contacts } = await this.api.listContacts({ userId: this.userId });
    const contact = contacts.find((c) => c.profile.displayName === name);
    if (contact === undefined) throw new BotError('NO_CONTACT', `${this.name} has no contact ${name}`);
    const joined = this.waitFor('joinedGroupMember', (e) => e.groupInfo.groupId === ref.chatId);
    joined.catch(() => {});
    await this.api.addMember({ groupId: ref.chatId, contactId: contact.contactId, memberRole });
    await joined;
  }

  /** Waits for an event: the first that came already and that nobody has waited for, or the next. */
  async waitFor<T extends EventTag>(
    tag: T,
    accept: (event: Events[T]) => boolean = () => true,
    options: { readonly timeoutMs?: number } = {},
  ): Promise<Events[T]> {
    const isWanted = (event: ApiEvent): event is Events[T] => event.type === tag;
    const known = this.#events.filter(isWanted).find(accept);
    const event = known ?? (await this.#waiters.wait(tag, accept, { timeoutMs: connectTimeoutMs, ...options }));
    this.#taken(event);
    return event;
  }

  /** The chat that messages go to. */
  get chat(): TestChat {
    if (this.#chat === undefined) throw new BotError('NO_CHAT', `${this.name} is not connected to anybody`);
    return this.#chat;
  }

  /** Ends the client. */
  async close(): Promise<void> {
    this.#waiters.end();
    await this.#transport.close();
  }

  async #send(chat: TestChat, message: Parameters<ApiClient['sendMessages']>[0]['composedMessages'][number]) {
    const { chatItems } = await this.api.sendMessages({ sendRef: chat.ref, composedMessages: [message] });
    const [item] = chatItems;
    if (item === undefined) throw new BotError('NOT_SENT', 'the engine sent no message');
    return item.chatItem.meta.itemId;
  }

  #taken(event: ApiEvent): void {
    const i = this.#events.indexOf(event);
    if (i >= 0) this.#events.splice(i, 1);
  }

  #event(event: ApiEvent): void {
    this.#events.push(event);
    if (this.#events.length > maxEvents) this.#events.shift();
    this.#waiters.offer(event);
    if (event.type === 'newChatItems') for (const item of event.chatItems) this.#inbox.put(item);
    else if (event.type === 'chatItemUpdated') this.#inbox.put(event.chatItem);
    else if (event.type === 'chatItemReaction') this.#inbox.react(event.reaction);
    else if (event.type === 'chatItemsDeleted') {
      for (const d of event.chatItemDeletions) this.#inbox.remove(d.deletedChatItem);
    }
  }
}

function direct(contact: Contact): ChatInfo {
  return { type: 'direct', contact };
}

function group(groupInfo: GroupInfo): ChatInfo {
  return { type: 'group', groupInfo };
}
