import { AgentError } from '../../agent/index.js';
import type {
  AgentErrorType,
  StoreError as ApiStoreError,
  ChatError,
  ChatErrorType,
  ConnectionEntity,
} from '../../api/index.js';
import { errorMessage, FanionError } from '../../core/index.js';
import { StoreError } from '../../store/index.js';

/** A failure that the API shows as it is: {@link chatError} is the exact `ChatError`. */
export class ChatException extends FanionError {
  readonly chatError: ChatError;

  constructor(chatError: ChatError, options: { readonly cause?: unknown } = {}) {
    super(`CHAT_${tag(chatError)}`, `chat error: ${tag(chatError)}`, options);
    this.chatError = chatError;
  }
}

function tag(e: ChatError): string {
  if (e.type === 'error') return e.errorType.type;
  if (e.type === 'errorStore') return e.storeError.type;
  return e.type;
}

/** `error` with this type: `fail({ type: 'contactNotReady', contact })`. */
export function chatFailure(errorType: ChatErrorType): ChatException {
  return new ChatException({ type: 'error', errorType });
}

/** `error`/`commandError` with this message. */
export function commandFailure(message: string): ChatException {
  return chatFailure({ type: 'commandError', message });
}

/** `errorStore`: missing or duplicate records. */
export function storeFailure(storeError: ApiStoreError): ChatException {
  return new ChatException({ type: 'errorStore', storeError });
}

/** `errorStore`/`internalError`. */
export function storeInternalFailure(message: string): ChatException {
  return storeFailure({ type: 'internalError', message });
}

/** Anything that was thrown, as the API shows it (70-bot-api.md, section 6.1). */
export function toChatError(error: unknown, entity?: ConnectionEntity): ChatError {
  if (error instanceof ChatException) return error.chatError;
  if (error instanceof AgentError) {
    // The agent's JSON is this type by specification (30-agent.md, section 16.1); its file errors are open objects.
    return { type: 'errorAgent', agentError: error.json as AgentErrorType, connectionEntity_: entity };
  }
  if (error instanceof StoreError || isSqliteError(error)) {
    return { type: 'errorStore', storeError: { type: 'dBException', message: errorMessage(error) } };
  }
  return { type: 'error', errorType: { type: 'exception', message: errorMessage(error) } };
}

function isSqliteError(error: unknown): boolean {
  if (!(error instanceof Error)) return false;
  const code = 'code' in error ? error.code : undefined;
  return (
    (typeof code === 'string' && code.startsWith('SQLITE')) || /constraint failed|duplicate key/i.test(error.message)
  );
}
