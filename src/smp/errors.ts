import { DecodeError, Reader, utf8Bytes, utf8String, Writer } from '../wire/index.js';
import { SmpV, type SmpVersion } from './versions.js';

/** What a command can be refused for before it is executed. */
export type CommandErrorType = 'UNKNOWN' | 'SYNTAX' | 'PROHIBITED' | 'NO_AUTH' | 'HAS_AUTH' | 'NO_ENTITY';

export type HandshakeErrorType = 'PARSE' | 'IDENTITY' | 'BAD_AUTH' | 'BAD_SERVICE';

/** Errors of blocks and handshakes. The values are their JSON form. */
export type TransportError =
  | { readonly type: 'badBlock' | 'version' | 'largeMsg' | 'badSession' | 'noServerAuth' }
  | { readonly type: 'handshake'; readonly handshakeErr: { readonly type: HandshakeErrorType } };

/** Details of a network failure (from 6.5 on); on the wire 6.4 knows only the bare word. */
export type NetworkError =
  | { readonly type: 'connectError'; readonly connectError: string }
  | { readonly type: 'tLSError'; readonly tlsError: string }
  | { readonly type: 'unknownCAError' | 'failedError' | 'timeoutError' }
  | { readonly type: 'subscribeError'; readonly subscribeError: string };

/** What happened between a client (or proxy) and a relay. */
export type BrokerError =
  | { readonly type: 'RESPONSE' | 'UNEXPECTED'; readonly respErr: string }
  | { readonly type: 'NETWORK'; readonly networkError?: NetworkError }
  | { readonly type: 'HOST' | 'NO_SERVICE' | 'TIMEOUT' }
  | { readonly type: 'TRANSPORT'; readonly transportErr: TransportError };

export type ProxyError =
  | { readonly type: 'PROTOCOL'; readonly protocolErr: SmpError }
  | { readonly type: 'BROKER'; readonly brokerErr: BrokerError }
  | { readonly type: 'BASIC_AUTH' | 'NO_SESSION' };

export type BlockingReason = 'spam' | 'content';

/** Why an operator blocked a queue (20-smp.md, section 8.1). Before version 18 the notice is not on the wire. */
export interface BlockingInfo {
  readonly reason: BlockingReason;
  /** A notice to users, for `ttl` seconds; without `ttl` for ever. */
  readonly notice?: { readonly ttl?: number };
}

/**
 * What a relay answers instead of success (20-smp.md, section 8). The value is its own JSON form, as the API and
 * the agent show it.
 */
export type SmpError =
  | {
      readonly type:
        | 'BLOCK'
        | 'SESSION'
        | 'AUTH'
        | 'SERVICE'
        | 'CRYPTO'
        | 'QUOTA'
        | 'NO_MSG'
        | 'LARGE_MSG'
        | 'EXPIRED'
        | 'INTERNAL'
        | 'DUPLICATE_';
    }
  | { readonly type: 'CMD'; readonly cmdErr: { readonly type: CommandErrorType } }
  | { readonly type: 'PROXY'; readonly proxyErr: ProxyError }
  | { readonly type: 'BLOCKED'; readonly blockInfo: BlockingInfo }
  | { readonly type: 'STORE'; readonly storeErr: string };

/** Shorthand for `CMD` errors. */
export function cmdError(type: CommandErrorType): SmpError {
  return { type: 'CMD', cmdErr: { type } };
}

const transportWords = {
  badBlock: 'BLOCK',
  version: 'VERSION',
  largeMsg: 'LARGE_MSG',
  badSession: 'SESSION',
  noServerAuth: 'NO_AUTH',
} as const;

/** `wire` texts carry a length byte, `text` ones (human-readable form) do not. */
type Form = 'wire' | 'text';

function shortText(w: Writer, form: Form, s: string): void {
  const bytes = utf8Bytes(s);
  // A long text is cut: the limit is one length byte, and an error must not fail to encode.
  if (form === 'wire') w.str(bytes.length > 255 ? bytes.subarray(0, 255) : bytes);
  else w.raw(bytes);
}

/** `BLOCK`, `VERSION`, ..., `HANDSHAKE IDENTITY`: the service response and proxy errors. */
export function formatTransportError(e: TransportError): string {
  return e.type === 'handshake' ? `HANDSHAKE ${e.handshakeErr.type}` : transportWords[e.type];
}

function putNetworkError(w: Writer, form: Form, e: NetworkError): void {
  switch (e.type) {
    case 'connectError':
      w.ascii('CONNECT ');
      shortText(w, form, e.connectError);
      return;
    case 'tLSError':
      w.ascii('TLS ');
      shortText(w, form, e.tlsError);
      return;
    case 'subscribeError':
      w.ascii('SUBSCRIBE ');
      shortText(w, form, e.subscribeError);
      return;
    case 'unknownCAError':
      w.ascii('UNKNOWNCA');
      return;
    case 'failedError':
      w.ascii('FAILED');
      return;
    case 'timeoutError':
      w.ascii('TIMEOUT');
      return;
  }
}

function putBrokerError(w: Writer, form: Form, e: BrokerError): void {
  w.ascii(e.type);
  if (e.type === 'RESPONSE' || e.type === 'UNEXPECTED') shortText(w.ascii(' '), form, e.respErr);
  else if (e.type === 'TRANSPORT') w.ascii(` ${formatTransportError(e.transportErr)}`);
  // On the wire NETWORK is always the bare word: 6.4 and 6.5 both write it so.
  else if (e.type === 'NETWORK' && form === 'text' && e.networkError !== undefined) {
    putNetworkError(w.ascii(' '), form, e.networkError);
  }
}

function putError(w: Writer, form: Form, version: SmpVersion, e: SmpError): void {
  switch (e.type) {
    case 'CMD':
      w.ascii(`CMD ${e.cmdErr.type}`);
      return;
    case 'PROXY':
      w.ascii(`PROXY ${e.proxyErr.type}`);
      if (e.proxyErr.type === 'PROTOCOL') putError(w.ascii(' '), form, version, e.proxyErr.protocolErr);
      else if (e.proxyErr.type === 'BROKER') putBrokerError(w.ascii(' '), form, e.proxyErr.brokerErr);
      return;
    case 'BLOCKED':
      if (version < SmpV.Blocked) {
        w.ascii('AUTH');
        return;
      }
      w.ascii(`BLOCKED reason=${e.blockInfo.reason}`);
      if (version >= SmpV.BlockedNotice && e.blockInfo.notice !== undefined) {
        w.ascii(`,notice=${JSON.stringify(e.blockInfo.notice)}`);
      }
      return;
    case 'STORE':
      w.ascii('STORE ').raw(utf8Bytes(e.storeErr));
      return;
    default:
      w.ascii(e.type);
  }
}

/** What follows `ERR ` at this version: BLOCKED is downgraded for clients that do not know it. */
export function writeSmpError(w: Writer, version: SmpVersion, e: SmpError): void {
  putError(w, 'wire', version, e);
}

/** The human-readable form of agent and chat errors: as on the wire, without length bytes. */
export function formatSmpError(e: SmpError): string {
  const w = new Writer(64);
  putError(w, 'text', SmpV.BlockedNotice, e);
  return utf8String(w.view()) ?? e.type;
}

/** The human-readable form of a broker error. */
export function formatBrokerError(e: BrokerError): string {
  const w = new Writer(64);
  putBrokerError(w, 'text', e);
  return utf8String(w.view()) ?? e.type;
}

const plainErrors = new Set<string>([
  'BLOCK',
  'SESSION',
  'AUTH',
  'SERVICE',
  'CRYPTO',
  'QUOTA',
  'NO_MSG',
  'LARGE_MSG',
  'EXPIRED',
  'INTERNAL',
  'DUPLICATE_',
]);

type PlainError = Extract<SmpError, { type: 'BLOCK' }>['type'];

function isPlain(word: string): word is PlainError {
  return plainErrors.has(word);
}

const commandErrors = new Set<string>(['UNKNOWN', 'SYNTAX', 'PROHIBITED', 'NO_AUTH', 'HAS_AUTH', 'NO_ENTITY']);

function isCommandError(word: string): word is CommandErrorType {
  return commandErrors.has(word);
}

/** A word that ends at a space (which is taken) or at the end; tells whether there was a space. */
function word(r: Reader, field: string): { text: string; more: boolean } {
  const before = r.remaining;
  const text = r.word(field);
  return { text, more: before - r.remaining > text.length };
}

function lastWord(r: Reader, field: string): string {
  const { text, more } = word(r, field);
  if (more) throw r.error(field, 'space after the last word');
  return text;
}

function takeShortText(r: Reader, form: Form, field: string): string {
  const bytes = form === 'wire' ? r.str(field) : r.tail();
  // Foreign error texts: bytes that are not UTF-8 must not hide the error itself.
  return utf8String(bytes) ?? Buffer.from(bytes).toString('latin1');
}

/** The text form of a transport error, to the end of the input. @throws DecodeError */
export function readTransportError(r: Reader, field = 'transportError'): TransportError {
  const { text, more } = word(r, field);
  if (text === 'HANDSHAKE' && more) {
    const type = lastWord(r, field);
    if (type === 'PARSE' || type === 'IDENTITY' || type === 'BAD_AUTH' || type === 'BAD_SERVICE') {
      return { type: 'handshake', handshakeErr: { type } };
    }
  } else if (!more) {
    for (const [type, w] of Object.entries(transportWords)) {
      if (w === text) return { type: type as keyof typeof transportWords };
    }
  }
  throw r.error(field, 'unknown transport error');
}

function takeNetworkError(r: Reader, form: Form): NetworkError {
  const { text, more } = word(r, 'networkError');
  if (text === 'CONNECT' && more) {
    return { type: 'connectError', connectError: takeShortText(r, form, 'networkError') };
  }
  if (text === 'TLS' && more) return { type: 'tLSError', tlsError: takeShortText(r, form, 'networkError') };
  if (text === 'SUBSCRIBE' && more) {
    return { type: 'subscribeError', subscribeError: takeShortText(r, form, 'networkError') };
  }
  if (!more && text === 'UNKNOWNCA') return { type: 'unknownCAError' };
  if (!more && text === 'FAILED') return { type: 'failedError' };
  if (!more && text === 'TIMEOUT') return { type: 'timeoutError' };
  throw r.error('networkError', 'unknown network error');
}

function takeBrokerError(r: Reader, form: Form, version: SmpVersion): BrokerError {
  const { text, more } = word(r, 'brokerError');
  if (text === 'RESPONSE' || text === 'UNEXPECTED') {
    if (!more && form === 'wire') throw r.error('brokerError', 'text missing');
    return { type: text, respErr: takeShortText(r, form, 'brokerError') };
  }
  if (text === 'NETWORK') {
    if (!more) return { type: 'NETWORK' };
    // 6.4 refuses details, 6.5 (version 18) accepts them.
    if (version >= SmpV.BlockedNotice) return { type: 'NETWORK', networkError: takeNetworkError(r, form) };
  }
  if (text === 'TRANSPORT' && more) return { type: 'TRANSPORT', transportErr: readTransportError(r) };
  if (!more && (text === 'HOST' || text === 'NO_SERVICE' || text === 'TIMEOUT')) return { type: text };
  throw r.error('brokerError', 'unknown broker error');
}

function takeBlockingInfo(r: Reader, version: SmpVersion): BlockingInfo {
  const text = utf8String(r.tail()) ?? '';
  const m = /^reason=(spam|content)(?:,notice=(.*))?$/s.exec(text);
  const reason = m?.[1];
  if (reason !== 'spam' && reason !== 'content') throw r.error('blocked', 'unknown reason');
  if (m?.[2] === undefined) return { reason };
  if (version < SmpV.BlockedNotice) throw r.error('blocked', 'notice before version 18');
  let notice: unknown;
  try {
    notice = JSON.parse(m[2]);
  } catch (cause) {
    throw new DecodeError('blocked', 'notice is not JSON', r.offset, cause);
  }
  if (typeof notice !== 'object' || notice === null || Array.isArray(notice)) {
    throw r.error('blocked', 'notice is not an object');
  }
  const ttl: unknown = 'ttl' in notice ? notice.ttl : undefined;
  if (ttl === undefined || ttl === null) return { reason, notice: {} };
  if (typeof ttl !== 'number' || !Number.isSafeInteger(ttl)) throw r.error('blocked', 'ttl is not a number');
  return { reason, notice: { ttl } };
}

/** Nested PROXY errors: more than a proxy of a proxy is not a protocol any more. */
const maxDepth = 4;

function takeError(r: Reader, form: Form, version: SmpVersion, depth: number): SmpError {
  const { text, more } = word(r, 'error');
  if (text === 'STORE' && more) {
    const bytes = r.tail();
    return { type: 'STORE', storeErr: utf8String(bytes) ?? Buffer.from(bytes).toString('latin1') };
  }
  if (text === 'BLOCKED' && more) return { type: 'BLOCKED', blockInfo: takeBlockingInfo(r, version) };
  if (text === 'CMD' && more) {
    const type = lastWord(r, 'error');
    if (type === 'NO_QUEUE') return cmdError('NO_ENTITY');
    if (isCommandError(type)) return cmdError(type);
  }
  if (text === 'PROXY' && more) {
    const kind = word(r, 'proxyError');
    if (kind.text === 'PROTOCOL' && kind.more && depth < maxDepth) {
      const protocolErr = takeError(r, form, version, depth + 1);
      return { type: 'PROXY', proxyErr: { type: 'PROTOCOL', protocolErr } };
    }
    if (kind.text === 'BROKER' && kind.more) {
      return { type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr: takeBrokerError(r, form, version) } };
    }
    if (!kind.more && (kind.text === 'BASIC_AUTH' || kind.text === 'NO_SESSION')) {
      return { type: 'PROXY', proxyErr: { type: kind.text } };
    }
  }
  if (!more && isPlain(text)) return { type: text };
  throw r.error('error', 'unknown error');
}

/** Reads what follows `ERR `, to the end of input is the caller's check. */
export function readSmpError(r: Reader, version: SmpVersion): SmpError {
  return takeError(r, 'wire', version, 0);
}

/** Parses the human-readable form. */
export function parseSmpError(s: string): SmpError {
  const r = new Reader(utf8Bytes(s));
  const e = takeError(r, 'text', SmpV.BlockedNotice, 0);
  r.end('error');
  return e;
}
