import type { AgentErrorJson } from '../../agent/index.js';
import type { SndError, SrvError } from '../../api/index.js';
import type { BrokerError } from '../../smp/index.js';

/** Why a message was not delivered, as the status of an item shows it (50, section 4.2). */
export function sndErrorOf(error: AgentErrorJson): SndError {
  if (error.type === 'SMP') {
    const { smpErr } = error;
    if (smpErr.type === 'AUTH') return { type: 'auth' };
    if (smpErr.type === 'QUOTA') return { type: 'quota' };
    if (smpErr.type === 'PROXY' && smpErr.proxyErr.type === 'BROKER') {
      return brokerError(smpErr.proxyErr.brokerErr, (srvError) => ({
        type: 'proxy',
        proxyServer: error.serverAddress,
        srvError,
      }));
    }
  }
  if (error.type === 'BROKER') {
    return brokerError(error.brokerErr, (srvError) => ({ type: 'relay', srvError }));
  }
  if (error.type === 'PROXY' && error.proxyErr.type === 'protocolError') {
    const { protocolErr } = error.proxyErr;
    if (protocolErr.type === 'PROXY' && protocolErr.proxyErr.type === 'BROKER') {
      return brokerError(protocolErr.proxyErr.brokerErr, (srvError) => ({
        type: 'proxyRelay',
        proxyServer: error.proxyServer,
        srvError,
      }));
    }
  }
  return { type: 'other', sndError: JSON.stringify(error) };
}

function brokerError(error: BrokerError, wrap: (srvError: SrvError) => SndError): SndError {
  if (error.type === 'NETWORK' || error.type === 'TIMEOUT') return { type: 'expired' };
  if (error.type === 'HOST') return wrap({ type: 'host' });
  if (error.type === 'TRANSPORT' && error.transportErr.type === 'version') return wrap({ type: 'version' });
  return wrap({ type: 'other', srvError: error.type });
}

/** The queue is full. */
export function isQuotaError(error: AgentErrorJson): boolean {
  return error.type === 'SMP' && error.smpErr.type === 'QUOTA';
}

/** The queue is gone, or does not know us. */
export function isAuthError(error: AgentErrorJson): boolean {
  return error.type === 'SMP' && error.smpErr.type === 'AUTH';
}
