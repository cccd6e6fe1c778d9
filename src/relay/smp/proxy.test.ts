import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { boxKey, certificateKey, decodeSignedKey, dh, generateKeyPair, verifySignedKey } from '../../crypto/index.js';
import {
  type AuthPrivateKey,
  cmdError,
  decodeMessage,
  decodeTransmission,
  encodeCommandTransmission,
  openForwardedAnswer,
  parseServerWithAuth,
  type SmpCommand,
  type SmpError,
  type SmpMessage,
  SmpV,
  type SmpVersion,
  sealForwardedCommand,
  smpVersion,
} from '../../smp/index.js';
import type { SmpRelay } from './options.js';
import { Fixture } from './testing-support/fixture.js';
import { newCorrId, newQueue, type RawClient, sendCommand, textOf } from './testing-support/raw-client.js';

const none = new Uint8Array(0);
const err = (error: SmpError): SmpMessage => ({ msg: 'ERR', error });

function prxy(relay: SmpRelay, change: { keyHash?: Uint8Array; port?: string } = {}, basicAuth?: string): SmpCommand {
  const { server } = parseServerWithAuth(relay.address, 'smp');
  return { cmd: 'PRXY', server: { ...server, ...change }, basicAuth };
}

type Pkey = SmpMessage & { msg: 'PKEY' };

async function openSession(client: RawClient, relay: SmpRelay): Promise<Pkey> {
  const answer = await client.request(none, prxy(relay));
  if (answer.msg !== 'PKEY') throw new Error(JSON.stringify(answer));
  return answer;
}

/** Sends a command through the proxy as a sender does; gives what the destination answered. */
async function forward(
  client: RawClient,
  session: Pkey,
  entityId: Uint8Array,
  command: SmpCommand,
  key?: AuthPrivateKey,
  version: SmpVersion = SmpV.NotifierInNew,
): Promise<SmpMessage> {
  const relayKey = decodeSignedKey(session.signedKey, 'signedKey', ['x25519']).key;
  const own = generateKeyPair('x25519');
  const secret = boxKey(dh(relayKey, own.privateKey));
  const corrId = newCorrId();
  const context = { version, sessionId: session.sessionId };
  const inner = encodeCommandTransmission(context, corrId, entityId, command, key, relayKey);
  const answer = await client.requestFull(
    session.sessionId,
    { cmd: 'PFWD', version, key: own.publicKey, encrypted: sealForwardedCommand(secret, corrId, inner) },
    undefined,
    corrId,
  );
  if (answer.message.msg !== 'PRES') return answer.message;
  expect(Buffer.from(answer.entityId).equals(session.sessionId)).toBe(true);
  const t = decodeTransmission(openForwardedAnswer(secret, corrId, answer.message.encrypted), version);
  expect(Buffer.from(t.corrId).equals(corrId)).toBe(true);
  expect(Buffer.from(t.entityId).equals(entityId)).toBe(true);
  return decodeMessage(t.body, version);
}

describe('private routing through two relays', () => {
  let f: Fixture;
  beforeEach(() => {
    f = new Fixture();
  });
  afterEach(() => f.close());

  it('forwards SKEY, SEND, LKEY and LGET, at versions 8 to 17, and nothing else', async () => {
    const [proxy, destination] = [await f.relay(), await f.relay()];
    const [alice, bob] = [await f.client(destination), await f.client(proxy)];
    const session = await openSession(bob, destination);
    expect(session.range).toEqual({ min: 8, max: 17 });
    const leaf = certificateKey(session.chain[0]);
    expect(verifySignedKey(decodeSignedKey(session.signedKey, 'signedKey', ['x25519']), leaf)).toBe(true);
    for (let v = 9; v <= 17; v++) {
      const version = smpVersion(v);
      const q = await newQueue(alice);
      const skey: SmpCommand = { cmd: 'SKEY', key: q.sndPublic };
      expect(await forward(bob, session, q.ids.sndId, skey, q.sndKey, version)).toEqual({ msg: 'OK' });
      const body = new Uint8Array(16_000).fill(0x61);
      expect(await forward(bob, session, q.ids.sndId, sendCommand(body), q.sndKey, version)).toEqual({ msg: 'OK' });
      expect(textOf(q, (await alice.event()).message)).toHaveLength(16_000);
      expect(await forward(bob, session, q.ids.sndId, sendCommand('open'), undefined, version)).toEqual(
        err({ type: 'AUTH' }),
      );
      const refused = await forward(bob, session, q.ids.rcvId, { cmd: 'SUB' }, q.rcvKey, version);
      expect(refused).toEqual(err(cmdError('PROHIBITED')));
    }
    const link = { fixed: Buffer.from('f'), user: Buffer.from('u') };
    const linkId = newCorrId();
    const contact = await newQueue(alice, {
      queueReq: (senderId) => ({ mode: 'contact', link: { linkId, senderId, ...link } }),
    });
    const got = await forward(bob, session, linkId, { cmd: 'LGET' });
    expect(got.msg === 'LNK' && Buffer.from(got.senderId).equals(contact.ids.sndId)).toBe(true);
    const one = await newQueue(alice, { queueReq: (senderId) => ({ mode: 'messaging', link: { senderId, ...link } }) });
    const lkey: SmpCommand = { cmd: 'LKEY', key: one.sndPublic };
    expect((await forward(bob, session, one.ids.linkId ?? none, lkey, one.sndKey)).msg).toBe('LNK');
  });

  it('authenticates forwarded commands with X25519 keys against the session key of the destination', async () => {
    const [proxy, destination] = [await f.relay(), await f.relay()];
    const [alice, bob] = [await f.client(destination), await f.client(proxy)];
    const session = await openSession(bob, destination);
    const q = await newQueue(alice);
    const key = generateKeyPair('x25519');
    await alice.request(q.ids.rcvId, { cmd: 'KEY', key: key.publicKey }, q.rcvKey);
    expect(await forward(bob, session, q.ids.sndId, sendCommand('deniable'), key.privateKey)).toEqual({ msg: 'OK' });
    expect(textOf(q, (await alice.event()).message)).toBe('deniable');
  });

  it('shares one connection per destination, works on other commands meanwhile, and takes 100 at once', async () => {
    const [proxy, destination] = [await f.relay(), await f.relay()];
    const alice = await f.client(destination);
    const [bob, carol] = [await f.client(proxy), await f.client(proxy)];
    const q = await newQueue(alice, { subMode: 'create' });
    const [a, b] = [await openSession(bob, destination), await openSession(carol, destination)];
    expect(Buffer.from(a.sessionId).equals(b.sessionId)).toBe(true);
    const answers = await Promise.all(
      Array.from({ length: 100 }, () => forward(bob, a, q.ids.sndId, sendCommand('x'))),
    );
    expect(answers).toEqual(answers.map(() => ({ msg: 'OK' })));
    await bob.ping();
    expect(destination.metrics.counts.forwardedAsDestination).toBe(100);
    expect(destination.connections).toBe(2);
  });

  it('can be its own destination', async () => {
    const relay = await f.relay();
    const client = await f.client(relay);
    const session = await openSession(client, relay);
    const q = await newQueue(client);
    expect(await forward(client, session, q.ids.sndId, sendCommand('loop'))).toEqual({ msg: 'OK' });
    expect(textOf(q, (await client.event()).message)).toBe('loop');
  });

  it('asks for its password, and can be switched off', async () => {
    const destination = await f.relay();
    const basicAuth = err({ type: 'PROXY', proxyErr: { type: 'BASIC_AUTH' } });
    const withPassword = await f.client(await f.relay({ password: 'secret' }));
    expect(await withPassword.request(none, prxy(destination))).toEqual(basicAuth);
    expect(await withPassword.request(none, prxy(destination, {}, 'wrong'))).toEqual(basicAuth);
    expect((await withPassword.request(none, prxy(destination, {}, 'secret'))).msg).toBe('PKEY');
    const off = await f.client(await f.relay({ proxy: false }));
    expect(await off.request(none, prxy(destination))).toEqual(basicAuth);
  });

  it('tells what is wrong with the way to the destination', async () => {
    const [proxy, destination] = [await f.relay(), await f.relay()];
    const bob = await f.client(proxy);
    const network = err({ type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr: { type: 'NETWORK' } } });
    expect(await bob.request(none, prxy(destination, { port: '1' }))).toEqual(network);
    expect(await bob.request(none, prxy(destination, { keyHash: newCorrId() }))).toEqual(network);
    const noSession = err({ type: 'PROXY', proxyErr: { type: 'NO_SESSION' } });
    const session = await openSession(bob, destination);
    const lost = { ...session, sessionId: newCorrId() };
    expect(await forward(bob, lost, newCorrId(), sendCommand('x'))).toEqual(noSession);
    const garbage: SmpCommand = {
      cmd: 'PFWD',
      version: SmpV.NotifierInNew,
      key: generateKeyPair('x25519').publicKey,
      encrypted: new Uint8Array(16_242),
    };
    const crypto = err({ type: 'PROXY', proxyErr: { type: 'PROTOCOL', protocolErr: { type: 'CRYPTO' } } });
    expect(await bob.request(session.sessionId, garbage)).toEqual(crypto);
  });

  it('opens a new session after the destination was restarted', async () => {
    const proxy = await f.relay();
    const storage = f.storage('sqlite');
    const destination = await f.relay({ storage });
    const bob = await f.client(proxy);
    const session = await openSession(bob, destination);
    const q = await newQueue(await f.client(destination));
    await destination.close();
    const again = await f.relay({ storage, port: destination.port });
    const noSession = err({ type: 'PROXY', proxyErr: { type: 'NO_SESSION' } });
    expect(await forward(bob, session, q.ids.sndId, sendCommand('x'))).toEqual(noSession);
    const next = await openSession(bob, again);
    expect(await forward(bob, next, q.ids.sndId, sendCommand('x'))).toEqual({ msg: 'OK' });
  });
});
