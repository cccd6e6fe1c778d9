import { connect, type TLSSocket } from 'node:tls';
import { type Clock, type Deferred, deferred, FanionError, type RandomSource, type Timer } from '../../core/index.js';
import {
  type BoxKey,
  boxKey,
  decodeSignedKey,
  dh,
  generateKeyPair,
  pad,
  unpad,
  validateChain,
  verifySignedKey,
} from '../../crypto/index.js';
import {
  type BlockOpener,
  type BlockSealer,
  type BrokerError,
  blockCiphers,
  blockSize,
  blocksEncrypted,
  clientGroups,
  decodeBatch,
  decodeMessage,
  decodeServerHello,
  decodeTransmission,
  encodeClientHello,
  encodeCommandTransmission,
  isOnionHost,
  proxyFullVersion,
  recycleBlock,
  type ServerHello,
  type SessionCredentials,
  type SmpCommand,
  type SmpMessage,
  type SmpServer,
  SmpV,
  type SmpVersion,
  smpAlpn,
  smpRange,
  type TransportError,
  tlsParameters,
} from '../../smp/index.js';
import { agreeVersion, equalBytes, type VersionRange } from '../../wire/index.js';
import { BlockAssembler } from './blocks.js';
import { idKey } from './storage.js';

/** Why another relay could not be asked, in the form that the sender gets to know. */
export class RelayLinkError extends FanionError {
  readonly error: BrokerError;

  constructor(error: BrokerError, cause?: unknown) {
    super('RELAY_LINK', `relay link: ${error.type}`, { cause });
    this.error = error;
  }
}

const transportError = (type: Exclude<TransportError['type'], 'handshake'>, cause?: unknown): RelayLinkError =>
  new RelayLinkError({ type: 'TRANSPORT', transportErr: { type } }, cause);

const network = (cause?: unknown): RelayLinkError => new RelayLinkError({ type: 'NETWORK' }, cause);

/** As `ProxyPoolOptions`, with the destination. Its onion hosts are not used. */
export interface RelayLinkOptions {
  readonly server: SmpServer;
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly clock: Clock;
  readonly random: RandomSource;
}

const defaultPort = 5223;
/** A link that was silent for so long, with unanswered requests, is given up (section 12.5). */
const silenceMs = 15 * 60_000;
const maxUnanswered = 3;

interface Waiting {
  readonly result: Deferred<SmpMessage>;
  readonly timer: Timer;
}

/**
 * The connection of this relay, as a proxy, to a destination relay (20-smp.md, section 10.6). It is not the client of
 * an agent: it has no subscriptions, and its blocks are not encrypted inside TLS.
 */
export class RelayLink {
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  /** What the destination offers to clients, for PKEY. */
  readonly range: VersionRange<SmpVersion>;
  readonly credentials: SessionCredentials;
  /** Of the two session keys: encrypts RFWD and RRES. */
  readonly secret: BoxKey;
  readonly #socket: TLSSocket;
  readonly #options: RelayLinkOptions;
  readonly #sealer: BlockSealer;
  readonly #opener: BlockOpener;
  readonly #waiting = new Map<string, Waiting>();
  #closed = false;
  #unanswered = 0;
  #lastReceived: number;
  /** Called once when the connection ends. */
  onClose: (() => void) | undefined;

  private constructor(
    options: RelayLinkOptions,
    socket: TLSSocket,
    hello: ServerHello & { credentials: SessionCredentials },
    version: SmpVersion,
    secret: Uint8Array,
    ciphers: { readonly sealer: BlockSealer; readonly opener: BlockOpener },
  ) {
    this.#options = options;
    this.#socket = socket;
    this.version = version;
    this.sessionId = Uint8Array.from(hello.sessionId);
    this.range = hello.range;
    this.credentials = hello.credentials;
    this.secret = boxKey(secret);
    this.#sealer = ciphers.sealer;
    this.#opener = ciphers.opener;
    this.#lastReceived = options.clock.monotonic();
  }

  /** Connects, checks the identity of the relay, and makes the SMP handshake. {@link RelayLinkError} if not. */
  static async open(options: RelayLinkOptions): Promise<RelayLink> {
    const { server, clock } = options;
    const host = server.hosts.find((h) => !isOnionHost(h));
    if (host === undefined) throw new RelayLinkError({ type: 'HOST' });
    const socket = connect({
      host,
      port: server.port === '' ? defaultPort : Number(server.port),
      rejectUnauthorized: false,
      ...tlsParameters,
      minVersion: 'TLSv1.3',
      ALPNProtocols: [smpAlpn],
      ecdhCurve: clientGroups,
    });
    socket.setNoDelay(true);
    socket.setKeepAlive(true, 30_000);
    const opened = deferred<RelayLink>();
    const timer = clock.after(options.connectTimeoutMs, () => opened.reject(new RelayLinkError({ type: 'TIMEOUT' })));
    let link: RelayLink | undefined;
    const assembler = new BlockAssembler((block) => {
      if (link !== undefined) {
        link.#receive(block);
        return;
      }
      try {
        link = handshake(options, socket, block);
        opened.resolve(link);
      } catch (error) {
        opened.reject(error);
      }
    });
    socket.on('data', (chunk: Uint8Array) => assembler.push(chunk));
    socket.on('error', (error) => opened.reject(network(error)));
    socket.on('close', () => {
      opened.reject(network());
      link?.close();
    });
    try {
      return await opened.promise;
    } catch (error) {
      socket.destroy();
      if (error instanceof RelayLinkError) throw error;
      throw new RelayLinkError({ type: 'TRANSPORT', transportErr: handshakeParse }, error);
    } finally {
      timer.cancel();
    }
  }

  static make(
    options: RelayLinkOptions,
    socket: TLSSocket,
    hello: ServerHello & { credentials: SessionCredentials },
    version: SmpVersion,
    secret: Uint8Array,
    ciphers: { readonly sealer: BlockSealer; readonly opener: BlockOpener },
  ): RelayLink {
    return new RelayLink(options, socket, hello, version, secret, ciphers);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** Sends a command without authorization and waits for its answer. {@link RelayLinkError} without one. */
  request(corrId: Uint8Array, command: SmpCommand): Promise<SmpMessage> {
    if (this.#closed) return Promise.reject(network());
    const key = idKey(corrId);
    const result = deferred<SmpMessage>();
    const timer = this.#options.clock.after(this.#options.responseTimeoutMs, () => {
      this.#waiting.delete(key);
      result.reject(new RelayLinkError({ type: 'TIMEOUT' }));
      this.#unanswered++;
      if (this.#unanswered >= maxUnanswered && this.#options.clock.monotonic() - this.#lastReceived > silenceMs) {
        this.close();
      }
    });
    this.#waiting.set(key, { result, timer });
    const transmission = encodeCommandTransmission(this, corrId, new Uint8Array(0), command);
    const block = this.#sealer.sealBatch([transmission]);
    this.#socket.write(block, () => recycleBlock(block));
    return result.promise;
  }

  #receive(block: Uint8Array): void {
    this.#unanswered = 0;
    this.#lastReceived = this.#options.clock.monotonic();
    try {
      for (const bytes of decodeBatch(this.#opener.open(block))) {
        const t = decodeTransmission(bytes, this.version);
        const key = idKey(t.corrId);
        const waiting = this.#waiting.get(key);
        if (waiting === undefined) continue;
        this.#waiting.delete(key);
        waiting.timer.cancel();
        try {
          waiting.result.resolve(decodeMessage(t.body, this.version));
        } catch (error) {
          waiting.result.reject(new RelayLinkError({ type: 'RESPONSE', respErr: 'unparsable' }, error));
        }
      }
    } catch {
      // A relay that sends garbage is left; whoever waits gets an error.
      this.close();
    }
  }

  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#socket.destroy();
    for (const { result, timer } of this.#waiting.values()) {
      timer.cancel();
      result.reject(network());
    }
    this.#waiting.clear();
    this.onClose?.();
  }
}

const handshakeParse: TransportError = { type: 'handshake', handshakeErr: { type: 'PARSE' } };
const handshakeIdentity: TransportError = { type: 'handshake', handshakeErr: { type: 'IDENTITY' } };

/** Checks the server's hello and answers it. */
function handshake(options: RelayLinkOptions, socket: TLSSocket, block: Uint8Array): RelayLink {
  const hello = decodeServerHello(unpad(block));
  const finished = socket.getFinished();
  if (finished === undefined || !equalBytes(finished, hello.sessionId)) throw transportError('badSession');
  const { credentials } = hello;
  if (credentials === undefined) throw transportError('noServerAuth');
  const leaf = socket.getPeerX509Certificate();
  let leafKey: ReturnType<typeof validateChain>['leafKey'];
  try {
    leafKey = validateChain(credentials.chain, options.server.keyHash, options.clock.now()).leafKey;
  } catch (cause) {
    throw network(cause);
  }
  if (leaf === undefined || !equalBytes(leaf.raw, credentials.chain[0])) throw network();
  const signed = decodeSignedKey(credentials.signedKey, 'signedKey', ['x25519']);
  if (!verifySignedKey(signed, leafKey)) {
    throw new RelayLinkError({ type: 'TRANSPORT', transportErr: handshakeIdentity });
  }
  // Older relays would encrypt blocks, in which the bodies of their clients do not fit.
  const ours = hello.range.max < proxyFullVersion ? { min: smpRange.min, max: SmpV.DeletedEvent } : { ...smpRange };
  const version = agreeVersion(ours, hello.range);
  if (version === undefined) throw transportError('version');
  const session = generateKeyPair('x25519', options.random);
  const secret = dh(signed.key, session.privateKey);
  const clientHello = {
    version,
    keyHash: options.server.keyHash,
    sessionKey: session.publicKey,
    proxyServer: true,
    service: undefined,
  };
  socket.write(pad(encodeClientHello(clientHello), blockSize));
  // Before version 14 there is no flag, but up to version 10 blocks are not encrypted anyway.
  const encrypted = blocksEncrypted(clientHello);
  const ciphers = blockCiphers('client', hello.sessionId, encrypted ? secret : undefined);
  return RelayLink.make(options, socket, { ...hello, credentials }, version, secret, ciphers);
}
