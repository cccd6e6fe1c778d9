import { type Clock, errorFields, KeyedMutex, type Logger, type RandomSource } from '../../core/index.js';
import { cbNonce, generateKeyPair, type PrivateKey, verify, verifyAuthenticator } from '../../crypto/index.js';
import { hex } from '../../wire/index.js';
import {
  type BodyReader,
  serverChunkSizes,
  type XftpAuthKey,
  type XftpCommand,
  type XftpError,
  type XftpResponse,
  type XftpTransmission,
} from '../../xftp/index.js';
import type { ChunkFiles } from './files.js';
import type { XftpBlockReason } from './options.js';
import type { ChunkRecord, ChunkStorage, NewChunk } from './storage.js';

const idSize = 16;
const hour = 3600;
/** Records looked at in one step of the expiry. */
const expiryStep = 500;

/** See `XftpRelayOptions`; `quota` in bytes of all chunks. */
export interface XftpServiceOptions {
  readonly storage: ChunkStorage;
  readonly files: ChunkFiles;
  readonly clock: Clock;
  readonly random: RandomSource;
  readonly log: Logger;
  readonly password: string | undefined;
  readonly newFiles: boolean;
  readonly quota: number;
  readonly ttlMs: number;
}

/** Who sent a command: the session key is absent in sessions without handshake. */
export interface CommandSession {
  readonly version: number;
  readonly key: PrivateKey<'x25519'> | undefined;
}

/** The chunk that is sent after a FILE response. */
export interface ChunkBody {
  readonly path: string;
  readonly size: number;
}

const error = (
  type: Extract<XftpError['type'], 'AUTH' | 'SIZE' | 'NO_FILE' | 'FILE_IO' | 'INTERNAL' | 'QUOTA'>,
): XftpResponse => ({
  type: 'ERR',
  error: { type },
});
const ok: XftpResponse = { type: 'OK' };

/** A record that does not exist takes as long to refuse as a wrong key: a signature of the same kind is checked. */
const dummies: readonly XftpAuthKey[] = [
  generateKeyPair('ed25519').publicKey,
  generateKeyPair('ed448').publicKey,
  generateKeyPair('x25519').publicKey,
];

/** The records and chunks of a relay: what the commands do (40-xftp, section 6.3), apart from the transport. */
export class XftpService {
  readonly #o: XftpServiceOptions;
  readonly #uploads = new KeyedMutex<string>();
  #used = 0;

  private constructor(options: XftpServiceOptions) {
    this.#o = options;
  }

  static async open(options: XftpServiceOptions): Promise<XftpService> {
    const service = new XftpService(options);
    service.#used = await options.storage.usedStorage();
    const removed = await options.files.collectGarbage((name, id) => options.storage.knowsFile(name, id));
    if (removed > 0) options.log.info({ removed }, 'removed chunk files without record');
    await service.expire();
    return service;
  }

  get usedStorage(): number {
    return this.#used;
  }

  /** Checks credentials and authorisation; gives the record that the command is about, or the refusal. */
  async authorize(
    t: XftpTransmission,
    command: XftpCommand,
    session: CommandSession,
  ): Promise<{ readonly refused: XftpResponse } | { readonly record: ChunkRecord | undefined }> {
    const hasAuth = t.auth.length > 0;
    const hasEntity = t.entityId.length > 0;
    const cmd = (type: 'NO_AUTH' | 'HAS_AUTH'): { refused: XftpResponse } => ({
      refused: { type: 'ERR', error: { type: 'CMD', cmdErr: { type } } },
    });
    if (command.type === 'PING') return hasAuth || hasEntity ? cmd('HAS_AUTH') : { record: undefined };
    if (!hasAuth) return cmd('NO_AUTH');
    if (command.type === 'FNEW') {
      if (hasEntity) return cmd('HAS_AUTH');
      return verifyCommand(command.sndKey, t, session) ? { record: undefined } : { refused: error('AUTH') };
    }
    if (!hasEntity) return cmd('NO_AUTH');
    const byRecipient = command.type === 'FGET' || command.type === 'FACK';
    const { storage } = this.#o;
    const record = await (byRecipient ? storage.byRecipient(t.entityId) : storage.bySender(t.entityId));
    if (record?.blocked !== undefined) {
      return { refused: { type: 'ERR', error: { type: 'BLOCKED', blockInfo: { reason: record.blocked } } } };
    }
    if (record === undefined) {
      const dummy = dummies.find((key) => authSize(key) === t.auth.length) ?? dummies[0];
      if (dummy !== undefined) verifyCommand(dummy, t, session);
      return { refused: error('AUTH') };
    }
    return verifyCommand(record.key, t, session) ? { record } : { refused: error('AUTH') };
  }

  /** FNEW. */
  async create(command: Extract<XftpCommand, { type: 'FNEW' }>): Promise<XftpResponse> {
    const { newFiles, password, storage, clock } = this.#o;
    if (!newFiles || (password !== undefined && command.basicAuth !== password)) return error('AUTH');
    if (!serverChunkSizes.includes(command.size)) return error('SIZE');
    const seconds = Math.floor(clock.now() / 1000);
    for (let attempt = 0; attempt < 3; attempt++) {
      const chunk: NewChunk = {
        senderId: this.#newId(),
        sndKey: command.sndKey,
        size: command.size,
        digest: command.digest,
        // Rounded so that the index does not tell when exactly something was sent.
        createdAt: seconds - (seconds % hour),
        recipients: command.rcvKeys.map((key) => ({ id: this.#newId(), key })),
      };
      if (await storage.create(chunk)) {
        return { type: 'SIDS', senderId: chunk.senderId, recipientIds: chunk.recipients.map((r) => r.id) };
      }
    }
    return error('INTERNAL');
  }

  /** FADD. */
  async addRecipients(record: ChunkRecord, rcvKeys: readonly XftpAuthKey[]): Promise<XftpResponse> {
    for (let attempt = 0; attempt < 3; attempt++) {
      const recipients = rcvKeys.map((key) => ({ id: this.#newId(), key }));
      const added = await this.#o.storage.addRecipients(record.senderId, recipients);
      if (added === undefined) return error('AUTH');
      if (added) return { type: 'RIDS', recipientIds: recipients.map((r) => r.id) };
    }
    return error('INTERNAL');
  }

  /** FPUT. One after the other for each record; a chunk that is stored already is read over. */
  upload(record: ChunkRecord, reader: BodyReader): Promise<XftpResponse> {
    const { storage, files, quota } = this.#o;
    return this.#uploads.run(hex(record.senderId), async () => {
      const current = await storage.bySender(record.senderId);
      if (current === undefined) return error('AUTH');
      if (current.fileName !== undefined) {
        const n = await reader.discard(current.size);
        return n < current.size || (await reader.discard(1)) > 0 ? error('SIZE') : ok;
      }
      if (this.#used + current.size > quota) return error('QUOTA');
      this.#used += current.size;
      let stored = false;
      try {
        const fileName = files.name(current.senderId);
        const result = await files.receive(reader, fileName, current);
        if (result !== 'stored') return { type: 'ERR', error: { type: result } };
        stored = await storage.setUploaded(current.senderId, fileName);
        // Deleted or expired while it was uploaded.
        if (!stored) await files.remove(fileName);
        return stored ? ok : error('AUTH');
      } finally {
        if (!stored) this.#used -= current.size;
      }
    });
  }

  /** FDEL. */
  delete(record: ChunkRecord): Promise<XftpResponse> {
    return this.#uploads.run(hex(record.senderId), async () => {
      const current = await this.#o.storage.bySender(record.senderId);
      if (current === undefined) return error('AUTH');
      try {
        await this.#remove(current);
      } catch (e) {
        this.#o.log.error(errorFields(e), 'cannot delete a chunk file');
        return error('FILE_IO');
      }
      return ok;
    });
  }

  async #remove(record: Pick<ChunkRecord, 'senderId' | 'fileName' | 'size'>): Promise<void> {
    if (record.fileName !== undefined) await this.#o.files.remove(record.fileName);
    if ((await this.#o.storage.delete(record.senderId)) && record.fileName !== undefined) this.#used -= record.size;
  }

  /** FGET: where the chunk is, or why it cannot be had. */
  async find(record: ChunkRecord): Promise<ChunkBody | { readonly refused: XftpResponse }> {
    const { files, log } = this.#o;
    if (record.fileName === undefined) return { refused: error('NO_FILE') };
    if (!(await files.exists(record.fileName))) {
      log.error({}, 'a chunk file is missing');
      return { refused: error('AUTH') };
    }
    return { path: files.path(record.fileName), size: record.size };
  }

  /** FACK. */
  async acknowledge(recipientId: Uint8Array): Promise<XftpResponse> {
    return (await this.#o.storage.deleteRecipient(recipientId)) ? ok : error('AUTH');
  }

  block(id: Uint8Array, reason: XftpBlockReason): Promise<boolean> {
    return this.#o.storage.block(id, reason);
  }

  /** Removes chunks whose time is over. */
  async expire(): Promise<number> {
    const { clock, ttlMs, storage, log } = this.#o;
    const before = Math.floor((clock.now() - ttlMs) / 1000) - hour;
    let removed = 0;
    for (;;) {
      const old = await storage.createdBefore(before, expiryStep);
      for (const record of old) {
        await this.#uploads.run(hex(record.senderId), () => this.#remove(record));
        removed++;
      }
      if (old.length < expiryStep) break;
    }
    if (removed > 0) log.info({ removed }, 'removed expired chunks');
    return removed;
  }

  #newId(): Uint8Array {
    return this.#o.random.bytes(idSize);
  }
}

function authSize(key: XftpAuthKey): number {
  return key.alg === 'ed25519' ? 64 : key.alg === 'ed448' ? 114 : 80;
}

function verifyCommand(key: XftpAuthKey, t: XftpTransmission, session: CommandSession): boolean {
  if (t.auth.length !== authSize(key)) return false;
  if (key.alg !== 'x25519') return verify({ alg: key.alg, raw: key.raw }, t.auth, t.signed);
  if (session.key === undefined) return false;
  return verifyAuthenticator({ alg: 'x25519', raw: key.raw }, session.key, cbNonce(t.corrId), t.auth, t.signed);
}
