import { constants } from 'node:crypto';
import { type Socket, connect as tcpConnect } from 'node:net';
import { createSecureContext, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { SocksClient } from 'socks';
import { type Clock, madeGarbage } from '../core/index.js';
import { recycleBlock } from './block.js';
import { networkFailure, SmpClientError, transportFailure } from './failures.js';
import type { Endpoint } from './network.js';
import { blockSize } from './sizes.js';
import { clientGroups, smpAlpn, tlsParameters } from './tls.js';

/** One for all connections: it holds no certificates, so that nothing is verified by OpenSSL's rules but by ours. */
const secureContext = createSecureContext({
  ca: [],
  ...tlsParameters,
  ecdhCurve: clientGroups,
  // Upstream relays do not send renegotiation_info, which OpenSSL asks for in TLS 1.2; tickets are never used.
  secureOptions: constants.SSL_OP_LEGACY_SERVER_CONNECT | constants.SSL_OP_NO_TICKET,
});

/** How long a peer may take to read what is left when we close, in milliseconds. */
const closeGrace = 5_000;

/** Where a connection goes. `socksLogin` is only used when the endpoint has a proxy. */
export interface ConnectionOptions {
  readonly endpoint: Endpoint;
  readonly socksLogin: { readonly user: string; readonly password: string } | undefined;
  readonly clock: Clock;
  /** For TCP, SOCKS and TLS together, in milliseconds. */
  readonly timeout: number;
}

/** Who gets what the connection brings. Blocks belong to the handler. */
export interface ConnectionHandler {
  onBlock(block: Uint8Array): void;
  /** The socket took what was written: writing may go on. */
  onDrain(): void;
  /** Once, at the end, however it came about. */
  onClose(error: SmpClientError): void;
}

/**
 * A TLS connection that carries blocks of 16384 bytes (20-smp.md, sections 3.1, 4.1). It knows nothing of their
 * content. No SNI, ALPN `smp/1`, no resumption; the peer's certificates are the session's business.
 */
export class Connection {
  readonly #socket: TLSSocket;
  readonly #clock: Clock;
  #handler: ConnectionHandler | undefined;
  #partial: Uint8Array | undefined;
  #filled = 0;
  #closed: SmpClientError | undefined;
  #early: Uint8Array[] = [];
  /** tls-unique: the client's Finished message, 32 bytes in TLS 1.3 and 12 in TLS 1.2 (section 3.5). */
  readonly sessionId: Uint8Array;
  /** The peer's leaf certificate in DER. */
  readonly leaf: Uint8Array;

  private constructor(socket: TLSSocket, clock: Clock, sessionId: Uint8Array, leaf: Uint8Array) {
    this.#socket = socket;
    this.#clock = clock;
    this.sessionId = sessionId;
    this.leaf = leaf;
    socket.on('data', (chunk: Uint8Array) => this.#onData(chunk));
    socket.on('drain', () => this.#handler?.onDrain());
    socket.on('error', (e) => this.#close(networkFailure({ type: 'failedError' }, e)));
    socket.on('close', () => this.#close(networkFailure({ type: 'failedError' })));
  }

  /** Connects. Network failures and time-outs are SmpClientErrors. */
  static async open(options: ConnectionOptions): Promise<Connection> {
    const started = options.clock.monotonic();
    const tcp = await openTcp(options);
    const left = options.timeout - (options.clock.monotonic() - started);
    return await new Promise((resolve, reject) => {
      const socket = tlsConnect({
        socket: tcp,
        secureContext,
        ALPNProtocols: [smpAlpn],
        rejectUnauthorized: false,
      });
      const fail = (error: SmpClientError): void => {
        timer.cancel();
        socket.destroy();
        tcp.destroy();
        reject(error);
      };
      const timer = options.clock.after(Math.max(0, left), () => fail(networkFailure({ type: 'timeoutError' })), {
        unref: true,
      });
      socket.once('error', (e) => fail(networkFailure({ type: 'tLSError', tlsError: errorCode(e) }, e)));
      socket.once('close', () => fail(networkFailure({ type: 'failedError' })));
      socket.once('secureConnect', () => {
        timer.cancel();
        socket.removeAllListeners('error');
        socket.removeAllListeners('close');
        const sessionId = socket.getFinished();
        // Only once: a second call on a client socket gives nothing (Node 20).
        const leaf = socket.getPeerX509Certificate()?.raw;
        if (sessionId === undefined || sessionId.length === 0) fail(transportFailure({ type: 'badSession' }));
        else if (leaf === undefined) fail(networkFailure({ type: 'unknownCAError' }));
        else resolve(new Connection(socket, options.clock, new Uint8Array(sessionId), leaf));
      });
    });
  }

  /** Sets who gets the blocks; those that came before are given at once. */
  setHandler(handler: ConnectionHandler): void {
    this.#handler = handler;
    const early = this.#early;
    this.#early = [];
    for (const block of early) handler.onBlock(block);
    if (this.#closed !== undefined) handler.onClose(this.#closed);
  }

  #onData(chunk: Uint8Array): void {
    madeGarbage(chunk.length);
    let rest = chunk;
    while (rest.length > 0 && this.#closed === undefined) {
      if (this.#partial === undefined) {
        if (rest.length >= blockSize) {
          // The usual case: one TLS record is one block, nothing is copied.
          this.#give(rest.length === blockSize ? rest : rest.subarray(0, blockSize));
          rest = rest.subarray(blockSize);
          continue;
        }
        this.#partial = new Uint8Array(blockSize);
        this.#filled = 0;
      }
      const taken = Math.min(blockSize - this.#filled, rest.length);
      this.#partial.set(rest.subarray(0, taken), this.#filled);
      this.#filled += taken;
      rest = rest.subarray(taken);
      if (this.#filled === blockSize) {
        const block = this.#partial;
        this.#partial = undefined;
        this.#give(block);
      }
    }
  }

  #give(block: Uint8Array): void {
    if (this.#handler !== undefined) {
      this.#handler.onBlock(block);
      return;
    }
    // Before the session listens there is at most the hello; a peer that sends more is not let go on.
    this.#early.push(block);
    if (this.#early.length > 4) this.close(transportFailure({ type: 'badBlock' }));
  }

  /** Whether the socket has more to send than it should hold: wait for `onDrain`. */
  get congested(): boolean {
    return this.#socket.writableNeedDrain;
  }

  /** Bytes that wait in the socket. */
  get buffered(): number {
    return this.#socket.writableLength;
  }

  /** Sends blocks with one write, and recycles them. */
  write(blocks: readonly Uint8Array[]): void {
    if (this.#closed !== undefined) return;
    if (blocks.length > 1) this.#socket.cork();
    for (const block of blocks) this.#socket.write(block, () => recycleBlock(block));
    if (blocks.length > 1) this.#socket.uncork();
  }

  /** Back-pressure: nothing is read while paused. */
  pause(): void {
    this.#socket.pause();
  }

  resume(): void {
    this.#socket.resume();
  }

  get closed(): boolean {
    return this.#closed !== undefined;
  }

  /** Ends the connection because of `error`; what was written is still sent unless it is broken. */
  close(error: SmpClientError): void {
    if (this.#closed !== undefined) return;
    // end(), not destroy(): an RST could overtake the last block (pitfall 31). destroySoon closes after the flush.
    this.#socket.destroySoon();
    const timer = this.#clock.after(closeGrace, () => this.#socket.destroy(), { unref: true });
    this.#socket.once('close', () => timer.cancel());
    this.#close(error);
  }

  /** Drops the connection at once. */
  destroy(error: SmpClientError): void {
    this.#socket.destroy();
    this.#close(error);
  }

  #close(error: SmpClientError): void {
    if (this.#closed !== undefined) return;
    this.#closed = error;
    this.#partial = undefined;
    this.#handler?.onClose(error);
  }
}

function errorCode(e: Error): string {
  return 'code' in e && typeof e.code === 'string' ? e.code : e.name;
}

async function openTcp(options: ConnectionOptions): Promise<Socket> {
  const socket = options.endpoint.socks === undefined ? await openDirect(options) : await openSocks(options);
  if (socket.destroyed) throw networkFailure({ type: 'failedError' });
  socket.setNoDelay(true);
  socket.setKeepAlive(true, 30_000);
  return socket;
}

function openDirect({ endpoint, clock, timeout }: ConnectionOptions): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = tcpConnect({ host: endpoint.host, port: endpoint.port });
    const timer = clock.after(timeout, () => fail(networkFailure({ type: 'timeoutError' })), { unref: true });
    const fail = (error: SmpClientError): void => {
      timer.cancel();
      socket.destroy();
      reject(error);
    };
    socket.once('error', (e) => fail(networkFailure({ type: 'connectError', connectError: errorCode(e) }, e)));
    socket.once('connect', () => {
      timer.cancel();
      socket.removeAllListeners('error');
      resolve(socket);
    });
  });
}

async function openSocks({ endpoint, socksLogin, timeout }: ConnectionOptions): Promise<Socket> {
  const { socks } = endpoint;
  if (socks === undefined) throw new SmpClientError({ type: 'host' });
  try {
    const { socket } = await SocksClient.createConnection({
      command: 'connect',
      // A name goes to the proxy unresolved, which is what keeps it out of the local resolver.
      destination: { host: endpoint.host, port: endpoint.port },
      proxy: {
        host: socks.host,
        port: socks.port,
        type: 5,
        ...(socksLogin === undefined ? {} : { userId: socksLogin.user, password: socksLogin.password }),
      },
      timeout: Math.max(1, timeout),
      set_tcp_nodelay: true,
    });
    return socket;
  } catch (cause) {
    throw networkFailure({ type: 'connectError', connectError: 'SOCKS' }, cause);
  }
}
