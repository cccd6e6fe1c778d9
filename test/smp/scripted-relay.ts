import type { AddressInfo } from 'node:net';
import { createServer, type Server, type TLSSocket, type TlsOptions } from 'node:tls';
import { systemRandom } from '../../src/core/index.js';
import {
  decodePrivateKey,
  dh,
  generateKeyPair,
  type KeyPair,
  signAlgorithms,
  signKey,
} from '../../src/crypto/index.js';
import { createIdentity, type RelayIdentity, toPem } from '../../src/relay/index.js';
import {
  type BlockOpener,
  type BlockSealer,
  blockCiphers,
  blockSize,
  blocksEncrypted,
  type ClientHello,
  decodeBatch,
  decodeClientHello,
  decodeCommand,
  decodeTransmission,
  encodeMessageTransmission,
  encodeServerHello,
  BlockOpener as Opener,
  packBatches,
  BlockSealer as Sealer,
  type ServerHello,
  type SmpCommand,
  type SmpMessage,
  type SmpServer,
  smpVersion,
} from '../../src/smp/index.js';
import { concat } from '../../src/wire/index.js';
import { Inbox } from './support.js';

/** A command as the scripted relay got it. */
export interface Received {
  readonly corrId: Uint8Array;
  readonly entityId: Uint8Array;
  readonly command: SmpCommand;
}

/** One connection of a client to the scripted relay. Nothing is answered unless the test says so. */
export class ScriptedPeer {
  readonly socket: TLSSocket;
  readonly commands = new Inbox<Received>();
  readonly blockSizes: number[] = [];
  readonly hellos = new Inbox<ClientHello>();
  hello: ClientHello | undefined;
  readonly #keys: KeyPair<'x25519'>;
  #sealer: BlockSealer = new Sealer(undefined);
  #opener: BlockOpener = new Opener(undefined);
  #buffer: Uint8Array = new Uint8Array();
  closed = false;

  constructor(socket: TLSSocket, keys: KeyPair<'x25519'>) {
    this.socket = socket;
    this.#keys = keys;
    socket.on('error', () => {});
    socket.on('close', () => {
      this.closed = true;
    });
    socket.on('data', (chunk: Uint8Array) => this.#onData(chunk));
  }

  get sessionId(): Uint8Array {
    return this.socket.getPeerFinished() ?? new Uint8Array();
  }

  #onData(chunk: Uint8Array): void {
    this.#buffer = concat(this.#buffer, chunk);
    while (this.#buffer.length >= blockSize) {
      const payload = this.#opener.open(this.#buffer.subarray(0, blockSize));
      this.#buffer = this.#buffer.slice(blockSize);
      if (this.hello === undefined) this.#handshake(payload);
      else this.#commands(payload);
    }
  }

  #handshake(payload: Uint8Array): void {
    const hello = decodeClientHello(payload);
    this.hello = hello;
    this.hellos.push(hello);
    if (!blocksEncrypted(hello) || hello.sessionKey === undefined) return;
    const ciphers = blockCiphers('relay', this.sessionId, dh(hello.sessionKey, this.#keys.privateKey));
    this.#sealer = ciphers.sealer;
    this.#opener = ciphers.opener;
  }

  #commands(payload: Uint8Array): void {
    const transmissions = decodeBatch(payload);
    this.blockSizes.push(transmissions.length);
    const version = this.hello?.version ?? smpVersion(0);
    for (const bytes of transmissions) {
      const t = decodeTransmission(bytes, version);
      this.commands.push({
        corrId: t.corrId.slice(),
        entityId: t.entityId.slice(),
        command: decodeCommand(t.body.slice(), version),
      });
    }
  }

  encode(corrId: Uint8Array, entityId: Uint8Array, message: SmpMessage): Uint8Array {
    const version = this.hello?.version ?? smpVersion(0);
    return encodeMessageTransmission({ version, sessionId: this.sessionId }, corrId, entityId, message);
  }

  /** Sends transmissions in as few blocks as possible. */
  send(...transmissions: readonly Uint8Array[]): void {
    for (const b of packBatches(transmissions)) {
      if (b.kind === 'batch') this.socket.write(this.#sealer.sealBatch(b.transmissions));
    }
  }

  answer(request: Received, message: SmpMessage): void {
    this.send(this.encode(request.corrId, request.entityId, message));
  }

  /** A well encrypted block with any payload. */
  sendPayload(payload: Uint8Array): void {
    this.socket.write(this.#sealer.seal(payload));
  }

  /** Bytes as they are. */
  sendRaw(bytes: Uint8Array): void {
    this.socket.write(bytes);
  }
}

export interface ScriptedRelayOptions {
  readonly identity?: RelayIdentity;
  readonly tls?: TlsOptions;
  /** Changes the hello before it is sent; undefined sends none. */
  readonly hello?: (hello: ServerHello) => ServerHello | undefined;
  /** Sent in place of the hello. */
  readonly instead?: Uint8Array;
  /** Bytes after the payload of the hello. */
  readonly trailing?: Uint8Array;
}

/** A peer that speaks just enough SMP to misbehave on purpose. */
export class ScriptedRelay {
  readonly server: SmpServer;
  readonly identity: RelayIdentity;
  readonly peers = new Inbox<ScriptedPeer>();
  readonly #tls: Server;

  private constructor(tls: Server, identity: RelayIdentity) {
    this.#tls = tls;
    this.identity = identity;
    const { port } = tls.address() as AddressInfo;
    this.server = { scheme: 'smp', hosts: ['127.0.0.1'], port: String(port), keyHash: identity.fingerprint };
  }

  static async start(options: ScriptedRelayOptions = {}): Promise<ScriptedRelay> {
    const now = Date.now();
    const identity = options.identity ?? createIdentity({ kind: 'smp', host: '127.0.0.1', now, random: systemRandom });
    const tls = createServer({
      key: toPem('PRIVATE KEY', identity.leafKey),
      cert: identity.chain.map((c) => toPem('CERTIFICATE', c)).join(''),
      ALPNProtocols: ['smp/1'],
      ecdhCurve: 'X448:X25519',
      sigalgs: 'ed25519:ed448',
      ...options.tls,
    });
    tls.on('tlsClientError', () => {});
    await new Promise<void>((resolve) => tls.listen(0, '127.0.0.1', resolve));
    const relay = new ScriptedRelay(tls, identity);
    tls.on('secureConnection', (socket) => relay.#accept(socket, options));
    return relay;
  }

  #accept(socket: TLSSocket, options: ScriptedRelayOptions): void {
    const keys = generateKeyPair('x25519');
    const peer = new ScriptedPeer(socket, keys);
    this.peers.push(peer);
    if (options.instead !== undefined) {
      peer.sendRaw(options.instead);
      return;
    }
    const leafKey = decodePrivateKey(this.identity.leafKey, 'leaf', signAlgorithms);
    const hello: ServerHello = {
      range: { min: smpVersion(6), max: smpVersion(18) },
      sessionId: peer.sessionId,
      credentials: { chain: this.identity.chain, signedKey: signKey(keys.publicKey, leafKey).der },
    };
    const sent = options.hello === undefined ? hello : options.hello(hello);
    if (sent === undefined) return;
    const payload = concat(encodeServerHello(sent), options.trailing ?? new Uint8Array());
    peer.sendRaw(new Sealer(undefined).seal(payload));
  }

  async close(): Promise<void> {
    for (const peer of this.peers.all) peer.socket.destroy();
    await new Promise<void>((resolve) => this.#tls.close(() => resolve()));
  }
}
