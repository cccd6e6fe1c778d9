import { type PublicKey, readPublicKey, writePublicKey } from '../crypto/index.js';
import {
  DecodeError,
  Reader,
  readVersionRange,
  utf8Bytes,
  utf8String,
  type VersionRange,
  type Writer,
  writeVersionRange,
} from '../wire/index.js';
import { type LinkData, readLinkData, SmpParseError, splitWord, writeLinkData } from './commands.js';
import { readSmpError, type SmpError, writeSmpError } from './errors.js';
import { type QueueMode, queueModeChar, readQueueMode } from './queues.js';
import { SmpV, type SmpVersion, smpVersion } from './versions.js';

/** The ids of a new queue (IDS). Parts that the version does not have are undefined. */
export interface QueueIds {
  readonly rcvId: Uint8Array;
  readonly sndId: Uint8Array;
  /** The relay's key: with the recipient's it encrypts message bodies (20-smp.md, section 9.1). */
  readonly relayDhKey: PublicKey<'x25519'>;
  readonly queueMode: QueueMode | undefined;
  readonly linkId: Uint8Array | undefined;
  readonly serviceId: Uint8Array | undefined;
  readonly notifier: { readonly notifierId: Uint8Array; readonly relayDhKey: PublicKey<'x25519'> } | undefined;
}

/** What a proxy knows of a destination relay (PKEY). The chain and the signed key are the relay's own. */
export interface ProxySession {
  readonly sessionId: Uint8Array;
  readonly range: VersionRange<SmpVersion>;
  readonly chain: readonly [Uint8Array, ...Uint8Array[]];
  readonly signedKey: Uint8Array;
}

/** State of a queue for debugging (QUE, INFO). Ids are standard base64. */
export interface QueueState {
  readonly qiSnd: boolean;
  readonly qiNtf: boolean;
  readonly qiSub?: {
    readonly qSubThread: 'noSub' | 'subPending' | 'subThread' | 'prohibitSub';
    readonly qDelivered?: string;
  };
  readonly qiSize: number;
  readonly qiMsg?: { readonly msgId: string; readonly msgTs: string; readonly msgType: 'message' | 'quota' };
}

/** What a relay sends (20-smp.md, section 7): responses and, with empty correlation id, events. */
export type SmpMessage =
  | ({ readonly msg: 'IDS' } & QueueIds)
  | { readonly msg: 'LNK'; readonly senderId: Uint8Array; readonly data: LinkData }
  | { readonly msg: 'SOK'; readonly serviceId: Uint8Array | undefined }
  | { readonly msg: 'SOKS' | 'ENDS'; readonly count: number; readonly hash?: Uint8Array }
  | { readonly msg: 'MSG'; readonly msgId: Uint8Array; readonly encBody: Uint8Array }
  | { readonly msg: 'NID'; readonly notifierId: Uint8Array; readonly relayDhKey: PublicKey<'x25519'> }
  | { readonly msg: 'NMSG'; readonly nonce: Uint8Array; readonly encMeta: Uint8Array }
  | ({ readonly msg: 'PKEY' } & ProxySession)
  | { readonly msg: 'RRES' | 'PRES'; readonly encrypted: Uint8Array }
  | { readonly msg: 'INFO'; readonly info: QueueState }
  | { readonly msg: 'END' | 'DELD' | 'OK' | 'PONG' | 'ALLS' }
  | { readonly msg: 'ERR'; readonly error: SmpError };

function writeIds(w: Writer, version: SmpVersion, m: QueueIds): void {
  w.ascii('IDS ').str(m.rcvId).str(m.sndId);
  writePublicKey(w, m.relayDhKey);
  if (version < SmpV.SenderSecures) return;
  if (version < SmpV.ShortLinks) {
    w.bool(m.queueMode === 'messaging');
    return;
  }
  w.maybe(m.queueMode, (wr, mode) => wr.char(queueModeChar(mode))).maybe(m.linkId, (wr, id) => wr.str(id));
  if (version >= SmpV.Services) w.maybe(m.serviceId, (wr, id) => wr.str(id));
  if (version >= SmpV.NotifierInNew) {
    w.maybe(m.notifier, (wr, n) => writePublicKey(wr.str(n.notifierId), n.relayDhKey));
  }
}

function readIds(r: Reader, version: SmpVersion): SmpMessage {
  const rcvId = r.str('rcvId');
  const sndId = r.str('sndId');
  const relayDhKey = readPublicKey(r, 'relayDhKey', ['x25519']);
  let queueMode: QueueMode | undefined;
  let linkId: Uint8Array | undefined;
  let serviceId: Uint8Array | undefined;
  let notifier: QueueIds['notifier'];
  if (version >= SmpV.ShortLinks) {
    queueMode = r.maybe('queueMode', (rd) => readQueueMode(rd));
    linkId = r.maybe('linkId', (rd) => rd.str('linkId'));
    if (version >= SmpV.Services) serviceId = r.maybe('serviceId', (rd) => rd.str('serviceId'));
    if (version >= SmpV.NotifierInNew) {
      notifier = r.maybe('notifier', (rd) => ({
        notifierId: rd.str('notifierId'),
        relayDhKey: readPublicKey(rd, 'notifierDhKey', ['x25519']),
      }));
    }
  } else if (version >= SmpV.SenderSecures) {
    queueMode = r.bool('sndSecure') ? 'messaging' : 'contact';
  }
  return { msg: 'IDS', rcvId, sndId, relayDhKey, queueMode, linkId, serviceId, notifier };
}

function writeServiceCount(w: Writer, version: SmpVersion, m: { count: number; hash?: Uint8Array }): void {
  w.i64(m.count);
  if (version >= SmpV.ServiceHash) w.str(m.hash ?? new Uint8Array(16));
}

function readServiceCount(r: Reader, version: SmpVersion): { count: number; hash?: Uint8Array } {
  const count = r.i64('count');
  return version >= SmpV.ServiceHash ? { count, hash: r.str('hash') } : { count };
}

/**
 * Writes a message as the tail of a transmission for the *receiving client's* version: DELD becomes END, SOK becomes
 * OK and BLOCKED becomes AUTH for clients that do not know them.
 */
export function writeMessage(w: Writer, version: SmpVersion, m: SmpMessage): void {
  switch (m.msg) {
    case 'IDS':
      writeIds(w, version, m);
      return;
    case 'LNK':
      writeLinkData(w.ascii('LNK ').str(m.senderId), m.data);
      return;
    case 'SOK':
      if (version < SmpV.Services) w.ascii('OK');
      else w.ascii('SOK ').maybe(m.serviceId, (wr, id) => wr.str(id));
      return;
    case 'SOKS':
    case 'ENDS':
      writeServiceCount(w.ascii(`${m.msg} `), version, m);
      return;
    case 'MSG':
      w.ascii('MSG ').str(m.msgId).raw(m.encBody);
      return;
    case 'NID':
      writePublicKey(w.ascii('NID ').str(m.notifierId), m.relayDhKey);
      return;
    case 'NMSG':
      w.ascii('NMSG ').raw(m.nonce).str(m.encMeta);
      return;
    case 'PKEY':
      writeVersionRange(w.ascii('PKEY ').str(m.sessionId), m.range);
      w.nonEmpty(m.chain, (wr, cert) => wr.large(cert)).large(m.signedKey);
      return;
    case 'RRES':
    case 'PRES':
      w.ascii(`${m.msg} `).raw(m.encrypted);
      return;
    case 'INFO':
      w.ascii('INFO ').raw(utf8Bytes(JSON.stringify(m.info)));
      return;
    case 'ERR':
      writeSmpError(w.ascii('ERR '), version, m.error);
      return;
    case 'DELD':
      w.ascii(version < SmpV.DeletedEvent ? 'END' : 'DELD');
      return;
    default:
      w.ascii(m.msg);
  }
}

function readPkey(r: Reader): SmpMessage {
  const sessionId = r.str('sessionId');
  const { min, max } = readVersionRange(r, 'range');
  const chain = r.nonEmpty('chain', (rd) => rd.large('certificate'));
  return {
    msg: 'PKEY',
    sessionId,
    range: { min: smpVersion(min), max: smpVersion(max) },
    chain,
    signedKey: r.large('signedKey'),
  };
}

type Json = { readonly [key: string]: unknown };

function isObject(x: unknown): x is Json {
  return typeof x === 'object' && x !== null && !Array.isArray(x);
}

function readInfo(r: Reader): SmpMessage {
  const text = utf8String(r.tail());
  let o: unknown;
  try {
    o = JSON.parse(text ?? '');
  } catch (cause) {
    throw new DecodeError('info', 'not JSON', 0, cause);
  }
  if (!isObject(o) || typeof o.qiSnd !== 'boolean' || typeof o.qiNtf !== 'boolean' || !Number.isSafeInteger(o.qiSize)) {
    throw new DecodeError('info', 'fields missing', 0);
  }
  const sub = o.qiSub ?? undefined;
  const message = o.qiMsg ?? undefined;
  return {
    msg: 'INFO',
    info: {
      qiSnd: o.qiSnd,
      qiNtf: o.qiNtf,
      ...(sub === undefined ? {} : { qiSub: readSub(sub) }),
      qiSize: Number(o.qiSize),
      ...(message === undefined ? {} : { qiMsg: readMsgInfo(message) }),
    },
  };
}

function readSub(o: unknown): NonNullable<QueueState['qiSub']> {
  if (!isObject(o)) throw new DecodeError('info', 'qiSub is not an object', 0);
  const thread = o.qSubThread;
  if (thread !== 'noSub' && thread !== 'subPending' && thread !== 'subThread' && thread !== 'prohibitSub') {
    throw new DecodeError('info', 'unknown qSubThread', 0);
  }
  return typeof o.qDelivered === 'string' ? { qSubThread: thread, qDelivered: o.qDelivered } : { qSubThread: thread };
}

function readMsgInfo(o: unknown): NonNullable<QueueState['qiMsg']> {
  if (!isObject(o) || typeof o.msgId !== 'string' || typeof o.msgTs !== 'string') {
    throw new DecodeError('info', 'qiMsg fields missing', 0);
  }
  if (o.msgType !== 'message' && o.msgType !== 'quota') throw new DecodeError('info', 'unknown msgType', 0);
  return { msgId: o.msgId, msgTs: o.msgTs, msgType: o.msgType };
}

type Params = (r: Reader, version: SmpVersion) => SmpMessage;

const parametrized: ReadonlyMap<string, Params> = new Map<string, Params>([
  ['MSG', (r) => ({ msg: 'MSG', msgId: r.str('msgId'), encBody: r.tail() })],
  ['SOK', (r) => ({ msg: 'SOK', serviceId: r.maybe('serviceId', (rd) => rd.str('serviceId')) })],
  ['IDS', readIds],
  ['LNK', (r) => ({ msg: 'LNK', senderId: r.str('senderId'), data: readLinkData(r) })],
  ['SOKS', (r, version) => ({ msg: 'SOKS', ...readServiceCount(r, version) })],
  ['ENDS', (r, version) => ({ msg: 'ENDS', ...readServiceCount(r, version) })],
  [
    'NID',
    (r) => ({ msg: 'NID', notifierId: r.str('notifierId'), relayDhKey: readPublicKey(r, 'relayDhKey', ['x25519']) }),
  ],
  ['NMSG', (r) => ({ msg: 'NMSG', nonce: r.fixed(24, 'nonce'), encMeta: r.str('encMeta') })],
  ['PKEY', readPkey],
  ['RRES', (r) => ({ msg: 'RRES', encrypted: r.tail() })],
  ['PRES', (r) => ({ msg: 'PRES', encrypted: r.tail() })],
  ['INFO', readInfo],
  ['ERR', (r, version) => ({ msg: 'ERR', error: readSmpError(r, version) })],
]);

const plain: ReadonlyMap<string, SmpMessage> = new Map<string, SmpMessage>(
  (['OK', 'END', 'DELD', 'PONG', 'ALLS'] as const).map((msg) => [msg, { msg }]),
);

/**
 * Parses the tail of a relay's transmission. Strict; byte fields are views of the input. Throws
 * {@link SmpParseError}: for a client that is an unusable response.
 */
export function decodeMessage(bytes: Uint8Array, version: SmpVersion): SmpMessage {
  const { word, params } = splitWord(bytes);
  const simple = plain.get(word);
  if (simple !== undefined) {
    if (params !== undefined) throw new SmpParseError('SYNTAX');
    return simple;
  }
  const read = parametrized.get(word);
  if (read === undefined) throw new SmpParseError('UNKNOWN');
  if (params === undefined) throw new SmpParseError('SYNTAX');
  try {
    const r = new Reader(params);
    const message = read(r, version);
    r.end('message');
    return message;
  } catch (e) {
    if (e instanceof SmpParseError || !(e instanceof DecodeError)) throw e;
    throw new SmpParseError('SYNTAX', e);
  }
}
