import type { Timer } from '../core/index.js';
import { DecodeError } from '../wire/index.js';
import type { RequestOptions, SmpClientOptions, SmpEvent } from './client-types.js';
import type { SmpCommand, SmpCommandName } from './commands.js';
import { networkFailure, protocolFailure, SmpClientError, transportFailure } from './failures.js';
import type { ServerHello } from './handshake.js';
import { decodeMessage, type SmpMessage } from './messages.js';
import { RequestTable } from './requests.js';
import type { SmpServer } from './server.js';
import type { Outgoing, Session, SessionHandler } from './session.js';
import { idSize, maxTransmission } from './sizes.js';
import { type AuthPrivateKey, encodeCommandTransmission, type RawTransmission } from './transmission.js';
import { SmpV, type SmpVersion } from './versions.js';

const empty = new Uint8Array(0);
/** Events that are being taken in before reading stops, and goes on. */
const eventsHigh = 512;
const eventsLow = 256;
/** A pause that nothing ends for so long, in milliseconds, while requests wait: see `#watchPause`. */
const stall = 1_000;
/** Growth of the interactive time-out with each retry. */
const retryFactors = [1, 1.5, 2.25, 3.375];

const minVersions: Partial<Record<SmpCommandName, SmpVersion>> = {
  PRXY: SmpV.PrivateRouting,
  PFWD: SmpV.PrivateRouting,
  RFWD: SmpV.PrivateRouting,
  SKEY: SmpV.SenderSecures,
  RKEY: SmpV.ShortLinks,
  LSET: SmpV.ShortLinks,
  LDEL: SmpV.ShortLinks,
  LKEY: SmpV.ShortLinks,
  LGET: SmpV.ShortLinks,
  SUBS: SmpV.Services,
  NSUBS: SmpV.Services,
};

/** The relay answered something that is no answer to the command. */
export function unexpected(m: SmpMessage): SmpClientError {
  return new SmpClientError({ type: 'unexpected', text: m.msg });
}

/** OK, or the error that the relay answered. */
export function expectOk(m: SmpMessage): void {
  if (m.msg === 'OK') return;
  throw m.msg === 'ERR' ? protocolFailure(m.error) : unexpected(m);
}

/**
 * One connection to a relay as seen by those who ask: requests and responses, events, time-outs, PING (20-smp.md,
 * section 12). It does not reconnect: when `onClose` was called it is of no more use. Errors are
 * {@link SmpClientError}s. The commands are those of `SmpClient`.
 */
export class Requester implements SessionHandler {
  readonly server: SmpServer;
  protected readonly options: SmpClientOptions;
  protected readonly session: Session;
  readonly #requests: RequestTable;
  #taking = 0;
  #paused = false;
  #takingLimit = eventsHigh;
  #stallTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #lastReceived: number;
  #missed = 0;
  #closed = false;

  constructor(options: SmpClientOptions, session: Session) {
    this.server = options.server;
    this.options = options;
    this.session = session;
    this.#lastReceived = options.clock.monotonic();
    this.#requests = new RequestTable(options.clock, () => this.#onTimeout());
  }

  get version(): SmpVersion {
    return this.session.version;
  }

  /** tls-unique of the connection: names it in subscriptions. */
  get sessionId(): Uint8Array {
    return this.session.sessionId;
  }

  /** What the relay said of itself in its hello. */
  get hello(): ServerHello {
    return this.session.hello;
  }

  get closed(): boolean {
    return this.#closed || this.session.closed;
  }

  /** Requests that wait for a response. */
  get inFlight(): number {
    return this.#requests.size;
  }

  /** Ends the connection; requests that wait are rejected, `onClose` is called. */
  close(error: SmpClientError = networkFailure({ type: 'failedError' })): void {
    this.session.close(error);
  }

  // --- what comes from the session ---

  onTransmission(t: RawTransmission): void {
    this.#lastReceived = this.options.clock.monotonic();
    this.#missed = 0;
    let message: SmpMessage;
    try {
      message = decodeMessage(t.body, this.version);
    } catch (e) {
      if (!(e instanceof DecodeError)) throw e;
      this.#requests.reject(t.corrId, new SmpClientError({ type: 'response', text: e.problem }, e));
      return;
    }
    if (t.corrId.length === 0) {
      this.#event(t.entityId, message);
      return;
    }
    const command = this.#requests.command(t.corrId);
    // A message that answers SUB or ACK is a message like any other; it is given before the request is settled.
    if (message.msg === 'MSG' && (command === 'SUB' || command === 'ACK')) this.#event(t.entityId, message);
    const delivery = this.#requests.deliver(t.corrId, t.entityId, message);
    if (delivery.kind !== 'late') return;
    if (delivery.command === 'SUB') this.#lateSubscription(delivery.entityId, delivery.message);
    else if (delivery.command === 'ACK' && message.msg === 'MSG') this.#event(t.entityId, message);
  }

  #lateSubscription(rcvId: Uint8Array, m: SmpMessage): void {
    if (m.msg !== 'OK' && m.msg !== 'SOK' && m.msg !== 'MSG') return;
    this.#emit({ type: 'subscribed', rcvId: rcvId.slice() });
    if (m.msg === 'MSG') this.#event(rcvId, m);
  }

  onBlockEnd(): void {}

  onClose(error: SmpClientError): void {
    if (this.#closed) return;
    this.#closed = true;
    this.#pingTimer?.cancel();
    this.#stallTimer?.cancel();
    // Whatever closed the connection: for the requests it is a network failure, which is tried again.
    const f = error.failure;
    const failed = f.type === 'network' ? error : networkFailure({ type: 'failedError' }, error);
    this.#requests.failAll(failed);
    this.options.handler.onClose(error);
  }

  #event(entityId: Uint8Array, m: SmpMessage): void {
    if (entityId.length === 0) return;
    const rcvId = entityId.slice();
    switch (m.msg) {
      case 'MSG':
        this.#emit({ type: 'message', rcvId, msgId: m.msgId.slice(), encBody: m.encBody });
        return;
      case 'END':
        this.#emit({ type: 'end', rcvId });
        return;
      case 'DELD':
        this.#emit({ type: 'deleted', rcvId });
        return;
      case 'NMSG':
        this.#emit({ type: 'notification', notifierId: rcvId, nonce: m.nonce.slice(), encMeta: m.encMeta.slice() });
        return;
      case 'ERR':
        if (m.error.type === 'BLOCKED' || m.error.type === 'AUTH') {
          this.#emit({ type: 'blocked', rcvId, error: m.error });
        }
        return;
      default:
    }
  }

  #emit(event: SmpEvent): void {
    const taken = this.options.handler.onEvent(event);
    if (taken === undefined) return;
    this.#taking++;
    if (this.#taking >= this.#takingLimit && !this.#paused) this.#pause();
    const done = (): void => {
      this.#taking--;
      if (this.#taking > eventsLow) return;
      this.#takingLimit = eventsHigh;
      this.#resume();
    };
    // The handler reports its own errors; here only the count matters.
    taken.then(done, done);
  }

  #pause(): void {
    this.#paused = true;
    this.session.pause();
    this.#watchPause(this.#taking);
  }

  #resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#stallTimer?.cancel();
    this.session.resume();
  }

  /**
   * A handler may wait for something that waits for an answer of this relay, which is not read: then more events are
   * let in, step by step, instead of losing the requests to their time-outs.
   */
  #watchPause(before: number): void {
    this.#stallTimer = this.options.clock.after(
      stall,
      () => {
        if (!this.#paused || this.closed) return;
        if (this.#taking < before || this.#requests.size === 0) {
          this.#watchPause(this.#taking);
          return;
        }
        this.#takingLimit = this.#taking + eventsHigh;
        this.#resume();
      },
      { unref: true },
    );
  }

  // --- time-outs and PING (section 12.5) ---

  #onTimeout(): void {
    this.#missed++;
    this.#dropIfSilent();
  }

  #dropIfSilent(): void {
    const { maxMissed, silence } = this.options.network.ping;
    const silent = this.options.clock.monotonic() - this.#lastReceived;
    if (this.#missed >= maxMissed && silent >= silence) this.close(networkFailure({ type: 'timeoutError' }));
  }

  /** PING is sent only by connections with subscriptions, after a time without any block. */
  protected startPings(): void {
    if (this.#pingTimer !== undefined || this.#closed) return;
    this.#schedulePing(this.options.network.ping.interval);
  }

  #schedulePing(delay: number): void {
    this.#pingTimer = this.options.clock.after(delay, () => this.#pingNow(), { unref: true });
  }

  #pingNow(): void {
    if (this.closed) return;
    const { interval } = this.options.network.ping;
    const left = interval - (this.options.clock.monotonic() - this.#lastReceived);
    if (left > 1_000) {
      this.#schedulePing(left);
      return;
    }
    this.ping().catch(() => this.#dropIfSilent());
    this.#schedulePing(interval);
  }

  // --- requests ---

  #timeout(options: RequestOptions, size: number, factor = 1): number {
    const { commandTimeout, timeoutPerKb } = this.options.network;
    const mode = options.mode ?? 'interactive';
    const retry = mode === 'interactive' ? (retryFactors[Math.min(options.retry ?? 0, 3)] ?? 1) : 1;
    return commandTimeout[mode] * retry * factor + (size / 1024) * timeoutPerKb;
  }

  /** A `version` failure if the command is newer than the version. */
  checkVersion(command: SmpCommandName, version: SmpVersion): void {
    const min = minVersions[command];
    if (min !== undefined && version < min) throw transportFailure({ type: 'version' });
  }

  /** Sends a command and gives the response, whatever it is. The typed methods below are built on it. */
  async request(
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions & { readonly corrId?: Uint8Array; readonly factor?: number } = {},
  ): Promise<SmpMessage> {
    if (this.closed) throw networkFailure({ type: 'failedError' });
    this.checkVersion(command.cmd, this.version);
    const corrId = options.corrId ?? this.options.random.bytes(idSize);
    const bytes = encodeCommandTransmission(this.session, corrId, entityId, command, key, this.session.relayKey);
    if (bytes.length > maxTransmission) throw transportFailure({ type: 'largeMsg' });
    const outgoing: Outgoing = { bytes };
    const timeout = this.#timeout(options, bytes.length, options.factor);
    const response = this.#requests.add(corrId, { command: command.cmd, entityId, outgoing }, timeout);
    this.session.send(outgoing);
    return await response;
  }

  /** PING. */
  async ping(options: RequestOptions = { mode: 'background' }): Promise<void> {
    const m = await this.request(empty, { cmd: 'PING' }, undefined, options);
    if (m.msg !== 'PONG') throw m.msg === 'ERR' ? protocolFailure(m.error) : unexpected(m);
  }
}
