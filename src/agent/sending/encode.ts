import type { E2EParams } from '../../crypto/index.js';
import { decodeMessageKey, encryptBody, publicKeyFromRaw, publicKeyOf } from '../../crypto/index.js';
import { sealClientMessage } from '../../smp/index.js';
import { detached, inScratch } from '../../wire/index.js';
import type { AgentContext } from '../context.js';
import { encodeAgentEnvelope, encodeAgentMessageBody } from '../envelopes/index.js';
import type { SndMessage } from '../rows/messages.js';
import type { SndQueue } from '../state/connection.js';
import { AgentV, type AgentVersion } from '../versions.js';
import { messageKeyOf } from './enqueue.js';

/** The body of SEND for a message after the handshake: deterministic but for the nonce of the queue's box. */
export function encodeMessage(ctx: AgentContext, sq: SndQueue, m: SndMessage): Uint8Array {
  return inScratch(() => {
    const plaintext = encodeAgentMessageBody(m.sndId, m.prevHash, m.body);
    const encAgentMessage = encryptBody(decodeMessageKey(messageKeyOf(m)), plaintext, m.paddedLength);
    const envelope = encodeAgentEnvelope({ type: 'message', agentVersion: AgentV.Current, encAgentMessage });
    return detached(sealForQueue(ctx, sq, envelope));
  });
}

/** Seals an agent envelope for a queue whose recipient knows our key already. */
export function sealForQueue(ctx: AgentContext, sq: SndQueue, envelope: Uint8Array): Uint8Array {
  return sealClientMessage(
    sq.e2eKey,
    { version: sq.clientVersion, dhKey: undefined, nonce: ctx.random.bytes(24) },
    { senderKey: undefined, body: envelope },
  );
}

/** The body of SEND for a confirmation; `K` header when the sender cannot secure the queue itself (section 5.2). */
export function encodeConfirmation(
  ctx: AgentContext,
  sq: SndQueue,
  confirmation: {
    readonly agentVersion: AgentVersion;
    readonly e2e: E2EParams | undefined;
    readonly msgKey: Uint8Array;
    readonly paddedLength: number;
    readonly body: Uint8Array;
  },
): Uint8Array {
  const { agentVersion, e2e, msgKey, paddedLength, body } = confirmation;
  const encConnInfo = encryptBody(decodeMessageKey(msgKey), body, paddedLength);
  const envelope = encodeAgentEnvelope({
    type: 'confirmation',
    agentVersion,
    ...(e2e === undefined ? {} : { e2e }),
    encConnInfo,
  });
  return sealClientMessage(
    sq.e2eKey,
    { version: sq.clientVersion, dhKey: publicKeyFromRaw('x25519', sq.e2ePublicKey), nonce: ctx.random.bytes(24) },
    { senderKey: isSenderSecured(sq) ? undefined : publicKeyOf(sq.sndPrivateKey), body: envelope },
  );
}

/** The sender secures the queue by SKEY: its confirmation is signed and carries no key. */
export function isSenderSecured(sq: Pick<SndQueue, 'queueMode'>): boolean {
  return sq.queueMode === 'messaging';
}
