import type { Clock, RandomSource } from '../core/index.js';
import {
  type BoxKey,
  boxKey,
  CryptoError,
  checkChainIdentity,
  decodeSignedKey,
  dh,
  generateKeyPair,
  type PublicKey,
  validateChain,
  verifySignedKey,
} from '../crypto/index.js';
import { agreeVersion, DecodeError, equalBytes, type VersionRange } from '../wire/index.js';
import { decodeBatch } from './batch.js';
import { BlockOpener, BlockSealer, blockCiphers } from './block.js';
import type { Connection, ConnectionHandler } from './connection.js';
import { networkFailure, SmpClientError, transportFailure } from './failures.js';
import {
  blocksEncrypted,
  decodeServerHello,
  encodeClientHello,
  type ServerHello,
  type SessionCredentials,
} from './handshake.js';
import type { ServerAddress } from './server.js';
import { batchSpace, maxBatchCount } from './sizes.js';
import { decodeTransmission, type RawTransmission, type TransmissionContext } from './transmission.js';
import { proxyFullVersion, SmpV, type SmpVersion, smpRange } from './versions.js';

/** What a session is opened with. The peer must prove to be `server` by its certificates. */
export interface SessionOptions {
  readonly server: ServerAddress;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** For the handshake, in milliseconds. */
  readonly timeout: number;
  /** Versions that we offer. Default {@link smpRange}. */
  readonly range?: VersionRange<SmpVersion>;
  /** We are a relay that forwards for others: blocks are not encrypted (20-smp.md, section 10.6). */
  readonly proxyServer?: boolean;
}

/** Who gets the transmissions of a session. */
export interface SessionHandler {
  onTransmission(t: RawTransmission): void;
  /** All transmissions of a block were given. */
  onBlockEnd(): void;
  onClose(error: SmpClientError): void;
}

/**
 * A transmission that waits to be sent; `bytes` is undefined when it was taken by a block, or cancelled. What waits
 * for an answer must not hold 16 kB each.
 */
export interface Outgoing {
  bytes: Uint8Array | undefined;
}

/** The hello's promise that the peer is the relay of the address; see the checks of 20-smp.md, section 3.4. */
function checkCredentials(
  credentials: SessionCredentials,
  leaf: Uint8Array,
  keyHash: Uint8Array,
  now: number,
): PublicKey<'x25519'> {
  try {
    checkChainIdentity(credentials.chain, keyHash);
  } catch (e) {
    // The address names another relay: as upstream, the failure of a TLS connection to an unknown authority.
    throw networkFailure({ type: 'unknownCAError' }, e);
  }
  try {
    if (!equalBytes(credentials.chain[0], leaf)) throw new CryptoError('CRYPTO_CERTIFICATE', 'not the TLS certificate');
    const { leafKey } = validateChain(credentials.chain, keyHash, now);
    const signed = decodeSignedKey(credentials.signedKey, 'signedKey', ['x25519']);
    if (!verifySignedKey(signed, leafKey)) throw new CryptoError('CRYPTO_CERTIFICATE', 'session key not signed');
    return signed.key;
  } catch (e) {
    throw transportFailure({ type: 'handshake', handshakeErr: { type: 'IDENTITY' } }, e);
  }
}

/** Checks a relay's credentials that came through a proxy (section 10.1): the only protection against its lies. */
export function checkProxiedCredentials(
  credentials: SessionCredentials,
  keyHash: Uint8Array,
  now: number,
): PublicKey<'x25519'> {
  try {
    return checkCredentials(credentials, credentials.chain[0], keyHash, now);
  } catch (e) {
    throw transportFailure({ type: 'handshake', handshakeErr: { type: 'IDENTITY' } }, e);
  }
}

/**
 * An SMP session: the handshake, the keys and the transmissions of one connection (20-smp.md, section 4). It packs
 * what is sent in one turn of the event loop into as few blocks as possible.
 */
export class Session implements TransmissionContext, ConnectionHandler {
  readonly #connection: Connection;
  readonly #sealer: BlockSealer;
  readonly #opener: BlockOpener;
  #handler: SessionHandler | undefined;
  readonly #queue: Outgoing[] = [];
  #scheduled = false;
  #closeError: SmpClientError | undefined;
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  /** What the relay said of itself: a proxy passes it on. */
  readonly hello: ServerHello;
  readonly relayKey: PublicKey<'x25519'> | undefined;
  /** The box key between our session key and the relay's: forwarding (RFWD). */
  readonly sharedKey: BoxKey | undefined;

  private constructor(
    connection: Connection,
    hello: ServerHello,
    version: SmpVersion,
    relayKey: PublicKey<'x25519'> | undefined,
    secret: Uint8Array | undefined,
    encrypted: boolean,
  ) {
    this.#connection = connection;
    this.hello = hello;
    this.version = version;
    this.sessionId = connection.sessionId;
    this.relayKey = relayKey;
    this.sharedKey = secret === undefined ? undefined : boxKey(secret);
    const ciphers = blockCiphers('client', connection.sessionId, encrypted ? secret : undefined);
    this.#sealer = ciphers.sealer;
    this.#opener = ciphers.opener;
  }

  /**
   * Does the handshake on a fresh connection. The connection is closed when it fails: wrong session id, fingerprint,
   * chain or signature, no common version, garbage, silence.
   */
  static async open(connection: Connection, options: SessionOptions): Promise<Session> {
    try {
      const hello = await readHello(connection, options);
      return Session.#start(connection, hello, options);
    } catch (e) {
      const error = e instanceof SmpClientError ? e : transportFailure(parseFailure, e);
      connection.destroy(error);
      throw error;
    }
  }

  static #start(connection: Connection, hello: ServerHello, options: SessionOptions): Session {
    if (!equalBytes(hello.sessionId, connection.sessionId)) throw transportFailure({ type: 'badSession' });
    const version = chooseVersion(hello, options);
    if (hello.credentials === undefined) throw transportFailure({ type: 'noServerAuth' });
    const relayKey = checkCredentials(hello.credentials, connection.leaf, options.server.keyHash, options.clock.now());
    const keys = generateKeyPair('x25519', options.random);
    const proxyServer = options.proxyServer ?? false;
    const clientHello = {
      version,
      keyHash: options.server.keyHash,
      sessionKey: keys.publicKey,
      proxyServer,
      service: undefined,
    };
    const secret = dh(relayKey, keys.privateKey);
    connection.write([new BlockSealer(undefined).seal(encodeClientHello(clientHello))]);
    const encrypted = blocksEncrypted(clientHello);
    const session = new Session(connection, hello, version, relayKey, secret, encrypted);
    connection.setHandler(session);
    return session;
  }

  /** Sets who gets the transmissions. Must be called in the turn in which `open` resolved. */
  setHandler(handler: SessionHandler): void {
    this.#handler = handler;
    if (this.#closeError !== undefined) handler.onClose(this.#closeError);
  }

  /** Queues a transmission; it leaves in this turn of the event loop, in one block with others. */
  send(outgoing: Outgoing): void {
    this.#queue.push(outgoing);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  /** Transmissions that wait for the socket. */
  get queued(): number {
    return this.#queue.length;
  }

  #flush(): void {
    const blocks: Uint8Array[] = [];
    let taken = 0;
    let transmissions: Uint8Array[] = [];
    let size = 0;
    const seal = (): void => {
      if (transmissions.length === 0) return;
      blocks.push(this.#sealer.sealBatch(transmissions));
      transmissions = [];
      size = 0;
    };
    // Blocks are sealed only when the socket takes them, so that what waits can still be cancelled.
    while (taken < this.#queue.length && !this.#connection.congested && blocks.length < maxBlocksPerWrite) {
      const next = this.#queue[taken];
      taken++;
      const bytes = next?.bytes;
      if (next === undefined || bytes === undefined) continue;
      next.bytes = undefined;
      const length = bytes.length + 2;
      if (size + length > batchSpace || transmissions.length === maxBatchCount) seal();
      transmissions.push(bytes);
      size += length;
    }
    seal();
    this.#queue.splice(0, taken);
    if (blocks.length > 0) this.#connection.write(blocks);
    if (this.#queue.length > 0 && !this.#connection.congested && !this.#connection.closed) this.#schedule();
  }

  onDrain(): void {
    if (this.#queue.length > 0) this.#schedule();
  }

  onBlock(block: Uint8Array): void {
    const handler = this.#handler;
    if (handler === undefined || this.#connection.closed) return;
    let raw: RawTransmission[];
    try {
      raw = decodeBatch(this.#opener.open(block)).map((t) => decodeTransmission(t, this.version));
    } catch (e) {
      if (!(e instanceof CryptoError || e instanceof DecodeError)) throw e;
      this.close(transportFailure({ type: 'badBlock' }, e));
      return;
    }
    for (const t of raw) handler.onTransmission(t);
    handler.onBlockEnd();
  }

  onClose(error: SmpClientError): void {
    this.#closeError = error;
    this.#queue.length = 0;
    this.#handler?.onClose(error);
  }

  /** Back-pressure: nothing is read while paused. */
  pause(): void {
    this.#connection.pause();
  }

  resume(): void {
    this.#connection.resume();
  }

  get closed(): boolean {
    return this.#connection.closed;
  }

  /** Sends what waits, then ends the connection. */
  close(error: SmpClientError): void {
    if (!this.#connection.closed) this.#flush();
    this.#connection.close(error);
  }
}

/** 1 MB: enough to keep a socket busy, little enough to stop in time. */
const maxBlocksPerWrite = 64;

const parseFailure = { type: 'handshake', handshakeErr: { type: 'PARSE' } } as const;

function chooseVersion(hello: ServerHello, options: SessionOptions): SmpVersion {
  let ours = options.range ?? smpRange;
  if (options.proxyServer === true && hello.range.max < proxyFullVersion) {
    // Bodies of older clients do not fit encrypted blocks, so that a proxy keeps below them (section 10.6).
    ours = { min: ours.min, max: SmpV.DeletedEvent };
  }
  const version = agreeVersion(ours, hello.range);
  if (version === undefined) throw transportFailure({ type: 'version' });
  return version;
}

/** Waits for the first block and reads it. */
function readHello(connection: Connection, options: SessionOptions): Promise<ServerHello> {
  return new Promise((resolve, reject) => {
    let received = false;
    const timer = options.clock.after(options.timeout, () => reject(networkFailure({ type: 'timeoutError' })), {
      unref: true,
    });
    connection.setHandler({
      onBlock: (block) => {
        timer.cancel();
        if (received) {
          // Nothing may follow the hello before our answer to it.
          connection.destroy(transportFailure({ type: 'badBlock' }));
          return;
        }
        received = true;
        try {
          resolve(decodeServerHello(new BlockOpener(undefined).open(block)));
        } catch (e) {
          reject(transportFailure(parseFailure, e));
        }
      },
      onDrain: () => {},
      onClose: (error) => {
        timer.cancel();
        reject(error);
      },
    });
  });
}
