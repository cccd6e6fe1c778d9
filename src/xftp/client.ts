import type { ClientHttp2Stream } from 'node:http2';
import { type Clock, Mutex, type RandomSource } from '../core/index.js';
import {
  authenticate,
  BoxStream,
  dh,
  generateKeyPair,
  type KeyPair,
  type PrivateKey,
  type PublicKey,
  sign,
} from '../crypto/index.js';
import type { XftpServer } from '../smp/index.js';
import { DecodeError } from '../wire/index.js';
import { BodyReader } from './body-reader.js';
import { type FileSlice, receiveEncryptedChunk, sendSlice } from './chunk-io.js';
import { shakeHands } from './client-handshake.js';
import {
  decodeXftpResponse,
  encodeXftpCommand,
  type XftpAuthKey,
  type XftpCommand,
  type XftpResponse,
} from './commands.js';
import {
  connectXftp,
  defaultConnectTimeout,
  openRequest,
  type XftpConnection,
  type XftpConnectOptions,
} from './connection.js';
import { xftpBlockSize } from './constants.js';
import type { ReplicaKey } from './description.js';
import { networkError, responseError, serverError, timeoutError, XftpClientError } from './errors.js';
import { Limiter } from './limiter.js';
import { bareXftpError, decodeXftpBlock, encodeXftpBlock, type XftpTransmission } from './transmission.js';

/** Requests other than uploads that may be under way on one connection: official servers hang with many (section 1.4). */
const maxRequests = 16;

/** Time-outs of one connection (40-xftp, section 1.5); transfers of chunks get more by their size. */
export interface XftpClientOptions extends XftpConnectOptions {
  readonly clock: Clock;
  readonly random: RandomSource;
  /** Time added to the connection time for the response of a command, in milliseconds; 30,000 by default. */
  readonly responseTimeout?: number;
  /** Further time for each KB of a chunk, in milliseconds; 5 by default. */
  readonly timeoutPerKb?: number;
}

/** Keys of a command: who signs, and the record that it is about. */
export interface ReplicaCredentials {
  readonly id: Uint8Array;
  readonly key: ReplicaKey;
}

const none = new Uint8Array(0);

/**
 * A connection to one XFTP server with all commands of the protocol (40-xftp, sections 1.4 to 2.6). It knows what
 * servers cannot stand: one upload at a time, few requests at once, and it closes itself where a connection is
 * known to hang afterwards. Every request rejects with an {@link XftpClientError}, or the error of the file system
 * for transfers. After a failure of the connection it stays closed; open a new one.
 */
export class XftpClient {
  readonly server: XftpServer;
  /** The agreed protocol version. */
  readonly version: number;
  readonly #connection: XftpConnection;
  readonly #serverKey: PublicKey<'x25519'>;
  readonly #options: XftpClientOptions;
  readonly #uploads = new Mutex();
  readonly #requests = new Limiter(maxRequests);
  readonly #closeListeners = new Set<() => void>();
  #closed = false;

  private constructor(
    server: XftpServer,
    connection: XftpConnection,
    agreed: { readonly version: number; readonly serverKey: PublicKey<'x25519'> },
    options: XftpClientOptions,
  ) {
    this.server = server;
    this.version = agreed.version;
    this.#connection = connection;
    this.#serverKey = agreed.serverKey;
    this.#options = options;
    connection.session.once('close', () => this.close());
    connection.session.once('goaway', () => this.close());
  }

  /** Connects, checks the server and agrees on a version. */
  static async connect(server: XftpServer, options: XftpClientOptions): Promise<XftpClient> {
    const connection = await connectXftp(server, options);
    try {
      return new XftpClient(server, connection, await shakeHands(connection, server, options), options);
    } catch (e) {
      connection.destroy();
      throw e;
    }
  }

  /** The connection below, for tests of the protocol. */
  get connection(): XftpConnection {
    return this.#connection;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Calls `fn` once when the connection ends, for whatever reason. */
  onClose(fn: () => void): void {
    if (this.#closed) fn();
    else this.#closeListeners.add(fn);
  }

  /** Ends the connection; requests that are under way reject with NETWORK. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#connection.destroy();
    for (const fn of this.#closeListeners) fn();
    this.#closeListeners.clear();
  }

  /** FNEW: a new record for a chunk. Not repeatable: each call makes a record. */
  async createChunk(
    sender: KeyPair<'ed25519' | 'ed448' | 'x25519'>,
    chunk: { readonly size: number; readonly digest: Uint8Array },
    rcvKeys: readonly XftpAuthKey[],
    basicAuth?: string,
  ): Promise<{ senderId: Uint8Array; recipientIds: readonly Uint8Array[] }> {
    const auth = basicAuth === undefined ? {} : { basicAuth };
    const command: XftpCommand = { type: 'FNEW', sndKey: sender.publicKey, ...chunk, rcvKeys, ...auth };
    const r = await this.#command(command, none, sender.privateKey);
    if (r.type !== 'SIDS') throw unexpected(r);
    if (r.recipientIds.length !== rcvKeys.length) throw responseError('wrong number of recipient ids');
    return { senderId: r.senderId, recipientIds: r.recipientIds };
  }

  /** FADD: further recipients; ids in the order of the keys. */
  async addRecipients(sender: ReplicaCredentials, rcvKeys: readonly XftpAuthKey[]): Promise<readonly Uint8Array[]> {
    const r = await this.#command({ type: 'FADD', rcvKeys }, sender.id, sender.key);
    if (r.type !== 'RIDS') throw unexpected(r);
    if (r.recipientIds.length !== rcvKeys.length) throw responseError('wrong number of recipient ids');
    return r.recipientIds;
  }

  /**
   * FPUT: uploads the chunk. May be repeated. Aborting drops the connection: there is no harmless way to end an
   * upload (section 1.4).
   */
  uploadChunk(sender: ReplicaCredentials, source: FileSlice, signal?: AbortSignal): Promise<void> {
    return this.#uploads.run(async () => {
      const timeout = this.#timeout(source.size);
      await this.#exchange('FPUT', { type: 'FPUT' }, sender, timeout, async (stream, response) => {
        const state: { answered: boolean } = { answered: false };
        const answer = response.finally(() => {
          state.answered = true;
        });
        const abort = (): void => this.close();
        signal?.throwIfAborted();
        signal?.addEventListener('abort', abort, { once: true });
        try {
          let failure: unknown;
          const sending = sendSlice(stream, source, { stopped: () => state.answered }).catch((e: unknown) => {
            failure = e;
            return false;
          });
          // The response may come (as an error) while the body is still being sent.
          const sent = await Promise.race([sending, answer.then(() => false)]);
          if (sent) stream.end();
          if (failure !== undefined && !isHttp2Error(failure)) {
            this.close();
            throw failure;
          }
          const r = await answer;
          if (!sent) {
            // The server will not read the rest, nor give the window back.
            this.close();
            await sending;
          }
          expectOk(r);
        } finally {
          signal?.removeEventListener('abort', abort);
          signal?.throwIfAborted();
        }
      });
    });
  }

  /**
   * FGET: downloads the chunk into a new file at `path`, which is deleted unless everything fits: size, tag, digest.
   * May be repeated.
   */
  downloadChunk(
    recipient: ReplicaCredentials,
    chunk: { readonly size: number; readonly digest: Uint8Array },
    path: string,
    signal?: AbortSignal,
  ): Promise<void> {
    return this.#requests.run(async () => {
      const pair = generateKeyPair('x25519', this.#options.random);
      const command: XftpCommand = { type: 'FGET', dhKey: pair.publicKey };
      const timeout = this.#timeout(0);
      await this.#exchange('FGET', command, recipient, timeout, async (stream, response, reader) => {
        stream.end();
        const r = await response;
        if (r.type === 'ERR') throw serverError(r.error);
        if (r.type !== 'FILE') throw unexpected(r);
        const box = new BoxStream(dh(r.dhKey, pair.privateKey), r.nonce);
        // Ending a download whose request was sent completely is harmless for the others on this connection.
        const abort = (): void => stream.close(0);
        signal?.throwIfAborted();
        signal?.addEventListener('abort', abort, { once: true });
        try {
          await this.#within(
            (this.#options.responseTimeout ?? 30_000) + this.#perChunk(chunk.size),
            receiveEncryptedChunk(reader, box, chunk, path),
          );
        } finally {
          signal?.removeEventListener('abort', abort);
          signal?.throwIfAborted();
        }
      });
    });
  }

  /** FDEL: removes the record and the chunk. AUTH means that it is gone already. */
  async deleteChunk(sender: ReplicaCredentials): Promise<void> {
    expectOk(await this.#command({ type: 'FDEL' }, sender.id, sender.key));
  }

  /** FACK: gives up the recipient id. Files of the chat never do it: descriptions are used more than once. */
  async acknowledgeChunk(recipient: ReplicaCredentials): Promise<void> {
    expectOk(await this.#command({ type: 'FACK' }, recipient.id, recipient.key));
  }

  async ping(): Promise<void> {
    const r = await this.#command({ type: 'PING' }, none);
    if (r.type !== 'PONG') throw unexpected(r);
  }

  #perChunk(size: number): number {
    return ((this.#options.timeoutPerKb ?? 5) * size) / 1024;
  }

  #timeout(size: number): number {
    const { connectTimeout = defaultConnectTimeout, responseTimeout = 30_000 } = this.#options;
    return connectTimeout + responseTimeout + this.#perChunk(size);
  }

  #command(command: XftpCommand, entityId: Uint8Array, key?: ReplicaKey): Promise<XftpResponse> {
    const credentials = key === undefined ? undefined : { id: entityId, key };
    return this.#requests.run(() =>
      this.#exchange(command.type, command, credentials, this.#timeout(0), async (stream, response) => {
        stream.end();
        const r = await response;
        if (r.type === 'ERR') throw serverError(r.error);
        return r;
      }),
    );
  }

  /**
   * One stream: sends the block, gives `body` the response as a promise, and turns what breaks into errors of this
   * client. A time-out closes the connection: its stream cannot be ended alone.
   */
  async #exchange<T>(
    name: string,
    command: XftpCommand,
    credentials: ReplicaCredentials | undefined,
    timeout: number,
    body: (stream: ClientHttp2Stream, response: Promise<XftpResponse>, reader: BodyReader) => Promise<T>,
  ): Promise<T> {
    if (this.#closed) throw networkError('the connection to the file server is closed');
    const block = this.#block(command, credentials);
    const stream = openRequest(this.#connection.session, false);
    const reader = new BodyReader(stream);
    stream.write(block);
    const response = this.#within(timeout, this.#response(reader));
    // `body` waits for it in its own time.
    response.catch(() => {});
    try {
      return await body(stream, response, reader);
    } catch (e) {
      if (isHttp2Error(e)) {
        // A response that explains it may have come just before.
        await response.catch(() => {});
        throw networkError(`connection to the file server was lost during ${name}`, e);
      }
      throw e;
    } finally {
      if (!reader.done) stream.resume();
    }
  }

  #block(command: XftpCommand, credentials: ReplicaCredentials | undefined): Uint8Array {
    const { sessionId } = this.#connection;
    const fields = { sessionId, entityId: credentials?.id ?? none, command: encodeXftpCommand(command) };
    if (credentials === undefined) return encodeXftpBlock(fields);
    const { key } = credentials;
    if (isSigningKey(key)) return encodeXftpBlock(fields, (signed) => sign(key, signed));
    const { raw } = key;
    const corrId = this.#options.random.bytes(24);
    return encodeXftpBlock({ ...fields, corrId }, (signed) =>
      authenticate(this.#serverKey, { alg: 'x25519', raw }, corrId, signed),
    );
  }

  async #response(reader: BodyReader): Promise<XftpResponse> {
    let block: Uint8Array;
    try {
      block = await reader.read(xftpBlockSize);
    } catch (e) {
      throw networkError('connection to the file server was lost', e);
    }
    if (block.length < xftpBlockSize) throw responseError('BLOCK');
    const bare = bareXftpError(block);
    if (bare !== undefined) {
      this.close();
      throw networkError(`the file server lost the session: ${bare.type}`);
    }
    let t: XftpTransmission;
    try {
      t = decodeXftpBlock(block);
    } catch (e) {
      throw responseError('BLOCK', e);
    }
    try {
      const r = decodeXftpResponse(t.command);
      // An error about the block itself comes before the server knows the session.
      if (r.type !== 'ERR' && Buffer.compare(t.sessionId, this.#connection.sessionId) !== 0)
        throw responseError('SESSION');
      if (r.type !== 'ERR') checkEntity(r, t.entityId.length > 0);
      return r;
    } catch (e) {
      if (e instanceof DecodeError) throw responseError('CMD SYNTAX', e);
      throw e;
    }
  }

  #within<T>(ms: number, task: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const timer = this.#options.clock.after(ms, () => {
        reject(timeoutError('no answer of the file server in time'));
        this.close();
      });
      task.then(
        (value) => {
          timer.cancel();
          resolve(value);
        },
        (error) => {
          timer.cancel();
          reject(error);
        },
      );
    });
  }
}

function isSigningKey(key: ReplicaKey): key is PrivateKey<'ed25519' | 'ed448'> {
  return key.alg !== 'x25519';
}

/** Errors of the stream and its session, as opposed to those of files and of this client. */
function isHttp2Error(e: unknown): boolean {
  if (!(e instanceof Error) || e instanceof XftpClientError || e.name === 'AbortError') return false;
  const code = 'code' in e ? String(e.code) : '';
  return !/^E[A-Z]+$/.test(code) || ['ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ECONNREFUSED', 'EPROTO'].includes(code);
}

function checkEntity(r: XftpResponse, hasEntity: boolean): void {
  const wants = r.type === 'RIDS' || r.type === 'FILE' || r.type === 'OK';
  if (wants && !hasEntity) throw responseError('CMD NO_ENTITY');
  if (!wants && hasEntity) throw responseError('CMD HAS_AUTH');
}

function unexpected(r: XftpResponse): XftpClientError {
  return new XftpClientError({ type: 'BROKER', brokerErr: { type: 'UNEXPECTED', respErr: r.type } });
}

function expectOk(r: XftpResponse): void {
  if (r.type === 'ERR') throw serverError(r.error);
  if (r.type !== 'OK') throw unexpected(r);
}
