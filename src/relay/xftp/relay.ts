import { performServerHandshake, type ServerHttp2Session } from 'node:http2';
import type { AddressInfo, Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { errorFields, silentLogger, systemClock, systemRandom } from '../../core/index.js';
import { decodePrivateKey, signKey } from '../../crypto/index.js';
import { formatServer, isBasicAuth, type XftpServer } from '../../smp/index.js';
import { EncodeError } from '../../wire/index.js';
import { xftpAlpn, xftpTlsParameters, xftpWindows } from '../../xftp/index.js';
import { toPem } from '../certificates.js';
import { loadOrCreateIdentity } from '../identity.js';
import { ChunkFiles } from './files.js';
import type { XftpRelay, XftpRelayOptions } from './options.js';
import { XftpService } from './service.js';
import { type SessionContext, XftpServerSession } from './session.js';
import { ChunkStorage } from './storage.js';

const hours = 3_600_000;

/**
 * Starts an XFTP relay (40-xftp, section 6): chunks are files in a folder, their index is a SQLite database. What
 * was answered OK survives a crash at any moment.
 */
export async function startXftpRelay(options: XftpRelayOptions): Promise<XftpRelay> {
  const {
    host = '127.0.0.1',
    prefix,
    password,
    clock = systemClock,
    random = systemRandom,
    log = silentLogger,
  } = options;
  if (password !== undefined && !isBasicAuth(password)) throw new EncodeError('password', 'invalid characters');
  const publicHosts = options.publicHosts ?? [host];
  const identity = loadOrCreateIdentity(prefix, {
    kind: 'xftp',
    host: publicHosts[0] ?? host,
    now: clock.now(),
    random,
    ...(options.algorithm === undefined ? {} : { algorithm: options.algorithm }),
  });
  const storage = await ChunkStorage.open(`${prefix}_xftp.db`, clock, log);
  try {
    const service = await XftpService.open({
      storage,
      files: new ChunkFiles(options.filesFolder ?? `${prefix}_xftp_files`),
      clock,
      random,
      log,
      password,
      newFiles: options.newFiles ?? true,
      quota: options.quota ?? Number.POSITIVE_INFINITY,
      ttlMs: options.ttlMs ?? 48 * hours,
    });
    const leafKey = decodePrivateKey(identity.leafKey, 'leafKey', ['ed25519', 'ed448']);
    const context: SessionContext = {
      service,
      identity,
      signKey: (key) => signKey(key, leafKey).der,
      clock,
      random,
      log,
      uploadTimeoutMs: options.uploadTimeoutMs ?? 300_000,
    };
    return await listen(options, host, publicHosts, context, storage);
  } catch (e) {
    await storage.close();
    throw e;
  }
}

async function listen(
  options: XftpRelayOptions,
  host: string,
  publicHosts: readonly string[],
  context: SessionContext,
  storage: ChunkStorage,
): Promise<XftpRelay> {
  const { identity, clock, log, service } = context;
  const sessions = new Set<ServerHttp2Session>();
  const sockets = new Set<TLSSocket>();
  const handshakes = new Set<Socket>();
  /** Requests under way: the storage outlives them. */
  const running = new Set<Promise<void>>();

  const server = createServer(
    {
      cert: identity.chain.map((der) => toPem('CERTIFICATE', der)).join(''),
      key: toPem('PRIVATE KEY', identity.leafKey),
      ...xftpTlsParameters,
      // `http/1.1` is what some clients of 6.5 offer; HTTP/2 follows all the same.
      ALPNProtocols: [xftpAlpn, 'http/1.1'],
      handshakeTimeout: options.tlsTimeoutMs ?? 60_000,
    },
    (socket) => {
      // A client that goes away in the middle of a write shows up as any of many errors: all are a close.
      socket.on('error', () => {});
      const finished = socket.getPeerFinished();
      if (finished === undefined) {
        socket.destroy();
        return;
      }
      sockets.add(socket);
      socket.once('close', () => sockets.delete(socket));
      socket.setNoDelay(true);
      const connection = new XftpServerSession(context, new Uint8Array(finished), socket.alpnProtocol !== false);
      const session = performServerHandshake(socket, {
        settings: { initialWindowSize: xftpWindows.stream, maxConcurrentStreams: 100 },
      });
      sessions.add(session);
      session.on('error', () => {});
      session.once('close', () => sessions.delete(session));
      session.setLocalWindowSize(xftpWindows.connection);
      if (options.inactiveMs !== undefined) session.setTimeout(options.inactiveMs, () => session.close());
      session.on('stream', (stream) => {
        stream.on('error', () => {});
        const task: Promise<void> = connection.handle(stream).finally(() => running.delete(task));
        running.add(task);
      });
    },
  );
  server.on('tlsClientError', (error, socket) => {
    log.warn(errorFields(error), 'a client refused the XFTP relay, or the reverse');
    // After a time-out of the handshake Node leaves this to us.
    socket.destroy();
  });
  // Those in the TLS handshake, too: closing waits for every TCP connection.
  server.on('connection', (socket) => {
    handshakes.add(socket);
    socket.once('close', () => handshakes.delete(socket));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(options.port ?? 0, host, resolve);
  });
  server.on('error', (error) => log.error(errorFields(error), 'XFTP relay'));
  const bound = server.address();
  const port = bound !== null && typeof bound === 'object' ? (bound satisfies AddressInfo).port : (options.port ?? 0);

  const expiry = options.expiryIntervalMs ?? 2 * hours;
  let timer = clock.after(expiry, tick, { unref: true });
  function tick(): void {
    service.expire().catch((e: unknown) => log.error(errorFields(e), 'expiry of chunks failed'));
    timer = clock.after(expiry, tick, { unref: true });
  }

  const [first = host, ...others] = publicHosts;
  const address: XftpServer = {
    scheme: 'xftp',
    hosts: [first, ...others],
    port: String(port),
    keyHash: identity.fingerprint,
  };
  let closing: Promise<void> | undefined;
  const close = async (): Promise<void> => {
    timer.cancel();
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    for (const session of sessions) session.destroy();
    for (const socket of [...sockets, ...handshakes]) socket.destroy();
    await Promise.allSettled(running);
    await closed;
    await storage.close();
  };
  return {
    address: formatServer(address, options.password),
    server: address,
    host,
    port,
    fingerprint: identity.fingerprint,
    get usedStorage() {
      return service.usedStorage;
    },
    get connections() {
      return sockets.size;
    },
    blockChunk: (id, reason) => service.block(id, reason),
    expireChunks: () => service.expire(),
    close: () => {
      closing ??= close();
      return closing;
    },
  };
}
