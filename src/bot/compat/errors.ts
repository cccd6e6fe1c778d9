import type { ApiResponse, ChatError } from '../../api/index.js';
import { BotError } from '../errors.js';

/** The engine answered a command with an error. */
export class ChatAPIError extends BotError {
  readonly chatError: ChatError | undefined;

  constructor(message: string, chatError?: ChatError) {
    super('CHAT_API', message);
    this.chatError = chatError;
  }
}

/** A command was answered by something else than its response. */
export class ChatCommandError extends BotError {
  readonly response: ApiResponse;

  constructor(message: string, response: ApiResponse) {
    super('UNEXPECTED_RESPONSE', message);
    this.response = response;
  }
}

/** The database could not be opened. */
export class ChatInitError extends BotError {
  readonly dbMigrationError: { readonly type: string; readonly message: string };

  constructor(message: string, cause: unknown) {
    super('CHAT_INIT', message, { cause });
    this.dbMigrationError = { type: 'error', message };
  }
}
