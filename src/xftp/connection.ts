import type { X509Certificate } from 'node:crypto';
import { type ClientHttp2Session, type ClientHttp2Stream, connect as connectHttp2, constants } from 'node:http2';
import type { Duplex } from 'node:stream';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import type { Clock } from '../core/index.js';
import { sha256 } from '../crypto/index.js';
import { tlsParameters, type XftpServer } from '../smp/index.js';
import { equalBytes } from '../wire/index.js';
import { xftpAlpn, xftpDefaultPort } from './constants.js';
import { networkError, timeoutError, transportError } from './errors.js';

/** HTTP/2 windows in bytes: of a stream and of the connection. The defaults of 64 kB cost a factor of 20 in speed. */
export const xftpWindows = { stream: 1 << 20, connection: 8 << 20 } as const;

/** Opens the TCP connection, directly or through a proxy. */
export type Dial = (host: string, port: number) => Promise<Duplex>;

/** How an XFTP server is reached; its identity is part of the address. */
export interface XftpConnectOptions {
  readonly clock: Clock;
  /** Time for TCP, TLS and each answer of the handshake, in milliseconds; 45,000 by default. */
  readonly connectTimeout?: number;
  /** The host of the server to use; its first by default. */
  readonly host?: string;
  /** By default a direct TCP connection. */
  readonly dial?: Dial;
}

/** TLS and HTTP/2 to an XFTP server whose certificate was checked against its address. */
export interface XftpConnection {
  readonly session: ClientHttp2Session;
  /** The client's TLS Finished message. */
  readonly sessionId: Uint8Array;
  readonly leaf: X509Certificate;
  readonly ca: X509Certificate;
  /** Closes at once; pending requests fail. */
  destroy(): void;
}

export const defaultConnectTimeout = 45_000;

/** TLS parameters of both sides (40-xftp, section 1.1). */
export const xftpTlsParameters = {
  ...tlsParameters,
  maxVersion: 'TLSv1.3',
  ecdhCurve: 'X448:X25519',
} as const;

/**
 * Connects and checks the server's identity (40-xftp, sections 1.1 and 1.7): no SNI, ALPN `xftp/1`, the CA's
 * fingerprint, the leaf's signature and dates. Host names are not checked: the fingerprint is the identity.
 * @throws XftpClientError BROKER with NETWORK, TIMEOUT or TRANSPORT
 */
export async function connectXftp(server: XftpServer, options: XftpConnectOptions): Promise<XftpConnection> {
  const host = options.host ?? server.hosts[0];
  const port = server.port === '' ? xftpDefaultPort : Number(server.port);
  const socket = await openTls(host, port, options);
  try {
    if (socket.alpnProtocol !== xftpAlpn) throw transportError({ type: 'version' }, 'the server does not speak xftp/1');
    const finished = socket.getFinished();
    if (finished === undefined) throw networkError('no TLS session id');
    const { leaf, ca } = checkChain(socket, server.keyHash, options.clock.now());
    const session = connectHttp2(`https://${host.includes(':') ? `[${host}]` : host}`, {
      createConnection: () => socket,
      settings: { initialWindowSize: xftpWindows.stream, enablePush: false },
    });
    // Failures reach the requests; without a handler they would end the process.
    session.on('error', () => {});
    session.setLocalWindowSize(xftpWindows.connection);
    const destroy = (): void => {
      session.destroy();
      socket.destroy();
    };
    return { session, sessionId: new Uint8Array(finished), leaf, ca, destroy };
  } catch (e) {
    socket.destroy();
    throw e;
  }
}

async function openTls(host: string, port: number, options: XftpConnectOptions): Promise<TLSSocket> {
  const raw = options.dial === undefined ? undefined : await options.dial(host, port);
  return new Promise((resolve, reject) => {
    const socket = connectTls({
      // No `servername`: a native client sends no SNI.
      ...(raw === undefined ? { host, port } : { socket: raw }),
      ...xftpTlsParameters,
      ALPNProtocols: [xftpAlpn],
      // checkChain does it: the CA is known by its fingerprint only.
      rejectUnauthorized: false,
    });
    const timer = options.clock.after(options.connectTimeout ?? defaultConnectTimeout, () =>
      socket.destroy(timeoutError('connection to the file server timed out')),
    );
    const onError = (error: Error): void => {
      timer.cancel();
      reject(error.name === 'XftpClientError' ? error : networkError('cannot connect to the file server', error));
    };
    socket.once('error', onError);
    socket.once('close', () => onError(new Error('closed')));
    socket.once('secureConnect', () => {
      timer.cancel();
      socket.off('error', onError);
      socket.on('error', () => {});
      socket.setNoDelay(true);
      resolve(socket);
    });
  });
}

/** `getPeerX509Certificate` works once for each socket in Node 20: the chain is taken from its result. */
function checkChain(
  socket: TLSSocket,
  keyHash: Uint8Array,
  now: number,
): { leaf: X509Certificate; ca: X509Certificate } {
  const refuse = (problem: string): Error => networkError(`certificate of the file server refused: ${problem}`);
  const leaf = socket.getPeerX509Certificate();
  const ca = leaf?.issuerCertificate;
  if (leaf === undefined || ca === undefined) throw refuse('not a chain of two');
  if (!equalBytes(sha256(ca.raw), keyHash)) throw refuse('unknown CA');
  if (!leaf.checkIssued(ca) || !leaf.verify(ca.publicKey)) throw refuse('not signed by its CA');
  if (!maySign(leaf.raw)) throw refuse('its key is not for signatures');
  if (now < Date.parse(leaf.validFrom) || now > Date.parse(leaf.validTo)) throw refuse('not valid now');
  return { leaf, ca };
}

/** OID of the extension keyUsage, with tag and length. */
const keyUsageOid = Buffer.from('0603551d0f', 'hex');

/** Whether the extension keyUsage, if there is one, allows digital signatures: official clients insist on it. */
function maySign(der: Buffer): boolean {
  let at = der.indexOf(keyUsageOid);
  if (at < 0) return true;
  at += keyUsageOid.length;
  // The critical flag, then an OCTET STRING with a BIT STRING whose first bit is digitalSignature.
  if (der[at] === 0x01) at += 3;
  return der[at] === 0x04 && der[at + 2] === 0x03 && ((der[at + 5] ?? 0) & 0x80) !== 0;
}

/** Opens the stream of one exchange. */
export function openRequest(session: ClientHttp2Session, endStream: boolean): ClientHttp2Stream {
  const { HTTP2_HEADER_METHOD, HTTP2_HEADER_PATH } = constants;
  return session.request({ [HTTP2_HEADER_METHOD]: 'POST', [HTTP2_HEADER_PATH]: '/' }, { endStream });
}
