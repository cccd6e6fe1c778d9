import { describe, expect, it } from 'vitest';
import { dh, privateKeyFromRaw, publicKeyOf, sha256, sign, signKey } from '../crypto/index.js';
import { hex, utf8Bytes } from '../wire/index.js';
import { encodeBatch } from './batch.js';
import { blockCiphers } from './block.js';
import { openRcvBody, sealClientMessage, sealRcvBody } from './bodies.js';
import { senderIdFor } from './client-types.js';
import {
  openForwardedAnswer,
  openForwardedCommand,
  openRelayForward,
  openRelayResponse,
  sealForwardedAnswer,
  sealForwardedCommand,
  sealRelayForward,
  sealRelayResponse,
} from './forward.js';
import { decodeClientHello, decodeServiceResponse, encodeClientHello, encodeServiceResponse } from './handshake.js';
import { formatServer } from './server.js';
import { maxTransmission } from './sizes.js';
import { encodeCommandTransmission, encodeMessageTransmission } from './transmission.js';
import { smpClientVersion, smpVersion } from './versions.js';

// The vectors of 20-smp.md, section 14.
const fill = (v: number): Uint8Array => new Uint8Array(32).fill(v);
const seq = (n: number, s: number): Uint8Array => Uint8Array.from({ length: n }, (_, i) => s + i);
const sha = (b: Uint8Array): string => hex(sha256(b));
const x25519 = (v: number) => privateKeyFromRaw('x25519', fill(v));
const ed25519 = (v: number) => privateKeyFromRaw('ed25519', fill(v));

const relayX = x25519(0x11);
const cliX = x25519(0x22);
const ed33 = ed25519(0x33);
const sessionId = seq(32, 0);
const corrId = seq(24, 0x40);
const rcvId = seq(24, 0x80);
const sndId = seq(24, 0xa0);
const v17 = { version: smpVersion(17), sessionId };
const flags = (notification: boolean) => ({ notification });

describe('section 14', () => {
  it('14.1, 14.2: block keys and PING', () => {
    const ping = encodeCommandTransmission(v17, corrId, new Uint8Array(), { cmd: 'PING' });
    expect(hex(ping)).toBe('0018404142434445464748494a4b4c4d4e4f50515253545556570050494e47');
    const two = encodeCommandTransmission(v17, seq(24, 0x60), new Uint8Array(), { cmd: 'PING' });
    expect(hex(encodeBatch([ping, two]))).toBe(`02001f${hex(ping)}001f${hex(two)}`);
    const plain = blockCiphers('client', sessionId, undefined);
    expect(sha(plain.sealer.sealBatch([ping]))).toBe(
      '67cec9d3eabadc734e06e8d545582881ba1fa4981c114f1170736a22885b7894',
    );
    const secret = dh(publicKeyOf(relayX), cliX);
    const client = blockCiphers('client', sessionId, secret);
    const relay = blockCiphers('relay', sessionId, secret);
    const first = client.sealer.sealBatch([ping]);
    const second = client.sealer.sealBatch([ping]);
    expect(sha(first)).toBe('1a9ed2ce4a079907ca261d8626e191c521637f647e62b696d4c0f1c5410da238');
    expect(sha(second)).toBe('2dc880e8a7bed5396b7f79ccbde8da23ecfe6277220799c1dc3c802c8f9dac83');
    for (const block of [first, second]) expect(hex(relay.opener.open(block))).toBe(hex(encodeBatch([ping])));
    // A block out of order cannot be opened, and the chain went on all the same.
    expect(() => relay.opener.open(first)).toThrow('box cannot be opened');
  });

  it('14.3: a signed SUB, 135 of which fit a block', () => {
    const signature =
      '3726f0d4266041d57bdf445f4638466c5ad1469c8d5ab77f26454e9c71151151363b8e10f8bfbdda910dbd935084e43fb356c7fa7a4d1e61350c59c3a454e409';
    const at = (version: number) =>
      encodeCommandTransmission({ version: smpVersion(version), sessionId }, corrId, rcvId, { cmd: 'SUB' }, ed33);
    const tail = `18${hex(corrId)}18${hex(rcvId)}535542`;
    expect(hex(at(15))).toBe(`40${signature}${tail}`);
    expect(hex(at(16))).toBe(`40${signature}30${tail}`);
    expect(at(15)).toHaveLength(118);
  });

  it('14.4: an authenticated SEND', () => {
    const command = { cmd: 'SEND', flags: flags(true), body: utf8Bytes('hello') } as const;
    const bytes = encodeCommandTransmission(v17, corrId, sndId, command, x25519(0x44), publicKeyOf(relayX));
    expect(hex(bytes.subarray(0, 81))).toBe(
      '505d6c30eebeb7be914186f69b01b9fb23577c0b8896f79b1c7f48e641cecd8bd936c9c37377763f3aae489266f425702e0adc4b6d7a60953ea7aa20daf507b8755aef333683e06d56ea12953ed1453288',
    );
  });

  it('14.5, 14.6: sender id, client hello, signed session key', () => {
    expect(hex(senderIdFor(corrId))).toBe('7ce370fd7d776358c31812d464b7b390708c52dce0010b0f');
    const hello = {
      version: smpVersion(17),
      keyHash: sha256(utf8Bytes('ca')),
      sessionKey: publicKeyOf(cliX),
      proxyServer: false,
      service: undefined,
    };
    const bytes = encodeClientHello(hello);
    expect(hex(bytes)).toBe(
      '0011206959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a311262c302a300506032b656e0321000faa684ed28867b97f4a6a2dee5df8ce974e76b7018e3f22a1c4cf2678570f204630',
    );
    expect(decodeClientHello(Uint8Array.from([...bytes, 1, 2, 3]))).toEqual(hello);
    const service = { role: 'notifier', chain: [seq(5, 1)], signedKey: seq(9, 9) } as const;
    expect(decodeClientHello(encodeClientHello({ ...hello, service }))).toEqual({ ...hello, service });
    const signed = signKey(publicKeyOf(relayX), ed25519(0x66));
    expect(signed.der).toHaveLength(122);
    expect(hex(sign(ed25519(0x66), signed.signedBytes))).toBe(hex(signed.signature));
  });

  it('service responses', () => {
    for (const r of [
      { kind: 'service', serviceId: seq(24, 1) },
      { kind: 'error', error: { type: 'handshake', handshakeErr: { type: 'BAD_SERVICE' } } },
    ] as const) {
      expect(decodeServiceResponse(encodeServiceResponse(r))).toEqual(r);
    }
  });

  it('14.7: message bodies', () => {
    const secret = dh(publicKeyOf(relayX), x25519(0x55));
    const msgId = seq(24, 0xc0);
    const timestamp = 1_700_000_000;
    const message = { kind: 'message', timestamp, flags: flags(true), body: utf8Bytes('hello') } as const;
    const sealed = sealRcvBody(secret, msgId, message);
    expect(sha(sealed)).toBe('8ca420c5287fdcbe279eb0fa494834aea2dece80b0675bb5c0550209e02302ac');
    const quota = { kind: 'quota', timestamp } as const;
    const marker = sealRcvBody(secret, msgId, quota);
    expect(sha(marker)).toBe('64cc6deab2ec711407c4dfd222a0c9c9b1af066b8b2ed1894a005b33fa4b5ecf');
    expect(openRcvBody(secret, msgId, marker)).toEqual(quota);
    const encoded = encodeMessageTransmission(v17, new Uint8Array(), rcvId, { msg: 'MSG', msgId, encBody: sealed });
    expect(encoded).toHaveLength(16178);
  });

  it('14.8: client envelopes', () => {
    const secret = dh(publicKeyOf(x25519(0x88)), x25519(0x77));
    const header = { version: smpClientVersion(4), dhKey: undefined, nonce: seq(24, 0x10) };
    const message = sealClientMessage(secret, header, { senderKey: undefined, body: utf8Bytes('agent-msg') });
    expect([message.length, sha(message)]).toEqual([
      16043,
      '15c328271a64fa7ac8296bb817994047c8860ba2d34b5ab76ab7490391399a23',
    ]);
    const withKey = { ...header, dhKey: publicKeyOf(x25519(0x77)) };
    const confirmation = { senderKey: publicKeyOf(ed33), body: utf8Bytes('agent-conf') };
    const sealed = sealClientMessage(secret, withKey, confirmation);
    expect([sealed.length, sha(sealed)]).toEqual([
      15992,
      'f7519664c343f1ae2eac41ff792fb4923eec48ef1a45f6765f95e7c0d9e50493',
    ]);
  });

  it('14.9: private routing, all layers both ways', () => {
    const relay = { version: smpVersion(17), sessionId: seq(32, 0x20) };
    const command = { cmd: 'SEND', flags: flags(false), body: utf8Bytes('hello') } as const;
    const inner = encodeCommandTransmission(relay, corrId, sndId, command, ed25519(0xaa));
    expect(encodeBatch([inner])).toHaveLength(131);
    const s2r = dh(publicKeyOf(relayX), x25519(0x99));
    const encrypted = sealForwardedCommand(s2r, corrId, inner);
    expect([encrypted.length, sha(encrypted)]).toEqual([
      16242,
      '58d0419e6c917d56753e6f2c7e2b771d99aedc4d8f889dc233a04a8854ea8df9',
    ]);
    const pfwd = { cmd: 'PFWD', version: relay.version, key: publicKeyOf(x25519(0x99)), encrypted } as const;
    const sent = encodeCommandTransmission(v17, corrId, relay.sessionId, pfwd);
    expect([sent.length, sha(sent)]).toEqual([
      16353,
      '87e26947a3c823ee8405a77d0d19c359c5e6bdcc59d4539bb467f879adc9870c',
    ]);
    const p2r = dh(publicKeyOf(relayX), x25519(0xbb));
    const pn = seq(24, 0xe0);
    const forwarded = { corrId, version: relay.version, key: pfwd.key, encrypted };
    const rfwd = sealRelayForward(p2r, pn, forwarded);
    expect([rfwd.length, sha(rfwd)]).toEqual([
      16330,
      '6bb4731a34770a6b3fdc372180fd8264fc18c791a9ba87dd2976f5dd88378274',
    ]);
    expect(encodeCommandTransmission(relay, pn, new Uint8Array(), { cmd: 'RFWD', encrypted: rfwd })).toHaveLength(
      16362,
    );
    expect(16362).toBeLessThanOrEqual(maxTransmission);
    const atRelay = openRelayForward(p2r, pn, rfwd);
    expect(atRelay).toEqual(forwarded);
    expect(hex(openForwardedCommand(s2r, atRelay.corrId, atRelay.encrypted))).toBe(hex(inner));
    const ok = encodeMessageTransmission(relay, corrId, sndId, { msg: 'OK' });
    expect(hex(encodeBatch([ok]))).toBe(
      '0100350018404142434445464748494a4b4c4d4e4f505152535455565718a0a1a2a3a4a5a6a7a8a9aaabacadaeafb0b1b2b3b4b5b6b74f4b',
    );
    const answer = sealForwardedAnswer(s2r, corrId, ok);
    expect(sha(answer)).toBe('d0224094db3a05884d5ce9a716e5e0ee3b790d2eb236d644191696e2c7118f6d');
    const rres = sealRelayResponse(p2r, pn, { corrId, encrypted: answer });
    expect([rres.length, sha(rres)]).toEqual([
      16283,
      '06106e035171364ddc4b5ee004230eb16dab6afa22b331e4f12bfd1631a8808f',
    ]);
    expect(hex(openForwardedAnswer(s2r, corrId, openRelayResponse(p2r, pn, rres).encrypted))).toBe(hex(ok));
  });

  it('14.10: PRXY', () => {
    const hosts: [string, string] = ['smp.example.org', 'abc.onion'];
    const server = { scheme: 'smp', hosts, port: '5223', keyHash: sha256(utf8Bytes('ca')) } as const;
    expect(formatServer(server)).toBe(
      'smp://aVkJcAHRBQGsfVTAvbjbYUIPZY8pIswm5G1TYRmjESY=@smp.example.org,abc.onion:5223',
    );
    const bytes = encodeCommandTransmission(v17, new Uint8Array(), new Uint8Array(), {
      cmd: 'PRXY',
      server,
      basicAuth: undefined,
    });
    expect(hex(bytes)).toBe(
      '0000005052585920020f736d702e6578616d706c652e6f7267096162632e6f6e696f6e0435323233206959097001d10501ac7d54c0bdb8db61420f658f2922cc26e46d536119a3112630',
    );
  });
});
