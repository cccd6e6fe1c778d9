import { FanionError } from '../core/index.js';
import type { BlockingInfo, BrokerError, CommandErrorType, TransportError } from '../smp/index.js';
import { DecodeError } from '../wire/index.js';

const plainErrors = [
  'BLOCK',
  'SESSION',
  'HANDSHAKE',
  'AUTH',
  'SIZE',
  'QUOTA',
  'DIGEST',
  'CRYPTO',
  'NO_FILE',
  'HAS_FILE',
  'FILE_IO',
  'TIMEOUT',
  'INTERNAL',
  'DUPLICATE_',
] as const;
const commandErrors: readonly CommandErrorType[] = [
  'UNKNOWN',
  'SYNTAX',
  'PROHIBITED',
  'NO_AUTH',
  'HAS_AUTH',
  'NO_ENTITY',
];

export type XftpPlainError = (typeof plainErrors)[number];

/** An error as the protocol has it (40-xftp, section 2.5), in the shape of the bot API's JSON. */
export type XftpError =
  | { readonly type: XftpPlainError }
  | { readonly type: 'CMD'; readonly cmdErr: { readonly type: CommandErrorType } }
  | { readonly type: 'BLOCKED'; readonly blockInfo: BlockingInfo };

/** The text after `ERR `, and the whole of a handshake error. */
export function formatXftpError(error: XftpError): string {
  switch (error.type) {
    case 'CMD':
      return `CMD ${error.cmdErr.type}`;
    case 'BLOCKED':
      return `BLOCKED reason=${error.blockInfo.reason}`;
    default:
      return error.type;
  }
}

/** Parses the text after `ERR ` (40-xftp, section 2.5). @throws DecodeError */
export function parseXftpError(text: string): XftpError {
  const plain = plainErrors.find((e) => e === text);
  if (plain !== undefined) return { type: plain };
  if (text.startsWith('CMD ')) {
    const word = text.slice(4) === 'NO_QUEUE' ? 'NO_ENTITY' : text.slice(4);
    const cmd = commandErrors.find((e) => e === word);
    if (cmd !== undefined) return { type: 'CMD', cmdErr: { type: cmd } };
  }
  const blocked = /^BLOCKED reason=(spam|content)(?:,notice=(\{.*\}))?$/.exec(text);
  if (blocked !== null) {
    const reason = blocked[1] === 'spam' ? 'spam' : 'content';
    const notice = blocked[2] === undefined ? undefined : parseNotice(blocked[2]);
    return { type: 'BLOCKED', blockInfo: notice === undefined ? { reason } : { reason, notice } };
  }
  throw new DecodeError('xftpError', 'unknown error', 0);
}

function parseNotice(json: string): { ttl?: number } {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw new DecodeError('xftpError.notice', 'not JSON', 0, cause);
  }
  if (typeof value === 'object' && value !== null && 'ttl' in value && typeof value.ttl === 'number') {
    return { ttl: value.ttl };
  }
  return {};
}

/** How a request of an {@link XftpClient} failed: the server said so, or the exchange with it broke. */
export type XftpFailure =
  | { readonly type: 'XFTP'; readonly xftpErr: XftpError }
  | { readonly type: 'BROKER'; readonly brokerErr: BrokerError };

/** Thrown by every request of the client. `code` is `XFTP_<error>` or `XFTP_BROKER_<error>`. */
export class XftpClientError extends FanionError {
  readonly failure: XftpFailure;

  constructor(failure: XftpFailure, message?: string, cause?: unknown) {
    const code =
      failure.type === 'XFTP' ? `XFTP_${failure.xftpErr.type}` : `XFTP_BROKER_${failure.brokerErr.type.toUpperCase()}`;
    super(code, message ?? describeFailure(failure), { cause });
    this.failure = failure;
  }
}

function describeFailure(failure: XftpFailure): string {
  if (failure.type === 'XFTP') return `the file server answered ${formatXftpError(failure.xftpErr)}`;
  const e = failure.brokerErr;
  switch (e.type) {
    case 'RESPONSE':
    case 'UNEXPECTED':
      return `bad response of the file server: ${e.respErr}`;
    case 'TRANSPORT':
      return `file server handshake failed: ${e.transportErr.type}`;
    default:
      return `file server connection: ${e.type}`;
  }
}

/** The server answered with an error. */
export function serverError(xftpErr: XftpError): XftpClientError {
  return new XftpClientError({ type: 'XFTP', xftpErr });
}

/** The server's answer is wrong: permanent for the agent (40-xftp, section 2.4). */
export function responseError(respErr: string, cause?: unknown): XftpClientError {
  return new XftpClientError({ type: 'BROKER', brokerErr: { type: 'RESPONSE', respErr } }, undefined, cause);
}

/** No connection to the server, or a broken one: temporary for the agent. */
export function networkError(message: string, cause?: unknown): XftpClientError {
  return new XftpClientError({ type: 'BROKER', brokerErr: { type: 'NETWORK' } }, message, cause);
}

/** The server did not answer in time: temporary for the agent. */
export function timeoutError(message: string): XftpClientError {
  return new XftpClientError({ type: 'BROKER', brokerErr: { type: 'TIMEOUT' } }, message);
}

/** The handshake failed, or what came over the connection is no XFTP: permanent for the agent. */
export function transportError(transportErr: TransportError, message?: string, cause?: unknown): XftpClientError {
  return new XftpClientError({ type: 'BROKER', brokerErr: { type: 'TRANSPORT', transportErr } }, message, cause);
}
