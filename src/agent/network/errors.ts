import { brokerError, failureOf, formatServer, type SmpServer } from '../../smp/index.js';
import { AgentError, internalError } from '../errors.js';

/**
 * A failed request as an agent error (30-agent.md, section 16.2). `via` is the proxy that was used: answers of the
 * destination carry its address.
 */
export function smpAgentError(error: unknown, server: SmpServer, via?: SmpServer): AgentError {
  if (error instanceof AgentError) return error;
  const failure = failureOf(error);
  if (failure === undefined) return internalError(error instanceof Error ? error.message : String(error), error);
  const address = formatServer(via ?? server);
  switch (failure.type) {
    case 'protocol':
      return new AgentError({ type: 'SMP', serverAddress: address, smpErr: failure.error }, { cause: error });
    case 'proxy':
      return new AgentError(
        { type: 'PROXY', proxyServer: address, relayServer: formatServer(server), proxyErr: failure.error },
        { cause: error },
      );
    case 'crypto':
      return internalError('SMP crypto error', error);
    default: {
      const broker = brokerError(failure);
      if (broker === undefined) return internalError('SMP client error', error);
      // 6.4 shows NETWORK without details.
      const brokerErr = broker.type === 'NETWORK' ? ({ type: 'NETWORK' } as const) : broker;
      return new AgentError({ type: 'BROKER', brokerAddress: address, brokerErr }, { cause: error });
    }
  }
}
