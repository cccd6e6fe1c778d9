import type {
  AgentErrorType,
  ChatError,
  ChatErrorType,
  ConnectionEntity,
  CRChatCmdError,
  StoreError,
} from './types.generated.js';

/**
 * Constructors of the exact `ChatError` values (70-bot-api.md 6). The members of each union and their fields are those of
 * bot-api.json: `storeError({ type: 'groupNotFound', groupId })`.
 */

/** `error`: of the engine itself. */
export function chatError(errorType: ChatErrorType): ChatError {
  return { type: 'error', errorType };
}

/** `error`/`commandError`. */
export function commandError(message: string): ChatError {
  return chatError({ type: 'commandError', message });
}

/** `errorStore`: missing and duplicate records. */
export function storeError(error: StoreError): ChatError {
  return { type: 'errorStore', storeError: error };
}

/** `errorAgent`: of the network and the layers below, with the connection that it is about. */
export function agentError(error: AgentErrorType, connectionEntity_?: ConnectionEntity): ChatError {
  return connectionEntity_ === undefined
    ? { type: 'errorAgent', agentError: error }
    : { type: 'errorAgent', agentError: error, connectionEntity_ };
}

/** Errors of the database file (70-bot-api.md 6.1). */
export type DatabaseErrorValue =
  | { readonly type: 'errorEncrypted' }
  | { readonly type: 'errorPlaintext' }
  | { readonly type: 'errorNoFile'; readonly dbFile: string }
  | { readonly type: 'errorExport' | 'errorOpen'; readonly sqliteError: SqliteErrorValue };

export type SqliteErrorValue =
  | { readonly type: 'errorNotADatabase' }
  | { readonly type: 'error'; readonly dbError: string };

/** `errorDatabase`. */
export function databaseError(error: DatabaseErrorValue): ChatError {
  return { type: 'errorDatabase', databaseError: error };
}

/** The answer to a command that failed. */
export function chatCmdError(error: ChatError): CRChatCmdError {
  return { type: 'chatCmdError', chatError: error };
}

/** What a request that cannot be decoded is answered with; it has no `corrId` then. */
export const invalidRequest: CRChatCmdError = chatCmdError(commandError('invalid request'));

/**
 * An error for people and logs: its tags, and the message where it has one (`error: commandError: not supported`). Holds
 * no names, keys or links.
 */
export function chatErrorText(error: ChatError): string {
  const parts: string[] = [error.type];
  let at: unknown = error;
  for (let depth = 0; depth < 6; depth++) {
    const inner = innerError(at);
    if (inner === undefined) break;
    parts.push(inner.type);
    at = inner;
  }
  if (typeof at === 'object' && at !== null && 'message' in at && typeof at.message === 'string')
    parts.push(at.message);
  return parts.join(': ');
}

const errorKeys = [
  'errorType',
  'storeError',
  'agentError',
  'cmdErr',
  'connErr',
  'smpErr',
  'ntfErr',
  'xftpErr',
  'fileErr',
  'proxyErr',
  'protocolErr',
  'rcpErr',
  'brokerErr',
  'transportErr',
  'handshakeErr',
  'agentErr',
  'cryptoErr',
  'databaseError',
  'sqliteError',
];

function innerError(value: unknown): { readonly type: string } | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  for (const [key, v] of Object.entries(value) as [string, unknown][]) {
    if (!errorKeys.includes(key) || typeof v !== 'object' || v === null) continue;
    if ('type' in v && typeof v.type === 'string') return { ...v, type: v.type };
  }
  return undefined;
}
