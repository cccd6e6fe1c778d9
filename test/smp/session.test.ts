import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { systemClock, systemRandom } from '../../src/core/index.js';
import { generateKeyPair, publicKeyOf } from '../../src/crypto/index.js';
import { type SmpRelay, startSmpRelay } from '../../src/relay/index.js';
import { Connection } from '../../src/smp/connection.js';
import {
  BlockSealer,
  decodeMessage,
  encodeClientHello,
  encodeCommandTransmission,
  parseServerWithAuth,
  type RawTransmission,
  SmpClientError,
  type SmpCommand,
  type SmpMessage,
  smpVersion,
} from '../../src/smp/index.js';
import { Session } from '../../src/smp/session.js';
import { closeClients, connect, Inbox, senderKey } from './support.js';

let relay: SmpRelay;
const over = new SmpClientError({ type: 'timeout' });

beforeAll(async () => {
  relay = await startSmpRelay({ storage: { kind: 'memory' } });
});

afterAll(async () => {
  closeClients();
  await relay.close();
});

const server = () => parseServerWithAuth(relay.address, 'smp').server;

function openConnection(): Promise<Connection> {
  const endpoint = { host: '127.0.0.1', port: relay.port, socks: undefined };
  return Connection.open({ endpoint, socksLogin: undefined, clock: systemClock, timeout: 10_000 });
}

/** A session without a client on it: it sends what the test says. */
async function rawSession(): Promise<{
  connection: Connection;
  session: Session;
  answers: Inbox<RawTransmission>;
  closed: Inbox<Error>;
}> {
  const connection = await openConnection();
  const session = await Session.open(connection, {
    server: server(),
    clock: systemClock,
    random: systemRandom,
    timeout: 10_000,
  });
  const answers = new Inbox<RawTransmission>();
  const closed = new Inbox<Error>();
  session.setHandler({ onTransmission: (t) => answers.push(t), onBlockEnd: () => {}, onClose: (e) => closed.push(e) });
  return { connection, session, answers, closed };
}

/** A connection before any hello of ours: closed by the relay for what the test sends. */
async function closedFor(bytes: Uint8Array): Promise<void> {
  const connection = await openConnection();
  const closed = new Inbox<Error>();
  const blocks = new Inbox<Uint8Array>();
  connection.setHandler({
    onBlock: (b) => blocks.push(b),
    onDrain: () => {},
    onClose: (e) => closed.push(e),
  });
  await blocks.next();
  connection.write([bytes]);
  await closed.next();
  expect(blocks.all).toHaveLength(1);
}

/** The relay still serves others. */
async function stillServes(): Promise<void> {
  const { client } = await connect(relay.address);
  await client.ping();
  client.close();
}

describe('the relay and a client that breaks the rules', () => {
  const key = generateKeyPair('ed25519');
  const command: SmpCommand = {
    cmd: 'NEW',
    rcvAuthKey: key.publicKey,
    rcvDhKey: generateKeyPair('x25519').publicKey,
    basicAuth: undefined,
    subMode: 'subscribe',
    queueReq: { mode: 'messaging' },
    notifier: undefined,
  };

  async function ask(sign: (s: Session, corrId: Uint8Array) => Uint8Array): Promise<SmpMessage> {
    const { session, answers } = await rawSession();
    session.send({ bytes: sign(session, systemRandom.bytes(24)) });
    const answer = await answers.next();
    const message = decodeMessage(answer.body, session.version);
    session.close(over);
    return message;
  }

  it('a command signed for another session is refused', async () => {
    const none = new Uint8Array();
    const right = await ask((s, corrId) => encodeCommandTransmission(s, corrId, none, command, key.privateKey));
    expect(right.msg).toBe('IDS');
    const wrong = await ask((s, corrId) => {
      const context = { version: s.version, sessionId: systemRandom.bytes(32) };
      return encodeCommandTransmission(context, corrId, none, command, key.privateKey);
    });
    expect(wrong).toEqual({ msg: 'ERR', error: { type: 'AUTH' } });
  });

  it('a command signed by another key, unsigned, or of no kind is refused', async () => {
    const none = new Uint8Array();
    const other = await ask((s, corrId) => encodeCommandTransmission(s, corrId, none, command, senderKey()));
    expect(other).toEqual({ msg: 'ERR', error: { type: 'AUTH' } });
    const unsigned = await ask((s, corrId) => encodeCommandTransmission(s, corrId, none, command));
    expect(unsigned).toEqual({ msg: 'ERR', error: { type: 'CMD', cmdErr: { type: 'NO_AUTH' } } });
    const unknown = await ask((s, corrId) => {
      const bytes = encodeCommandTransmission(s, corrId, none, { cmd: 'PING' });
      bytes.set(Buffer.from('PONK'), bytes.length - 4);
      return bytes;
    });
    expect(unknown).toEqual({ msg: 'ERR', error: { type: 'CMD', cmdErr: { type: 'UNKNOWN' } } });
  });

  it('hellos of another relay, of a version out of range, oversized and of garbage close the connection', async () => {
    const hello = {
      version: smpVersion(17),
      keyHash: server().keyHash,
      sessionKey: publicKeyOf(generateKeyPair('x25519').privateKey),
      proxyServer: false,
      service: undefined,
    };
    const plain = new BlockSealer(undefined);
    await closedFor(plain.seal(encodeClientHello({ ...hello, keyHash: systemRandom.bytes(32) })));
    await closedFor(plain.seal(encodeClientHello({ ...hello, version: smpVersion(30) })));
    await closedFor(plain.seal(encodeClientHello({ ...hello, version: smpVersion(3) })));
    await closedFor(new Uint8Array(16384).fill(0xff));
    await closedFor(systemRandom.bytes(16384));
    await stillServes();
  });

  it('a block that is not encrypted for it is answered with BLOCK; one that ends early ends the connection', async () => {
    const damaged = await rawSession();
    damaged.connection.write([systemRandom.bytes(16384)]);
    const answer = await damaged.answers.next();
    expect([answer.corrId.length, answer.entityId.length]).toEqual([0, 0]);
    const { version } = damaged.session;
    expect(decodeMessage(answer.body, version)).toEqual({ msg: 'ERR', error: { type: 'BLOCK' } });
    const truncated = await rawSession();
    truncated.connection.write([systemRandom.bytes(1000)]);
    truncated.session.close(over);
    await truncated.closed.next();
    await stillServes();
    damaged.session.close(over);
  });
});
