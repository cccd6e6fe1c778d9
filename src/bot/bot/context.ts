import {
  type AChatItem,
  type ApiEvent,
  type CEvtNewChatItems,
  type ChatInfo,
  type ChatItem,
  type ChatRef,
  type CIDeleteMode,
  type CIFile,
  type Contact,
  type GroupInfo,
  type GroupMember,
  isJsonObject,
  type JsonValue,
  type MsgContent,
  tagOf,
  type User,
} from '../../api/index.js';
import type { ApiClient } from '../api/client.js';
import { BotError } from '../errors.js';
import { chatOf, chatRefOf, contactOf, fileOf, groupOf, itemOf, memberOf, userOf } from '../events.js';
import type { Content } from './content.js';
import { type BotCommand, botCommand, itemContent } from './content.js';
import type { Delivery } from './dispatcher.js';
import type { LiveMessage } from './live.js';
import { type LiveOptions, liveMessage, Message, type SendOptions } from './message.js';
import type { BotRuntime } from './runtime.js';

/** The type of a field of an event: certain for events that have it, possibly absent for others. */
export type FieldOf<E, Key extends string, T> = [E] extends [{ readonly [K in Key]: T }] ? T : T | undefined;

/** What is known and can be done when an event is handled. */
export class Context<S = undefined, E extends ApiEvent = ApiEvent> {
  readonly event: E;
  /** The number of the event; absent for events that come only once. */
  readonly seq: number | undefined;
  /** The state of the conversation. Changes are stored when the handler has finished without an error. */
  session: S;
  readonly #runtime: BotRuntime;
  readonly #part: number;

  /** @internal */
  constructor(runtime: BotRuntime, delivery: Delivery, event: E, session: S) {
    this.#runtime = runtime;
    this.event = event;
    this.seq = delivery.seq;
    this.#part = delivery.part;
    this.session = session;
  }

  /** The whole API, for everything that has no shortcut. */
  get api(): ApiClient {
    return this.#runtime.api;
  }

  /** The tag of the event, also of events that this version does not know. */
  get tag(): string {
    return tagOf(this.event);
  }

  /** The bot's own profile. */
  get me(): User {
    return this.#runtime.user;
  }

  /** The profile that the event belongs to. */
  get user(): User | undefined {
    return userOf(this.event);
  }

  /** The contact that the event is about. */
  get contact(): FieldOf<E, 'contact', Contact> {
    // The type says when it is there; the generated types say which events have it.
    return contactOf(this.event) as FieldOf<E, 'contact', Contact>;
  }

  /** The group that the event is about. */
  get group(): FieldOf<E, 'groupInfo', GroupInfo> {
    return groupOf(this.event) as FieldOf<E, 'groupInfo', GroupInfo>;
  }

  /** The member that the event is about, or who wrote the message. */
  get member(): FieldOf<E, 'member', GroupMember> {
    return memberOf(this.event) as FieldOf<E, 'member', GroupMember>;
  }

  /** The chat that the event is about, with its contact or group. */
  get chatInfo(): ChatInfo | undefined {
    return chatOf(this.event);
  }

  /** The chat as commands name it. */
  get chat(): ChatRef | undefined {
    const info = this.chatInfo;
    return info === undefined ? undefined : chatRefOf(info);
  }

  /** The chat item that the event is about. */
  get item(): ChatItem | undefined {
    return itemOf(this.event)?.chatItem;
  }

  /** The message that the event is about. */
  get message(): Message | undefined {
    const item = itemOf(this.event);
    return item === undefined ? undefined : new Message(this.#runtime.sender, item);
  }

  /** The file that the event is about. */
  get file(): CIFile | undefined {
    return fileOf(this.event);
  }

  /** The text of the message, empty if there is none. */
  get text(): string {
    return this.item?.meta.itemText ?? '';
  }

  /** The name of the contact, or of the member who wrote. */
  get senderName(): string {
    const member: GroupMember | undefined = this.member;
    const contact: Contact | undefined = this.contact;
    return member?.memberProfile.displayName ?? contact?.profile.displayName ?? '';
  }

  /** Sends to the chat of the event. `quote: true` quotes the message that is answered. */
  async reply(content: Content, options: ReplyOptions = {}): Promise<Message> {
    return this.#runtime.sender.send(this.#chat(), content, this.#sendOptions(options));
  }

  /** Sends a file to the chat of the event; `file` is a path on the machine of the engine. */
  async replyWithFile(file: string, options: ReplyOptions & { readonly text?: string } = {}): Promise<Message> {
    const { text = '', ...others } = options;
    return this.reply({ type: 'file', text }, { ...others, file });
  }

  /** Begins a live message in the chat of the event: others see it growing while text is appended. */
  typing(options: ReplyOptions & LiveOptions = {}): LiveMessage {
    const { intervalMs, ...others } = options;
    const live = intervalMs === undefined ? {} : { intervalMs };
    return liveMessage(this.#runtime.sender, this.#chat(), { ...this.#sendOptions(others), ...live });
  }

  /** Answers with a live message that grows by the pieces of `source`. */
  async stream(source: AsyncIterable<string>, options: ReplyOptions & LiveOptions = {}): Promise<Message> {
    const live = this.typing(options);
    for await (const piece of source) live.append(piece);
    return live.finish();
  }

  /**
   * Runs `step` once for this event, even if the event comes again after a crash: its result is stored when it has
   * finished. Steps of one event have different names. Sending counts as done when the engine has taken the message.
   */
  async once<T extends JsonValue | undefined>(name: string, step: () => Promise<T> | T): Promise<T> {
    const { seq } = this;
    if (seq === undefined) return step();
    const { steps } = this.#runtime;
    const stored = steps.get(seq, this.#part, name);
    // Stored by this very step: of its type.
    if (isJsonObject(stored)) return stored.result as T;
    const result = await step();
    const json: JsonValue | undefined = result;
    await steps.mark(seq, this.#part, name, json === undefined ? {} : { result: json });
    return result;
  }

  #sendOptions({ quote, ...others }: ReplyOptions): SendOptions {
    if (quote !== true) return typeof quote === 'number' ? { ...others, quote } : others;
    const id = this.item?.meta.itemId;
    return id === undefined ? others : { ...others, quote: id };
  }

  #chat(): ChatRef {
    const { chat } = this;
    if (chat === undefined) throw new BotError('NO_CHAT', `the event ${this.tag} has no chat to send to`);
    return chat;
  }
}

/** How an answer is sent. */
export interface ReplyOptions extends Omit<SendOptions, 'quote'> {
  /** Quotes the message of the event, or the one with this id. */
  readonly quote?: boolean | number;
}

/** A received message. */
export class MessageContext<S = undefined> extends Context<S, CEvtNewChatItems> {
  readonly #item: AChatItem;
  /** What the message holds. */
  readonly content: MsgContent;
  /** What a regular expression of `hears` has found. */
  match: RegExpExecArray | undefined;
  readonly #message: Message;
  readonly #download: BotRuntime['download'];

  /** @internal */
  constructor(runtime: BotRuntime, delivery: Delivery, event: CEvtNewChatItems, session: S) {
    super(runtime, delivery, event, session);
    const item = itemOf(event);
    const content = item === undefined ? undefined : itemContent(item.chatItem);
    if (item === undefined || content === undefined) throw new BotError('INTERNAL', 'not a message');
    this.#download = (fileId, o) => runtime.download(fileId, o);
    this.#item = item;
    this.content = content;
    this.#message = new Message(runtime.sender, item);
  }

  override get item(): ChatItem {
    return this.#item.chatItem;
  }

  override get chatInfo(): ChatInfo {
    return this.#item.chatInfo;
  }

  override get chat(): ChatRef {
    return this.#message.chat;
  }

  override get message(): Message {
    return this.#message;
  }

  override get file(): CIFile | undefined {
    return this.#item.chatItem.file;
  }

  /** The command in the message, if it begins with `/`. */
  get command(): BotCommand | undefined {
    return botCommand(this.text);
  }

  /** The parameters of the command, empty without any. */
  get args(): string {
    return this.command?.params ?? '';
  }

  /** Whether the message came in a group and mentions the bot. */
  get mentioned(): boolean {
    return this.item.meta.userMention;
  }

  /** Adds a reaction to the message, or takes it back. */
  async react(emoji: string, add = true): Promise<void> {
    await this.#message.react(emoji, add);
  }

  /** Deletes the message here. Moderators delete messages of members for all with `api.deleteMemberChatItem`. */
  async delete(mode?: CIDeleteMode): Promise<void> {
    await this.#message.delete(mode);
  }

  /**
   * Accepts the file of the message and waits until it is here; gives its path on the machine of the engine.
   * @throws BotError `NO_FILE` when the message has none, `FILE_FAILED` when it cannot be received
   */
  async download(options: DownloadOptions = {}): Promise<string> {
    const { file } = this;
    if (file === undefined) throw new BotError('NO_FILE', 'the message has no file');
    return this.#download(file.fileId, options);
  }
}

/** How a file is received. */
export interface DownloadOptions {
  /** Where to: a file or a folder. Default: the folder of the engine. */
  readonly path?: string;
  /** Default 10 minutes. */
  readonly timeoutMs?: number;
}
