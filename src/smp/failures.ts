import { FanionError } from '../core/index.js';
import {
  type BrokerError,
  formatBrokerError,
  formatSmpError,
  formatTransportError,
  type NetworkError,
  type SmpError,
  type TransportError,
} from './errors.js';

/** What a proxy answered instead of the destination's response (30-agent.md, section 16.1). The value is its JSON. */
export type ProxyClientError =
  | { readonly type: 'protocolError'; readonly protocolErr: SmpError }
  | { readonly type: 'unexpectedResponse'; readonly responseStr: string }
  | { readonly type: 'responseError'; readonly responseErr: SmpError };

/**
 * Why a request to a relay failed:
 *
 * - `protocol`: the relay answered with an error; of a forwarded command: the destination did;
 * - `proxy`: the proxy answered with an error of its own;
 * - `response`, `unexpected`: the answer cannot be parsed, or is none to the command;
 * - `timeout`, `network`: no answer, no connection;
 * - `host`: the address has no host that may be used;
 * - `transport`: block or handshake, a version without the command, a command that fits no block;
 * - `crypto`: an answer that cannot be decrypted.
 */
export type SmpFailure =
  | { readonly type: 'protocol'; readonly error: SmpError }
  | { readonly type: 'proxy'; readonly error: ProxyClientError }
  | { readonly type: 'response' | 'unexpected'; readonly text: string }
  | { readonly type: 'timeout' | 'host' | 'crypto' }
  | { readonly type: 'network'; readonly error: NetworkError }
  | { readonly type: 'transport'; readonly error: TransportError };

const codes = {
  protocol: 'SMP_PROTOCOL',
  proxy: 'SMP_PROXY',
  response: 'SMP_RESPONSE',
  unexpected: 'SMP_UNEXPECTED',
  timeout: 'SMP_TIMEOUT',
  network: 'SMP_NETWORK',
  host: 'SMP_HOST',
  transport: 'SMP_TRANSPORT',
  crypto: 'SMP_CRYPTO',
} as const;

function describe(f: SmpFailure): string {
  switch (f.type) {
    case 'protocol':
      return `the relay answered ${formatSmpError(f.error)}`;
    case 'proxy':
      return `the proxy answered ${f.error.type}`;
    case 'response':
    case 'unexpected':
      return `${f.type} answer: ${f.text}`;
    case 'network':
      return `network: ${f.error.type}`;
    case 'transport':
      return `transport: ${formatTransportError(f.error)}`;
    default:
      return f.type;
  }
}

/** Every error of the client. `failure` says what to do about it; messages hold no ids and no texts of users. */
export class SmpClientError extends FanionError {
  readonly failure: SmpFailure;

  constructor(failure: SmpFailure, cause?: unknown) {
    super(codes[failure.type], describe(failure), cause === undefined ? {} : { cause });
    this.failure = failure;
  }
}

/** The relay's error answer as a failure. */
export function protocolFailure(error: SmpError): SmpClientError {
  return new SmpClientError({ type: 'protocol', error });
}

/** A failure of block, handshake or version. */
export function transportFailure(error: TransportError, cause?: unknown): SmpClientError {
  return new SmpClientError({ type: 'transport', error }, cause);
}

/** No connection, or a broken one. */
export function networkFailure(error: NetworkError, cause?: unknown): SmpClientError {
  return new SmpClientError({ type: 'network', error }, cause);
}

/** The failure of anything that was thrown by this room; other errors are not network failures and pass through. */
export function failureOf(e: unknown): SmpFailure | undefined {
  return e instanceof SmpClientError ? e.failure : undefined;
}

function isBroker(e: SmpError, test: (b: BrokerError) => boolean): boolean {
  return e.type === 'PROXY' && e.proxyErr.type === 'BROKER' && test(e.proxyErr.brokerErr);
}

function isNetworkError(b: BrokerError): boolean {
  return b.type === 'NETWORK' || b.type === 'TIMEOUT';
}

function isHostBrokerError(b: BrokerError): boolean {
  return b.type === 'HOST' || (b.type === 'TRANSPORT' && b.transportErr.type === 'version');
}

/** Failures that pass by themselves: retry, keep a subscription pending (20-smp.md, section 8.2). */
export function isTemporaryFailure(f: SmpFailure): boolean {
  switch (f.type) {
    case 'timeout':
    case 'network':
      return true;
    case 'protocol':
      return isBroker(f.error, isNetworkError);
    case 'proxy': {
      if (f.error.type !== 'protocolError') return false;
      const e = f.error.protocolErr;
      return isBroker(e, isNetworkError) || (e.type === 'PROXY' && e.proxyErr.type === 'NO_SESSION');
    }
    default:
      return false;
  }
}

/** The relay, or the way through the proxy, cannot be used at all: allows sending directly, if so configured. */
export function isHostFailure(f: SmpFailure): boolean {
  switch (f.type) {
    case 'host':
      return true;
    case 'transport':
      return f.error.type === 'version';
    case 'protocol':
      return isBroker(f.error, isHostBrokerError);
    case 'proxy':
      return f.error.type === 'protocolError' && isBroker(f.error.protocolErr, isHostBrokerError);
    default:
      return false;
  }
}

/** The failure as a broker error of the agent's and a proxy's errors; undefined for answers of the relay itself. */
export function brokerError(f: SmpFailure): BrokerError | undefined {
  switch (f.type) {
    case 'response':
      return { type: 'RESPONSE', respErr: f.text.slice(0, 255) };
    case 'unexpected':
      return { type: 'UNEXPECTED', respErr: f.text.slice(0, 32) };
    case 'timeout':
      return { type: 'TIMEOUT' };
    case 'network':
      return { type: 'NETWORK', networkError: f.error };
    case 'host':
      return { type: 'HOST' };
    case 'transport':
      return { type: 'TRANSPORT', transportErr: f.error };
    default:
      return undefined;
  }
}

/** For logs: without addresses. */
export function formatFailure(f: SmpFailure): string {
  const broker = brokerError(f);
  return broker === undefined ? describe(f) : formatBrokerError(broker);
}
