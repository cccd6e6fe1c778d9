import type { Clock, RandomSource } from '../../core/index.js';
import { FanionError } from '../../core/index.js';
import { CryptoError } from '../../crypto/index.js';
import {
  formatServer,
  idSize,
  openRelayResponse,
  proxiedRange,
  type SmpCommand,
  type SmpError,
  type SmpMessage,
  type SmpServer,
  sealRelayForward,
  smpVersion,
} from '../../smp/index.js';
import { DecodeError, equalBytes } from '../../wire/index.js';
import { RelayLink, RelayLinkError } from './relay-link.js';
import type { RelayState } from './state.js';
import { idKey } from './storage.js';
import { samePassword } from './verify.js';

/** How long a failed connection attempt is remembered: whoever asks meanwhile gets the same error. */
const failureMs = 30_000;

/** Limits of the relay as a proxy, in milliseconds: for TCP, TLS and SMP handshake together, and for an answer. */
export interface ProxyPoolOptions {
  readonly connectTimeoutMs: number;
  readonly responseTimeoutMs: number;
  readonly clock: Clock;
  readonly random: RandomSource;
}

/** The connections of this relay to other relays: one per destination, shared by all senders (section 10.6). */
export class ProxyPool {
  readonly #options: ProxyPoolOptions;
  readonly #links = new Map<string, Promise<RelayLink>>();
  readonly #sessions = new Map<string, RelayLink>();
  #closed = false;

  constructor(options: ProxyPoolOptions) {
    this.#options = options;
  }

  /** The connection to a relay; opened if there is none. {@link RelayLinkError} when it cannot be. */
  link(server: SmpServer): Promise<RelayLink> {
    const key = formatServer(server);
    const known = this.#links.get(key);
    if (known !== undefined) return known;
    const opening = this.#open(key, server);
    this.#links.set(key, opening);
    opening.catch(() => {
      this.#options.clock.after(failureMs, () => this.#drop(key, opening), { unref: true });
    });
    return opening;
  }

  async #open(key: string, server: SmpServer): Promise<RelayLink> {
    const link = await RelayLink.open({ ...this.#options, server });
    if (this.#closed) {
      link.close();
      throw new RelayLinkError({ type: 'NETWORK' });
    }
    const session = idKey(link.sessionId);
    this.#sessions.set(session, link);
    link.onClose = () => {
      this.#sessions.delete(session);
      this.#links.delete(key);
    };
    if (link.isClosed) link.onClose();
    return link;
  }

  #drop(key: string, opening: Promise<RelayLink>): void {
    if (this.#links.get(key) === opening) this.#links.delete(key);
  }

  /** The connection with this session id. */
  session(sessionId: Uint8Array): RelayLink | undefined {
    return this.#sessions.get(idKey(sessionId));
  }

  close(): void {
    this.#closed = true;
    for (const link of [...this.#sessions.values()]) link.close();
    this.#links.clear();
  }
}

const proxyError = (error: SmpError & { type: 'PROXY' }): SmpMessage => ({ msg: 'ERR', error });

/** Errors on the way to another relay as the sender gets them (section 10.5). */
function linkError(error: unknown): SmpMessage {
  if (error instanceof RelayLinkError) {
    return proxyError({ type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr: error.error } });
  }
  if (error instanceof CryptoError || error instanceof DecodeError) return { msg: 'ERR', error: { type: 'CRYPTO' } };
  if (error instanceof FanionError) return { msg: 'ERR', error: { type: 'INTERNAL' } };
  throw error;
}

/** PRXY: connects to the destination and tells the sender its keys. */
export async function openProxySession(state: RelayState, command: SmpCommand & { cmd: 'PRXY' }): Promise<SmpMessage> {
  const { settings, proxies } = state;
  if (!settings.proxy || (settings.password !== undefined && !samePassword(settings.password, command.basicAuth))) {
    return proxyError({ type: 'PROXY', proxyErr: { type: 'BASIC_AUTH' } });
  }
  try {
    const link = await proxies.link(command.server);
    const min = Math.max(link.range.min, proxiedRange.min);
    const max = Math.min(link.range.max, proxiedRange.max);
    if (min > max) throw new RelayLinkError({ type: 'TRANSPORT', transportErr: { type: 'version' } });
    return {
      msg: 'PKEY',
      sessionId: link.sessionId,
      range: { min: smpVersion(min), max: smpVersion(max) },
      chain: link.credentials.chain,
      signedKey: link.credentials.signedKey,
    };
  } catch (error) {
    return linkError(error);
  }
}

/** PFWD: passes an encrypted command on and brings the encrypted answer back. */
export async function forwardToRelay(
  state: RelayState,
  senderCorrId: Uint8Array,
  sessionId: Uint8Array,
  command: SmpCommand & { cmd: 'PFWD' },
): Promise<SmpMessage> {
  const { proxies, random, metrics } = state;
  const link = proxies.session(sessionId);
  if (link === undefined) return proxyError({ type: 'PROXY', proxyErr: { type: 'NO_SESSION' } });
  metrics.counts.forwardedAsProxy++;
  const corrId = random.bytes(idSize);
  const { version, key, encrypted } = command;
  const sent = Uint8Array.from(senderCorrId);
  try {
    const box = sealRelayForward(link.secret, corrId, { corrId: sent, version, key, encrypted });
    const answer = await link.request(corrId, { cmd: 'RFWD', encrypted: box });
    if (answer.msg === 'ERR') {
      return proxyError({ type: 'PROXY', proxyErr: { type: 'PROTOCOL', protocolErr: answer.error } });
    }
    if (answer.msg !== 'RRES') throw new RelayLinkError({ type: 'UNEXPECTED', respErr: answer.msg });
    const response = openRelayResponse(link.secret, corrId, answer.encrypted);
    // The answer must be to this sender's command.
    if (!equalBytes(response.corrId, sent)) throw new RelayLinkError({ type: 'UNEXPECTED', respErr: 'corrId' });
    return { msg: 'PRES', encrypted: response.encrypted };
  } catch (error) {
    return linkError(error);
  }
}
