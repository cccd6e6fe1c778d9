import { type AuthAlgorithm, authAlgorithms, type PublicKey, readPublicKey, writePublicKey } from '../crypto/index.js';
import { DecodeError, Reader, type Writer } from '../wire/index.js';
import { type CommandErrorType, cmdError, type SmpError } from './errors.js';
import { queueModeChar, readQueueMode } from './queues.js';
import { isBasicAuth, readServer, type SmpServer, writeServer } from './server.js';
import { SmpV, type SmpVersion, smpVersion } from './versions.js';

/** A key that authorizes commands. */
export type AuthPublicKey = PublicKey<AuthAlgorithm>;

/** Link data: opaque to the relay. `fixed` never changes, `user` can be replaced. */
export interface LinkData {
  readonly fixed: Uint8Array;
  readonly user: Uint8Array;
}

/** What NEW asks for (20-smp.md, section 6.2). With link data the sender id is SHA3-384(corrId)[0..24]. */
export type QueueRequest =
  | { readonly mode: 'messaging'; readonly link?: LinkData & { readonly senderId: Uint8Array } }
  | {
      readonly mode: 'contact';
      readonly link?: LinkData & { readonly linkId: Uint8Array; readonly senderId: Uint8Array };
    };

/** Who may ask for notifications of a queue: `authKey` signs NSUB, `dhKey` is for the metadata of NMSG. */
export interface NotifierKeys {
  readonly authKey: AuthPublicKey;
  readonly dhKey: PublicKey<'x25519'>;
}

/** `subscribe` on this connection, or `create` only. */
export type SubscriptionMode = 'subscribe' | 'create';

/** Flags of SEND, which the relay reads: with `notification` it sends NMSG to the notifier of the queue. */
export interface MsgFlags {
  readonly notification: boolean;
}

/** The count of queues of a service and the XOR of their hashes; on the wire from version 19 on. */
export interface ServiceQueues {
  readonly count: number;
  readonly hash: Uint8Array;
}

/** Commands without parameters. */
export type PlainCommand = 'SUB' | 'LDEL' | 'NDEL' | 'GET' | 'OFF' | 'DEL' | 'QUE' | 'PING' | 'LGET' | 'NSUB';

/** What a client asks of a relay (20-smp.md, section 6). */
export type SmpCommand =
  | {
      readonly cmd: 'NEW';
      readonly rcvAuthKey: AuthPublicKey;
      readonly rcvDhKey: PublicKey<'x25519'>;
      readonly basicAuth: string | undefined;
      readonly subMode: SubscriptionMode;
      /** Absent for queues of clients before version 9, and then read as a queue without mode. */
      readonly queueReq: QueueRequest | undefined;
      readonly notifier: NotifierKeys | undefined;
    }
  | { readonly cmd: PlainCommand }
  | { readonly cmd: 'SUBS' | 'NSUBS'; readonly queues: ServiceQueues | undefined }
  | { readonly cmd: 'KEY' | 'SKEY' | 'LKEY'; readonly key: AuthPublicKey }
  | { readonly cmd: 'RKEY'; readonly keys: readonly [AuthPublicKey, ...AuthPublicKey[]] }
  | { readonly cmd: 'LSET'; readonly linkId: Uint8Array; readonly data: LinkData }
  | { readonly cmd: 'NKEY'; readonly notifier: NotifierKeys }
  | { readonly cmd: 'ACK'; readonly msgId: Uint8Array }
  | { readonly cmd: 'SEND'; readonly flags: MsgFlags; readonly body: Uint8Array }
  | { readonly cmd: 'PRXY'; readonly server: SmpServer; readonly basicAuth: string | undefined }
  | {
      readonly cmd: 'PFWD';
      readonly version: SmpVersion;
      readonly key: PublicKey<'x25519'>;
      readonly encrypted: Uint8Array;
    }
  | { readonly cmd: 'RFWD'; readonly encrypted: Uint8Array };

export type SmpCommandName = SmpCommand['cmd'];

/**
 * A command or message that cannot be parsed: `error` is what a relay answers (`CMD UNKNOWN` or `CMD SYNTAX`);
 * a client treats it as an unusable response.
 */
export class SmpParseError extends DecodeError {
  readonly error: SmpError;

  constructor(type: CommandErrorType, cause?: unknown) {
    super('command', type, cause instanceof DecodeError ? cause.offset : 0, cause);
    this.error = cmdError(type);
  }
}

/** The flags of SEND and message bodies: `T` or `F`; what follows up to the space is for later versions. */
export function writeFlags(w: Writer, flags: MsgFlags): void {
  w.bool(flags.notification);
}

/** Reads the flags and the space after them. */
export function readFlags(r: Reader): MsgFlags {
  const notification = r.bool('flags');
  for (;;) {
    if (r.skipIf(0x20)) return { notification };
    r.u8('flags');
  }
}

/** The two encrypted parts of a short link's data: fixed and user data (20-smp.md, section 6). */
export function writeLinkData(w: Writer, data: LinkData): void {
  w.large(data.fixed).large(data.user);
}

/** Reads {@link writeLinkData}'s form; the parts are views of the input. @throws DecodeError */
export function readLinkData(r: Reader): LinkData {
  return { fixed: r.large('fixed'), user: r.large('user') };
}

function writeNotifier(w: Writer, n: NotifierKeys): void {
  writePublicKey(w, n.authKey);
  writePublicKey(w, n.dhKey);
}

function readNotifier(r: Reader): NotifierKeys {
  return { authKey: readPublicKey(r, 'ntfAuthKey', authAlgorithms), dhKey: readPublicKey(r, 'ntfDhKey', ['x25519']) };
}

function readBasicAuth(r: Reader): string {
  const s = r.latin1('basicAuth');
  if (!isBasicAuth(s)) throw r.error('basicAuth', 'invalid characters');
  return s;
}

function writeQueueRequest(w: Writer, q: QueueRequest): void {
  w.char(queueModeChar(q.mode));
  if (q.mode === 'messaging') {
    w.maybe(q.link, (wr, l) => writeLinkData(wr.str(l.senderId), l));
  } else {
    w.maybe(q.link, (wr, l) => writeLinkData(wr.str(l.linkId).str(l.senderId), l));
  }
}

function readQueueRequest(r: Reader): QueueRequest {
  if (readQueueMode(r) === 'messaging') {
    const link = r.maybe('link', (rd) => ({ senderId: rd.str('senderId'), ...readLinkData(rd) }));
    return link === undefined ? { mode: 'messaging' } : { mode: 'messaging', link };
  }
  const link = r.maybe('link', (rd) => ({
    linkId: rd.str('linkId'),
    senderId: rd.str('senderId'),
    ...readLinkData(rd),
  }));
  return link === undefined ? { mode: 'contact' } : { mode: 'contact', link };
}

function writeNew(w: Writer, version: SmpVersion, c: Extract<SmpCommand, { cmd: 'NEW' }>): void {
  w.ascii('NEW ');
  writePublicKey(w, c.rcvAuthKey);
  writePublicKey(w, c.rcvDhKey);
  const subMode = c.subMode === 'subscribe' ? 'S' : 'C';
  if (version < SmpV.SenderSecures) {
    if (c.basicAuth !== undefined) w.char('A').latin1(c.basicAuth);
    w.char(subMode);
    return;
  }
  w.maybe(c.basicAuth, (wr, a) => wr.latin1(a)).char(subMode);
  if (version < SmpV.ShortLinks) {
    w.bool(c.queueReq?.mode === 'messaging');
    return;
  }
  w.maybe(c.queueReq, writeQueueRequest);
  if (version >= SmpV.NotifierInNew) w.maybe(c.notifier, writeNotifier);
}

function readNew(r: Reader, version: SmpVersion): SmpCommand {
  const rcvAuthKey = readPublicKey(r, 'rcvAuthKey', authAlgorithms);
  const rcvDhKey = readPublicKey(r, 'rcvDhKey', ['x25519']);
  const old = version < SmpV.SenderSecures;
  let basicAuth: string | undefined;
  if (!old) basicAuth = r.maybe('basicAuth', readBasicAuth);
  else if (r.skipIf(0x41)) basicAuth = readBasicAuth(r);
  const subMode = readSubMode(r);
  let queueReq: QueueRequest | undefined;
  let notifier: NotifierKeys | undefined;
  if (version >= SmpV.ShortLinks) {
    queueReq = r.maybe('queueReq', readQueueRequest);
    if (version >= SmpV.NotifierInNew) notifier = r.maybe('notifier', readNotifier);
  } else if (!old) {
    queueReq = { mode: r.bool('sndSecure') ? 'messaging' : 'contact' };
  }
  return { cmd: 'NEW', rcvAuthKey, rcvDhKey, basicAuth, subMode, queueReq, notifier };
}

function readSubMode(r: Reader): SubscriptionMode {
  const c = r.char('subMode');
  if (c === 'S') return 'subscribe';
  if (c === 'C') return 'create';
  throw r.error('subMode', 'not S or C');
}

/** ` count hash` of service commands and messages, from version 19 on. */
function writeServiceQueues(w: Writer, version: SmpVersion, q: ServiceQueues | undefined): void {
  if (version < SmpV.ServiceHash) return;
  w.ascii(' ')
    .i64(q?.count ?? 0)
    .str(q?.hash ?? new Uint8Array(16));
}

/** Writes a command as the tail of a transmission. Only for commands that the version has (see section 6.1). */
export function writeCommand(w: Writer, version: SmpVersion, c: SmpCommand): void {
  switch (c.cmd) {
    case 'NEW':
      writeNew(w, version, c);
      return;
    case 'KEY':
    case 'SKEY':
    case 'LKEY':
      writePublicKey(w.ascii(`${c.cmd} `), c.key);
      return;
    case 'RKEY':
      w.ascii('RKEY ').nonEmpty(c.keys, writePublicKey);
      return;
    case 'LSET':
      writeLinkData(w.ascii('LSET ').str(c.linkId), c.data);
      return;
    case 'NKEY':
      writeNotifier(w.ascii('NKEY '), c.notifier);
      return;
    case 'ACK':
      w.ascii('ACK ').str(c.msgId);
      return;
    case 'SEND':
      writeFlags(w.ascii('SEND '), c.flags);
      w.ascii(' ').raw(c.body);
      return;
    case 'PRXY':
      writeServer(w.ascii('PRXY '), c.server);
      w.maybe(c.basicAuth, (wr, a) => wr.latin1(a));
      return;
    case 'PFWD':
      writePublicKey(w.ascii('PFWD ').u16(c.version), c.key);
      w.raw(c.encrypted);
      return;
    case 'RFWD':
      w.ascii('RFWD ').raw(c.encrypted);
      return;
    case 'SUBS':
    case 'NSUBS':
      writeServiceQueues(w.ascii(c.cmd), version, c.queues);
      return;
    default:
      w.ascii(c.cmd);
  }
}

type Params = (r: Reader, version: SmpVersion) => SmpCommand;

function keyCommand(cmd: 'KEY' | 'SKEY' | 'LKEY'): Params {
  return (r) => ({ cmd, key: readPublicKey(r, 'key', authAlgorithms) });
}

/** Commands with parameters. A command word is unknown only if it is in neither table. */
const parametrized: ReadonlyMap<string, Params> = new Map<string, Params>([
  ['NEW', readNew],
  ['KEY', keyCommand('KEY')],
  ['SKEY', keyCommand('SKEY')],
  ['LKEY', keyCommand('LKEY')],
  ['RKEY', (r) => ({ cmd: 'RKEY', keys: r.nonEmpty('keys', (rd) => readPublicKey(rd, 'key', authAlgorithms)) })],
  ['LSET', (r) => ({ cmd: 'LSET', linkId: r.str('linkId'), data: readLinkData(r) })],
  ['NKEY', (r) => ({ cmd: 'NKEY', notifier: readNotifier(r) })],
  ['ACK', (r) => ({ cmd: 'ACK', msgId: r.str('msgId') })],
  ['SEND', (r) => ({ cmd: 'SEND', flags: readFlags(r), body: r.tail() })],
  ['PRXY', (r) => ({ cmd: 'PRXY', server: readServer(r, 'smp'), basicAuth: r.maybe('basicAuth', readBasicAuth) })],
  [
    'PFWD',
    (r) => ({
      cmd: 'PFWD',
      version: smpVersion(r.u16('version')),
      key: readPublicKey(r, 'key', ['x25519']),
      encrypted: r.tail(),
    }),
  ],
  ['RFWD', (r) => ({ cmd: 'RFWD', encrypted: r.tail() })],
]);

const plain: ReadonlyMap<string, SmpCommand> = new Map<string, SmpCommand>(
  (['SUB', 'LDEL', 'NDEL', 'GET', 'OFF', 'DEL', 'QUE', 'PING', 'LGET', 'NSUB'] as const).map((cmd) => [cmd, { cmd }]),
);

function serviceCommand(word: string): 'SUBS' | 'NSUBS' | undefined {
  return word === 'SUBS' || word === 'NSUBS' ? word : undefined;
}

/** Splits `WORD params`: parameters are undefined when there is no space. */
export function splitWord(bytes: Uint8Array): { word: string; params: Uint8Array | undefined } {
  let end = 0;
  // Words have at most five characters; anything longer is unknown and need not be searched to the end.
  while (end < bytes.length && end < 8 && bytes[end] !== 0x20) end++;
  const word = String.fromCharCode(...bytes.subarray(0, end));
  return { word, params: bytes[end] === 0x20 ? bytes.subarray(end + 1) : undefined };
}

/**
 * Parses the tail of a client's transmission. Strict: bytes after the last parameter are an error. Byte fields are
 * views of the input. Throws {@link SmpParseError} with the error that a relay answers.
 */
export function decodeCommand(bytes: Uint8Array, version: SmpVersion): SmpCommand {
  const { word, params } = splitWord(bytes);
  const simple = plain.get(word);
  if (simple !== undefined) {
    if (params !== undefined) throw new SmpParseError('SYNTAX');
    return simple;
  }
  const read = parametrized.get(word);
  const service = serviceCommand(word);
  if (read === undefined && service === undefined) throw new SmpParseError('UNKNOWN');
  try {
    if (service !== undefined) return readServiceCommand(service, params, version);
    if (read === undefined || params === undefined) throw new SmpParseError('SYNTAX');
    const r = new Reader(params);
    const command = read(r, version);
    r.end('command');
    return command;
  } catch (e) {
    if (e instanceof SmpParseError || !(e instanceof DecodeError)) throw e;
    throw new SmpParseError('SYNTAX', e);
  }
}

function readServiceCommand(cmd: 'SUBS' | 'NSUBS', params: Uint8Array | undefined, version: SmpVersion): SmpCommand {
  if (version < SmpV.ServiceHash) {
    if (params !== undefined) throw new SmpParseError('SYNTAX');
    return { cmd, queues: undefined };
  }
  if (params === undefined) throw new SmpParseError('SYNTAX');
  const r = new Reader(params);
  const queues = { count: r.i64('count'), hash: r.str('hash') };
  r.end('command');
  return { cmd, queues };
}
