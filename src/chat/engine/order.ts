import type { ParsedCommand } from '../../api/index.js';

/** What a command may not overtake: `all` waits for everything before it and holds everything after it. */
export type OrderKeys = 'all' | readonly string[];

/** Commands on users and on the whole engine. */
const exclusive: ReadonlySet<string> = new Set([
  'CreateActiveUser',
  'APISetActiveUser',
  'SetActiveUser',
  'APIDeleteUser',
  'DeleteUser',
  'APIHideUser',
  'APIUnhideUser',
  'HideUser',
  'UnhideUser',
  'APIMuteUser',
  'APIUnmuteUser',
  'MuteUser',
  'UnmuteUser',
  'StartChat',
  'APIStopChat',
  'APISuspendChat',
  'APIActivateChat',
  'APIUpdateProfile',
  'UpdateProfile',
  'UpdateProfileImage',
  'SetBotCommands',
]);

const signs: Readonly<Record<string, string>> = { direct: '@', group: '#', local: '*', contactConnection: ':' };

/**
 * Which commands of one client keep their order (70-bot-api.md, section 1.4): those that name the same chat, file or
 * user. A command that names a chat by its name could be any chat: it keeps its place among all.
 */
export function orderKeys(command: ParsedCommand): OrderKeys {
  if (exclusive.has(command.tag)) return 'all';
  const keys: string[] = [];
  for (const [name, value] of Object.entries(command)) {
    if (name.endsWith('Name') || name === 'chatName') return 'all';
    if (typeof value === 'object' && value !== null && 'chatType' in value && 'chatId' in value) {
      keys.push(`${signs[String(value.chatType)] ?? '?'}${String(value.chatId)}`);
    } else if (typeof value === 'number') {
      if (name === 'contactId' || name === 'contactId_') keys.push(`@${value}`);
      else if (name === 'groupId') keys.push(`#${value}`);
      else if (name === 'connId') keys.push(`:${value}`);
      else if (name === 'noteFolderId') keys.push(`*${value}`);
      else if (name === 'fileId') keys.push(`f${value}`);
      else if (name === 'contactReqId') keys.push(`r${value}`);
    }
  }
  // Without a chat it is about the user: addresses, links, lists.
  return keys.length > 0 ? keys : ['user'];
}

/**
 * Commands that are one transaction, asked for at once when they are started: the transactions keep their order, so that
 * the next one need not wait until the first is durable.
 */
export function isOneTransaction(command: ParsedCommand): boolean {
  switch (command.tag) {
    case 'APISendMessages':
      // Files are looked at first.
      return command.sendRef.chatType === 'direct' && command.composedMessages.every((m) => m.fileSource === undefined);
    case 'APIUpdateChatItem':
    case 'APIDeleteChatItem':
    case 'APIChatItemReaction':
      return command.chatRef.chatType === 'direct';
    case 'APIChatRead':
    case 'APIChatItemsRead':
      return true;
    default:
      return false;
  }
}

/** Runs the commands of one client: side by side where order cannot matter. */
export class CommandQueue {
  readonly #last = new Map<string, Promise<unknown>>();
  /** Commands of one transaction, which only commands of other kinds wait for. */
  readonly #transactions = new Map<string, Set<Promise<unknown>>>();
  readonly #running = new Set<Promise<unknown>>();
  #barrier: Promise<unknown> | undefined;

  /** `oneTransaction`: {@link isOneTransaction}. */
  run<T>(keys: OrderKeys, task: () => Promise<T>, oneTransaction = false): Promise<T> {
    const before: Promise<unknown>[] = this.#barrier === undefined ? [] : [this.#barrier];
    if (keys === 'all') before.push(...this.#running);
    else {
      for (const key of keys) {
        const last = this.#last.get(key);
        if (last !== undefined) before.push(last);
        if (!oneTransaction) before.push(...(this.#transactions.get(key) ?? []));
      }
    }
    const result = before.length === 0 ? task() : Promise.all(before).then(task);
    const done = result.then(nothing, nothing);
    this.#running.add(done);
    if (keys === 'all') this.#barrier = done;
    else for (const key of keys) this.#begin(key, done, oneTransaction);
    void done.then(() => {
      this.#running.delete(done);
      if (this.#barrier === done) this.#barrier = undefined;
      if (keys !== 'all') for (const key of keys) this.#end(key, done);
    });
    return result;
  }

  #begin(key: string, done: Promise<unknown>, oneTransaction: boolean): void {
    if (!oneTransaction) {
      this.#last.set(key, done);
      return;
    }
    const set = this.#transactions.get(key);
    if (set === undefined) this.#transactions.set(key, new Set([done]));
    else set.add(done);
  }

  #end(key: string, done: Promise<unknown>): void {
    if (this.#last.get(key) === done) this.#last.delete(key);
    const set = this.#transactions.get(key);
    if (set?.delete(done) === true && set.size === 0) this.#transactions.delete(key);
  }
}

const nothing = (): void => {};
