import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { decodePrivateKey, dh, openBoxPadded, pad, publicKeyOf, sealBoxPadded, sha3_384 } from '../crypto/index.js';
import { equalBytes, hex } from '../wire/index.js';
import { decodeBatch, encodeBatch } from './batch.js';
import { BlockOpener, BlockSealer, blockCiphers } from './block.js';
import {
  decodeClientEnvelope,
  encodeClientEnvelope,
  encodeClientMessage,
  openClientMessage,
  openRcvBody,
} from './bodies.js';
import { decodeCommand } from './commands.js';
import {
  blocksEncrypted,
  decodeClientHello,
  decodeServerHello,
  encodeClientHello,
  encodeServerHello,
} from './handshake.js';
import { decodeMessage } from './messages.js';
import { parseServer } from './server.js';
import {
  decodeTransmission,
  encodeCommandTransmission,
  encodeMessageTransmission,
  verifyTransmission,
} from './transmission.js';
import { smpVersion } from './versions.js';

// biome-ignore lint/suspicious/noExplicitAny: the vectors are foreign JSON, every use is an assertion
type Vector = Record<string, any>;
const recorded = JSON.parse(readFileSync('test/vectors/session.json', 'utf8')) as Vector;
const bin = (h: string): Uint8Array => Uint8Array.from(Buffer.from(h, 'hex'));
const sha = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');

interface Recording {
  readonly name: string;
  readonly block: Vector;
  readonly rcvQueues: readonly Vector[];
  readonly sndQueues: readonly Vector[];
}

const blocks: Recording[] = recorded.sessions.flatMap((s: Vector) =>
  Object.entries<Vector>(s.clients).flatMap(([client, c]) =>
    c.blocks.map((block: Vector, i: number) => ({
      name: `${s.name}, ${client}, block ${i} ${block.dir}`,
      block,
      rcvQueues: c.queues.rcv,
      sndQueues: c.queues.snd,
    })),
  ),
);

/** Re-encodes a decoded transmission with the authorization that it had. */
function reencode(bytes: Uint8Array, dir: string, version: number): Uint8Array {
  const v = smpVersion(version);
  const raw = decodeTransmission(bytes, v);
  const context = { version: v, sessionId: new Uint8Array(32) };
  const bare =
    dir === 'toServer'
      ? encodeCommandTransmission(context, raw.corrId, raw.entityId, decodeCommand(raw.body, v))
      : encodeMessageTransmission(context, raw.corrId, raw.entityId, decodeMessage(raw.body, v));
  if (raw.authorization.length === 0) return bare;
  const service = version >= 16 ? [0x30] : [];
  return Uint8Array.from([raw.authorization.length, ...raw.authorization, ...service, ...bare.subarray(1)]);
}

describe('recorded sessions', () => {
  it('has both directions of both sessions', () => {
    expect(blocks.length).toBeGreaterThan(80);
  });

  it.each(blocks)('$name', ({ block, rcvQueues, sndQueues }) => {
    const payload = bin(block.payload);
    if (block.version === 0) {
      if (block.dir === 'fromServer') {
        const hello = decodeServerHello(payload);
        expect(hex(hello.sessionId)).toBe(block.sessionId);
        expect(hello.credentials?.chain.map(hex)).toEqual(recorded.servers[block.server].certificateChain);
        expect(hex(encodeServerHello(hello))).toBe(block.payload);
      } else {
        const hello = decodeClientHello(payload);
        expect(hello).toMatchObject({ version: 17, proxyServer: false, service: undefined });
        expect(hello.keyHash).toEqual(parseServer(recorded.servers[block.server].address).keyHash);
        expect(blocksEncrypted(hello)).toBe(true);
        expect(hex(encodeClientHello(hello))).toBe(block.payload);
      }
      expect(sha(new BlockSealer(undefined).seal(payload))).toBe(block.wireSha256);
      return;
    }
    const version = smpVersion(block.version);
    const transmissions = decodeBatch(payload);
    expect(transmissions.length).toBe(block.decoded.length);
    expect(hex(encodeBatch(transmissions.map((t) => reencode(t, block.dir, block.version))))).toBe(block.payload);
    const wire = sealBoxPadded(bin(block.key), bin(block.nonce), payload, 16368);
    expect([wire.length, sha(wire)]).toEqual([16384, block.wireSha256]);
    expect(equalBytes(openBoxPadded(bin(block.key), bin(block.nonce), wire), payload)).toBe(true);
    for (const [i, bytes] of transmissions.entries()) {
      const raw = decodeTransmission(bytes, version);
      const expected = block.decoded[i];
      expect([hex(raw.authorization), hex(raw.corrId), hex(raw.entityId), raw.body.length]).toEqual([
        expected.authorization,
        expected.corrId,
        expected.entityId,
        expected.commandLength,
      ]);
      let body: Uint8Array | undefined;
      let secret: string | undefined;
      if (block.dir === 'toServer') {
        const command = decodeCommand(raw.body, version);
        expect(command.cmd).toBe(expected.command);
        if (command.cmd === 'NEW') {
          expect(verifyTransmission(raw, bin(block.sessionId), command.rcvAuthKey, undefined)).toBe(true);
          const link = command.queueReq?.link;
          if (link !== undefined) expect(link.senderId).toEqual(sha3_384(raw.corrId).subarray(0, 24));
        }
        if (command.cmd === 'SKEY' || command.cmd === 'LKEY') {
          expect(verifyTransmission(raw, bin(block.sessionId), command.key, undefined)).toBe(true);
        }
        const queue = sndQueues.find((q) => q.sndId === expected.entityId);
        if (command.cmd === 'SEND') {
          body = command.body;
          secret = queue?.e2eDhSecret;
          if (queue !== undefined && raw.authorization.length > 0) {
            const key = publicKeyOf(decodePrivateKey(bin(queue.sndPrivateKey), 'key', ['ed25519']));
            expect(verifyTransmission(raw, bin(block.sessionId), key, undefined)).toBe(true);
          }
        }
      } else {
        const message = decodeMessage(raw.body, version);
        expect(message.msg).toBe(expected.message);
        const queue = rcvQueues.find((q) => q.rcvId === expected.entityId);
        if (message.msg === 'MSG' && queue !== undefined) {
          const opened = openRcvBody(bin(queue.rcvDhSecret), message.msgId, message.encBody);
          if (opened.kind !== 'message') throw new Error('quota marker');
          expect(opened.flags.notification).toBe(expected.notification);
          body = opened.body;
          secret = queue.e2eDhSecret;
        }
      }
      if (body === undefined) continue;
      const envelope = decodeClientEnvelope(body);
      expect(hex(encodeClientEnvelope(envelope))).toBe(hex(body));
      if (secret === undefined || expected.body?.clientMessage === undefined) continue;
      const opened = openClientMessage(bin(secret), envelope);
      expect(encodeClientMessage(opened).length).toBeGreaterThan(opened.body.length);
    }
  });

  it('opens the whole blocks that were recorded as sent', () => {
    const whole = blocks.filter(({ block }) => block.wire !== undefined);
    expect(whole.length).toBeGreaterThan(8);
    for (const { block } of whole) {
      const wire = bin(block.wire);
      if (block.version === 0) {
        expect(hex(new BlockOpener(undefined).open(wire))).toBe(block.payload);
        expect(pad(bin(block.payload), 16384)).toEqual(wire);
      } else {
        expect(hex(openBoxPadded(bin(block.key), bin(block.nonce), wire))).toBe(block.payload);
      }
    }
  });
});

describe('smp-session.json', () => {
  const session = JSON.parse(readFileSync('test/vectors/sessions/smp-session.json', 'utf8')) as Vector;
  const b64 = (s: string): Uint8Array => Uint8Array.from(Buffer.from(s, 'base64'));

  it('opens and makes every block with the chains of the recorded session keys', () => {
    const own = decodePrivateKey(b64(session.clientSessionPrivate), 'key', ['x25519']);
    // The signed key: 2 + 2 + 2 + 44 bytes in; its signature is the handshake's test.
    const relayKey = { alg: 'x25519', raw: b64(session.signedKey).subarray(16, 48) } as const;
    const sessionId = b64(session.sessionId);
    const secret = dh(relayKey, own);
    const client = blockCiphers('client', sessionId, secret);
    const relay = blockCiphers('relay', sessionId, secret);
    const names: string[] = [];
    for (const b of session.blocks) {
      const fromClient = b.dir.startsWith('client');
      const payload = b64(b.plain);
      const block = b64(b.block);
      expect(hex((fromClient ? relay : client).opener.open(b64(b.block)))).toBe(hex(payload));
      const [sealer, transmissions] = [(fromClient ? client : relay).sealer, decodeBatch(payload)];
      const dir = fromClient ? 'toServer' : 'fromServer';
      expect(hex(sealer.sealBatch(transmissions.map((t) => reencode(t, dir, session.version))))).toBe(hex(block));
      for (const t of transmissions) {
        const { body } = decodeTransmission(t, smpVersion(session.version));
        const v = smpVersion(session.version);
        names.push(fromClient ? decodeCommand(body, v).cmd : decodeMessage(body, v).msg);
      }
    }
    expect(names.slice(0, 4)).toEqual(['NEW', 'IDS', 'PING', 'PONG']);
  });
});
