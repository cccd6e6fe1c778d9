import type { Clock } from '../core/index.js';
import {
  CryptoError,
  certificateKey,
  decodeSignedKey,
  type PublicKey,
  sha256,
  verifySignedKey,
} from '../crypto/index.js';
import type { XftpServer } from '../smp/index.js';
import { agreeVersion, DecodeError, equalBytes } from '../wire/index.js';
import { BodyReader } from './body-reader.js';
import { defaultConnectTimeout, openRequest, type XftpConnection } from './connection.js';
import { xftpBlockSize, xftpVersions } from './constants.js';
import { networkError, timeoutError, transportError } from './errors.js';
import { clientHelloBlock, readServerHelloBlock, type XftpServerHello } from './handshake.js';
import { bareXftpError, unpadBlock } from './transmission.js';

/**
 * The handshake after TLS (40-xftp, section 1.2): checks the server's hello in the order of the specification and
 * agrees on the highest common version.
 * @throws XftpClientError BROKER with TRANSPORT, NETWORK or TIMEOUT
 */
export async function shakeHands(
  connection: XftpConnection,
  server: XftpServer,
  options: { readonly clock: Clock; readonly connectTimeout?: number },
): Promise<{ readonly version: number; readonly serverKey: PublicKey<'x25519'> }> {
  const hello = readHello(await exchange(connection, undefined, options));
  if (!equalBytes(hello.sessionId, connection.sessionId)) throw transportError({ type: 'badSession' });
  const version = agreeVersion(xftpVersions, hello.versions);
  if (version === undefined) throw transportError({ type: 'version' });
  const serverKey = checkSignedKey(hello, connection, server.keyHash);
  const answer = await exchange(connection, clientHelloBlock({ version, keyHash: server.keyHash }), options);
  if (answer.length > 0) throw transportError({ type: 'badBlock' });
  return { version, serverKey };
}

async function exchange(
  connection: XftpConnection,
  block: Uint8Array | undefined,
  options: { readonly clock: Clock; readonly connectTimeout?: number },
): Promise<Uint8Array> {
  const stream = openRequest(connection.session, block === undefined);
  const reader = new BodyReader(stream);
  let timedOut = false;
  const timer = options.clock.after(options.connectTimeout ?? defaultConnectTimeout, () => {
    timedOut = true;
    connection.destroy();
  });
  if (block !== undefined) stream.end(block);
  try {
    // One byte more than a block shows that the answer is too long.
    return await reader.read(xftpBlockSize + 1);
  } catch (e) {
    throw timedOut
      ? timeoutError('handshake with the file server timed out')
      : networkError('connection to the file server was lost in the handshake', e);
  } finally {
    timer.cancel();
  }
}

function readHello(block: Uint8Array): XftpServerHello {
  try {
    unpadBlock(block);
  } catch (e) {
    throw transportError({ type: 'badBlock' }, undefined, e);
  }
  const bare = bareXftpError(block);
  if (bare !== undefined) throw networkError(`the file server refused the handshake: ${bare.type}`);
  try {
    return readServerHelloBlock(block);
  } catch (e) {
    throw transportError({ type: 'handshake', handshakeErr: { type: 'PARSE' } }, undefined, e);
  }
}

/** The chain of the hello is that of TLS, of exactly two, and its leaf signed the session key. */
function checkSignedKey(hello: XftpServerHello, connection: XftpConnection, keyHash: Uint8Array): PublicKey<'x25519'> {
  const badAuth = (cause?: unknown): Error =>
    transportError({ type: 'handshake', handshakeErr: { type: 'BAD_AUTH' } }, undefined, cause);
  const [leaf, ca, ...more] = hello.certificates;
  if (leaf === undefined || ca === undefined || more.length > 0) throw badAuth();
  if (!equalBytes(sha256(ca), keyHash) || !equalBytes(leaf, connection.leaf.raw)) throw badAuth();
  try {
    const signed = decodeSignedKey(hello.signedKey, 'signedKey', ['x25519']);
    if (!verifySignedKey(signed, certificateKey(leaf))) throw badAuth();
    return signed.key;
  } catch (e) {
    if (e instanceof DecodeError)
      throw transportError({ type: 'handshake', handshakeErr: { type: 'PARSE' } }, undefined, e);
    if (e instanceof CryptoError) throw badAuth(e);
    throw e;
  }
}
