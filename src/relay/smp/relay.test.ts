import { once } from 'node:events';
import { connect } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { ManualClock } from '../../core/index.js';
import { generateKeyPair } from '../../crypto/index.js';
import { cmdError, type SmpCommand, type SmpError, type SmpMessage, SmpV, smpVersion } from '../../smp/index.js';
import { Fixture } from './testing-support/fixture.js';
import {
  newCorrId,
  newQueue,
  type RawClient,
  sendCommand,
  type TestQueue,
  textOf,
  tryNewQueue,
} from './testing-support/raw-client.js';

const none = new Uint8Array(0);
const sub: SmpCommand = { cmd: 'SUB' };
const err = (error: SmpError): SmpMessage => ({ msg: 'ERR', error });
const auth = err({ type: 'AUTH' });
const ack = (message: SmpMessage): SmpCommand => ({
  cmd: 'ACK',
  msgId: message.msg === 'MSG' ? message.msgId : none,
});

const secure = (client: RawClient, q: TestQueue): Promise<SmpMessage> =>
  client.request(q.ids.sndId, { cmd: 'SKEY', key: q.sndPublic }, q.sndKey);
const send = (client: RawClient, q: TestQueue, text: string | Uint8Array): Promise<SmpMessage> =>
  client.request(q.ids.sndId, sendCommand(text), q.sndKey);
const own = (client: RawClient, q: TestQueue, command: SmpCommand): Promise<SmpMessage> =>
  client.request(q.ids.rcvId, command, q.rcvKey);

describe.each(['memory', 'sqlite'] as const)('SMP relay on %s storage', (kind) => {
  let f: Fixture;
  beforeEach(() => {
    f = new Fixture();
  });
  afterEach(() => f.close());

  it('delivers one message at a time, in order, and answers ACK with the next one', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const [alice, bob] = [await f.client(relay), await f.client(relay)];
    const q = await newQueue(alice);
    expect(await secure(bob, q)).toEqual({ msg: 'OK' });
    for (const text of ['one', 'two', 'three']) expect(await send(bob, q, text)).toEqual({ msg: 'OK' });
    const first = await alice.event();
    expect(first.corrId).toHaveLength(0);
    expect(Buffer.from(first.entityId).equals(q.ids.rcvId)).toBe(true);
    expect(textOf(q, first.message)).toBe('one');
    await alice.ping();
    expect(alice.pendingEvents).toBe(0);
    const second = await own(alice, q, ack(first.message));
    expect(textOf(q, second)).toBe('two');
    const third = await own(alice, q, ack(second));
    expect(textOf(q, third)).toBe('three');
    expect(await own(alice, q, ack(third))).toEqual({ msg: 'OK' });
    expect(await own(alice, q, ack(third))).toEqual(err({ type: 'NO_MSG' }));
  });

  it('serves the test of the apps: NEW, SKEY, DEL on one connection', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice);
    expect(await secure(alice, q)).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'DEL' })).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'DEL' })).toEqual(auth);
    expect(await own(alice, q, sub)).toEqual(auth);
    expect(await send(alice, q, 'late')).toEqual(auth);
  });

  it('redelivers with the same id and bytes on a repeated SUB and to the next connection', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice);
    await secure(alice, q);
    await send(alice, q, 'hello');
    const first = await alice.event();
    expect(await own(alice, q, sub)).toEqual({ msg: 'SOK', serviceId: undefined });
    expect((await alice.event()).message).toEqual(first.message);
    const other = await f.client(relay);
    expect(await own(other, q, sub)).toEqual({ msg: 'SOK', serviceId: undefined });
    expect((await other.event()).message).toEqual(first.message);
    const end = await alice.event();
    expect(end.message).toEqual({ msg: 'END' });
    expect(Buffer.from(end.entityId).equals(q.ids.rcvId)).toBe(true);
    expect(await own(alice, q, ack(first.message))).toEqual(err({ type: 'NO_MSG' }));
    expect(await own(other, q, ack(first.message))).toEqual({ msg: 'OK' });
  });

  it('refuses the message after the quota, delivers the marker, and writes again only when the queue is empty', async () => {
    const relay = await f.relay({ storage: f.storage(kind), quota: 4 });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    await secure(alice, q);
    for (let i = 0; i < 4; i++) expect(await send(alice, q, `m${i}`)).toEqual({ msg: 'OK' });
    for (let i = 0; i < 2; i++) expect(await send(alice, q, 'over')).toEqual(err({ type: 'QUOTA' }));
    await own(alice, q, sub);
    let message = (await alice.event()).message;
    const seen: string[] = [];
    for (let i = 0; i < 4; i++) {
      seen.push(textOf(q, message));
      expect(await send(alice, q, 'still full')).toEqual(err({ type: 'QUOTA' }));
      message = await own(alice, q, ack(message));
    }
    expect(seen).toEqual(['m0', 'm1', 'm2', 'm3']);
    expect(textOf(q, message)).toBe('QUOTA');
    expect(await send(alice, q, 'still full')).toEqual(err({ type: 'QUOTA' }));
    expect(await own(alice, q, ack(message))).toEqual({ msg: 'OK' });
    expect(await send(alice, q, 'again')).toEqual({ msg: 'OK' });
    expect(textOf(q, (await alice.event()).message)).toBe('again');
  });

  it('takes unauthorized messages until the queue is secured, and authorized ones after', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    expect(await send(alice, q, 'authorized too early')).toEqual(auth);
    expect(await alice.request(q.ids.sndId, sendCommand('open'))).toEqual({ msg: 'OK' });
    expect(await secure(alice, q)).toEqual({ msg: 'OK' });
    expect(await secure(alice, q)).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'KEY', key: q.sndPublic })).toEqual({ msg: 'OK' });
    const foreign = generateKeyPair('ed25519');
    expect(await alice.request(q.ids.sndId, { cmd: 'SKEY', key: foreign.publicKey }, foreign.privateKey)).toEqual(auth);
    expect(await own(alice, q, { cmd: 'KEY', key: foreign.publicKey })).toEqual(auth);
    expect(await alice.request(q.ids.sndId, sendCommand('open'))).toEqual(auth);
    expect(await alice.request(q.ids.sndId, sendCommand('x'), foreign.privateKey)).toEqual(auth);
    expect(await send(alice, q, 'closed')).toEqual({ msg: 'OK' });
  });

  it('accepts Ed448 signatures and X25519 authenticators', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    for (const alg of ['ed448', 'x25519'] as const) {
      const q = await newQueue(alice);
      const key = generateKeyPair(alg);
      expect(await own(alice, q, { cmd: 'KEY', key: key.publicKey })).toEqual({ msg: 'OK' });
      expect(await alice.request(q.ids.sndId, sendCommand(alg), key.privateKey)).toEqual({ msg: 'OK' });
      expect(textOf(q, (await alice.event()).message)).toBe(alg);
      expect(await send(alice, q, 'wrong kind of key')).toEqual(auth);
    }
  });

  it('keeps GET and SUB of one connection apart', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const other = await f.client(relay);
    const q = await newQueue(alice);
    await secure(alice, q);
    expect(await own(alice, q, { cmd: 'GET' })).toEqual(err(cmdError('PROHIBITED')));
    expect(await own(other, q, { cmd: 'GET' })).toEqual({ msg: 'OK' });
    await send(alice, q, 'both');
    const pushed = await alice.event();
    const got = await own(other, q, { cmd: 'GET' });
    expect(got).toEqual(pushed.message);
    expect(await own(other, q, sub)).toEqual(err(cmdError('PROHIBITED')));
    expect(await own(other, q, ack(got))).toEqual({ msg: 'OK' });
    expect(await own(alice, q, ack(got))).toEqual({ msg: 'OK' });
    await alice.ping();
    expect(alice.pendingEvents).toBe(0);
  });

  it('refuses senders after OFF, still serves the recipient', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    await secure(alice, q);
    await send(alice, q, 'before');
    expect(await own(alice, q, { cmd: 'OFF' })).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'OFF' })).toEqual({ msg: 'OK' });
    expect(await send(alice, q, 'after')).toEqual(auth);
    await own(alice, q, sub);
    expect(textOf(q, (await alice.event()).message)).toBe('before');
  });

  it('tells another subscriber when the queue is deleted, by version', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    for (const version of [18, 9]) {
      const [alice, other] = [await f.client(relay), await f.client(relay, { version: smpVersion(version) })];
      const q = await newQueue(alice, { subMode: 'create' });
      await own(other, q, sub);
      expect(await own(alice, q, { cmd: 'DEL' })).toEqual({ msg: 'OK' });
      expect((await other.event()).message).toEqual({ msg: version >= 10 ? 'DELD' : 'END' });
    }
  });

  it('serves one-time links: readable until the first message of the sender that took it', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const data = { fixed: Buffer.from('fixed'), user: Buffer.from('user') };
    const q = await newQueue(alice, { queueReq: (senderId) => ({ mode: 'messaging', link: { senderId, ...data } }) });
    const { linkId } = q.ids;
    if (linkId === undefined) throw new Error('no link id');
    expect(await alice.request(linkId, { cmd: 'LGET' })).toEqual(auth);
    const user = Buffer.from('user two');
    const set = (id: Uint8Array, fixed: Uint8Array): Promise<SmpMessage> =>
      own(alice, q, { cmd: 'LSET', linkId: id, data: { fixed, user } });
    expect(await set(linkId, Buffer.from('other'))).toEqual(auth);
    expect(await set(newCorrId(), data.fixed)).toEqual(auth);
    expect(await set(linkId, data.fixed)).toEqual({ msg: 'OK' });
    const lkey = (): Promise<SmpMessage> => alice.request(linkId, { cmd: 'LKEY', key: q.sndPublic }, q.sndKey);
    for (let i = 0; i < 2; i++) {
      const link = await lkey();
      if (link.msg !== 'LNK') throw new Error(link.msg);
      expect(Buffer.from(link.senderId).equals(q.ids.sndId)).toBe(true);
      expect(Buffer.from(link.data.user).toString()).toBe('user two');
    }
    const foreign = generateKeyPair('ed25519');
    expect(await alice.request(linkId, { cmd: 'LKEY', key: foreign.publicKey }, foreign.privateKey)).toEqual(auth);
    expect(await set(linkId, data.fixed)).toEqual(auth);
    expect(await send(alice, q, 'used')).toEqual({ msg: 'OK' });
    expect(await lkey()).toEqual(auth);
  });

  it('serves contact addresses with links, and never gives out ids that a client chose twice', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const linkId = newCorrId();
    const request = (senderId: Uint8Array) =>
      ({ mode: 'contact', link: { linkId, senderId, fixed: Buffer.from('f'), user: Buffer.from('u') } }) as const;
    const q = await newQueue(alice, { queueReq: request });
    expect(Buffer.from(q.ids.linkId ?? none).equals(linkId)).toBe(true);
    expect((await alice.request(linkId, { cmd: 'LGET' })).msg).toBe('LNK');
    expect(await alice.request(linkId, { cmd: 'LKEY', key: q.sndPublic }, q.sndKey)).toEqual(auth);
    expect(await secure(alice, q)).toEqual(auth);
    expect((await tryNewQueue(alice, { queueReq: request })).answer).toEqual(auth);
    expect(await own(alice, q, { cmd: 'LDEL' })).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'LDEL' })).toEqual({ msg: 'OK' });
    expect(await alice.request(linkId, { cmd: 'LGET' })).toEqual(auth);
    const data = { fixed: Buffer.from('f2'), user: Buffer.from('u2') };
    expect(await own(alice, q, { cmd: 'LSET', linkId, data })).toEqual({ msg: 'OK' });
    expect((await alice.request(linkId, { cmd: 'LGET' })).msg).toBe('LNK');
    expect(await own(alice, q, { cmd: 'DEL' })).toEqual({ msg: 'OK' });
    expect((await tryNewQueue(alice, { queueReq: request })).answer).toEqual(auth);
  });

  it('refuses link data whose sender id does not follow from the correlation id', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const { answer } = await tryNewQueue(alice, {
      queueReq: { mode: 'messaging', link: { senderId: newCorrId(), fixed: none, user: none } },
    });
    expect(answer).toEqual(err(cmdError('PROHIBITED')));
  });

  it('lets a contact queue have several recipient keys', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { queueReq: { mode: 'contact' } });
    const [a, b] = [generateKeyPair('ed25519'), generateKeyPair('ed448')];
    expect(await own(alice, q, { cmd: 'RKEY', keys: [a.publicKey, b.publicKey] })).toEqual({ msg: 'OK' });
    expect(await own(alice, q, sub)).toEqual(auth);
    expect((await alice.request(q.ids.rcvId, sub, a.privateKey)).msg).toBe('SOK');
    expect((await alice.request(q.ids.rcvId, sub, b.privateKey)).msg).toBe('SOK');
    const messaging = await newQueue(alice);
    expect(await own(alice, messaging, { cmd: 'RKEY', keys: [a.publicKey] })).toEqual(auth);
  });

  it('asks for the password in NEW', async () => {
    const relay = await f.relay({ storage: f.storage(kind), password: 'secret' });
    expect(relay.address).toContain(':secret@');
    const alice = await f.client(relay);
    expect((await tryNewQueue(alice)).answer).toEqual(auth);
    expect((await tryNewQueue(alice, { basicAuth: 'wrong' })).answer).toEqual(auth);
    expect((await tryNewQueue(alice, { basicAuth: 'secret' })).answer.msg).toBe('IDS');
  });

  it('keeps queues, messages and the full state over a restart, on the same address', async () => {
    if (kind === 'memory') return;
    const relay = await f.relay({ storage: f.storage(kind), quota: 2 });
    const alice = await f.client(relay);
    const q = await newQueue(alice);
    await secure(alice, q);
    await send(alice, q, 'a');
    await send(alice, q, 'b');
    expect(await send(alice, q, 'c')).toEqual(err({ type: 'QUOTA' }));
    const before = (await alice.event()).message;
    const { address, port } = relay;
    await relay.close();
    const again = await f.relay({ storage: f.storage(kind), quota: 2, port });
    expect(again.address).toBe(address);
    const client = await f.client(again);
    expect(await send(client, q, 'still full')).toEqual(err({ type: 'QUOTA' }));
    await own(client, q, sub);
    const first = await client.event();
    expect(first.message).toEqual(before);
    const second = await own(client, q, ack(first.message));
    expect(textOf(q, second)).toBe('b');
    const marker = await own(client, q, ack(second));
    expect(textOf(q, marker)).toBe('QUOTA');
    expect(await own(client, q, ack(marker))).toEqual({ msg: 'OK' });
    expect(await send(client, q, 'd')).toEqual({ msg: 'OK' });
  });

  it('blocks queues: the subscriber is told, senders and most commands are refused, by version', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const old = await f.client(relay, { version: SmpV.EncryptedBlocks });
    const v17 = await f.client(relay, { version: SmpV.NotifierInNew });
    const q = await newQueue(alice);
    await secure(alice, q);
    expect(await relay.blockQueue(newCorrId(), 'spam')).toBe(false);
    expect(await relay.blockQueue(q.ids.sndId, 'content', 60)).toBe(true);
    const blocked = err({ type: 'BLOCKED', blockInfo: { reason: 'content', notice: { ttl: 60 } } });
    expect((await alice.event()).message).toEqual(blocked);
    expect(await send(alice, q, 'x')).toEqual(blocked);
    expect(await send(v17, q, 'x')).toEqual(err({ type: 'BLOCKED', blockInfo: { reason: 'content' } }));
    expect(await send(old, q, 'x')).toEqual(auth);
    expect(await own(alice, q, sub)).toEqual(blocked);
    expect(await own(alice, q, { cmd: 'OFF' })).toEqual({ msg: 'OK' });
    expect(await send(alice, q, 'x')).toEqual(auth);
  });

  it('expires old messages from the head, and stops at the marker', async () => {
    const clock = new ManualClock(Date.now());
    const relay = await f.relay({ storage: f.storage(kind), quota: 3, messageTtlMs: 10_000, clock });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    const full = await newQueue(alice, { subMode: 'create' });
    await secure(alice, q);
    await secure(alice, full);
    for (const text of ['old', 'older']) await send(alice, q, text);
    for (let i = 0; i < 4; i++) await send(alice, full, 'x');
    clock.advance(11_000);
    await send(alice, q, 'young');
    expect(await relay.expireMessages()).toBe(5);
    await own(alice, q, sub);
    expect(textOf(q, (await alice.event()).message)).toBe('young');
    await own(alice, full, sub);
    expect(textOf(full, (await alice.event()).message)).toBe('QUOTA');
  });

  it('tells notifiers of messages, also of those before they subscribed', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const [alice, server] = [await f.client(relay), await f.client(relay)];
    const q = await newQueue(alice);
    await secure(alice, q);
    const [key, dhKey] = [generateKeyPair('ed25519'), generateKeyPair('x25519')];
    const notifier = { authKey: key.publicKey, dhKey: dhKey.publicKey };
    const nid = await own(alice, q, { cmd: 'NKEY', notifier });
    if (nid.msg !== 'NID') throw new Error(nid.msg);
    await alice.request(q.ids.sndId, sendCommand('with', true), q.sndKey);
    await alice.request(q.ids.sndId, sendCommand('without'), q.sndKey);
    expect((await server.request(nid.notifierId, { cmd: 'NSUB' }, key.privateKey)).msg).toBe('SOK');
    expect((await server.event()).message.msg).toBe('NMSG');
    expect(await server.request(nid.notifierId, { cmd: 'NSUB' }, q.rcvKey)).toEqual(auth);
    const second = await own(alice, q, { cmd: 'NKEY', notifier });
    expect(second.msg).toBe('NID');
    expect((await server.event()).message).toEqual({ msg: 'DELD' });
    expect(await own(alice, q, { cmd: 'NDEL' })).toEqual({ msg: 'OK' });
    expect(await own(alice, q, { cmd: 'NDEL' })).toEqual({ msg: 'OK' });
    await server.ping();
    expect(server.pendingEvents).toBe(0);
  });

  it('answers a block of 135 SUB with one block, then one block per message', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const queues: TestQueue[] = [];
    for (let i = 0; i < 135; i++) queues.push(await newQueue(alice, { subMode: 'create' }));
    for (const q of queues.slice(0, 14)) await alice.request(q.ids.sndId, sendCommand('waiting'));
    const answers = await alice.requestMany(
      queues.map((q) => ({ entityId: q.ids.rcvId, command: sub, key: q.rcvKey })),
    );
    expect(answers.map((a) => a.message.msg)).toEqual(queues.map(() => 'SOK'));
    expect(new Set(answers.map((a) => a.block)).size).toBe(1);
    const events = [];
    for (let i = 0; i < 14; i++) events.push(await alice.event());
    expect(events.map((e) => e.message.msg)).toEqual(events.map(() => 'MSG'));
    expect(new Set(events.map((e) => e.block)).size).toBe(14);
  });

  it('describes a queue to its recipient', async () => {
    const relay = await f.relay({ storage: f.storage(kind) });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    await alice.request(q.ids.sndId, sendCommand('m'));
    const info = await own(alice, q, { cmd: 'QUE' });
    if (info.msg !== 'INFO') throw new Error(info.msg);
    expect(info.info).toMatchObject({ qiSnd: false, qiNtf: false, qiSize: 1, qiMsg: { msgType: 'message' } });
  });
});

describe('SMP relay', () => {
  let f: Fixture;
  beforeEach(() => {
    f = new Fixture();
  });
  afterEach(() => f.close());

  it('speaks every version from 8 to 18', async () => {
    const relay = await f.relay();
    for (let v = 8; v <= 18; v++) {
      const client = await f.client(relay, { version: smpVersion(v) });
      const q = await newQueue(client);
      if (v >= 9) expect(await secure(client, q)).toEqual({ msg: 'OK' });
      else expect(await own(client, q, { cmd: 'KEY', key: q.sndPublic })).toEqual({ msg: 'OK' });
      const limit = v >= 11 ? 16048 : 16064;
      expect(await send(client, q, new Uint8Array(limit + 1))).toEqual(err({ type: 'LARGE_MSG' }));
      expect(await send(client, q, new Uint8Array(limit))).toEqual({ msg: 'OK' });
      const message = await client.event();
      expect(textOf(q, message.message)).toHaveLength(limit);
      expect(await own(client, q, sub)).toEqual(v >= 16 ? { msg: 'SOK', serviceId: undefined } : { msg: 'OK' });
    }
  });

  it('works over TLS 1.2, with its shorter session id', async () => {
    const relay = await f.relay();
    const client = await f.client(relay, { maxVersion: 'TLSv1.2' });
    expect(client.sessionId).toHaveLength(12);
    const q = await newQueue(client);
    expect(await secure(client, q)).toEqual({ msg: 'OK' });
  });

  it('closes on versions out of its range, another fingerprint, no ALPN, and services', async () => {
    const relay = await f.relay();
    for (const version of [7, 19]) {
      const client = await f.client(relay, { version: smpVersion(version) });
      await client.closed;
    }
    await (await f.client(relay, { keyHash: newCorrId() })).closed;
    await expect(f.client(relay, { alpn: undefined })).rejects.toThrow();
    await expect(f.client(relay, { alpn: ['unknown'] })).rejects.toThrow();
    const q = await newQueue(await f.client(relay, { alpn: ['http/1.1'] }));
    expect(q.ids.rcvId).toHaveLength(24);
    expect(relay.connections).toBe(1);
  });

  it('answers commands that it cannot read or execute with the error that says why', async () => {
    const relay = await f.relay();
    const alice = await f.client(relay);
    const q = await newQueue(alice);
    const raw = async (tail: string, entity: Uint8Array = none): Promise<SmpMessage> => {
      const corrId = newCorrId();
      const answer = alice.answer(corrId);
      const bytes = Buffer.concat([
        Buffer.from([0, 24]),
        corrId,
        Buffer.from([entity.length]),
        entity,
        Buffer.from(tail),
      ]);
      alice.sendAll([bytes]);
      return (await answer).message;
    };
    expect(await raw('NOPE')).toEqual(err(cmdError('UNKNOWN')));
    expect(await raw('SUBX')).toEqual(err(cmdError('UNKNOWN')));
    expect(await raw('SUB ')).toEqual(err(cmdError('SYNTAX')));
    expect(await raw('SUB')).toEqual(err(cmdError('NO_AUTH')));
    expect(await raw('SUB', q.ids.rcvId)).toEqual(err(cmdError('NO_AUTH')));
    expect(await raw('SEND T x')).toEqual(err(cmdError('NO_ENTITY')));
    expect(await raw('LGET')).toEqual(err(cmdError('NO_ENTITY')));
    expect(await raw('PING', q.ids.rcvId)).toEqual(err(cmdError('HAS_AUTH')));
    expect(await alice.request(none, { cmd: 'PING' }, q.rcvKey)).toEqual(err(cmdError('HAS_AUTH')));
    expect(await own(alice, q, { cmd: 'SUBS', queues: undefined })).toEqual(err(cmdError('PROHIBITED')));
    expect(await alice.request(newCorrId(), sub, q.rcvKey)).toEqual(auth);
    expect(await alice.request(q.ids.rcvId, sub, q.sndKey)).toEqual(auth);
  });

  it('answers unreadable blocks with BLOCK and goes on', async () => {
    const relay = await f.relay();
    const alice = await f.client(relay);
    alice.sendPayload(Uint8Array.of(0));
    alice.sendPayload(Uint8Array.of(1, 0, 1, 7));
    alice.sendPayload(Uint8Array.of(1, 0, 4, 0, 0, 0, 0, 9));
    for (let i = 0; i < 3; i++) expect((await alice.event()).message).toEqual(err({ type: 'BLOCK' }));
    alice.sendPayload(Uint8Array.of(1, 0, 5, 1, 9, 0x30, 0, 0));
    expect((await alice.event()).message).toEqual(err({ type: 'BLOCK' }));
    await alice.ping();
  });

  it('forgets a connection that ends in the middle of a block', async () => {
    const relay = await f.relay();
    const alice = await f.client(relay);
    await newQueue(alice);
    alice.socket.write(new Uint8Array(1000));
    await alice.close();
    while (relay.connections > 0) await new Promise((resolve) => setTimeout(resolve, 5));
    expect(relay.metrics.counts.subscriptions).toBe(0);
  });

  it('closes silent connections without subscriptions, and only those', async () => {
    const clock = new ManualClock(Date.now());
    const relay = await f.relay({ clock });
    const [silent, subscribed] = [await f.client(relay), await f.client(relay)];
    await silent.ping();
    await newQueue(subscribed);
    for (let hours = 0; hours < 7; hours++) {
      clock.advance(3_600_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    await silent.closed;
    await subscribed.ping();
  });

  it('stops reading commands of a client that does not read its answers, and serves the others', async () => {
    const relay = await f.relay({ quota: 1000 });
    const [slow, other] = [await f.client(relay), await f.client(relay)];
    const queues: TestQueue[] = [];
    for (let i = 0; i < 400; i++) queues.push(await newQueue(other, { subMode: 'create' }));
    for (const q of queues) await other.request(q.ids.sndId, sendCommand(new Uint8Array(16000)));
    slow.socket.pause();
    const answers = slow.requestMany(queues.map((q) => ({ entityId: q.ids.rcvId, command: sub, key: q.rcvKey })));
    await other.ping();
    const q = await newQueue(other);
    expect(await secure(other, q)).toEqual({ msg: 'OK' });
    slow.socket.resume();
    expect((await answers).every((a) => a.message.msg === 'SOK')).toBe(true);
    const seen = new Set<string>();
    while (seen.size < queues.length) {
      const event = await slow.event();
      expect(event.message.msg).toBe('MSG');
      seen.add(Buffer.from(event.entityId).toString('hex'));
    }
  });

  it('limits the subscriptions of a connection', async () => {
    const relay = await f.relay({ maxSubscriptions: 1 });
    const alice = await f.client(relay);
    await newQueue(alice);
    expect((await tryNewQueue(alice)).answer).toEqual(err({ type: 'QUOTA' }));
    const q = await newQueue(alice, { subMode: 'create' });
    expect(await own(alice, q, sub)).toEqual(err({ type: 'QUOTA' }));
  });

  it('answers what it accepted before it stops', async () => {
    const relay = await f.relay({ storage: f.storage('sqlite') });
    const alice = await f.client(relay);
    const q = await newQueue(alice, { subMode: 'create' });
    const answers = alice.requestMany(
      Array.from({ length: 50 }, () => ({ entityId: q.ids.sndId, command: sendCommand('x') })),
    );
    const first = await alice.request(none, { cmd: 'PING' });
    expect(first.msg).toBe('PONG');
    await relay.close();
    expect((await answers).every((a) => a.message.msg === 'OK')).toBe(true);
    await alice.closed;
  });

  it('stops although a client is in the TLS handshake', async () => {
    const relay = await f.relay();
    const socket = connect(relay.port, '127.0.0.1');
    await once(socket, 'connect');
    const closed = once(socket, 'close');
    await relay.close();
    await closed;
  });

  it('refuses a storage that another relay has open', async () => {
    const storage = f.storage('sqlite');
    await f.relay({ storage });
    await expect(f.relay({ storage })).rejects.toMatchObject({ code: 'RELAY_STORAGE_IN_USE' });
  });

  it('counts what it does', async () => {
    const relay = await f.relay();
    const alice = await f.client(relay);
    const q = await newQueue(alice);
    await alice.request(q.ids.sndId, sendCommand('x'));
    await alice.event();
    const text = await relay.metrics.registry.metrics();
    expect(text).toContain('fanion_smp_commands_total{command="SEND"} 1');
    expect(text).toContain('fanion_smp_queues 1');
    expect(text).toContain('fanion_smp_subscriptions 1');
    expect(text).toContain('fanion_smp_messages_received_total 1');
  });
});
