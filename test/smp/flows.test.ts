import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { systemRandom } from '../../src/core/index.js';
import { type AuthAlgorithm, generateKeyPair, publicKeyOf } from '../../src/crypto/index.js';
import { type SmpRelay, startSmpRelay } from '../../src/relay/index.js';
import { maxSendBody, parseServerWithAuth, senderIdFor, smpVersion } from '../../src/smp/index.js';
import {
  closeClients,
  connect,
  createQueue,
  failure,
  nextMessage,
  noFlags,
  relayError,
  senderKey,
  text,
} from './support.js';

let relay: SmpRelay;
let other: SmpRelay;

beforeAll(async () => {
  relay = await startSmpRelay({ storage: { kind: 'memory' }, eventDelayMs: 20 });
  other = await startSmpRelay({ storage: { kind: 'memory' }, eventDelayMs: 20, password: 'secret' });
});

afterEach(() => closeClients());
afterAll(async () => {
  await relay.close();
  await other.close();
});

const versions = [8, 9, 10, 11, 12, 14, 15, 16, 17, 18].map((v) => smpVersion(v));

describe('messages', () => {
  it.each(versions)('go from sender to recipient at version %i', async (v) => {
    const range = { min: v, max: v };
    const rcv = await connect(relay.address, { range });
    const snd = await connect(relay.address, { range });
    expect(rcv.client.version).toBe(v);
    const queue = await createQueue(rcv.client);
    const key = senderKey();
    await rcv.client.secureQueue(queue, publicKeyOf(key));
    for (const body of ['first', 'second', '']) await snd.client.sendMessage(queue.sndId, key, noFlags, text(body));
    for (const body of ['first', 'second', '']) {
      const m = await nextMessage(rcv.events, queue);
      expect(m.text).toBe(body);
      await rcv.client.ack(queue, m.msgId);
    }
    expect(rcv.events.waitingItems).toBe(0);
    await rcv.client.deleteQueue(queue);
    expect(await relayError(snd.client.sendMessage(queue.sndId, key, noFlags, text('late')))).toBe('AUTH');
    expect(await relayError(rcv.client.deleteQueue(queue))).toBe('AUTH');
  });

  it.each(['ed25519', 'ed448', 'x25519'] as const satisfies AuthAlgorithm[])('with %s keys', async (alg) => {
    const { client, events } = await connect(relay.address);
    const queue = await createQueue(client, { alg });
    const key = generateKeyPair(alg).privateKey;
    await client.secureBySender(queue.sndId, key);
    await client.secureBySender(queue.sndId, key);
    expect(await relayError(client.secureBySender(queue.sndId, generateKeyPair(alg).privateKey))).toBe('AUTH');
    await client.sendMessage(queue.sndId, key, { notification: true }, text(alg));
    const m = await nextMessage(events, queue);
    expect(m.text).toBe(alg);
    await client.ack(queue, m.msgId);
    // A second acknowledgement is harmless.
    await client.ack(queue, m.msgId);
  });

  it('are refused with a wrong key, without a key, and with a key on a queue that is not secured', async () => {
    const { client } = await connect(relay.address);
    const queue = await createQueue(client);
    expect(await relayError(client.sendMessage(queue.sndId, senderKey(), noFlags, text('x')))).toBe('AUTH');
    const key = senderKey();
    await client.secureQueue(queue, publicKeyOf(key));
    expect(await relayError(client.sendMessage(queue.sndId, undefined, noFlags, text('x')))).toBe('AUTH');
    expect(await relayError(client.sendMessage(queue.sndId, senderKey(), noFlags, text('x')))).toBe('AUTH');
    expect(await relayError(client.subscribe({ rcvId: queue.rcvId, authKey: senderKey() }))).toBe('AUTH');
    expect(await relayError(client.subscribe({ rcvId: systemRandom.bytes(24), authKey: key }))).toBe('AUTH');
  });

  it('may be as large as the version allows and no larger', async () => {
    for (const v of [smpVersion(10), smpVersion(18)]) {
      const { client, events } = await connect(relay.address, { range: { min: v, max: v } });
      const queue = await createQueue(client);
      const key = senderKey();
      await client.secureBySender(queue.sndId, key);
      const body = systemRandom.bytes(maxSendBody(v));
      await client.sendMessage(queue.sndId, key, noFlags, body);
      const e = await events.next((x) => x.type === 'message');
      const opened = e.type === 'message' ? queue.open(e) : undefined;
      expect(opened?.kind === 'message' && Buffer.compare(opened.body, body)).toBe(0);
      const f = await failure(client.sendMessage(queue.sndId, key, noFlags, new Uint8Array(body.length + 1)));
      expect(f).toEqual({ type: 'transport', error: { type: 'largeMsg' } });
    }
  });

  it('fill the queue up to the quota and flow again after it was drained', async () => {
    const { client, events } = await connect(relay.address);
    const queue = await createQueue(client);
    const key = senderKey();
    await client.secureBySender(queue.sndId, key);
    for (let i = 0; i < 128; i++) await client.sendMessage(queue.sndId, key, noFlags, text(`message ${i}`));
    expect(await relayError(client.sendMessage(queue.sndId, key, noFlags, text('too many')))).toBe('QUOTA');
    for (let i = 0; i < 128; i++) {
      const m = await nextMessage(events, queue);
      expect(m.text).toBe(`message ${i}`);
      await client.ack(queue, m.msgId);
    }
    expect(await relayError(client.sendMessage(queue.sndId, key, noFlags, text('still')))).toBe('QUOTA');
    const marker = await nextMessage(events, queue);
    expect(marker.text).toBe('QUOTA');
    await client.ack(queue, marker.msgId);
    await client.sendMessage(queue.sndId, key, noFlags, text('again'));
    expect((await nextMessage(events, queue)).text).toBe('again');
  });

  it('can be fetched one by one without a subscription', async () => {
    const { client } = await connect(relay.address);
    const queue = await createQueue(client, { subMode: 'create' });
    expect(await client.getMessage(queue)).toBeUndefined();
    await client.sendMessage(queue.sndId, undefined, noFlags, text('one'));
    const m = await client.getMessage(queue);
    expect(m).toBeDefined();
    if (m === undefined) return;
    const body = queue.open(m);
    expect(body.kind === 'message' && Buffer.from(body.body).toString()).toBe('one');
    expect(await relayError(client.subscribe(queue))).toBe('CMD PROHIBITED');
    await client.ack(queue, m.msgId);
    expect(await client.getMessage(queue)).toBeUndefined();
  });

  it('stop when the queue is suspended', async () => {
    const { client } = await connect(relay.address);
    const queue = await createQueue(client);
    await client.suspendQueue(queue);
    expect(await relayError(client.sendMessage(queue.sndId, undefined, noFlags, text('x')))).toBe('AUTH');
    expect(await client.queueState(queue)).toMatchObject({ qiSnd: false, qiSize: 0 });
  });

  it('are pipelined: many at once through many queues, in order for each queue', async () => {
    const { client, events } = await connect(relay.address);
    const queues = await Promise.all(Array.from({ length: 40 }, () => createQueue(client)));
    const key = senderKey();
    await Promise.all(queues.map((q) => client.secureBySender(q.sndId, key)));
    for (let i = 0; i < 5; i++) {
      await Promise.all(queues.map((q) => client.sendMessage(q.sndId, key, noFlags, text(String(i)))));
    }
    const seen = new Map<string, string[]>();
    const acknowledged: Promise<void>[] = [];
    for (let n = 0; n < queues.length * 5; n++) {
      const e = await events.next((x) => x.type === 'message');
      const queue = queues.find((q) => e.type === 'message' && Buffer.compare(q.rcvId, e.rcvId) === 0);
      if (e.type !== 'message' || queue === undefined) throw new Error('a message of no queue');
      const body = queue.open(e);
      const id = Buffer.from(queue.rcvId).toString('hex');
      seen.set(id, [...(seen.get(id) ?? []), body.kind === 'message' ? Buffer.from(body.body).toString() : '?']);
      acknowledged.push(client.ack(queue, e.msgId));
    }
    await Promise.all(acknowledged);
    expect([...seen.values()].every((list) => list.join() === '0,1,2,3,4')).toBe(true);
    expect(seen.size).toBe(queues.length);
  });
});

describe('subscriptions', () => {
  it('move to the client that subscribed last; it gets the message that was not acknowledged', async () => {
    const first = await connect(relay.address);
    const second = await connect(relay.address);
    const queue = await createQueue(first.client);
    await first.client.sendMessage(queue.sndId, undefined, noFlags, text('hello'));
    const m = await nextMessage(first.events, queue);
    await second.client.subscribe(queue);
    const end = await first.events.next((e) => e.type === 'end');
    expect(end).toMatchObject({ type: 'end', rcvId: queue.rcvId });
    const again = await nextMessage(second.events, queue);
    expect(again).toEqual(m);
    // Acknowledging on the old connection does nothing.
    await first.client.ack(queue, m.msgId);
    await second.client.ack(queue, again.msgId);
    await first.client.deleteQueue(queue);
    expect(await second.events.next((e) => e.type === 'deleted')).toMatchObject({ rcvId: queue.rcvId });
  });

  it('are made for hundreds of queues with few blocks, each with its own result', async () => {
    const { client } = await connect(relay.address);
    const queues = await Promise.all(Array.from({ length: 300 }, () => createQueue(client, { subMode: 'create' })));
    const fresh = await connect(relay.address);
    const missing = { rcvId: systemRandom.bytes(24), authKey: senderKey() };
    const results = await fresh.client.subscribeAll([...queues.slice(0, 150), missing, ...queues.slice(150)]);
    expect(results.map((r) => r.status).indexOf('rejected')).toBe(150);
    expect(results.filter((r) => r.status === 'fulfilled')).toHaveLength(300);
    for (const q of queues.slice(0, 3)) await client.sendMessage(q.sndId, undefined, noFlags, text('to all'));
    for (const q of queues.slice(0, 3)) expect((await nextMessage(fresh.events, q)).text).toBe('to all');
  });

  it('repeated on the same connection deliver the message again', async () => {
    const { client, events } = await connect(relay.address);
    const queue = await createQueue(client);
    await client.sendMessage(queue.sndId, undefined, noFlags, text('hello'));
    const m = await nextMessage(events, queue);
    await client.subscribe(queue);
    expect(await nextMessage(events, queue)).toEqual(m);
    expect(events.all.some((e) => e.type === 'end')).toBe(false);
  });
});

describe('short links', () => {
  const data = { fixed: systemRandom.bytes(2048), user: systemRandom.bytes(13824) };

  it('of one-time invitations: the sender secures the queue and reads the data, which goes with the first message', async () => {
    const { client, events } = await connect(relay.address);
    const corrId = systemRandom.bytes(24);
    const senderId = senderIdFor(corrId);
    const queue = await createQueue(client, { corrId, request: { mode: 'messaging', link: { senderId, ...data } } });
    expect(queue.sndId).toEqual(senderId);
    const { linkId } = queue.ids;
    if (linkId === undefined) throw new Error('no link id');
    const key = senderKey();
    expect(await relayError(client.getLink(linkId))).toBe('AUTH');
    expect(await client.secureAndGetLink(linkId, key)).toEqual({ senderId, data });
    expect(await client.secureAndGetLink(linkId, key)).toEqual({ senderId, data });
    expect(await relayError(client.secureAndGetLink(linkId, senderKey()))).toBe('AUTH');
    await client.sendMessage(senderId, key, noFlags, text('confirmation'));
    expect((await nextMessage(events, queue)).text).toBe('confirmation');
    expect(await relayError(client.secureAndGetLink(linkId, key))).toBe('AUTH');
  });

  it('of contact addresses: anybody reads the data, the owner replaces the user part', async () => {
    const { client } = await connect(relay.address);
    const corrId = systemRandom.bytes(24);
    const senderId = senderIdFor(corrId);
    const linkId = systemRandom.bytes(24);
    const request = { mode: 'contact', link: { linkId, senderId, ...data } } as const;
    const queue = await createQueue(client, { corrId, request });
    expect(queue.ids.linkId).toEqual(linkId);
    expect(await client.getLink(linkId)).toEqual({ senderId, data });
    expect(await relayError(client.secureAndGetLink(linkId, senderKey()))).toBe('AUTH');
    const changed = { fixed: data.fixed, user: text('new profile') };
    await client.setLink(queue, linkId, changed);
    expect(await client.getLink(linkId)).toEqual({ senderId, data: changed });
    expect(await relayError(client.setLink(queue, linkId, { fixed: text('x'), user: text('y') }))).toBe('AUTH');
    await client.deleteLink(queue);
    expect(await relayError(client.getLink(linkId))).toBe('AUTH');
    await client.setRecipientKeys(queue, [publicKeyOf(senderKey())]);
    expect(await relayError(client.deleteQueue(queue))).toBe('AUTH');
  });

  it('need the sender id that belongs to the request, and a relay that knows them', async () => {
    const { client } = await connect(relay.address);
    const request = { mode: 'messaging', link: { senderId: systemRandom.bytes(24), ...data } } as const;
    expect(await relayError(createQueue(client, { request }))).toBe('CMD PROHIBITED');
    const v = smpVersion(14);
    const old = await connect(relay.address, { range: { min: v, max: v } });
    const f = await failure(old.client.getLink(systemRandom.bytes(24)));
    expect(f).toEqual({ type: 'transport', error: { type: 'version' } });
  });
});

describe('private routing', () => {
  it.each([8, 10, 11, 16, 18])('sends through another relay at version %i', async (version) => {
    const v = smpVersion(version);
    const rcv = await connect(other.address);
    const queue = await createQueue(rcv.client, { basicAuth: 'secret' });
    const destination = rcv.client.server;
    const proxy = await connect(relay.address, { range: { min: smpVersion(8), max: v } });
    const key = senderKey();
    if (version >= 9) await proxy.client.secureBySenderViaProxy(destination, undefined, queue.sndId, key);
    else await rcv.client.secureQueue(queue, publicKeyOf(key));
    for (const body of ['one', 'two']) {
      await proxy.client.sendViaProxy(destination, undefined, queue.sndId, key, noFlags, text(body));
    }
    for (const body of ['one', 'two']) {
      const m = await nextMessage(rcv.events, queue);
      expect(m.text).toBe(body);
      await rcv.client.ack(queue, m.msgId);
    }
    const wrong = proxy.client.sendViaProxy(destination, undefined, queue.sndId, senderKey(), noFlags, text('x'));
    expect(await relayError(wrong)).toBe('AUTH');
  });

  it('gets links of both kinds, and sends a body of the largest size', async () => {
    const rcv = await connect(other.address);
    const destination = rcv.client.server;
    const proxy = await connect(relay.address);
    const data = { fixed: systemRandom.bytes(2048), user: systemRandom.bytes(13824) };
    const corrId = systemRandom.bytes(24);
    const senderId = senderIdFor(corrId);
    const queue = await createQueue(rcv.client, {
      corrId,
      basicAuth: 'secret',
      request: { mode: 'messaging', link: { senderId, ...data } },
    });
    const key = senderKey();
    const linkId = queue.ids.linkId ?? new Uint8Array();
    expect(await proxy.client.secureAndGetLinkViaProxy(destination, undefined, linkId, key)).toEqual({
      senderId,
      data,
    });
    const contactId = systemRandom.bytes(24);
    const contactCorrId = systemRandom.bytes(24);
    await createQueue(rcv.client, {
      corrId: contactCorrId,
      basicAuth: 'secret',
      request: { mode: 'contact', link: { linkId: contactId, senderId: senderIdFor(contactCorrId), ...data } },
    });
    const link = await proxy.client.getLinkViaProxy(destination, undefined, contactId);
    expect(link).toEqual({ senderId: senderIdFor(contactCorrId), data });
    const body = systemRandom.bytes(16048);
    await proxy.client.sendViaProxy(destination, undefined, senderId, key, noFlags, body);
    const e = await rcv.events.next((x) => x.type === 'message');
    const opened = e.type === 'message' ? queue.open(e) : undefined;
    expect(opened?.kind === 'message' && Buffer.compare(opened.body, body)).toBe(0);
  });

  it('needs the password of the proxy, and a destination that is what its address says', async () => {
    const proxy = await connect(other.address);
    const destination = parseServerWithAuth(relay.address, 'smp').server;
    const refused = await failure(proxy.client.getLinkViaProxy(destination, 'wrong', systemRandom.bytes(24)));
    expect(refused).toEqual({ type: 'protocol', error: { type: 'PROXY', proxyErr: { type: 'BASIC_AUTH' } } });
    expect(await relayError(proxy.client.getLinkViaProxy(destination, 'secret', systemRandom.bytes(24)))).toBe('AUTH');
    const fake = { ...destination, keyHash: systemRandom.bytes(32) };
    const f = await failure(proxy.client.getLinkViaProxy(fake, 'secret', systemRandom.bytes(24)));
    expect(f.type === 'protocol' && f.error.type).toBe('PROXY');
    const nobody = { ...destination, port: '1' };
    const g = await failure(proxy.client.getLinkViaProxy(nobody, 'secret', systemRandom.bytes(24)));
    expect(g.type === 'protocol' && g.error.type).toBe('PROXY');
  });

  it('makes a new session with the destination when the proxy lost the old one', async () => {
    const dir = mkdtempSync(path.join(tmpdir(), 'fanion-smp-'));
    const options = { storage: { kind: 'sqlite', prefix: path.join(dir, 'r') } } as const;
    let destination = await startSmpRelay(options);
    try {
      const server = parseServerWithAuth(destination.address, 'smp').server;
      const rcv = await connect(destination.address);
      const queue = await createQueue(rcv.client);
      const proxy = await connect(relay.address);
      await proxy.client.sendViaProxy(server, undefined, queue.sndId, undefined, noFlags, text('before'));
      const session = await proxy.client.proxiedRelay(server, undefined);
      await destination.close();
      destination = await startSmpRelay({ ...options, port: destination.port });
      await proxy.client.sendViaProxy(server, undefined, queue.sndId, undefined, noFlags, text('after'));
      const fresh = await proxy.client.proxiedRelay(server, undefined);
      expect(Buffer.compare(fresh.sessionId, session.sessionId)).not.toBe(0);
      const again = await connect(destination.address);
      await again.client.subscribe(queue);
      for (const body of ['before', 'after']) {
        const m = await nextMessage(again.events, queue);
        expect(m.text).toBe(body);
        await again.client.ack(queue, m.msgId);
      }
    } finally {
      await destination.close();
      rmSync(dir, { recursive: true });
    }
  });
});

describe('refusals', () => {
  it('of a relay that is not the one of the address', async () => {
    const { server } = parseServerWithAuth(relay.address, 'smp');
    const f = await failure(connect({ ...server, keyHash: systemRandom.bytes(32) }));
    expect(f).toEqual({ type: 'network', error: { type: 'unknownCAError' } });
  });

  it('of a version that the relay does not have', async () => {
    const v = smpVersion(30);
    expect(await failure(connect(relay.address, { range: { min: v, max: v } }))).toEqual({
      type: 'transport',
      error: { type: 'version' },
    });
  });

  it('of a port where nobody listens', async () => {
    const { server } = parseServerWithAuth(relay.address, 'smp');
    const f = await failure(connect({ ...server, port: '1' }));
    expect(f).toEqual({ type: 'network', error: { type: 'connectError', connectError: 'ECONNREFUSED' } });
  });

  it('of new queues without the password', async () => {
    const { client } = await connect(other.address);
    expect(await relayError(createQueue(client))).toBe('AUTH');
    expect(await relayError(createQueue(client, { basicAuth: 'wrong' }))).toBe('AUTH');
    await createQueue(client, { basicAuth: 'secret' });
  });

  it('of blocked queues, whose subscriber is told', async () => {
    const { client, events } = await connect(relay.address);
    const queue = await createQueue(client);
    await relay.blockQueue(queue.rcvId, 'spam', 60);
    const blocked = await events.next((e) => e.type === 'blocked');
    const error = { type: 'BLOCKED', blockInfo: { reason: 'spam', notice: { ttl: 60 } } };
    expect(blocked).toEqual({ type: 'blocked', rcvId: queue.rcvId, error });
    expect(await failure(client.sendMessage(queue.sndId, undefined, noFlags, text('x')))).toEqual({
      type: 'protocol',
      error,
    });
  });
});
