import { type AChatItem, type ACIReaction, type ChatItem, type ChatRef, chatRefString } from '../../api/index.js';
import { type Clock, type Deferred, deferred } from '../../core/index.js';
import { BotError } from '../errors.js';
import { chatRefOf } from '../events.js';

/** What a message must be: its text, a part of it by a regular expression, or what a function says. */
export type Pattern = string | RegExp | ((message: ReceivedMessage) => boolean);

/** A message that a {@link TestUser} has received. */
export interface ReceivedMessage {
  readonly text: string;
  /** In its newest form. */
  readonly item: ChatItem;
  readonly chat: ChatRef;
  /** The texts that it had, oldest first: more than one if it was edited or grew. */
  readonly versions: readonly string[];
  /** Reactions of others to it. */
  readonly reactions: readonly string[];
  readonly deleted: boolean;
}

interface Entry {
  message: ReceivedMessage;
  heard: boolean;
}

interface Listener {
  readonly wants: (entry: Entry) => boolean;
  readonly found: Deferred<ReceivedMessage>;
}

/** The received messages of a user, and who waits for them. */
export class Inbox {
  readonly #entries: Entry[] = [];
  readonly #listeners = new Set<Listener>();
  readonly #clock: Clock;

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  get messages(): readonly ReceivedMessage[] {
    return this.#entries.map((e) => e.message);
  }

  /** A message that is new or changed. */
  put({ chatInfo, chatItem }: AChatItem): void {
    const chat = chatRefOf(chatInfo);
    if (chat === undefined || chatItem.content.type !== 'rcvMsgContent') return;
    const text = chatItem.meta.itemText;
    const entry = this.#find(chat, chatItem.meta.itemId);
    if (entry === undefined) {
      const message = { text, item: chatItem, chat, versions: [text], reactions: [], deleted: false };
      this.#changed(this.#entries[this.#entries.push({ message, heard: false }) - 1]);
      return;
    }
    const { versions, ...message } = entry.message;
    entry.message = {
      ...message,
      text,
      item: chatItem,
      versions: versions.at(-1) === text ? versions : [...versions, text],
    };
    entry.heard = false;
    this.#changed(entry);
  }

  react({ chatInfo, chatReaction }: ACIReaction): void {
    const chat = chatRefOf(chatInfo);
    const entry = chat === undefined ? undefined : this.#find(chat, chatReaction.chatItem.meta.itemId);
    const { reaction } = chatReaction;
    if (entry === undefined || reaction.type !== 'emoji') return;
    entry.message = { ...entry.message, reactions: [...entry.message.reactions, String(reaction.emoji)] };
    entry.heard = false;
    this.#changed(entry);
  }

  remove({ chatInfo, chatItem }: AChatItem): void {
    const chat = chatRefOf(chatInfo);
    const entry = chat === undefined ? undefined : this.#find(chat, chatItem.meta.itemId);
    if (entry === undefined) return;
    entry.message = { ...entry.message, deleted: true };
    entry.heard = false;
    this.#changed(entry);
  }

  /** @throws BotError `NOT_HEARD` with the texts that came instead */
  async next(pattern: Pattern, chat: ChatRef | undefined, timeoutMs: number, who: string): Promise<ReceivedMessage> {
    const inChat = (e: Entry): boolean => chat === undefined || sameChat(chat, e.message.chat);
    const wants = (e: Entry): boolean => !e.heard && inChat(e) && matches(pattern, e.message);
    const found = deferred<ReceivedMessage>();
    const listener: Listener = { wants, found };
    const timer = this.#clock.after(timeoutMs, () => {
      const texts = this.#entries.filter((e) => !e.heard && inChat(e)).map((e) => JSON.stringify(e.message.text));
      const instead = texts.length === 0 ? 'nothing' : texts.join(', ');
      found.reject(
        new BotError('NOT_HEARD', `${who} did not hear ${String(pattern)} in ${timeoutMs} ms, but ${instead}`),
      );
    });
    const known = this.#entries.find(wants);
    if (known === undefined) this.#listeners.add(listener);
    else found.resolve(known.message);
    try {
      const message = await found.promise;
      // What came before it was not what the test has asked for, and is not asked for any more.
      for (const e of this.#entries) {
        if (sameChat(e.message.chat, message.chat)) e.heard = true;
        if (e.message.item.meta.itemId === message.item.meta.itemId && sameChat(e.message.chat, message.chat)) break;
      }
      return message;
    } finally {
      timer.cancel();
      this.#listeners.delete(listener);
    }
  }

  #find(chat: ChatRef, id: number): Entry | undefined {
    return this.#entries.find((e) => e.message.item.meta.itemId === id && sameChat(e.message.chat, chat));
  }

  #changed(entry: Entry | undefined): void {
    if (entry === undefined) return;
    for (const listener of this.#listeners) {
      if (!listener.wants(entry)) continue;
      this.#listeners.delete(listener);
      listener.found.resolve(entry.message);
      return;
    }
  }
}

function sameChat(a: ChatRef, b: ChatRef): boolean {
  return chatRefString(a) === chatRefString(b);
}

function matches(pattern: Pattern, message: ReceivedMessage): boolean {
  if (typeof pattern === 'string') return message.text === pattern;
  if (typeof pattern === 'function') return pattern(message);
  pattern.lastIndex = 0;
  return pattern.test(message.text);
}
