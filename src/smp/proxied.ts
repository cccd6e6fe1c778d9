import { CryptoError, dh, generateKeyPair } from '../crypto/index.js';
import { agreeVersion, DecodeError, equalBytes } from '../wire/index.js';
import type { ProxiedRelay, RequestOptions, SmpClientOptions } from './client-types.js';
import type { SmpCommand } from './commands.js';
import { protocolFailure, SmpClientError, transportFailure } from './failures.js';
import { openForwardedAnswer, sealForwardedCommand } from './forward.js';
import { decodeMessage, type SmpMessage } from './messages.js';
import { type Requester, unexpected } from './requester.js';
import type { SmpServer } from './server.js';
import { checkProxiedCredentials } from './session.js';
import { idSize } from './sizes.js';
import { type AuthPrivateKey, decodeTransmission, encodeCommandTransmission } from './transmission.js';
import { smpRange } from './versions.js';

const empty = new Uint8Array(0);

/** The destinations that can be reached through one connection to a proxy (20-smp.md, sections 10, 12.6). */
export class ProxiedRelays {
  readonly #requester: Requester;
  readonly #options: Pick<SmpClientOptions, 'clock' | 'random' | 'network' | 'range'>;
  readonly #proxied = new Map<string, Promise<ProxiedRelay>>();

  constructor(requester: Requester, options: Pick<SmpClientOptions, 'clock' | 'random' | 'network' | 'range'>) {
    this.#requester = requester;
    this.#options = options;
  }

  /**
   * PRXY: a session of this relay with a destination, whose credentials are checked. Sessions are kept per
   * destination; one that could not be made because of a host error is not tried again on this connection.
   */
  relay(server: SmpServer, basicAuth: string | undefined, options?: RequestOptions): Promise<ProxiedRelay> {
    const id = proxiedId(server);
    const known = this.#proxied.get(id);
    if (known !== undefined) return known;
    const made = this.#connectProxied(server, basicAuth, options);
    this.#proxied.set(id, made);
    made.catch((e: unknown) => {
      const host = e instanceof SmpClientError && isLastingProxyError(e);
      if (!host && this.#proxied.get(id) === made) this.#proxied.delete(id);
    });
    return made;
  }

  async #connectProxied(
    server: SmpServer,
    basicAuth: string | undefined,
    options: RequestOptions = {},
  ): Promise<ProxiedRelay> {
    const { connectTimeout, commandTimeout } = this.#options.network;
    const mode = options.mode ?? 'interactive';
    const factor = (connectTimeout[mode] + commandTimeout[mode]) / commandTimeout[mode];
    const m = await this.#requester.request(empty, { cmd: 'PRXY', server, basicAuth }, undefined, {
      ...options,
      factor,
    });
    if (m.msg === 'ERR') throw protocolFailure(m.error);
    if (m.msg !== 'PKEY') throw unexpected(m);
    const version = agreeVersion(this.#options.range ?? smpRange, m.range);
    if (version === undefined) throw transportFailure({ type: 'version' });
    const relayKey = checkProxiedCredentials(m, server.keyHash, this.#options.clock.now());
    return { server, sessionId: m.sessionId.slice(), version, relayKey };
  }

  /** Forgets the session with a destination (NO_SESSION). */
  #forgetProxied(relay: ProxiedRelay, made: Promise<ProxiedRelay>): void {
    const id = proxiedId(relay.server);
    if (this.#proxied.get(id) === made) this.#proxied.delete(id);
  }

  /** PFWD: has the command executed by the destination; gives its response. */
  async #forwardOnce(
    relay: ProxiedRelay,
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions,
  ): Promise<SmpMessage> {
    this.#requester.checkVersion(command.cmd, relay.version);
    // A key pair for each command: the destination cannot link two commands of one sender.
    const own = generateKeyPair('x25519', this.#options.random);
    const corrId = this.#options.random.bytes(idSize);
    const inner = encodeCommandTransmission(relay, corrId, entityId, command, key, relay.relayKey);
    const secret = dh(relay.relayKey, own.privateKey);
    let encrypted: Uint8Array;
    try {
      encrypted = sealForwardedCommand(secret, corrId, inner);
    } catch (e) {
      throw transportFailure({ type: 'largeMsg' }, e);
    }
    const forwarded: SmpCommand = { cmd: 'PFWD', version: relay.version, key: own.publicKey, encrypted };
    const m = await this.#requester.request(relay.sessionId, forwarded, undefined, { ...options, corrId, factor: 2 });
    if (m.msg === 'ERR') {
      throw new SmpClientError({ type: 'proxy', error: { type: 'protocolError', protocolErr: m.error } });
    }
    if (m.msg !== 'PRES') {
      throw new SmpClientError({ type: 'proxy', error: { type: 'unexpectedResponse', responseStr: m.msg } });
    }
    return openAnswer(relay, secret, corrId, entityId, m.encrypted);
  }

  /** Has a command executed by a destination; one that lost its session with the proxy gets another one once. */
  async forward(
    server: SmpServer,
    basicAuth: string | undefined,
    entityId: Uint8Array,
    command: SmpCommand,
    key: AuthPrivateKey | undefined,
    options: RequestOptions,
  ): Promise<SmpMessage> {
    for (let attempt = 0; ; attempt++) {
      const made = this.relay(server, basicAuth, options);
      const relay = await made;
      try {
        return await this.#forwardOnce(relay, entityId, command, key, options);
      } catch (e) {
        if (!(e instanceof SmpClientError && isNoSession(e))) throw e;
        this.#forgetProxied(relay, made);
        // The proxy lost its connection: once more the same way, then it is a temporary failure.
        if (attempt > 0) throw e;
      }
    }
  }
}

function proxiedId(server: SmpServer): string {
  return `${server.hosts.join(',')}:${server.port}#${Buffer.from(server.keyHash).toString('hex')}`;
}

function isNoSession(e: SmpClientError): boolean {
  const f = e.failure;
  if (f.type !== 'proxy' || f.error.type !== 'protocolError') return false;
  const p = f.error.protocolErr;
  return p.type === 'PROXY' && p.proxyErr.type === 'NO_SESSION';
}

/** Errors of PRXY that stay for the life of the connection to the proxy (section 12.6). */
function isLastingProxyError(e: SmpClientError): boolean {
  const f = e.failure;
  if (f.type === 'transport') return f.error.type === 'version';
  if (f.type !== 'protocol' || f.error.type !== 'PROXY' || f.error.proxyErr.type !== 'BROKER') return false;
  const b = f.error.proxyErr.brokerErr;
  return b.type === 'HOST' || (b.type === 'TRANSPORT' && b.transportErr.type === 'version');
}

/** Opens the destination's answer: anything but one transmission for this request is a proxy's response error. */
function openAnswer(
  relay: ProxiedRelay,
  secret: Uint8Array,
  corrId: Uint8Array,
  entityId: Uint8Array,
  encrypted: Uint8Array,
): SmpMessage {
  try {
    const t = decodeTransmission(openForwardedAnswer(secret, corrId, encrypted), relay.version);
    const m = decodeMessage(t.body, relay.version);
    const entityFits = equalBytes(t.entityId, entityId) || (m.msg === 'ERR' && t.entityId.length === 0);
    if (!equalBytes(t.corrId, corrId) || !entityFits) throw new DecodeError('forwarded', 'another request', 0);
    return m;
  } catch (e) {
    if (!(e instanceof CryptoError || e instanceof DecodeError)) throw e;
    const error = e instanceof CryptoError ? ({ type: 'CRYPTO' } as const) : ({ type: 'BLOCK' } as const);
    throw new SmpClientError({ type: 'proxy', error: { type: 'responseError', responseErr: error } }, e);
  }
}
