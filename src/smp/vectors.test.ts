import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import {
  type AuthAlgorithm,
  authAlgorithms,
  decodePrivateKey,
  privateKeyFromRaw,
  publicKeyOf,
} from '../crypto/index.js';
import { decodeWhole, encode, hex } from '../wire/index.js';
import { decodeBatch, encodeBatch, packBatches } from './batch.js';
import {
  clientMessageSize,
  decodeClientEnvelope,
  decodeClientMessage,
  decodeNtfMeta,
  decodeRcvBody,
  encodeClientEnvelope,
  encodeClientMessage,
  encodeNtfMeta,
  encodeRcvBody,
  openClientMessage,
  openRcvBody,
  sealClientMessage,
  sealRcvBody,
} from './bodies.js';
import { decodeCommand, SmpParseError, writeCommand } from './commands.js';
import { formatSmpError, parseSmpError, readSmpError, writeSmpError } from './errors.js';
import { decodeForwarded, decodeForwardedResponse, encodeForwarded, encodeForwardedResponse } from './forward.js';
import { decodeMessage, writeMessage } from './messages.js';
import { formatQueueUri, parseQueueUri, readQueueInfo, readQueueUri, writeQueueInfo, writeQueueUri } from './queues.js';
import { formatServer, parseServer, parseServerWithAuth, readServer, writeServer } from './server.js';
import { authorizedBytes, decodeTransmission, encodeCommandTransmission, verifyTransmission } from './transmission.js';
import { SmpV, smpClientVersion, smpVersion } from './versions.js';

// biome-ignore lint/suspicious/noExplicitAny: the vectors are foreign JSON, every use is an assertion
type Vector = Record<string, any>;
const vectors = JSON.parse(readFileSync('test/vectors/encodings.json', 'utf8')) as Record<string, Vector[]>;
const list = (name: string): Vector[] => vectors[name] ?? [];
const bin = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, 'hex'));
const sha = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

describe('server addresses', () => {
  it.each(list('servers'))('$input', ({ input, result, withoutAuthAllowed }) => {
    if (result.error !== undefined) {
      expect(() => parseServerWithAuth(input)).toThrow();
      return;
    }
    const { server, basicAuth } = parseServerWithAuth(input);
    expect({
      basicAuth: basicAuth ?? null,
      hosts: server.hosts,
      keyHash: hex(server.keyHash),
      port: server.port,
      scheme: server.scheme,
      smpEncode: hex(encode((w) => writeServer(w, server))),
    }).toEqual(result.ok);
    expect(parseServerWithAuth(formatServer(server, basicAuth))).toEqual({ server, basicAuth });
    const { scheme } = server;
    expect(decodeWhole(bin(result.ok.smpEncode), 'server', (r) => readServer(r, scheme))).toEqual(server);
    if (withoutAuthAllowed === 'ok') expect(parseServer(input, 'smp')).toEqual(server);
    else expect(() => parseServer(input, 'smp')).toThrow();
  });
});

const modes: Record<string, unknown> = { QMMessaging: 'messaging', QMContact: 'contact' };

function checkQueueUri(text: string, ok: Vector): void {
  const uri = parseQueueUri(text);
  expect({ hosts: uri.address.server.hosts, port: uri.address.server.port }).toEqual({
    hosts: ok.hosts,
    port: ok.port,
  });
  expect(hex(uri.address.server.keyHash)).toBe(ok.keyHash);
  expect(hex(uri.address.senderId)).toBe(ok.senderId);
  expect(hex(uri.address.dhPublicKey.raw)).toBe(ok.dhPublicKey);
  expect(uri.address.queueMode).toBe(modes[ok.queueMode ?? '']);
  expect(formatQueueUri(uri)).toBe(ok.strEncode);
  expect(hex(encode((w) => writeQueueUri(w, uri)))).toBe(ok.smpEncode);
  const back = decodeWhole(bin(ok.smpEncode), 'uri', readQueueUri);
  expect(hex(encode((w) => writeQueueUri(w, back)))).toBe(ok.smpEncode);
}

describe('queue addresses', () => {
  it.each(list('queueUris'))('URI $strEncode', (v) => checkQueueUri(v.strEncode, v));

  it.each(list('queueUriParsing'))('parsing $input', ({ input, result }) => {
    if (result.error !== undefined) expect(() => parseQueueUri(input)).toThrow();
    else checkQueueUri(input, result.ok);
  });

  it.each(list('queueInfos'))('info version $version $queueMode', ({ smpEncode, version, queueMode, parsedBack }) => {
    const info = decodeWhole(bin(smpEncode), 'info', readQueueInfo);
    expect(info.clientVersion).toBe(version);
    expect(info.address.queueMode).toBe(modes[/queueMode = (?:Just )?(\w+)/.exec(parsedBack)?.[1] ?? '']);
    const full = { ...info, address: { ...info.address, queueMode: modes[queueMode ?? ''] as 'messaging' } };
    expect(hex(encode((w) => writeQueueInfo(w, full)))).toBe(smpEncode);
  });
});

describe('commands', () => {
  const cases = list('smpCommands').flatMap((v) =>
    v.byVersion.flatMap((b: Vector) => b.versions.map((version: number) => ({ name: v.name, version, ...b }))),
  );
  // The value with all fields is the one that the highest version carries.
  const full = new Map(
    list('smpCommands').map((v) => [v.name, decodeCommand(bin(v.byVersion.at(-1).encoded), smpVersion(17))]),
  );

  it.each(cases)('$name at version $version', ({ name, version, encoded, parsedBack }) => {
    const v = smpVersion(version);
    expect(parsedBack.error).toBeUndefined();
    const parsed = decodeCommand(bin(encoded), v);
    expect(hex(encode((w) => writeCommand(w, v, parsed)))).toBe(encoded);
    const value = full.get(name);
    if (value === undefined) throw new Error('no value');
    expect(hex(encode((w) => writeCommand(w, v, value)))).toBe(encoded);
  });

  it.each(list('smpCommandParsing'))('version $version: $inputText', ({ input, version, result }) => {
    const parse = () => decodeCommand(bin(input), smpVersion(version));
    if (result.error === undefined) {
      expect(parse()).toBeDefined();
      return;
    }
    expect(parse).toThrow(SmpParseError);
    try {
      parse();
    } catch (e) {
      expect(e instanceof SmpParseError && formatSmpError(e.error)).toBe(result.error);
    }
  });
});

describe('messages', () => {
  const cases = list('smpMessages').flatMap((v) =>
    v.byVersion.flatMap((b: Vector) => b.versions.map((version: number) => ({ name: v.name, version, ...b }))),
  );
  const full = new Map(
    list('smpMessages').map((v) => [v.name, decodeMessage(bin(v.byVersion.at(-1).encoded), smpVersion(17))]),
  );

  it.each(cases)('$name at version $version', ({ name, version, encoded }) => {
    const v = smpVersion(version);
    const parsed = decodeMessage(bin(encoded), v);
    expect(hex(encode((w) => writeMessage(w, v, parsed)))).toBe(encoded);
    const value = full.get(name);
    if (value === undefined) throw new Error('no value');
    expect(hex(encode((w) => writeMessage(w, v, value)))).toBe(encoded);
  });

  it.each(list('smpMessageParsing'))('version $version: $inputText', ({ input, version, result }) => {
    const parse = () => decodeMessage(bin(input), smpVersion(version));
    if (result.error === undefined) expect(parse()).toBeDefined();
    else expect(parse).toThrow(SmpParseError);
  });
});

describe('errors', () => {
  it.each(list('errors'))('$smpEncodeText', ({ json, smpEncode, strEncode }) => {
    const version = smpVersion(17);
    expect(hex(encode((w) => writeSmpError(w, version, json)))).toBe(smpEncode);
    expect(decodeWhole(bin(smpEncode), 'error', (r) => readSmpError(r, version))).toEqual(json);
    expect(formatSmpError(json)).toBe(strEncode);
    expect(parseSmpError(strEncode)).toEqual(json);
  });

  it('carries a notice from version 18 on, and accepts network details there', () => {
    const v18 = SmpV.BlockedNotice;
    for (const notice of [{}, { ttl: 123 }]) {
      const error = { type: 'BLOCKED', blockInfo: { reason: 'spam', notice } } as const;
      const bytes = encode((w) => writeSmpError(w, v18, error));
      expect(decodeWhole(bytes, 'error', (r) => readSmpError(r, v18))).toEqual(error);
      expect(Buffer.from(encode((w) => writeSmpError(w, smpVersion(17), error))).toString()).toBe(
        'BLOCKED reason=spam',
      );
    }
    const details = Buffer.from('PROXY BROKER NETWORK CONNECT \x03abc');
    expect(decodeWhole(details, 'error', (r) => readSmpError(r, v18))).toEqual({
      type: 'PROXY',
      proxyErr: {
        type: 'BROKER',
        brokerErr: { type: 'NETWORK', networkError: { type: 'connectError', connectError: 'abc' } },
      },
    });
  });
});

describe('transmissions', () => {
  it.each(list('transmissions'))('$name at version $version', (v) => {
    const version = smpVersion(v.version);
    const relay = privateKeyFromRaw('x25519', bin(v.serverSessionPriv));
    const key = v.keyPrivDer === null ? undefined : decodePrivateKey(bin(v.keyPrivDer), 'key', authAlgorithms);
    const sessionId = bin(v.sessionId);
    const context = { version, sessionId };
    const command = decodeCommand(bin(v.command), version);
    const bytes = encodeCommandTransmission(context, bin(v.corrId), bin(v.entityId), command, key, publicKeyOf(relay));
    expect(hex(bytes)).toBe(v.transmission);
    expect(hex(encodeBatch([bytes]))).toBe(v.batch);
    const [raw] = decodeBatch(bin(v.batch)).map((b) => decodeTransmission(b, version));
    if (raw === undefined) throw new Error('empty batch');
    expect(hex(authorizedBytes(sessionId, raw))).toBe(v.authorized);
    expect([hex(raw.corrId), hex(raw.entityId), hex(raw.body)]).toEqual([v.corrId, v.entityId, v.command]);
    if (key === undefined) return;
    const publicKey = publicKeyOf<AuthAlgorithm>(key);
    expect(verifyTransmission(raw, sessionId, publicKey, relay)).toBe(true);
    expect(verifyTransmission(raw, bin(v.sessionId.replace(/^00/, '01')), publicKey, relay)).toBe(v.version < 7);
    const wrong = { ...publicKey, raw: publicKey.raw.map((b) => b ^ 1) };
    expect(verifyTransmission(raw, sessionId, wrong, relay)).toBe(false);
  });

  it('packs blocks as upstream does', () => {
    for (const { transmissionLengths, blocks } of list('batches')) {
      const items = transmissionLengths.map((n: number) => new Uint8Array(n).fill(0x62));
      const result = packBatches(items).map((b) => {
        if (b.kind === 'large') return { error: 'TELargeMsg' };
        const payload = encodeBatch(b.transmissions);
        return { count: b.transmissions.length, length: payload.length, sha256: sha(payload) };
      });
      expect(result).toEqual(blocks);
    }
  });
});

describe('message bodies', () => {
  it.each(list('rcvMsgBodies'))('$name', ({ encoded, padBox }) => {
    const body = decodeRcvBody(bin(encoded));
    expect(hex(encodeRcvBody(body))).toBe(encoded);
    const sealed = sealRcvBody(bin(padBox.secret), bin(padBox.nonce), body);
    expect([sealed.length, sha(sealed)]).toEqual([padBox.boxLength, padBox.sha256OfBox]);
    expect(openRcvBody(bin(padBox.secret), bin(padBox.nonce), sealed)).toEqual(body);
  });

  it.each(list('clientMsgEnvelopes'))('client envelope $name', (v) => {
    const message = decodeClientMessage(bin(v.clientMessage));
    expect(hex(encodeClientMessage(message))).toBe(v.clientMessage);
    const keyHex = v.publicKeyInHeader;
    const start = decodeClientEnvelope(bin(v.envelope));
    expect(start.dhKey === undefined ? null : `302a300506032b656e032100${hex(start.dhKey.raw)}`).toBe(keyHex);
    if (v.envelopeLength === 143) {
      // The whole envelope with a padding of its own, only to be read.
      expect(openClientMessage(bin(v.secret), start)).toEqual(message);
      expect(hex(encodeClientEnvelope(start))).toBe(v.envelope);
      return;
    }
    expect(v.paddedLen).toBe(clientMessageSize(keyHex !== null));
    const header = { version: smpClientVersion(4), dhKey: start.dhKey, nonce: bin(v.nonce) };
    const sealed = sealClientMessage(bin(v.secret), header, message);
    expect([sealed.length, sha(sealed)]).toEqual([v.envelopeLength, v.envelopeSha256]);
    const opened = decodeClientEnvelope(sealed);
    expect(openClientMessage(bin(v.secret), opened)).toEqual(message);
    expect(hex(encodeClientEnvelope(opened))).toBe(hex(sealed));
  });

  it('notification metadata and forwarding', () => {
    const meta = (vectors.ntfMsgMeta as Vector).smpEncode;
    expect(hex(encodeNtfMeta(decodeNtfMeta(bin(meta))))).toBe(meta);
    const { fwdResponse, fwdTransmission } = vectors.forwarding as Vector;
    expect(hex(encodeForwarded(decodeForwarded(bin(fwdTransmission))))).toBe(fwdTransmission);
    expect(decodeForwarded(bin(fwdTransmission)).version).toBe(16);
    expect(hex(encodeForwardedResponse(decodeForwardedResponse(bin(fwdResponse))))).toBe(fwdResponse);
  });
});
