import { dh, generateKeyPair, type PublicKey, sha3_384 } from '../../crypto/index.js';
import { cmdError, idSize, type QueueMode, type SmpMessage } from '../../smp/index.js';
import { equalBytes } from '../../wire/index.js';
import { authError, type Context, fail, type Of } from './command-context.js';
import type { RelayState } from './state.js';
import type { QueueNotifier, QueueRecord, StoredQueueMode } from './storage.js';
import { samePassword } from './verify.js';

/** How often a new random id is tried when one is taken. */
export const idAttempts = 3;

const dayMs = 86_400_000;

const modes: Readonly<Record<QueueMode, StoredQueueMode>> = { messaging: 'M', contact: 'C' };

/** Ids and keys for the notifications of a queue; undefined when the client's key is of no use. */
export function newNotifier(
  state: RelayState,
  keys: { readonly authKey: QueueNotifier['key']; readonly dhKey: PublicKey<'x25519'> },
): { notifier: QueueNotifier; relayDhKey: PublicKey<'x25519'> } | undefined {
  const pair = generateKeyPair('x25519', state.random);
  try {
    const dhSecret = dh(keys.dhKey, pair.privateKey);
    const notifier = { notifierId: state.random.bytes(idSize), key: keys.authKey, dhSecret };
    return { notifier, relayDhKey: pair.publicKey };
  } catch {
    return undefined;
  }
}

/** NEW (20-smp.md, section 6.2): creates a queue, and subscribes it when asked to. */
export async function createQueue(c: Context, command: Of<'NEW'>): Promise<SmpMessage> {
  const { state, peer, corrId } = c;
  const { settings, random, storage } = state;
  const { queueReq } = command;
  if (!settings.newQueues) return authError;
  if (settings.password !== undefined && !samePassword(settings.password, command.basicAuth)) return authError;
  if (command.subMode === 'subscribe' && peer.subscriptions.size >= settings.maxSubscriptions) {
    return fail({ type: 'QUOTA' });
  }
  const link = queueReq?.link;
  if (link !== undefined && !equalBytes(link.senderId, sha3_384(corrId).subarray(0, idSize))) {
    return fail(cmdError('PROHIBITED'));
  }
  const pair = generateKeyPair('x25519', random);
  let rcvDhSecret: Uint8Array;
  try {
    rcvDhSecret = dh(command.rcvDhKey, pair.privateKey);
  } catch {
    return fail({ type: 'CRYPTO' });
  }
  for (let attempt = 0; attempt < idAttempts; attempt++) {
    const notifier = command.notifier === undefined ? undefined : newNotifier(state, command.notifier);
    if (command.notifier !== undefined && notifier === undefined) return fail({ type: 'CRYPTO' });
    const record: QueueRecord = {
      recipientId: random.bytes(idSize),
      recipientKeys: [command.rcvAuthKey],
      rcvDhSecret,
      senderId: link === undefined ? random.bytes(idSize) : Uint8Array.from(link.senderId),
      senderKey: undefined,
      mode: queueReq === undefined ? undefined : modes[queueReq.mode],
      linkId: linkIdFor(queueReq, () => random.bytes(idSize)),
      notifier: notifier?.notifier,
      status: { kind: 'active' },
      updatedDay: Math.floor(state.clock.now() / dayMs),
    };
    const linkData =
      link === undefined ? undefined : { fixed: Uint8Array.from(link.fixed), user: Uint8Array.from(link.user) };
    if (!(await storage.createQueue({ record, linkData, clientIds: link !== undefined }))) continue;
    if (command.subMode === 'subscribe') state.delivery.subscribe(peer, record.recipientId);
    return {
      msg: 'IDS',
      rcvId: record.recipientId,
      sndId: record.senderId,
      relayDhKey: pair.publicKey,
      queueMode: queueReq?.mode,
      linkId: record.linkId,
      serviceId: undefined,
      notifier:
        notifier === undefined
          ? undefined
          : { notifierId: notifier.notifier.notifierId, relayDhKey: notifier.relayDhKey },
    };
  }
  // Ids that the client chose stay taken however often it is tried.
  return link === undefined ? fail({ type: 'INTERNAL' }) : authError;
}

/** The link id of a new queue: a contact address brings its own, a messaging queue gets one. */
function linkIdFor(request: Of<'NEW'>['queueReq'], fresh: () => Uint8Array): Uint8Array | undefined {
  if (request?.link === undefined) return undefined;
  return request.mode === 'contact' ? Uint8Array.from(request.link.linkId) : fresh();
}
