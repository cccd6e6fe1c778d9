import type { ServerHttp2Stream } from 'node:http2';
import { type Clock, errorFields, type Logger, type RandomSource } from '../../core/index.js';
import { BoxStream, dh, generateKeyPair, type PrivateKey, type PublicKey } from '../../crypto/index.js';
import { DecodeError, equalBytes, isInRange } from '../../wire/index.js';
import {
  BodyReader,
  decodeXftpBlock,
  decodeXftpCommand,
  encodeBareXftpError,
  encodeXftpBlock,
  encodeXftpResponse,
  readClientHelloBlock,
  sendSlice,
  serverChunkSizes,
  serverHelloBlock,
  writeTo,
  type XftpCommand,
  XftpCommandDecodeError,
  type XftpResponse,
  type XftpTransmission,
  xftpBlockSize,
  xftpVersions,
} from '../../xftp/index.js';
import type { RelayIdentity } from '../identity.js';
import type { CommandSession, XftpService } from './service.js';

/** What all sessions of a relay share. */
export interface SessionContext {
  readonly service: XftpService;
  readonly identity: RelayIdentity;
  /** The DER of a session key signed by the leaf. */
  readonly signKey: (key: PublicKey<'x25519'>) => Uint8Array;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
  readonly uploadTimeoutMs: number;
}

type Phase =
  | { readonly type: 'none' }
  | { readonly type: 'helloSent'; readonly key: PrivateKey<'x25519'> }
  | { readonly type: 'accepted'; readonly session: CommandSession };

const none = new Uint8Array(0);
const largestChunk = Math.max(...serverChunkSizes);

/** One TLS connection of a client: its handshake (40-xftp, section 1.2), then one command for each stream. */
export class XftpServerSession {
  readonly #context: SessionContext;
  readonly #sessionId: Uint8Array;
  #phase: Phase;

  /** Without ALPN there is no handshake: very old clients send commands at once. */
  constructor(context: SessionContext, sessionId: Uint8Array, hasAlpn: boolean) {
    this.#context = context;
    this.#sessionId = sessionId;
    this.#phase = hasAlpn ? { type: 'none' } : { type: 'accepted', session: { version: 1, key: undefined } };
  }

  /** Answers one request. Never rejects: what fails here is the client's connection. */
  async handle(stream: ServerHttp2Stream): Promise<void> {
    const { clock, log, uploadTimeoutMs } = this.#context;
    const reader = new BodyReader(stream);
    const timer = clock.after(uploadTimeoutMs, () => reader.fail(new Error('request timed out')), { unref: true });
    try {
      const block = await reader.read(xftpBlockSize);
      stream.respond({ ':status': 200 });
      if (this.#phase.type === 'accepted') await this.#command(stream, reader, block, this.#phase.session);
      else stream.end(this.#handshake(block));
    } catch (e) {
      log.debug(errorFields(e), 'an XFTP request broke off');
      stream.destroy();
    } finally {
      timer.cancel();
      if (!stream.destroyed && !reader.done) stream.resume();
    }
  }

  /** The answer to a hello, or the bare error. A failed second step may be repeated. */
  #handshake(block: Uint8Array): Uint8Array {
    const { identity, random, signKey } = this.#context;
    if (this.#phase.type === 'none') {
      if (block.length > 0) return encodeBareXftpError('HANDSHAKE');
      const pair = generateKeyPair('x25519', random);
      this.#phase = { type: 'helloSent', key: pair.privateKey };
      return serverHelloBlock({
        versions: xftpVersions,
        sessionId: this.#sessionId,
        certificates: identity.chain,
        signedKey: signKey(pair.publicKey),
      });
    }
    if (this.#phase.type !== 'helloSent') return none;
    try {
      const hello = readClientHelloBlock(block);
      if (!isInRange(hello.version, xftpVersions) || !equalBytes(hello.keyHash, identity.fingerprint)) {
        return encodeBareXftpError('HANDSHAKE');
      }
      this.#phase = { type: 'accepted', session: { version: hello.version, key: this.#phase.key } };
      return none;
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      return encodeBareXftpError('HANDSHAKE');
    }
  }

  async #command(
    stream: ServerHttp2Stream,
    reader: BodyReader,
    block: Uint8Array,
    session: CommandSession,
  ): Promise<void> {
    let t: XftpTransmission;
    try {
      t = decodeXftpBlock(block);
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      return this.#respond(stream, reader, undefined, { type: 'ERR', error: { type: 'BLOCK' } }, session);
    }
    const respond = (response: XftpResponse): Promise<void> => this.#respond(stream, reader, t, response, session);
    if (!equalBytes(t.sessionId, this.#sessionId)) return respond({ type: 'ERR', error: { type: 'SESSION' } });
    let command: XftpCommand;
    try {
      command = decodeXftpCommand(t.command);
    } catch (e) {
      if (!(e instanceof XftpCommandDecodeError)) throw e;
      return respond({ type: 'ERR', error: e.xftpErr });
    }
    const { service } = this.#context;
    const allowed = await service.authorize(t, command, session);
    if ('refused' in allowed) return respond(allowed.refused);
    if (command.type === 'PING') return respond({ type: 'PONG' });
    if (command.type === 'FNEW') {
      const valid = command.digest.length === 32;
      return respond(
        valid ? await service.create(command) : { type: 'ERR', error: { type: 'CMD', cmdErr: { type: 'SYNTAX' } } },
      );
    }
    const { record } = allowed;
    if (record === undefined) return respond({ type: 'ERR', error: { type: 'INTERNAL' } });
    switch (command.type) {
      case 'FADD':
        return respond(await service.addRecipients(record, command.rcvKeys));
      case 'FPUT':
        return respond(await service.upload(record, reader));
      case 'FDEL':
        return respond(await service.delete(record));
      case 'FACK':
        return respond(await service.acknowledge(t.entityId));
      case 'FGET': {
        const found = await service.find(record);
        if ('refused' in found) return respond(found.refused);
        const pair = generateKeyPair('x25519', this.#context.random);
        const nonce = this.#context.random.bytes(24);
        const box = new BoxStream(dh(command.dhKey, pair.privateKey), nonce);
        await writeTo(stream, this.#block(t, { type: 'FILE', dhKey: pair.publicKey, nonce }, session));
        await this.#sendChunk(stream, found, box);
      }
    }
  }

  /** The chunk encrypted for this download, then the tag. A file that became shorter ends the body: the client sees it. */
  async #sendChunk(
    stream: ServerHttp2Stream,
    chunk: { readonly path: string; readonly size: number },
    box: BoxStream,
  ): Promise<void> {
    try {
      await sendSlice(stream, { ...chunk, offset: 0 }, { transform: (slice) => void box.seal(slice, slice) });
    } catch (e) {
      if (!stream.destroyed) stream.end();
      throw e;
    }
    stream.end(box.tag());
  }

  #block(t: XftpTransmission | undefined, response: XftpResponse, session: CommandSession): Uint8Array {
    const withEntity = response.type !== 'SIDS' && response.type !== 'PONG';
    return encodeXftpBlock({
      sessionId: this.#sessionId,
      corrId: t?.corrId ?? none,
      entityId: withEntity ? (t?.entityId ?? none) : none,
      command: encodeXftpResponse(response, session.version),
    });
  }

  /**
   * Sends the response at once, also before the body was read; the rest is then read and dropped, as the client could
   * otherwise not use the connection any more (40-xftp, section 6.3).
   */
  async #respond(
    stream: ServerHttp2Stream,
    reader: BodyReader,
    t: XftpTransmission | undefined,
    response: XftpResponse,
    session: CommandSession,
  ): Promise<void> {
    stream.end(this.#block(t, response, session));
    if (reader.done) return;
    await reader.discard(largestChunk);
    if (!reader.done && !stream.destroyed) stream.close(0);
  }
}
