import type { AddressInfo, Server } from 'node:net';
import { createServer as createTcpServer } from 'node:net';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemRandom } from '../../src/core/index.js';
import { decodePrivateKey, generateKeyPair, sha256, signAlgorithms, signKey } from '../../src/crypto/index.js';
import { createCertificateAuthority, createIdentity, createLeafCertificate } from '../../src/relay/index.js';
import { networkConfig, type ServerHello, smpVersion } from '../../src/smp/index.js';
import { type ScriptedPeer, ScriptedRelay, type ScriptedRelayOptions } from './scripted-relay.js';
import { closeClients, connect, failure, senderKey, type TestClient, testNetwork } from './support.js';

const relays: ScriptedRelay[] = [];

async function start(options?: ScriptedRelayOptions): Promise<ScriptedRelay> {
  const relay = await ScriptedRelay.start(options);
  relays.push(relay);
  return relay;
}

afterEach(async () => {
  closeClients();
  await Promise.all(relays.splice(0).map((r) => r.close()));
});

/** A connected client and the peer that it is connected to. */
async function connected(
  options?: ScriptedRelayOptions,
  changes: Parameters<typeof connect>[1] = {},
): Promise<TestClient & { readonly peer: ScriptedPeer; readonly relay: ScriptedRelay }> {
  const relay = await start(options);
  const client = await connect(relay.server, changes);
  const peer = await relay.peers.next();
  // The peer's block keys are those of our hello.
  await peer.hellos.next();
  return { ...client, relay, peer };
}

const queue = { rcvId: systemRandom.bytes(24), authKey: senderKey() };
const parse = { type: 'transport', error: { type: 'handshake', handshakeErr: { type: 'PARSE' } } };
const identityError = { type: 'transport', error: { type: 'handshake', handshakeErr: { type: 'IDENTITY' } } };
const badBlock = { type: 'transport', error: { type: 'badBlock' } };
const unknownCa = { type: 'network', error: { type: 'unknownCAError' } };
const quick = networkConfig({
  ...testNetwork,
  connectTimeout: { background: 300, interactive: 300 },
  commandTimeout: { background: 300, interactive: 300 },
});

describe('the connection', () => {
  it('offers smp/1, sends no SNI, and gives the session id of the client Finished', async () => {
    const { client, peer, relay } = await connected();
    expect([peer.socket.alpnProtocol, peer.socket.getProtocol()]).toEqual(['smp/1', 'TLSv1.3']);
    expect('servername' in peer.socket && typeof peer.socket.servername === 'string').toBe(false);
    expect(client.sessionId).toEqual(new Uint8Array(peer.sessionId));
    const ping = client.ping();
    const request = await peer.commands.next();
    peer.answer(request, { msg: 'PONG' });
    await ping;
    expect(peer.hello).toMatchObject({ version: 18, keyHash: relay.server.keyHash, proxyServer: false });
  });

  it('works with TLS 1.2, where the session id has 12 bytes', async () => {
    const { client, peer } = await connected({ tls: { maxVersion: 'TLSv1.2' } });
    expect(peer.socket.getProtocol()).toBe('TLSv1.2');
    expect(client.sessionId).toHaveLength(12);
    const ping = client.ping();
    peer.answer(await peer.commands.next(), { msg: 'PONG' });
    await ping;
  });

  it('works with Ed448 certificates, and with a hello that has bytes of a later version at its end', async () => {
    const identity = createIdentity({
      kind: 'smp',
      host: 'h',
      now: Date.now(),
      random: systemRandom,
      algorithm: 'ed448',
    });
    const { client, peer } = await connected({ identity, trailing: systemRandom.bytes(50) });
    const ping = client.ping();
    peer.answer(await peer.commands.next(), { msg: 'PONG' });
    await ping;
  });

  it('encrypts blocks only from version 11 on and not as a proxy', async () => {
    const v = smpVersion(10);
    const old = await connected({}, { range: { min: v, max: v } });
    const asProxy = await connected({}, { proxyServer: true });
    for (const { client, peer } of [old, asProxy]) {
      const ping = client.ping();
      peer.answer(await peer.commands.next(), { msg: 'PONG' });
      await ping;
    }
    expect(asProxy.peer.hello).toMatchObject({ proxyServer: true, version: 18 });
    const hello = (h: ServerHello): ServerHello => ({ ...h, range: { min: smpVersion(6), max: smpVersion(13) } });
    const toOld = await connected({ hello }, { proxyServer: true });
    expect(toOld.client.version).toBe(10);
  });

  it('takes blocks that come in pieces or several at once', async () => {
    const { client, peer, events } = await connected();
    const messages = Array.from({ length: 20 }, (_, i) =>
      peer.encode(new Uint8Array(), queue.rcvId, {
        msg: 'MSG',
        msgId: Uint8Array.of(i),
        encBody: new Uint8Array(9000),
      }),
    );
    const pieces: Uint8Array[] = [];
    const write = peer.socket.write.bind(peer.socket);
    peer.socket.write = ((b: Uint8Array) => pieces.push(b) > 0) as typeof peer.socket.write;
    for (const m of messages) peer.send(m);
    const bytes = Buffer.concat(pieces);
    for (let at = 0, step = 1; at < bytes.length; at += step, step = (step * 7) % 40_009) {
      write(bytes.subarray(at, at + step));
    }
    for (let i = 0; i < messages.length; i++) {
      expect(await events.next()).toMatchObject({ type: 'message', msgId: Uint8Array.of(i) });
    }
    expect(client.closed).toBe(false);
  });
});

describe('a handshake fails', () => {
  it('on silence after TLS', async () => {
    const relay = await start({ hello: () => undefined });
    expect(await failure(connect(relay.server, { network: quick }))).toEqual({
      type: 'network',
      error: { type: 'timeoutError' },
    });
  });

  it('on silence before TLS, and on a peer that is no TLS server', async () => {
    const servers: Server[] = [];
    const tcp = (onConnection: Parameters<typeof createTcpServer>[1]): Promise<string> =>
      new Promise((resolve) => {
        const s = createTcpServer({}, onConnection);
        servers.push(s);
        s.listen(0, '127.0.0.1', () => resolve(String((s.address() as AddressInfo).port)));
      });
    const sockets: { destroy(): void }[] = [];
    const silent = await tcp((s) => void sockets.push(s));
    const chatty = await tcp((s) => {
      s.on('error', () => {});
      s.end('HTTP/1.1 400 Bad Request\r\n\r\n');
    });
    const { server } = await start();
    expect(await failure(connect({ ...server, port: silent }, { network: quick }))).toEqual({
      type: 'network',
      error: { type: 'timeoutError' },
    });
    const f = await failure(connect({ ...server, port: chatty }));
    expect(f.type === 'network' && f.error.type).toBe('tLSError');
    for (const s of sockets) s.destroy();
    for (const s of servers) s.close();
  });

  it.each([
    ['random bytes', () => systemRandom.bytes(16384), parse],
    ['a hello of zeros', () => new Uint8Array(16384), parse],
  ])('on %s', async (_, make, expected) => {
    const relay = await start({ instead: make() });
    expect(await failure(connect(relay.server))).toEqual(expected);
  });

  it('on a hello that ends early', async () => {
    const relay = await start({ instead: systemRandom.bytes(1000) });
    const connecting = failure(connect(relay.server));
    (await relay.peers.next()).socket.end();
    expect((await connecting).type).toBe('network');
  });

  it('on two blocks before our answer', async () => {
    const relay = await start({ instead: systemRandom.bytes(3 * 16384) });
    expect(['transport', 'network']).toContain((await failure(connect(relay.server))).type);
  });

  it('on a wrong session id', async () => {
    const relay = await start({ hello: (h) => ({ ...h, sessionId: systemRandom.bytes(32) }) });
    expect(await failure(connect(relay.server))).toEqual({ type: 'transport', error: { type: 'badSession' } });
  });

  it('on versions that we do not have', async () => {
    for (const [min, max] of [
      [19, 25],
      [6, 7],
    ] as const) {
      const relay = await start({ hello: (h) => ({ ...h, range: { min: smpVersion(min), max: smpVersion(max) } }) });
      expect(await failure(connect(relay.server))).toEqual({ type: 'transport', error: { type: 'version' } });
    }
  });

  it('on a chain of one, of five, of another relay', async () => {
    const other = createIdentity({ kind: 'smp', host: 'h', now: Date.now(), random: systemRandom });
    const chains: ((h: ServerHello) => readonly [Uint8Array, ...Uint8Array[]])[] = [
      (h) => [h.credentials?.chain[0] ?? new Uint8Array()],
      (h) => [h.credentials?.chain[0] ?? new Uint8Array(), ...Array(4).fill(h.credentials?.chain[1])],
      () => other.chain,
    ];
    for (const chain of chains) {
      const relay = await start({
        hello: (h) => ({ ...h, credentials: { signedKey: new Uint8Array(), ...h.credentials, chain: chain(h) } }),
      });
      expect(await failure(connect(relay.server))).toEqual(unknownCa);
    }
  });

  it('on a leaf that is not the TLS certificate', async () => {
    const options = { kind: 'smp', host: 'h', now: Date.now(), random: systemRandom } as const;
    const ca = createCertificateAuthority({ ...options, caName: 'SMP server CA' });
    const leafs = [1, 2].map(() => createLeafCertificate(ca, 'h', { ...options, caName: 'SMP server CA' }));
    const [used, shown] = leafs;
    if (used === undefined || shown === undefined) throw new Error('no leaf');
    const base = createIdentity(options);
    const relay = await start({
      identity: { ...base, chain: [used.certificate, ca.certificate], leafKey: used.privateKey },
      hello: (h) => ({
        ...h,
        credentials: {
          signedKey: h.credentials?.signedKey ?? new Uint8Array(),
          chain: [shown.certificate, ca.certificate],
        },
      }),
    });
    const keyHash = sha256(ca.certificate);
    expect(await failure(connect({ ...relay.server, keyHash }))).toEqual(identityError);
  });

  it('on a leaf that the last certificate signed instead of the identity', async () => {
    const options = { kind: 'smp', host: 'h', now: Date.now(), random: systemRandom, caName: 'SMP server CA' } as const;
    const anchor = createCertificateAuthority(options);
    const identity = createCertificateAuthority(options);
    const leaf = createLeafCertificate(anchor, 'h', options);
    const base = createIdentity(options);
    const chain = [leaf.certificate, identity.certificate, anchor.certificate] as const;
    const relay = await start({
      identity: { ...base, chain: [leaf.certificate, identity.certificate], leafKey: leaf.privateKey },
      hello: (h) => ({ ...h, credentials: { signedKey: h.credentials?.signedKey ?? new Uint8Array(), chain } }),
    });
    const keyHash = sha256(identity.certificate);
    expect(await failure(connect({ ...relay.server, keyHash }))).toEqual(identityError);
  });

  it('on a session key that somebody else signed, or that is damaged', async () => {
    const other = createIdentity({ kind: 'smp', host: 'h', now: Date.now(), random: systemRandom });
    const forged = signKey(
      generateKeyPair('x25519').publicKey,
      decodePrivateKey(other.leafKey, 'key', signAlgorithms),
    ).der;
    for (const signedKey of [forged, systemRandom.bytes(122), new Uint8Array()]) {
      const relay = await start({
        hello: (h) => ({ ...h, credentials: { chain: h.credentials?.chain ?? [new Uint8Array()], signedKey } }),
      });
      expect(await failure(connect(relay.server))).toEqual(identityError);
    }
  });
});

describe('after the handshake', () => {
  const network = { type: 'network', error: { type: 'failedError' } };

  it.each([
    ['a block that is not encrypted for us', (p: ScriptedPeer) => p.sendRaw(systemRandom.bytes(16384))],
    ['an empty batch', (p: ScriptedPeer) => p.sendPayload(Uint8Array.of(0))],
    ['a batch of garbage', (p: ScriptedPeer) => p.sendPayload(systemRandom.bytes(5000))],
    ['bytes after the batch', (p: ScriptedPeer) => p.sendPayload(Uint8Array.of(1, 0, 3, 0, 0, 0, 9))],
    ['a transmission that is longer than the block', (p: ScriptedPeer) => p.sendPayload(Uint8Array.of(1, 0xff, 0xff))],
  ])('%s ends the connection; what waits fails as after a network error', async (_, send) => {
    const { client, peer, closed } = await connected();
    const waiting = failure(client.subscribe(queue));
    await peer.commands.next();
    send(peer);
    expect((await closed.next()).failure).toEqual(badBlock);
    expect(await waiting).toEqual(network);
    expect(client.closed).toBe(true);
    expect(await failure(client.ping())).toEqual(network);
  });

  it('an end inside a block ends the connection', async () => {
    const { client, peer, closed } = await connected();
    const waiting = failure(client.ping());
    await peer.commands.next();
    peer.sendRaw(systemRandom.bytes(10_000));
    peer.socket.end();
    expect((await closed.next()).failure.type).toBe('network');
    expect((await waiting).type).toBe('network');
  });

  it('an answer that cannot be parsed, to another entity, or of another kind fails its request only', async () => {
    const { client, peer } = await connected();
    const requests = [client.ping(), client.subscribe(queue), client.subscribe(queue)].map((p) => failure(p));
    const [ping, sub, again] = [await peer.commands.next(), await peer.commands.next(), await peer.commands.next()];
    const garbage = peer.encode(ping.corrId, ping.entityId, { msg: 'RRES', encrypted: new Uint8Array() });
    garbage.set(new TextEncoder().encode('BLAH'), garbage.length - 5);
    peer.send(
      garbage,
      peer.encode(sub.corrId, systemRandom.bytes(24), { msg: 'OK' }),
      peer.encode(again.corrId, again.entityId, { msg: 'PONG' }),
      // Nobody asked for these.
      peer.encode(systemRandom.bytes(24), queue.rcvId, { msg: 'OK' }),
      peer.encode(new Uint8Array(), new Uint8Array(), { msg: 'OK' }),
    );
    expect((await Promise.all(requests)).map((f) => f.type)).toEqual(['response', 'unexpected', 'unexpected']);
    const ok = client.ping();
    peer.answer(await peer.commands.next(), { msg: 'PONG' });
    await ok;
    expect(client.inFlight).toBe(0);
  });

  it('a request times out alone; a late answer to SUB makes the subscription and delivers', async () => {
    const { client, peer, events } = await connected({}, { network: quick });
    const late = await failure(client.subscribe(queue));
    expect(late).toEqual({ type: 'timeout' });
    const request = await peer.commands.next();
    expect(request.command.cmd).toBe('SUB');
    peer.answer(request, { msg: 'MSG', msgId: Uint8Array.of(7), encBody: Uint8Array.of(8) });
    expect(await events.next()).toEqual({ type: 'subscribed', rcvId: queue.rcvId });
    expect(await events.next()).toMatchObject({ type: 'message', msgId: Uint8Array.of(7) });
    const ack = failure(client.ack(queue, Uint8Array.of(7)));
    const ackRequest = await peer.commands.next();
    await ack;
    peer.answer(ackRequest, { msg: 'MSG', msgId: Uint8Array.of(9), encBody: Uint8Array.of(1) });
    expect(await events.next()).toMatchObject({ type: 'message', msgId: Uint8Array.of(9) });
    expect(client.closed).toBe(false);
  });

  it('commands of one turn share blocks: 135 signed SUB fit one', async () => {
    const { client, peer } = await connected();
    const all = client.subscribeAll(Array.from({ length: 300 }, () => queue));
    for (let i = 0; i < 300; i++) peer.answer(await peer.commands.next(), { msg: 'SOK', serviceId: undefined });
    expect((await all).every((r) => r.status === 'fulfilled')).toBe(true);
    expect(peer.blockSizes).toEqual([135, 135, 30]);
  });

  it('reading stops while too many events are being taken in, and goes on', async () => {
    const taken: (() => void)[] = [];
    let count = 0;
    const relay = await start();
    const { client } = await connect(relay.server, {
      handler: {
        onEvent: () => {
          count++;
          return new Promise<void>((resolve) => taken.push(resolve));
        },
        onClose: () => {},
      },
    });
    const peer = await relay.peers.next();
    await peer.hellos.next();
    const message = peer.encode(new Uint8Array(), queue.rcvId, {
      msg: 'MSG',
      msgId: Uint8Array.of(1),
      encBody: new Uint8Array(16_000),
    });
    for (let i = 0; i < 3000; i++) peer.send(message);
    await expect.poll(() => count, { timeout: 10_000 }).toBeGreaterThanOrEqual(512);
    await new Promise((resolve) => setTimeout(resolve, 100));
    // What was already read may still come; the rest stays with the peer.
    expect(count).toBeLessThan(1500);
    const release = setInterval(() => {
      for (const done of taken.splice(0)) done();
    }, 1);
    await expect.poll(() => count, { timeout: 10_000 }).toBe(3000);
    clearInterval(release);
    expect(client.closed).toBe(false);
  });
});

describe('handlers that wait for an answer of the same relay', () => {
  it('do not stop the connection for good: more is read after a while', async () => {
    const relay = await start();
    let answered = 0;
    const { client } = await connect(relay.server, {
      handler: {
        onEvent: async (e) => {
          if (e.type !== 'message') return;
          await client.ack(queue, e.msgId);
          answered++;
        },
        onClose: () => {},
      },
    });
    const peer = await relay.peers.next();
    await peer.hellos.next();
    const message = peer.encode(new Uint8Array(), queue.rcvId, {
      msg: 'MSG',
      msgId: Uint8Array.of(1),
      encBody: new Uint8Array(16_000),
    });
    const count = 2000;
    for (let i = 0; i < count; i++) peer.send(message);
    // The answers stand behind all the messages.
    for (let i = 0; i < count; i++) peer.answer(await peer.commands.next(), { msg: 'OK' });
    await expect.poll(() => answered, { timeout: 20_000 }).toBe(count);
  });
});

describe('time', () => {
  it('PING is sent after ten silent minutes, only with a subscription', async () => {
    const clock = new ManualClock(Date.now());
    const { client, peer } = await connected({}, { clock });
    clock.advance(1_200_000);
    expect(peer.commands.waitingItems).toBe(0);
    const sub = client.subscribe(queue);
    peer.answer(await peer.commands.next(), { msg: 'SOK', serviceId: undefined });
    await sub;
    clock.advance(599_000);
    clock.advance(2_000);
    const ping = await peer.commands.next();
    expect(ping.command.cmd).toBe('PING');
    expect(ping.corrId).toHaveLength(24);
    peer.answer(ping, { msg: 'PONG' });
  });

  it('a relay that is silent for 15 minutes with 3 requests unanswered is left', async () => {
    const clock = new ManualClock(Date.now());
    const { client, peer, closed } = await connected({}, { clock });
    const sub = client.subscribe(queue);
    peer.answer(await peer.commands.next(), { msg: 'SOK', serviceId: undefined });
    await sub;
    const failures = [1, 2].map(() => failure(client.subscribe(queue)));
    await peer.commands.next();
    await peer.commands.next();
    clock.advance(40_000);
    expect((await Promise.all(failures)).map((f) => f.type)).toEqual(['timeout', 'timeout']);
    clock.advance(880_000);
    expect(client.closed).toBe(false);
    const third = failure(client.subscribe(queue));
    clock.advance(60_000);
    await third;
    expect((await closed.next()).failure).toEqual({ type: 'network', error: { type: 'timeoutError' } });
  });

  it('a request that was not sent when it timed out is not sent at all', async () => {
    const clock = new ManualClock(Date.now());
    const { client, peer } = await connected({}, { clock });
    const dropped = failure(client.subscribe(queue));
    // In the same turn: the transmission still waits.
    clock.advance(30_000);
    expect((await dropped).type).toBe('timeout');
    const ping = client.ping();
    const request = await peer.commands.next();
    expect(request.command.cmd).toBe('PING');
    peer.answer(request, { msg: 'PONG' });
    await ping;
  });
});
