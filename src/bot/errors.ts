import { type ApiResponse, type ChatError, type CommandName, chatErrorText, tagOf } from '../api/index.js';
import { FanionError } from '../core/index.js';

/** The base of the SDK's errors; `code` is stable. */
export class BotError extends FanionError {}

/** A command was answered by an error of the chat engine: `chatError` is that of the API. */
export class ChatApiError extends BotError {
  readonly chatError: ChatError;
  /** The command, without its parameters. */
  readonly command: CommandName | string;
  /** The tags of the error, outermost first: `['errorStore', 'userContactLinkNotFound']`. */
  readonly tags: readonly string[];

  constructor(command: CommandName | string, chatError: ChatError) {
    super('CHAT_API', `${command} failed: ${chatErrorText(chatError)}`);
    this.command = command;
    this.chatError = chatError;
    this.tags = errorTags(chatError);
  }

  /** Whether the error, or one inside of it, has this tag: `error.is('groupNotFound')`. */
  is(tag: string): boolean {
    return this.tags.includes(tag);
  }
}

/** A command was answered by something that is neither its response nor an error. */
export class UnexpectedResponseError extends BotError {
  readonly command: CommandName | string;
  readonly response: ApiResponse;

  constructor(command: CommandName | string, response: ApiResponse) {
    super('UNEXPECTED_RESPONSE', `${command} was answered by ${tagOf(response)}`);
    this.command = command;
    this.response = response;
  }
}

/**
 * The connection to the API server ended before the answer came: whether the command was executed is not known
 * (`CONNECTION_LOST`), or the client was closed (`CLOSED`).
 */
export class ConnectionLostError extends BotError {}

/** The server refuses the connection and will refuse it again, for example without the right token: `CONNECTION_REFUSED`. */
export class ConnectionRefusedError extends BotError {}

/** True for a {@link ChatApiError}, with `tag` only if the error has that tag. */
export function isChatApiError(error: unknown, tag?: string): error is ChatApiError {
  return error instanceof ChatApiError && (tag === undefined || error.is(tag));
}

function errorTags(value: unknown): string[] {
  if (typeof value !== 'object' || value === null) return [];
  const tags = 'type' in value && typeof value.type === 'string' ? [value.type] : [];
  for (const inner of Object.values(value)) tags.push(...errorTags(inner));
  return tags;
}
