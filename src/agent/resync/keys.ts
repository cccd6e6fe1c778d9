import { type E2EKeys, type E2EParams, e2eParamsOf, generateE2EKeys } from '../../crypto/index.js';
import type { Tx } from '../../store/index.js';
import type { AgentContext } from '../context.js';
import { encodeAgentEnvelope, encodeAgentMessage } from '../envelopes/index.js';
import { enqueueRatchetKey } from '../sending/enqueue.js';
import type { Conn } from '../state/connection.js';
import { AgentV } from '../versions.js';

/** New keys for a ratchet; a KEM key is proposed when the connection supports PQ. */
export function resyncKeys(ctx: AgentContext, pqSupport: boolean): E2EKeys {
  // Rare, and inside a transaction: when no pair is ready, 17 ms on the main thread are the lesser evil.
  const pair = pqSupport ? (ctx.kem.take() ?? ctx.kem.kem.generateKeyPair()) : undefined;
  return generateE2EKeys(ctx.random, pair);
}

/** Queues our AgentRatchetKey to the peer. */
export async function sendRatchetKey(
  ctx: AgentContext,
  tx: Tx,
  conn: Conn,
  keys: E2EKeys,
  version: E2EParams['version'],
): Promise<void> {
  const envelope = encodeAgentEnvelope({
    type: 'ratchetKey',
    agentVersion: AgentV.Current,
    e2e: e2eParamsOf(keys, version),
    info: encodeAgentMessage({ type: 'ratchetInfo', info: new Uint8Array() }),
  });
  await enqueueRatchetKey(ctx, tx, conn, envelope);
}
