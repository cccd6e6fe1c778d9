import type { AChatItem, ChatItem, ChatRef, CIDeleteMode, JsonObject } from '../../api/index.js';
import type { ApiClient } from '../api/client.js';
import { BotError } from '../errors.js';
import { chatRefOf } from '../events.js';
import { type Content, messageContent } from './content.js';
import { type LiveClock, LiveMessage } from './live.js';

/** How a message is sent. */
export interface SendOptions {
  /** Quotes this message, by its item id. */
  readonly quote?: number;
  /** The message disappears after so many seconds. */
  readonly ttl?: number;
  /** Members that are mentioned in the text: their names with their member ids in the group. */
  readonly mentions?: Readonly<Record<string, number>>;
  /** A file that goes with the message: its path for the engine. */
  readonly file?: string;
}

/** Sends messages to chats, and changes them. What contexts and `bot.send` are made of. */
export class Sender {
  readonly api: ApiClient;
  readonly clock: LiveClock;
  readonly #beforeSending: (chat: ChatRef) => Promise<void>;

  constructor(api: ApiClient, clock: LiveClock, beforeSending: (chat: ChatRef) => Promise<void>) {
    this.api = api;
    this.clock = clock;
    this.#beforeSending = beforeSending;
  }

  async send(chat: ChatRef, content: Content, options: SendOptions = {}, live = false): Promise<Message> {
    await this.#beforeSending(chat);
    const { chatItems } = await this.api.sendMessages({
      sendRef: chat,
      ...(live ? { liveMessage: true } : {}),
      ...(options.ttl === undefined ? {} : { ttl: options.ttl }),
      composedMessages: [
        {
          msgContent: messageContent(content),
          ...(options.file === undefined ? {} : { fileSource: { filePath: options.file } }),
          ...(options.quote === undefined ? {} : { quotedItemId: options.quote }),
          ...(options.mentions === undefined ? {} : { mentions: options.mentions }),
        },
      ],
    });
    const [item] = chatItems;
    if (item === undefined) throw new BotError('NOT_SENT', 'the engine sent no message');
    return new Message(this, item);
  }
}

/** A message in a chat: one that came, or one that was sent. */
export class Message {
  readonly #sender: Sender;
  #item: AChatItem;
  readonly chat: ChatRef;

  /** @internal */
  constructor(sender: Sender, item: AChatItem) {
    const chat = chatRefOf(item.chatInfo);
    if (chat === undefined) throw new BotError('NO_CHAT', `a ${item.chatInfo.type} has no messages`);
    this.#sender = sender;
    this.#item = item;
    this.chat = chat;
  }

  /** The number of the message in its chat. */
  get id(): number {
    return this.#item.chatItem.meta.itemId;
  }

  get text(): string {
    return this.#item.chatItem.meta.itemText;
  }

  /** As the engine last told it. */
  get item(): ChatItem {
    return this.#item.chatItem;
  }

  /** Replaces the content of a message that the bot has sent. */
  async edit(content: Content, options: { readonly live?: boolean } = {}): Promise<this> {
    const { chatItem } = await this.#sender.api.updateChatItem({
      chatRef: this.chat,
      chatItemId: this.id,
      ...(options.live === true ? { liveMessage: true } : {}),
      updatedMessage: { msgContent: messageContent(content), mentions: {} },
    });
    this.#item = chatItem;
    return this;
  }

  /** Deletes the message: of the bot for everybody (`broadcast`), of others only here (`internal`). */
  async delete(mode?: CIDeleteMode): Promise<void> {
    const own = this.item.chatDir.type.endsWith('Snd');
    await this.#sender.api.deleteChatItem({
      chatRef: this.chat,
      chatItemIds: [this.id],
      deleteMode: mode ?? (own ? 'broadcast' : 'internal'),
    });
  }

  /** Adds a reaction, or takes it back: 👍 👎 😀 😂 😢 ❤ 🚀 ✅. */
  async react(emoji: string, add = true): Promise<void> {
    await this.#sender.api.chatItemReaction({
      chatRef: this.chat,
      chatItemId: this.id,
      add,
      reaction: { type: 'emoji', emoji },
    });
  }

  /** Answers with a quote of this message. */
  async reply(content: Content, options: SendOptions = {}): Promise<Message> {
    return this.#sender.send(this.chat, content, { quote: this.id, ...options });
  }

  toJSON(): JsonObject {
    return { chatType: this.chat.chatType, chatId: this.chat.chatId, itemId: this.id };
  }
}

/** Begins a live message: it is sent when there is a first text, and changes while text is added. */
export function liveMessage(sender: Sender, chat: ChatRef, options: SendOptions & LiveOptions = {}): LiveMessage {
  const { intervalMs, ...send } = options;
  return new LiveMessage({
    clock: sender.clock,
    send: (text) => sender.send(chat, text, send, true),
    ...(intervalMs === undefined ? {} : { intervalMs }),
  });
}

/** How a live message changes. */
export interface LiveOptions {
  /** The shortest time between two changes that others see, in milliseconds. Default 1000. */
  readonly intervalMs?: number;
}
