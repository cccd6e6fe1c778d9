import { generateKeyPair } from '../../crypto/index.js';
import { parseServerWithAuth, type SmpPool } from '../../smp/index.js';
import type { AgentContext } from '../context.js';
import { cmdError } from '../errors.js';
import { smpAgentError } from '../network/errors.js';
import type { SubscribedQueue } from '../subscriptions/subscriptions.js';
import type { ServerTestFailure, ServerText, UserId } from '../types.js';

/** Tries what a queue needs on a server; undefined when all works. */
export async function testServer(
  ctx: AgentContext,
  pool: SmpPool<SubscribedQueue>,
  userId: UserId,
  text: ServerText,
): Promise<ServerTestFailure | undefined> {
  let parsed: ReturnType<typeof parseServerWithAuth<'smp'>>;
  try {
    parsed = parseServerWithAuth(text, 'smp');
  } catch {
    throw cmdError('SYNTAX', 'server address');
  }
  const { server, basicAuth } = parsed;
  let testStep: ServerTestFailure['testStep'] = 'connect';
  try {
    await ctx.operations.run(async () => {
      const client = await pool.client(pool.sessionOf({ userId, server }), { mode: 'interactive' });
      testStep = 'createQueue';
      const authKey = generateKeyPair('ed25519', ctx.random).privateKey;
      const { rcvId } = await client.createQueue({
        authKey,
        dhKey: generateKeyPair('x25519', ctx.random).publicKey,
        basicAuth,
        subMode: 'create',
        request: { mode: 'messaging' },
      });
      testStep = 'secureQueue';
      await client.secureQueue({ rcvId, authKey }, generateKeyPair('ed25519', ctx.random).publicKey);
      testStep = 'deleteQueue';
      await client.deleteQueue({ rcvId, authKey });
    });
    return undefined;
  } catch (error) {
    return { testStep, testError: smpAgentError(error, server).json };
  }
}
