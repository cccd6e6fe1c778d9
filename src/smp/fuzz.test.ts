import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { pad } from '../crypto/index.js';
import { decodeWhole, utf8Bytes } from '../wire/index.js';
import { fuzzDecoder, fuzzTextDecoder } from '../wire/testing-support/fuzz.js';
import { decodeBatch } from './batch.js';
import { BlockOpener } from './block.js';
import { decodeClientEnvelope, decodeClientMessage, decodeNtfMeta, decodeRcvBody } from './bodies.js';
import { decodeCommand } from './commands.js';
import { parseSmpError, readSmpError } from './errors.js';
import { decodeForwarded, decodeForwardedResponse } from './forward.js';
import { decodeClientHello, decodeServerHello, decodeServiceResponse } from './handshake.js';
import { decodeMessage } from './messages.js';
import { parseQueueUri, readQueueInfo, readQueueUri } from './queues.js';
import { parseServer, parseServerWithAuth, readServer } from './server.js';
import { decodeTransmission } from './transmission.js';
import { smpVersion } from './versions.js';

// biome-ignore lint/suspicious/noExplicitAny: the vectors are foreign JSON
type Vector = Record<string, any>;
const encodings = JSON.parse(readFileSync('test/vectors/encodings.json', 'utf8')) as Record<string, Vector[]>;
const session = JSON.parse(readFileSync('test/vectors/session.json', 'utf8')) as Vector;
const bin = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, 'hex'));
const list = (name: string): Vector[] => encodings[name] ?? [];
const versions = [6, 8, 9, 11, 14, 15, 16, 17, 18, 19].map((v) => smpVersion(v));

const encoded = (name: string): Uint8Array[] =>
  list(name).flatMap((v) => v.byVersion.map((b: Vector) => bin(b.encoded).subarray(0, 2000)));
const payloads: Uint8Array[] = session.sessions[0].clients.alice.blocks.map((b: Vector) => bin(b.payload));
const hellos = payloads.slice(0, 2);
const all = <T>(decode: (b: Uint8Array, v: (typeof versions)[number]) => T) => {
  let i = 0;
  return (b: Uint8Array): T => decode(b, versions[i++ % versions.length] ?? smpVersion(18));
};

const decoders: [string, readonly Uint8Array[], (b: Uint8Array) => unknown][] = [
  ['commands', encoded('smpCommands'), all(decodeCommand)],
  ['messages', encoded('smpMessages'), all(decodeMessage)],
  [
    'errors',
    list('errors').map((v) => bin(v.smpEncode)),
    all((b, v) => decodeWhole(b, 'error', (r) => readSmpError(r, v))),
  ],
  ['transmissions', list('transmissions').map((v) => bin(v.transmission)), all(decodeTransmission)],
  ['batches', [...list('transmissions').map((v) => bin(v.batch)), ...payloads.slice(2)], decodeBatch],
  ['server hello', hellos, decodeServerHello],
  ['client hello', hellos, decodeClientHello],
  ['service response', [utf8Bytes('R\x03abc'), utf8Bytes('EHANDSHAKE BAD_AUTH')], decodeServiceResponse],
  ['received body', list('rcvMsgBodies').map((v) => bin(v.encoded)), decodeRcvBody],
  ['client envelope', list('clientMsgEnvelopes').map((v) => bin(v.envelope)), decodeClientEnvelope],
  ['client message', list('clientMsgEnvelopes').map((v) => bin(v.clientMessage)), decodeClientMessage],
  ['notification metadata', [bin((encodings.ntfMsgMeta as Vector).smpEncode)], decodeNtfMeta],
  ['forwarded', [bin((encodings.forwarding as Vector).fwdTransmission)], decodeForwarded],
  ['forwarded response', [bin((encodings.forwarding as Vector).fwdResponse)], decodeForwardedResponse],
  ['queue URI', list('queueUris').map((v) => bin(v.smpEncode)), (b) => decodeWhole(b, 'uri', readQueueUri)],
  ['queue info', list('queueInfos').map((v) => bin(v.smpEncode)), (b) => decodeWhole(b, 'info', readQueueInfo)],
  [
    'server',
    list('servers').flatMap((v) => (v.result.ok === undefined ? [] : [bin(v.result.ok.smpEncode)])),
    (b) => decodeWhole(b, 'server', (r) => readServer(r, 'smp')),
  ],
  [
    'plain block',
    hellos.map((h) => pad(h.subarray(0, 900), 1024)),
    (b) => decodeServerHello(new BlockOpener(undefined).open(b)),
  ],
  ['encrypted block', payloads.slice(2, 4), (b) => new BlockOpener(new Uint8Array(32)).open(b)],
];

const texts: [string, readonly string[], (s: string) => unknown][] = [
  ['server', list('servers').map((v) => v.input), parseServerWithAuth],
  ['server without password', list('servers').map((v) => v.input), (s) => parseServer(s, 'smp')],
  [
    'queue URI',
    [...list('queueUris').map((v) => v.strEncode), ...list('queueUriParsing').map((v) => v.input)],
    parseQueueUri,
  ],
  ['error', list('errors').map((v) => v.strEncode), parseSmpError],
];

describe('decoders answer garbage with a value or a typed error', () => {
  it.each(decoders)('%s', (name, inputs, decode) => {
    const { decoded, refused } = fuzzDecoder({ name, inputs, decode });
    expect(decoded + refused).toBeGreaterThan(0);
    expect(refused).toBeGreaterThan(0);
  });

  it.each(texts)('text of %s', (name, inputs, decode) => {
    expect(fuzzTextDecoder({ name, inputs, decode }).refused).toBeGreaterThan(0);
  });
});
