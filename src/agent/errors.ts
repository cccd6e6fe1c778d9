import { FanionError } from '../core/index.js';
import type { BrokerError, SmpError } from '../smp/index.js';

/** How a proxy refused to forward (30-agent.md, section 16.1). */
export type ProxyClientErrorJson =
  | { readonly type: 'protocolError'; readonly protocolErr: SmpError }
  | { readonly type: 'unexpectedResponse'; readonly responseStr: string }
  | { readonly type: 'responseError'; readonly responseErr: SmpError };
export type AgentCryptoErrorJson =
  | { readonly type: 'DECRYPT_AES' | 'DECRYPT_CB' | 'RATCHET_HEADER' | 'RATCHET_SYNC' }
  | { readonly type: 'RATCHET_EARLIER' | 'RATCHET_SKIPPED'; readonly data: number };
export type SmpAgentErrorJson =
  | { readonly type: 'A_MESSAGE' | 'A_VERSION' | 'A_DUPLICATE' }
  | { readonly type: 'A_PROHIBITED'; readonly prohibitedErr: string }
  | { readonly type: 'A_LINK'; readonly linkErr: string }
  | { readonly type: 'A_CRYPTO'; readonly cryptoErr: AgentCryptoErrorJson }
  | { readonly type: 'A_QUEUE'; readonly queueErr: string };

export type CmdErrorType = 'PROHIBITED' | 'SYNTAX' | 'NO_CONN' | 'SIZE' | 'LARGE';
export type ConnErrorType = 'NOT_FOUND' | 'DUPLICATE' | 'SIMPLEX' | 'NOT_ACCEPTED' | 'NOT_AVAILABLE';

/** `AgentErrorType` in its JSON form. `XFTP`, `FILE` and `RCP` details belong to the files part and are open objects. */
export type AgentErrorJson =
  | { readonly type: 'CMD'; readonly cmdErr: { readonly type: CmdErrorType }; readonly errContext: string }
  | { readonly type: 'CONN'; readonly connErr: { readonly type: ConnErrorType }; readonly errContext: string }
  | { readonly type: 'NO_USER' }
  | { readonly type: 'SMP'; readonly serverAddress: string; readonly smpErr: SmpError }
  | {
      readonly type: 'XFTP';
      readonly serverAddress: string;
      readonly xftpErr: { readonly type: string } & Readonly<Record<string, unknown>>;
    }
  | { readonly type: 'FILE'; readonly fileErr: { readonly type: string } & Readonly<Record<string, unknown>> }
  | {
      readonly type: 'PROXY';
      readonly proxyServer: string;
      readonly relayServer: string;
      readonly proxyErr: ProxyClientErrorJson;
    }
  | { readonly type: 'RCP'; readonly rcpErr: { readonly type: string } & Readonly<Record<string, unknown>> }
  | { readonly type: 'BROKER'; readonly brokerAddress: string; readonly brokerErr: BrokerError }
  | { readonly type: 'AGENT'; readonly agentErr: SmpAgentErrorJson }
  | { readonly type: 'INTERNAL'; readonly internalErr: string }
  | { readonly type: 'CRITICAL'; readonly offerRestart: boolean; readonly criticalErr: string }
  | { readonly type: 'INACTIVE' };

/** Every failure that the agent reports, thrown or in an event. `json` is the exact form of the bot API. */
export class AgentError extends FanionError {
  readonly json: AgentErrorJson;

  constructor(json: AgentErrorJson, options: { readonly cause?: unknown } = {}) {
    super(`AGENT_${json.type}`, describe(json), options);
    this.json = json;
  }
}

/** The text of an error without addresses: `AGENT A_VERSION`, `SMP AUTH`, `CONN NOT_FOUND`. */
function describe(json: AgentErrorJson): string {
  switch (json.type) {
    case 'CMD':
      return `CMD ${json.cmdErr.type}: ${json.errContext}`;
    case 'CONN':
      return `CONN ${json.connErr.type}: ${json.errContext}`;
    case 'SMP':
      return `SMP ${json.smpErr.type}`;
    case 'XFTP':
      return `XFTP ${json.xftpErr.type}`;
    case 'FILE':
      return `FILE ${json.fileErr.type}`;
    case 'PROXY':
      return `PROXY ${json.proxyErr.type}`;
    case 'BROKER':
      return `BROKER ${json.brokerErr.type}`;
    case 'AGENT': {
      const e = json.agentErr;
      const detail =
        e.type === 'A_PROHIBITED'
          ? ` ${e.prohibitedErr}`
          : e.type === 'A_QUEUE'
            ? ` ${e.queueErr}`
            : e.type === 'A_LINK'
              ? ` ${e.linkErr}`
              : e.type === 'A_CRYPTO'
                ? ` ${e.cryptoErr.type}`
                : '';
      return `AGENT ${e.type}${detail}`;
    }
    case 'INTERNAL':
      return `INTERNAL ${json.internalErr}`;
    case 'CRITICAL':
      return `CRITICAL ${json.criticalErr}`;
    default:
      return json.type;
  }
}

export const cmdError = (cmdErr: CmdErrorType, errContext: string): AgentError =>
  new AgentError({ type: 'CMD', cmdErr: { type: cmdErr }, errContext });
export const connError = (connErr: ConnErrorType, errContext = ''): AgentError =>
  new AgentError({ type: 'CONN', connErr: { type: connErr }, errContext });
export const agentError = (agentErr: SmpAgentErrorJson, cause?: unknown): AgentError =>
  new AgentError({ type: 'AGENT', agentErr }, { cause });
export const prohibited = (prohibitedErr: string): AgentError => agentError({ type: 'A_PROHIBITED', prohibitedErr });
export const queueError = (queueErr: string): AgentError => agentError({ type: 'A_QUEUE', queueErr });
export const cryptoError = (cryptoErr: AgentCryptoErrorJson, cause?: unknown): AgentError =>
  agentError({ type: 'A_CRYPTO', cryptoErr }, cause);
export const versionError = (): AgentError => agentError({ type: 'A_VERSION' });
export const messageError = (cause?: unknown): AgentError => agentError({ type: 'A_MESSAGE' }, cause);
export const internalError = (internalErr: string, cause?: unknown): AgentError =>
  new AgentError({ type: 'INTERNAL', internalErr }, { cause });

function isTransient(broker: BrokerError): boolean {
  return broker.type === 'NETWORK' || broker.type === 'TIMEOUT';
}

function isHostProblem(broker: BrokerError): boolean {
  return broker.type === 'HOST' || (broker.type === 'TRANSPORT' && broker.transportErr.type === 'version');
}

function proxyBroker(json: AgentErrorJson): BrokerError | undefined {
  const e =
    json.type === 'SMP'
      ? json.smpErr
      : json.type === 'PROXY' && json.proxyErr.type === 'protocolError'
        ? json.proxyErr.protocolErr
        : undefined;
  return e?.type === 'PROXY' && e.proxyErr.type === 'BROKER' ? e.proxyErr.brokerErr : undefined;
}

/** Worth another attempt with the fast interval (30-agent.md, section 16.2). */
export function isTemporaryError(json: AgentErrorJson): boolean {
  const nested = proxyBroker(json);
  if (nested !== undefined) return isTransient(nested);
  switch (json.type) {
    case 'BROKER':
      return isTransient(json.brokerErr);
    case 'PROXY':
      return (
        json.proxyErr.type === 'protocolError' &&
        json.proxyErr.protocolErr.type === 'PROXY' &&
        json.proxyErr.protocolErr.proxyErr.type === 'NO_SESSION'
      );
    case 'XFTP':
      return json.xftpErr.type === 'TIMEOUT';
    case 'INACTIVE':
      return true;
    case 'CRITICAL':
      return json.offerRestart;
    default:
      return false;
  }
}

/** The server (or proxy) has no usable host or version: retried like a temporary error; allows the proxy fallback. */
export function isHostError(json: AgentErrorJson): boolean {
  const nested = json.type === 'BROKER' ? json.brokerErr : proxyBroker(json);
  return nested !== undefined && isHostProblem(nested);
}

export const isTemporaryOrHostError = (json: AgentErrorJson): boolean => isTemporaryError(json) || isHostError(json);
