import { expect, it } from 'vitest';
import { StoreError } from '../store/index.js';
import { errorJson } from './context.js';
import { AgentError, type AgentErrorJson, isHostError, isTemporaryError } from './errors.js';

const server = 'smp://AAAA@h';
type Broker = Extract<AgentErrorJson, { type: 'BROKER' }>['brokerErr'];
const broker = (brokerErr: Broker): AgentErrorJson => ({ type: 'BROKER', brokerAddress: server, brokerErr });
const smpProxy = (brokerErr: Broker): AgentErrorJson => ({
  type: 'SMP',
  serverAddress: server,
  smpErr: { type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr } },
});
const proxy = (brokerErr: Broker): AgentErrorJson => ({
  type: 'PROXY',
  proxyServer: server,
  relayServer: server,
  proxyErr: {
    type: 'protocolError',
    protocolErr: { type: 'PROXY', proxyErr: { type: 'BROKER', brokerErr } },
  },
});
const noSession: AgentErrorJson = {
  type: 'PROXY',
  proxyServer: server,
  relayServer: server,
  proxyErr: { type: 'protocolError', protocolErr: { type: 'PROXY', proxyErr: { type: 'NO_SESSION' } } },
};
const version: Broker = { type: 'TRANSPORT', transportErr: { type: 'version' } };

it.each<[AgentErrorJson, 'temporary' | 'host' | 'permanent']>([
  ...[broker, smpProxy, proxy].flatMap((wrap): [AgentErrorJson, 'temporary' | 'host' | 'permanent'][] => [
    [wrap({ type: 'NETWORK' }), 'temporary'],
    [wrap({ type: 'TIMEOUT' }), 'temporary'],
    [wrap({ type: 'HOST' }), 'host'],
    [wrap(version), 'host'],
    [wrap({ type: 'RESPONSE', respErr: 'x' }), 'permanent'],
    [wrap({ type: 'TRANSPORT', transportErr: { type: 'badBlock' } }), 'permanent'],
  ]),
  [noSession, 'temporary'],
  [{ type: 'INACTIVE' }, 'temporary'],
  [{ type: 'CRITICAL', offerRestart: true, criticalErr: '' }, 'temporary'],
  [{ type: 'CRITICAL', offerRestart: false, criticalErr: '' }, 'permanent'],
  [{ type: 'SMP', serverAddress: server, smpErr: { type: 'AUTH' } }, 'permanent'],
  [{ type: 'SMP', serverAddress: server, smpErr: { type: 'QUOTA' } }, 'permanent'],
  [{ type: 'INTERNAL', internalErr: '' }, 'permanent'],
])('%j is %s (section 16.2)', (json, kind) => {
  expect(isTemporaryError(json)).toBe(kind === 'temporary');
  expect(isHostError(json)).toBe(kind === 'host');
});

it('tries again what the database failed at, and gives up what is wrong in itself', () => {
  expect(isTemporaryError(errorJson(new StoreError('STORE_COMMIT', 'connection lost')))).toBe(true);
  expect(errorJson(new TypeError('x'))).toEqual({ type: 'INTERNAL', internalErr: 'x' });
});

it('shows no address in the message of an error', () => {
  expect(new AgentError(smpProxy({ type: 'NETWORK' })).message).toBe('SMP PROXY');
  expect(new AgentError(broker({ type: 'TIMEOUT' })).message).toBe('BROKER TIMEOUT');
});
