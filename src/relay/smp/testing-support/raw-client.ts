import { connect, type TLSSocket } from 'node:tls';
import { deferred, systemRandom } from '../../../core/index.js';
import {
  type BoxKey,
  boxKey,
  decodeSignedKey,
  dh,
  generateKeyPair,
  type KeyPair,
  type PrivateKey,
  type PublicKey,
  pad,
  sha3_384,
  unpad,
} from '../../../crypto/index.js';
import {
  type AuthPrivateKey,
  type BlockOpener,
  type BlockSealer,
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
  openRcvBody,
  packBatches,
  parseServerWithAuth,
  type QueueIds,
  type QueueRequest,
  type RcvBody,
  type ServerHello,
  type SmpCommand,
  type SmpMessage,
  SmpV,
  type SmpVersion,
  smpAlpn,
  tlsParameters,
} from '../../../smp/index.js';
import { hex } from '../../../wire/index.js';
import { BlockAssembler } from '../blocks.js';

/** A message from the relay with its ids. */
export interface Received {
  readonly corrId: Uint8Array;
  readonly entityId: Uint8Array;
  readonly message: SmpMessage;
  /** Number of the block that it came in, from 1. */
  readonly block: number;
}

export interface RawClientOptions {
  readonly version?: SmpVersion;
  readonly proxyServer?: boolean;
  readonly alpn?: string[] | undefined;
  readonly keyHash?: Uint8Array;
  readonly port?: number;
  readonly maxVersion?: 'TLSv1.2' | 'TLSv1.3';
  /** Part of the client's hello that ordinary clients do not send. */
  readonly service?: Parameters<typeof encodeClientHello>[0]['service'];
}

const none = new Uint8Array(0);

/** A client for tests of the relay, made of the codec only: does what it is told, right or wrong. */
export class RawClient {
  readonly socket: TLSSocket;
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  readonly relayKey: PublicKey<'x25519'>;
  readonly hello: ServerHello;
  readonly secret: BoxKey;
  readonly #sealer: BlockSealer;
  readonly #opener: BlockOpener;
  readonly #answers = new Map<string, (m: Received) => void>();
  readonly #events: Received[] = [];
  readonly #eventWaiters: ((m: Received) => void)[] = [];
  #blocks = 0;
  /** Resolves when the connection is closed. */
  readonly closed: Promise<void>;

  constructor(parts: {
    socket: TLSSocket;
    version: SmpVersion;
    hello: ServerHello;
    relayKey: PublicKey<'x25519'>;
    secret: Uint8Array;
    sealer: BlockSealer;
    opener: BlockOpener;
    closed: Promise<void>;
  }) {
    this.socket = parts.socket;
    this.version = parts.version;
    this.hello = parts.hello;
    this.sessionId = Uint8Array.from(parts.hello.sessionId);
    this.relayKey = parts.relayKey;
    this.secret = boxKey(parts.secret);
    this.#sealer = parts.sealer;
    this.#opener = parts.opener;
    this.closed = parts.closed;
  }

  static async connect(address: string, options: RawClientOptions = {}): Promise<RawClient> {
    const { server } = parseServerWithAuth(address, 'smp');
    const socket = connect({
      host: server.hosts[0],
      port: options.port ?? Number(server.port),
      rejectUnauthorized: false,
      maxVersion: options.maxVersion ?? 'TLSv1.3',
      ...('alpn' in options && options.alpn === undefined ? {} : { ALPNProtocols: options.alpn ?? [smpAlpn] }),
      ...tlsParameters,
      ecdhCurve: clientGroups,
    });
    socket.setNoDelay(true);
    const ready = deferred<RawClient>();
    const closed = deferred<void>();
    socket.on('error', (e) => ready.reject(e));
    socket.on('close', () => {
      ready.reject(new Error('closed by the relay'));
      closed.resolve();
    });
    let client: RawClient | undefined;
    const assembler = new BlockAssembler((block) => {
      if (client !== undefined) {
        client.#receive(block);
        return;
      }
      try {
        const hello = decodeServerHello(unpad(block));
        if (!socket.getFinished()?.equals(hello.sessionId)) throw new Error('session id differs');
        if (hello.credentials === undefined) throw new Error('no credentials');
        const relayKey = decodeSignedKey(hello.credentials.signedKey, 'signedKey', ['x25519']).key;
        const version = options.version ?? SmpV.BlockedNotice;
        const pair = generateKeyPair('x25519');
        const clientHello = {
          version,
          keyHash: options.keyHash ?? server.keyHash,
          sessionKey: pair.publicKey,
          proxyServer: options.proxyServer ?? false,
          service: options.service,
        };
        socket.write(pad(encodeClientHello(clientHello), blockSize));
        const secret = dh(relayKey, pair.privateKey);
        const { sealer, opener } = blockCiphers(
          'client',
          hello.sessionId,
          blocksEncrypted(clientHello) ? secret : undefined,
        );
        client = new RawClient({
          socket,
          version,
          hello,
          relayKey,
          secret,
          sealer,
          opener,
          closed: closed.promise,
        });
        ready.resolve(client);
      } catch (error) {
        ready.reject(error);
      }
    });
    socket.on('data', (chunk: Uint8Array) => assembler.push(chunk));
    return ready.promise;
  }

  #receive(block: Uint8Array): void {
    this.#blocks++;
    for (const bytes of decodeBatch(this.#opener.open(block))) {
      const t = decodeTransmission(bytes, this.version);
      const received: Received = {
        corrId: t.corrId,
        entityId: t.entityId,
        message: decodeMessage(t.body, this.version),
        block: this.#blocks,
      };
      const key = hex(t.corrId);
      const answer = this.#answers.get(key);
      if (answer !== undefined) {
        this.#answers.delete(key);
        answer(received);
        continue;
      }
      const waiter = this.#eventWaiters.shift();
      if (waiter !== undefined) waiter(received);
      else this.#events.push(received);
    }
  }

  /** The encoded transmission of a command. */
  encode(corrId: Uint8Array, entityId: Uint8Array, command: SmpCommand, key?: AuthPrivateKey): Uint8Array {
    return encodeCommandTransmission(this, corrId, entityId, command, key, this.relayKey);
  }

  /** Sends a payload as the next block, whatever it is. */
  sendPayload(payload: Uint8Array): void {
    this.socket.write(this.#sealer.seal(payload));
  }

  /** Sends transmissions in as few blocks as possible. */
  sendAll(transmissions: readonly Uint8Array[]): void {
    for (const batch of packBatches(transmissions)) {
      if (batch.kind === 'large') throw new Error('large transmission');
      this.socket.write(this.#sealer.sealBatch(batch.transmissions));
    }
  }

  /** Waits for the answer with this correlation id. */
  answer(corrId: Uint8Array): Promise<Received> {
    return new Promise((resolve) => this.#answers.set(hex(corrId), resolve));
  }

  /** Sends a command and waits for its answer. */
  async request(entityId: Uint8Array, command: SmpCommand, key?: AuthPrivateKey): Promise<SmpMessage> {
    return (await this.requestFull(entityId, command, key)).message;
  }

  requestFull(
    entityId: Uint8Array,
    command: SmpCommand,
    key?: AuthPrivateKey,
    corrId = newCorrId(),
  ): Promise<Received> {
    const answer = this.answer(corrId);
    this.sendAll([this.encode(corrId, entityId, command, key)]);
    return answer;
  }

  /** Sends commands in one go and waits for all answers, in the order of the commands. */
  requestMany(
    commands: readonly { readonly entityId: Uint8Array; readonly command: SmpCommand; readonly key?: AuthPrivateKey }[],
  ): Promise<Received[]> {
    const ids = commands.map(() => newCorrId());
    const answers = ids.map((id) => this.answer(id));
    this.sendAll(commands.map(({ entityId, command, key }, i) => this.encode(ids[i] ?? none, entityId, command, key)));
    return Promise.all(answers);
  }

  /** The next message that answers nothing. */
  event(): Promise<Received> {
    const event = this.#events.shift();
    if (event !== undefined) return Promise.resolve(event);
    return new Promise((resolve) => this.#eventWaiters.push(resolve));
  }

  /** Events that came and were not taken. */
  get pendingEvents(): number {
    return this.#events.length;
  }

  /** All that was sent so far was worked on when this resolves. */
  async ping(): Promise<void> {
    const answer = await this.request(none, { cmd: 'PING' });
    if (answer.msg !== 'PONG') throw new Error(`PING answered with ${answer.msg}`);
  }

  async close(): Promise<void> {
    this.socket.end();
    this.socket.destroySoon();
    await this.closed;
  }
}

export function newCorrId(): Uint8Array {
  return systemRandom.bytes(24);
}

/** The recipient's side of a queue on a relay. */
export interface TestQueue {
  readonly ids: QueueIds;
  readonly rcvKey: PrivateKey<'ed25519'>;
  readonly sndKey: PrivateKey<'ed25519'>;
  readonly sndPublic: PublicKey<'ed25519'>;
  readonly secret: Uint8Array;
}

export interface NewQueueOptions {
  readonly subMode?: 'subscribe' | 'create';
  readonly basicAuth?: string;
  readonly queueReq?: QueueRequest | ((senderId: Uint8Array) => QueueRequest);
  readonly rcvKeys?: KeyPair<'ed25519'>;
}

/** The NEW command of a queue and what is needed to use it. */
export async function tryNewQueue(
  client: RawClient,
  options: NewQueueOptions = {},
): Promise<{ answer: SmpMessage; queue: TestQueue | undefined }> {
  const rcv = options.rcvKeys ?? generateKeyPair('ed25519');
  const rcvDh = generateKeyPair('x25519');
  const snd = generateKeyPair('ed25519');
  const corrId = newCorrId();
  const senderId = sha3_384(corrId).subarray(0, 24);
  const { queueReq } = options;
  const command: SmpCommand = {
    cmd: 'NEW',
    rcvAuthKey: rcv.publicKey,
    rcvDhKey: rcvDh.publicKey,
    basicAuth: options.basicAuth,
    subMode: options.subMode ?? 'subscribe',
    queueReq: typeof queueReq === 'function' ? queueReq(senderId) : (queueReq ?? { mode: 'messaging' }),
    notifier: undefined,
  };
  const { message: answer } = await client.requestFull(none, command, rcv.privateKey, corrId);
  if (answer.msg !== 'IDS') return { answer, queue: undefined };
  const queue = {
    ids: answer,
    rcvKey: rcv.privateKey,
    sndKey: snd.privateKey,
    sndPublic: snd.publicKey,
    secret: dh(answer.relayDhKey, rcvDh.privateKey),
  };
  return { answer, queue };
}

export async function newQueue(client: RawClient, options: NewQueueOptions = {}): Promise<TestQueue> {
  const { answer, queue } = await tryNewQueue(client, options);
  if (queue === undefined) throw new Error(`NEW answered with ${JSON.stringify(answer)}`);
  return queue;
}

/** The content of MSG. */
export function bodyOf(queue: TestQueue, message: SmpMessage): RcvBody {
  if (message.msg !== 'MSG') throw new Error(`expected MSG, not ${JSON.stringify(message)}`);
  return openRcvBody(queue.secret, message.msgId, message.encBody);
}

/** The text of a message, or `QUOTA`. */
export function textOf(queue: TestQueue, message: SmpMessage): string {
  const body = bodyOf(queue, message);
  return body.kind === 'quota' ? 'QUOTA' : Buffer.from(body.body).toString();
}

export function sendCommand(text: string | Uint8Array, notification = false): SmpCommand {
  return { cmd: 'SEND', flags: { notification }, body: typeof text === 'string' ? Buffer.from(text) : text };
}
