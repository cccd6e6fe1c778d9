import type { TLSSocket } from 'node:tls';
import { errorFields, nextTurn } from '../../core/index.js';
import type { PrivateKey, PublicKey } from '../../crypto/index.js';
import {
  type BlockOpener,
  type BlockSealer,
  batchSpace,
  blockSize,
  decodeBatch,
  decodeTransmission,
  encodeMessageTransmission,
  isAuthorizationSize,
  maxBatchCount,
  type RawTransmission,
  recycleBlock,
  type SmpCommandName,
  type SmpError,
  type SmpMessage,
  type SmpVersion,
} from '../../smp/index.js';
import { countLabel } from '../metrics.js';
import { executeTransmission, parseCommand } from './commands.js';
import type { Peer, Subscription } from './peer.js';
import { forwardToRelay, openProxySession } from './proxy.js';
import type { Releaser } from './release.js';
import type { RelayState } from './state.js';

/** Bytes towards a client from which on it gets no more deliveries and its commands wait: 128 blocks. */
const maxBuffered = 128 * blockSize;
/** Blocks of a client that wait for processing before its socket is not read any more. */
const maxWaitingBlocks = 8;
/** Forwarded commands of one connection at a time; more hold up the reading of its commands (section 10.6). */
const maxForwarded = 32;
/** Commands are executed for this long before other connections get a turn, in milliseconds. */
const maxTurn = 4;

/**
 * Commands whose answers promise nothing that a loss of power could break. The answers and the messages that follow
 * them keep their order.
 */
const quickCommands: ReadonlySet<SmpCommandName> = new Set<SmpCommandName>([
  'SUB',
  'SUBS',
  'NSUB',
  'NSUBS',
  'GET',
  'ACK',
  'QUE',
  'PING',
]);

/** Answers up to this size, in bytes, rather share a block with others that wait than go in one of their own. */
const maxPatient = 128;

const none = new Uint8Array(0);

/** What the handshake agreed on. */
export interface SessionParameters {
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  readonly sessionKey: PrivateKey<'x25519'>;
  readonly clientKey: PublicKey<'x25519'> | undefined;
  readonly sealer: BlockSealer;
  readonly opener: BlockOpener;
}

/** One client after the handshake: takes blocks in, executes their commands in order, sends answers and events. */
export class RelayConnection implements Peer {
  readonly version: SmpVersion;
  readonly sessionId: Uint8Array;
  readonly sessionKey: PrivateKey<'x25519'>;
  readonly clientKey: PublicKey<'x25519'> | undefined;
  readonly subscriptions = new Map<string, Subscription>();
  readonly notifiers = new Set<string>();
  readonly deferred = new Set<string>();

  readonly #state: RelayState;
  readonly #releaser: Releaser;
  readonly #socket: TLSSocket;
  readonly #sealer: BlockSealer;
  readonly #opener: BlockOpener;
  /** Transmissions that wait for their release, and their number since the start including those that left. */
  #out: Uint8Array[] = [];
  /** Those that only wait for the end of the turn and what was written in it. */
  #quick: Uint8Array[] = [];
  /** How many of the quick ones wait only to share a block. */
  #patient = 0;
  #outBytes = 0;
  #outEnd = 0;
  #blocks: Uint8Array[] = [];
  #working = false;
  /** Answers to a block are collected, so that they share blocks. */
  #collecting = false;
  #forwarding = 0;
  #idle: (() => void) | undefined;
  /** Continues the work when there is room or an answer from another relay. */
  #wake: (() => void) | undefined;
  #closed = false;
  #stopped = false;
  /** When something was last received or sent; of the monotonic clock. */
  lastActive: number;

  constructor(state: RelayState, releaser: Releaser, socket: TLSSocket, session: SessionParameters) {
    this.#state = state;
    this.#releaser = releaser;
    this.#socket = socket;
    this.version = session.version;
    this.sessionId = session.sessionId;
    this.sessionKey = session.sessionKey;
    this.clientKey = session.clientKey;
    this.#sealer = session.sealer;
    this.#opener = session.opener;
    this.lastActive = state.clock.monotonic();
    socket.on('drain', () => this.#drained());
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get isFull(): boolean {
    return this.#outBytes + this.#socket.writableLength >= maxBuffered;
  }

  /** Nothing is being worked on and nothing waits to be sent. */
  get isIdle(): boolean {
    return !this.#working && this.#blocks.length === 0 && !this.#hasOut && this.#forwarding === 0;
  }

  /** Resolves when the connection is idle or closed. */
  whenIdle(): Promise<void> {
    return new Promise((resolve) => {
      this.#idle = resolve;
      this.#checkIdle();
    });
  }

  #checkIdle(): void {
    if (this.#idle === undefined || !(this.#closed || this.isIdle)) return;
    this.#idle();
    this.#idle = undefined;
  }

  // --- sending ---

  get #hasOut(): boolean {
    return this.#out.length > 0 || this.#quick.length > 0;
  }

  send(corrId: Uint8Array, entityId: Uint8Array, message: SmpMessage, quick = false): void {
    if (this.#closed) return;
    if (message.msg === 'ERR') countLabel(this.#state.metrics.counts.errors, message.error.type);
    const bytes = encodeMessageTransmission(this, corrId, entityId, message);
    this.#outBytes += bytes.length;
    if (quick) {
      this.#quick.push(bytes);
    } else {
      this.#out.push(bytes);
      this.#outEnd++;
    }
    if (!this.#collecting) this.#releaser.add(this);
  }

  /** Lets what was collected go. */
  #collected(): void {
    this.#collecting = false;
    if (this.#hasOut && !this.#closed) this.#releaser.add(this);
  }

  get hasQuick(): boolean {
    return this.#quick.length > 0;
  }

  /** The number of the last queued transmission that is not quick, for {@link release}. */
  get mark(): number {
    return this.#outEnd;
  }

  /** Sends all transmissions up to the mark, what they tell of is durable, and the quick ones that wait for company. */
  release(mark: number): void {
    this.#write([...this.#quick.splice(0, this.#patient), ...this.#takeUpTo(mark)]);
    this.#patient = 0;
  }

  releaseQuick(): void {
    const patient = this.#out.length > 0 && this.#quick.every((q) => q.length <= maxPatient);
    this.#patient = patient ? this.#quick.length : 0;
    if (this.#patient === 0) this.#write(this.#quick.splice(0));
  }

  releaseAll(mark: number): void {
    this.#patient = 0;
    // The answer to SUB before the messages that follow it.
    this.#write([...this.#quick.splice(0), ...this.#takeUpTo(mark)]);
  }

  #takeUpTo(mark: number): Uint8Array[] {
    return this.#out.splice(0, Math.max(0, this.#out.length - (this.#outEnd - mark)));
  }

  #write(ready: readonly Uint8Array[]): void {
    if (this.#closed || ready.length === 0) return;
    this.lastActive = this.#state.clock.monotonic();
    this.#socket.cork();
    let from = 0;
    let size = 0;
    for (const [i, bytes] of ready.entries()) {
      const length = bytes.length + 2;
      this.#outBytes -= bytes.length;
      if (i > from && (size + length > batchSpace || i - from === maxBatchCount)) {
        this.#writeBlock(ready.slice(from, i));
        from = i;
        size = 0;
      }
      size += length;
    }
    this.#writeBlock(ready.slice(from));
    this.#socket.uncork();
    this.#checkIdle();
    if (!this.isFull) this.#drained();
  }

  #writeBlock(transmissions: readonly Uint8Array[]): void {
    const block = this.#sealer.sealBatch(transmissions);
    this.#socket.write(block, () => recycleBlock(block));
  }

  #drained(): void {
    if (this.#closed || this.isFull) return;
    this.#wakeUp();
    if (this.deferred.size > 0) void this.#state.delivery.drained(this).catch((e: unknown) => this.#failed(e));
  }

  #wakeUp(): void {
    const wake = this.#wake;
    this.#wake = undefined;
    wake?.();
  }

  // --- receiving ---

  /** Takes a block of 16384 bytes from the socket. */
  receive(block: Uint8Array): void {
    if (this.#closed || this.#stopped) return;
    this.lastActive = this.#state.clock.monotonic();
    this.#blocks.push(block);
    if (this.#blocks.length >= maxWaitingBlocks) this.#socket.pause();
    if (!this.#working) {
      this.#working = true;
      this.#work().then(
        () => {
          this.#working = false;
          this.#checkIdle();
        },
        (error: unknown) => {
          this.#working = false;
          this.#failed(error);
        },
      );
    }
  }

  #failed(error: unknown): void {
    this.#state.log.error(errorFields(error), 'connection failed');
    this.destroy();
  }

  async #work(): Promise<void> {
    let started = this.#state.clock.monotonic();
    for (;;) {
      // A client that does not read its answers gets no more of them.
      while (this.isFull && !this.#closed) await this.#pause();
      const block = this.#blocks.shift();
      if (block === undefined || this.#closed) return;
      const afterwards: (() => Promise<void>)[] = [];
      this.#collecting = true;
      for (const bytes of this.#open(block)) {
        await this.#transmission(bytes, afterwards);
        if (this.#state.clock.monotonic() - started > maxTurn) {
          await nextTurn();
          started = this.#state.clock.monotonic();
        }
        if (this.#closed) return;
      }
      for (const deliver of afterwards) await deliver();
      this.#collected();
      if (this.#blocks.length < maxWaitingBlocks && this.#socket.isPaused()) this.#socket.resume();
    }
  }

  #pause(): Promise<void> {
    this.#collected();
    return new Promise((resolve) => {
      this.#wake = resolve;
    });
  }

  #open(block: Uint8Array): Uint8Array[] {
    try {
      return decodeBatch(this.#opener.open(block));
    } catch {
      this.#error(none, none, { type: 'BLOCK' });
      return [];
    }
  }

  #error(corrId: Uint8Array, entityId: Uint8Array, error: SmpError): void {
    this.send(corrId, entityId, { msg: 'ERR', error });
  }

  async #transmission(bytes: Uint8Array, afterwards: (() => Promise<void>)[]): Promise<void> {
    let t: RawTransmission;
    try {
      t = decodeTransmission(bytes, this.version);
    } catch {
      this.#error(none, none, { type: 'BLOCK' });
      return;
    }
    const { corrId, entityId } = t;
    if (!isAuthorizationSize(t.authorization.length)) {
      this.#error(corrId, none, { type: 'BLOCK' });
      return;
    }
    const parsed = parseCommand(t, this.version);
    if (parsed.kind === 'error') {
      this.#error(corrId, entityId, parsed.error);
      return;
    }
    const { command } = parsed;
    if (command.cmd === 'PRXY' || command.cmd === 'PFWD') {
      if (t.serviceSignature !== undefined) {
        this.#error(corrId, entityId, { type: 'SERVICE' });
        return;
      }
      countLabel(this.#state.metrics.counts.commands, command.cmd);
      while (this.#forwarding >= maxForwarded && !this.#closed) await this.#pause();
      const answer =
        command.cmd === 'PRXY'
          ? openProxySession(this.#state, command)
          : forwardToRelay(this.#state, corrId, entityId, command);
      this.#forward(corrId, entityId, answer);
      return;
    }
    try {
      const answer = await executeTransmission(this.#state, this, t, command, this.version, afterwards);
      this.send(corrId, entityId, answer, quickCommands.has(command.cmd));
    } catch (error) {
      // One command that fails must not take the others of the connection with it.
      this.#state.log.error({ ...errorFields(error), command: command.cmd }, 'command failed');
      this.#error(corrId, entityId, { type: 'INTERNAL' });
    }
  }

  /** Other relays answer when they want: other commands go on meanwhile. */
  #forward(corrId: Uint8Array, entityId: Uint8Array, answer: Promise<SmpMessage>): void {
    this.#forwarding++;
    // The ids are views of a block that is not kept until then.
    const corr = Uint8Array.from(corrId);
    const entity = Uint8Array.from(entityId);
    answer
      .catch((error: unknown): SmpMessage => {
        this.#state.log.error(errorFields(error), 'forwarding failed');
        return { msg: 'ERR', error: { type: 'INTERNAL' } };
      })
      .then((message) => {
        this.#forwarding--;
        this.send(corr, entity, message);
        this.#wakeUp();
        this.#checkIdle();
      });
  }

  // --- end ---

  /** Takes no more blocks: the relay stops. What is being worked on goes on. */
  stop(): void {
    this.#stopped = true;
  }

  /** The socket is gone or must go: forgets everything. */
  destroy(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#out = [];
    this.#quick = [];
    this.#outBytes = 0;
    this.#blocks = [];
    this.#wakeUp();
    this.#checkIdle();
    this.#state.delivery.remove(this);
    this.#socket.destroy();
  }
}
