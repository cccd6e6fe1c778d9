import { CryptoError } from '../../crypto/index.js';
import { DecodeError } from '../../wire/index.js';
import { FileCipherError, XftpClientError } from '../../xftp/index.js';
import { AgentError, type AgentErrorJson } from '../errors.js';

/** `FILE` errors of the agent (40-xftp, section 5.10). */
export type FileErrorJson =
  | { readonly type: 'NOT_APPROVED' | 'SIZE' | 'NO_FILE' }
  | { readonly type: 'REDIRECT'; readonly redirectError: string }
  | { readonly type: 'FILE_IO'; readonly fileIOError: string };

export const fileError = (fileErr: FileErrorJson, cause?: unknown): AgentError =>
  new AgentError({ type: 'FILE', fileErr }, { cause });

/** Errors of the operating system: the word and its explanation, without paths. */
function systemErrorText(e: Error): string {
  return e.message.split(', ')[0] ?? e.message;
}

/** Anything that went wrong with a file, as an agent error. `server` is where a request went, if it was one. */
export function toFileAgentError(e: unknown, server = ''): AgentError {
  if (e instanceof AgentError) return e;
  if (e instanceof XftpClientError) {
    const { failure } = e;
    const json: AgentErrorJson =
      failure.type === 'XFTP'
        ? { type: 'XFTP', serverAddress: server, xftpErr: failure.xftpErr }
        : { type: 'BROKER', brokerAddress: server, brokerErr: failure.brokerErr };
    return new AgentError(json, { cause: e });
  }
  if (e instanceof FileCipherError) return cipherError(e);
  if (e instanceof CryptoError) return fileError({ type: 'FILE_IO', fileIOError: `InvalidAuthTag: ${e.message}` }, e);
  if (e instanceof DecodeError) return fileError({ type: 'FILE_IO', fileIOError: e.message }, e);
  if (e instanceof Error && 'syscall' in e) return fileError({ type: 'FILE_IO', fileIOError: systemErrorText(e) }, e);
  return new AgentError({ type: 'INTERNAL', internalErr: e instanceof Error ? e.message : String(e) }, { cause: e });
}

function cipherError(e: FileCipherError): AgentError {
  switch (e.code) {
    case 'XFTP_FILE_DIGEST':
      return new AgentError({ type: 'XFTP', serverAddress: '', xftpErr: { type: 'DIGEST' } }, { cause: e });
    case 'XFTP_FILE_SIZE':
      return new AgentError({ type: 'XFTP', serverAddress: '', xftpErr: { type: 'SIZE' } }, { cause: e });
    case 'XFTP_FILE_AUTH':
      return fileError({ type: 'FILE_IO', fileIOError: `InvalidAuthTag: ${e.message}` }, e);
    case 'XFTP_FILE_TOO_LARGE':
      return fileError({ type: 'SIZE' }, e);
    default:
      return fileError({ type: 'FILE_IO', fileIOError: e.message }, e);
  }
}
