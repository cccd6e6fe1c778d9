import { type ChatRef, chatRefString, isJsonObject, type JsonObject, type JsonValue } from '../../api/index.js';
import type { ApiClient } from '../api/client.js';
import type { StateStore } from '../state/types.js';

/** Where the state of conversations is kept: one JSON object for each chat. */
export interface SessionStore {
  load(chat: ChatRef): Promise<JsonValue | undefined>;
  /** `undefined` deletes. */
  save(chat: ChatRef, data: JsonValue | undefined): Promise<void>;
}

/** In the bot's own table or file. */
export class StateSessions implements SessionStore {
  readonly #state: StateStore;

  constructor(state: StateStore) {
    this.#state = state;
  }

  load(chat: ChatRef): Promise<JsonValue | undefined> {
    return this.#state.get(key(chat));
  }

  save(chat: ChatRef, data: JsonValue | undefined): Promise<void> {
    return this.#state.set({ [key(chat)]: data });
  }
}

/** Whole chats: support chats inside of a group share the session of the group. */
function key(chat: ChatRef): string {
  return `session:${chatRefString({ chatType: chat.chatType, chatId: chat.chatId })}`;
}

/** The field of `customData` that is ours. */
const field = 'session';

/** In `customData` of contacts and groups, kept by the engine. Other fields of `customData` stay as they are. */
export class CustomDataSessions implements SessionStore {
  readonly #api: ApiClient;
  readonly #cache = new Map<string, JsonObject>();

  constructor(api: ApiClient) {
    this.#api = api;
  }

  async load(chat: ChatRef): Promise<JsonValue | undefined> {
    return (await this.#data(chat))[field];
  }

  async save(chat: ChatRef, data: JsonValue | undefined): Promise<void> {
    const { [field]: _old, ...others } = await this.#data(chat);
    const all: JsonObject = data === undefined ? others : { ...others, [field]: data };
    const customData = Object.keys(all).length === 0 ? undefined : all;
    const { chatId } = chat;
    if (chat.chatType === 'direct') await this.#api.setContactCustomData({ contactId: chatId, customData });
    else await this.#api.setGroupCustomData({ groupId: chatId, customData });
    this.#remember(chat, all);
  }

  async #data(chat: ChatRef): Promise<JsonObject> {
    const known = this.#cache.get(key(chat));
    if (known !== undefined) return known;
    // Not from the event: that may be older than what was stored last.
    const { chatType, chatId } = chat;
    const { chat: found } = await this.#api.getChat({
      chatRef: { chatType, chatId },
      pagination: { type: 'last', count: 1 },
    });
    const info = found.chatInfo;
    const data =
      info.type === 'direct' ? info.contact.customData : info.type === 'group' ? info.groupInfo.customData : undefined;
    const object = isJsonObject(data) ? data : {};
    this.#remember(chat, object);
    return object;
  }

  #remember(chat: ChatRef, data: JsonObject): void {
    // The least recently stored goes first.
    this.#cache.delete(key(chat));
    this.#cache.set(key(chat), data);
    if (this.#cache.size > 1000) for (const oldest of this.#cache.keys()) return void this.#cache.delete(oldest);
  }
}
