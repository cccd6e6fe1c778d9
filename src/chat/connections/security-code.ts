import type { Connection } from '../../api/index.js';
import type { Tx } from '../../store/index.js';
import type { ChatContext } from '../engine/context.js';
import { agentConnIdOf } from '../messaging/send.js';
import { updateConnection } from './queries.js';

/** The code of a hash of associated data: groups of five digits of the number that it is (50, section 2.14). */
export function securityCode(hash: Uint8Array): string {
  let n = 0n;
  for (const byte of hash) n = n * 256n + BigInt(byte);
  return (
    n
      .toString()
      .match(/.{1,5}/g)
      ?.join(' ') ?? ''
  );
}

/** People type codes with and without spaces. */
const sameCode = (a: string, b: string): boolean => a.replaceAll(' ', '') === b.replaceAll(' ', '');

async function currentCode(ctx: ChatContext, tx: Tx, connection: Connection): Promise<string> {
  return securityCode(await ctx.agent.getConnectionRatchetAdHash(tx, agentConnIdOf(connection)));
}

/** The code to compare with the peer's. A verification of another code, from before a new ratchet, ends. */
export async function readConnectionCode(ctx: ChatContext, tx: Tx, connection: Connection): Promise<string> {
  const code = await currentCode(ctx, tx, connection);
  const stored = connection.connectionCode?.securityCode;
  if (stored !== undefined && !sameCode(stored, code)) {
    const none = { security_code: null, security_code_verified_at: null };
    await updateConnection(tx, connection.connId, none, ctx.clock.now());
  }
  return code;
}

/** Marks the connection as verified when `given` is its code, as not verified when it is another or none. */
export async function verifyConnectionCode(
  ctx: ChatContext,
  tx: Tx,
  connection: Connection,
  given: string | undefined,
): Promise<{ readonly verified: boolean; readonly expectedCode: string }> {
  const expectedCode = await currentCode(ctx, tx, connection);
  const verified = given !== undefined && sameCode(given, expectedCode);
  const now = ctx.clock.now();
  await updateConnection(
    tx,
    connection.connId,
    { security_code: verified ? expectedCode : null, security_code_verified_at: verified ? now : null },
    now,
  );
  return { verified, expectedCode };
}
