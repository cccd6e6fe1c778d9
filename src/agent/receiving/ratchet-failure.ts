import type { RatchetError } from '../../crypto/index.js';
import {
  type AgentCryptoErrorJson,
  type AgentError,
  agentError,
  cmdError,
  cryptoError,
  internalError,
  messageError,
} from '../errors.js';

/** 10-crypto-and-ratchet.md, section 5.9: what the agent reports for a ratchet error. */
export function ratchetFailure(error: RatchetError): AgentError {
  switch (error.reason) {
    case 'HEADER':
      return cryptoError({ type: 'RATCHET_HEADER' }, error);
    case 'DECRYPT_AES':
      return cryptoError({ type: 'DECRYPT_AES' }, error);
    case 'EARLIER':
      return cryptoError({ type: 'RATCHET_EARLIER', data: error.count }, error);
    case 'SKIPPED':
      return cryptoError({ type: 'RATCHET_SKIPPED', data: error.count }, error);
    case 'DUPLICATE':
      return agentError({ type: 'A_DUPLICATE' }, error);
    case 'PARSE':
      return messageError(error);
    case 'LARGE':
      return cmdError('LARGE', 'ratchet');
    default:
      return internalError(`ratchet: ${error.reason}`, error);
  }
}

/** The crypto error inside of an agent error, if it is one: it changes the state of ratchet synchronisation. */
export function cryptoErrorOf(error: AgentError): AgentCryptoErrorJson | undefined {
  const { json } = error;
  return json.type === 'AGENT' && json.agentErr.type === 'A_CRYPTO' ? json.agentErr.cryptoErr : undefined;
}

/** Section 8.4: what a crypto error means for the ratchet. */
export function syncStateAfter(error: AgentCryptoErrorJson): 'allowed' | 'required' {
  switch (error.type) {
    case 'RATCHET_HEADER':
    case 'RATCHET_SKIPPED':
    case 'RATCHET_SYNC':
      return 'required';
    default:
      return 'allowed';
  }
}
