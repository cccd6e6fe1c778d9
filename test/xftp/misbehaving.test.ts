import { performServerHandshake, type ServerHttp2Stream } from 'node:http2';
import { createServer } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { ManualClock, systemClock, systemRandom } from '../../src/core/index.js';
import { decodePrivateKey, generateKeyPair, pad, signKey } from '../../src/crypto/index.js';
import { createIdentity, toPem } from '../../src/relay/index.js';
import {
  BodyReader,
  decodeXftpBlock,
  encodeBareXftpError,
  encodeXftpBlock,
  serverHelloBlock,
  XftpClient,
  type XftpClientOptions,
  type XftpServerHello,
  xftpBlockSize,
  xftpTlsParameters,
} from '../../src/xftp/index.js';
import { Cleanup } from './support.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

const identity = createIdentity({ kind: 'xftp', host: 'localhost', now: Date.now(), random: systemRandom });
const leafKey = decodePrivateKey(identity.leafKey, 'leafKey', ['ed25519']);

interface Script {
  readonly alpn?: string;
  /** Changes the hello. */
  readonly hello?: (hello: XftpServerHello) => XftpServerHello;
  /** Instead of the hello. */
  readonly helloBytes?: Uint8Array;
  /** The answer to the client's hello; empty by default. */
  readonly ack?: Uint8Array;
  /** Answers a command; silence by default. */
  readonly command?: (stream: ServerHttp2Stream, block: Uint8Array) => void;
}

/** A server that breaks the rules as told. */
async function scripted(script: Script) {
  const server = createServer(
    {
      cert: identity.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
      key: toPem('PRIVATE KEY', identity.leafKey),
      ...xftpTlsParameters,
      ALPNProtocols: [script.alpn ?? 'xftp/1'],
    },
    (socket) => {
      socket.on('error', () => {});
      cleanup.add(() => {
        socket.destroy();
      });
      const sessionId = new Uint8Array(socket.getPeerFinished() ?? []);
      const session = performServerHandshake(socket);
      session.on('error', () => {});
      let requests = 0;
      session.on('stream', (stream) => {
        stream.on('error', () => {});
        const n = requests++;
        void new BodyReader(stream).read(xftpBlockSize).then(
          (block) => {
            stream.respond({ ':status': 200 });
            if (n === 0) stream.end(script.helloBytes ?? hello(sessionId));
            else if (n === 1) stream.end(script.ack ?? new Uint8Array(0));
            else script.command?.(stream, block);
          },
          () => {},
        );
      });
    },
  );
  server.on('tlsClientError', () => {});
  const hello = (sessionId: Uint8Array): Uint8Array => {
    const honest: XftpServerHello = {
      versions: { min: 1, max: 3 },
      sessionId,
      certificates: identity.chain,
      signedKey: signKey(generateKeyPair('x25519').publicKey, leafKey).der,
    };
    return serverHelloBlock(script.hello?.(honest) ?? honest);
  };
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  cleanup.add(() => {
    server.close();
  });
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? String(bound.port) : '';
  return { scheme: 'xftp', hosts: ['127.0.0.1'], port, keyHash: identity.fingerprint } as const;
}

async function open(script: Script, options: Partial<XftpClientOptions> = {}): Promise<XftpClient> {
  const client = await XftpClient.connect(await scripted(script), {
    clock: systemClock,
    random: systemRandom,
    ...options,
  });
  cleanup.add(() => client.close());
  return client;
}

const failure = async (task: Promise<unknown>): Promise<unknown> =>
  task.then(
    () => 'no failure',
    (e) => e.failure ?? e,
  );
const broker = (brokerErr: object) => ({ type: 'BROKER', brokerErr });
const transport = (transportErr: object) => broker({ type: 'TRANSPORT', transportErr });
const handshake = (type: string) => transport({ type: 'handshake', handshakeErr: { type } });

describe('a server that breaks the handshake', () => {
  const cases: [string, Script, object][] = [
    [
      'another session id',
      { hello: (h) => ({ ...h, sessionId: new Uint8Array(32) }) },
      transport({ type: 'badSession' }),
    ],
    ['no common version', { hello: (h) => ({ ...h, versions: { min: 4, max: 9 } }) }, transport({ type: 'version' })],
    [
      'a chain of three',
      { hello: (h) => ({ ...h, certificates: [...h.certificates, identity.chain[1]] }) },
      handshake('BAD_AUTH'),
    ],
    [
      'another leaf',
      { hello: (h) => ({ ...h, certificates: [identity.chain[1], identity.chain[1]] }) },
      handshake('BAD_AUTH'),
    ],
    [
      'a session key that another key signed',
      {
        hello: (h) => ({
          ...h,
          signedKey: signKey(generateKeyPair('x25519').publicKey, generateKeyPair('ed25519').privateKey).der,
        }),
      },
      handshake('BAD_AUTH'),
    ],
    ['a session key that is none', { hello: (h) => ({ ...h, signedKey: new Uint8Array(10) }) }, handshake('PARSE')],
    ['a hello that is none', { helloBytes: pad(new Uint8Array(100), xftpBlockSize) }, handshake('PARSE')],
    [
      'a hello without padding',
      { helloBytes: new Uint8Array(xftpBlockSize).fill(0xff) },
      transport({ type: 'badBlock' }),
    ],
    ['a short hello', { helloBytes: new Uint8Array(100) }, transport({ type: 'badBlock' })],
    ['a bare error', { helloBytes: encodeBareXftpError('SESSION') }, broker({ type: 'NETWORK' })],
    [
      'an answer to the hello of the client',
      { ack: encodeBareXftpError('HANDSHAKE') },
      transport({ type: 'badBlock' }),
    ],
    ['no ALPN of ours', { alpn: 'http/1.1' }, broker({ type: 'NETWORK' })],
  ];
  it.each(cases)('%s', async (_name, script, expected) => {
    expect(await failure(open(script))).toEqual(expected);
  });

  it('a certificate that is not valid yet', async () => {
    expect(await failure(open({}, { clock: new ManualClock(0) }))).toEqual(broker({ type: 'NETWORK' }));
  });

  it('later versions: the highest that both know', async () => {
    expect((await open({ hello: (h) => ({ ...h, versions: { min: 2, max: 7 } }) })).version).toBe(3);
    expect((await open({ hello: (h) => ({ ...h, versions: { min: 1, max: 2 } }) })).version).toBe(2);
  });
});

describe('a server that answers wrongly', () => {
  const answer = (content: string, change: { sessionId?: Uint8Array; entityId?: Uint8Array } = {}): Script => ({
    command: (stream, block) => {
      const t = decodeXftpBlock(block);
      const entityId = change.entityId ?? t.entityId;
      stream.end(
        encodeXftpBlock({ sessionId: change.sessionId ?? t.sessionId, entityId, command: Buffer.from(content) }),
      );
    },
  });
  const response = (respErr: string) => broker({ type: 'RESPONSE', respErr });
  const cases: [string, Script, object][] = [
    ['another session', answer('PONG', { sessionId: new Uint8Array(32) }), response('SESSION')],
    ['an id where there is none', answer('PONG', { entityId: new Uint8Array(16) }), response('CMD HAS_AUTH')],
    ['no response', answer('WHAT'), response('CMD SYNTAX')],
    [
      'a response to something else',
      answer('OK', { entityId: new Uint8Array(16) }),
      broker({ type: 'UNEXPECTED', respErr: 'OK' }),
    ],
    ['an error', answer('ERR INTERNAL'), { type: 'XFTP', xftpErr: { type: 'INTERNAL' } }],
    ['too little', { command: (stream) => void stream.end(new Uint8Array(100)) }, response('BLOCK')],
    ['rubbish', { command: (stream) => void stream.end(new Uint8Array(xftpBlockSize).fill(1)) }, response('BLOCK')],
    [
      'a bare error',
      { command: (stream) => void stream.end(encodeBareXftpError('SESSION')) },
      broker({ type: 'NETWORK' }),
    ],
    ['a reset', { command: (stream) => void stream.destroy(new Error('reset')) }, broker({ type: 'NETWORK' })],
    ['a closed connection', { command: (stream) => void stream.session?.destroy() }, broker({ type: 'NETWORK' })],
  ];
  it.each(cases)('%s', async (_name, script, expected) => {
    expect(await failure((await open(script)).ping())).toEqual(expected);
  });

  it('silence: a time-out, and the connection is closed', async () => {
    const client = await open({}, { connectTimeout: 300, responseTimeout: 20 });
    let closed = 0;
    client.onClose(() => closed++);
    const [first, second] = await Promise.all([failure(client.ping()), failure(client.ping())]);
    expect([first, second].map((f) => JSON.stringify(f))).toContain(JSON.stringify(broker({ type: 'TIMEOUT' })));
    expect(client.closed).toBe(true);
    expect(closed).toBe(1);
    expect(await failure(client.ping())).toEqual(broker({ type: 'NETWORK' }));
  });
});
