import { type BoxKey, boxKey, dh } from '../../crypto/index.js';
import {
  cmdError,
  decodeCommand,
  decodeTransmission,
  encodeMessageTransmission,
  idSize,
  maxSendBody,
  openForwardedCommand,
  openRelayForward,
  type RawTransmission,
  type SmpCommand,
  type SmpCommandName,
  type SmpError,
  type SmpMessage,
  SmpParseError,
  type SmpVersion,
  sealForwardedAnswer,
  sealRelayResponse,
  smpRange,
} from '../../smp/index.js';
import { isInRange } from '../../wire/index.js';
import { countLabel } from '../metrics.js';
import { authError, type Context, fail, type Of, ok } from './command-context.js';
import { acknowledges } from './delivery.js';
import { createQueue, idAttempts, newNotifier } from './new-queue.js';
import { forwardKey, type Peer } from './peer.js';
import type { RelayState } from './state.js';
import type { QueueRecord, StoredMessage } from './storage.js';
import { checkCredentials, verifyCommand } from './verify.js';

/** Commands on a queue that exists and that the client may execute: one entry per command. */
const queueCommands: {
  readonly [N in Exclude<SmpCommandName, 'NEW' | 'SUBS' | 'NSUBS' | 'PING' | 'PRXY' | 'PFWD' | 'RFWD'>]: (
    c: Context,
    queue: QueueRecord,
    command: Of<N>,
  ) => Promise<SmpMessage> | SmpMessage;
} = {
  SUB: subscribe,
  GET: get,
  ACK: acknowledge,
  SEND: send,
  async KEY({ state }, queue, { key }) {
    return (await state.storage.secureQueue(queue.recipientId, key)) ? ok : authError;
  },
  async SKEY({ state }, queue, { key }) {
    return (await state.storage.secureQueue(queue.recipientId, key)) ? ok : authError;
  },
  async LKEY(c, queue, { key }) {
    const link = await linkOf(c, queue);
    if (link === authError) return authError;
    return (await c.state.storage.secureQueue(queue.recipientId, key)) ? link : authError;
  },
  LGET: linkOf,
  async LSET({ state }, queue, { linkId, data }) {
    if (queue.mode !== 'C' && queue.senderKey !== undefined) return authError;
    const copy = { fixed: Uint8Array.from(data.fixed), user: Uint8Array.from(data.user) };
    return (await state.storage.setLinkData(queue.recipientId, Uint8Array.from(linkId), copy)) ? ok : authError;
  },
  async LDEL({ state }, queue) {
    await state.storage.deleteLinkData(queue.recipientId);
    return ok;
  },
  async RKEY({ state }, queue, { keys }) {
    if (queue.mode !== 'C') return authError;
    return (await state.storage.replaceRecipientKeys(queue.recipientId, keys)) ? ok : authError;
  },
  async NKEY({ state, peer }, queue, { notifier: keys }) {
    for (let attempt = 0; attempt < idAttempts; attempt++) {
      const made = newNotifier(state, keys);
      if (made === undefined) return fail({ type: 'CRYPTO' });
      if (!(await state.storage.setNotifier(queue.recipientId, made.notifier))) continue;
      if (queue.notifier !== undefined) state.delivery.notifierGone(peer, queue.notifier.notifierId);
      return { msg: 'NID', notifierId: made.notifier.notifierId, relayDhKey: made.relayDhKey };
    }
    return fail({ type: 'INTERNAL' });
  },
  async NDEL({ state, peer }, queue) {
    if (queue.notifier === undefined) return ok;
    await state.storage.setNotifier(queue.recipientId, undefined);
    state.delivery.notifierGone(peer, queue.notifier.notifierId);
    return ok;
  },
  NSUB({ state, peer }, queue) {
    if (queue.notifier === undefined) return authError;
    state.delivery.subscribeNotifier(peer, queue.notifier.notifierId);
    return { msg: 'SOK', serviceId: undefined };
  },
  async OFF({ state }, queue) {
    return (await state.storage.setStatus(queue.recipientId, { kind: 'off' })) ? ok : authError;
  },
  async DEL({ state, peer }, queue) {
    if (!(await state.storage.deleteQueue(queue.recipientId))) return authError;
    state.delivery.queueDeleted(peer, queue);
    return ok;
  },
  QUE: queueInfo,
};

/** Commands that a blocked queue still allows (section 11.10). */
const allowedWhenBlocked: ReadonlySet<SmpCommandName> = new Set<SmpCommandName>(['OFF', 'DEL', 'NSUB']);

/** Commands that a sender may have forwarded by a proxy. */
const forwardable: ReadonlySet<SmpCommandName> = new Set<SmpCommandName>(['SEND', 'SKEY', 'LKEY', 'LGET']);

const dayMs = 86_400_000;

/**
 * Executes one transmission of a client and gives the answer. PRXY and PFWD are not for here: see
 * `forwardedToOthers`.
 */
export async function executeTransmission(
  state: RelayState,
  peer: Peer,
  t: RawTransmission,
  command: SmpCommand,
  version: SmpVersion,
  afterwards: (() => Promise<void>)[],
): Promise<SmpMessage> {
  const c: Context = { state, peer, version, corrId: t.corrId, afterwards };
  countLabel(state.metrics.counts.commands, command.cmd);
  const verified = await verifyCommand(t, command, peer, state.storage);
  switch (verified.kind) {
    case 'error':
      return fail(verified.error);
    case 'free':
      return freeCommand(c, command);
    case 'queue':
      return queueCommand(c, verified.queue, command);
  }
}

async function freeCommand(c: Context, command: SmpCommand): Promise<SmpMessage> {
  switch (command.cmd) {
    case 'NEW':
      return createQueue(c, command);
    case 'PING':
      return { msg: 'PONG' };
    case 'RFWD':
      return forwarded(c, command.encrypted);
    default:
      return fail(cmdError('PROHIBITED'));
  }
}

async function queueCommand(c: Context, queue: QueueRecord, command: SmpCommand): Promise<SmpMessage> {
  const { status } = queue;
  if (status.kind === 'blocked' && !allowedWhenBlocked.has(command.cmd)) {
    return fail({ type: 'BLOCKED', blockInfo: status.info });
  }
  const answer = await runQueueCommand(c, queue, command);
  if (answer.msg !== 'ERR' && command.cmd !== 'DEL') await touch(c.state, queue);
  return answer;
}

/** Looks the command up in the table. The cast follows from the key: entry N takes commands named N. */
function runQueueCommand(c: Context, queue: QueueRecord, command: SmpCommand): Promise<SmpMessage> | SmpMessage {
  if (!isQueueCommand(command)) return fail(cmdError('PROHIBITED'));
  const run = queueCommands[command.cmd] as (
    c: Context,
    queue: QueueRecord,
    command: SmpCommand,
  ) => Promise<SmpMessage> | SmpMessage;
  return run(c, queue, command);
}

function isQueueCommand(command: SmpCommand): command is Of<keyof typeof queueCommands> {
  return command.cmd in queueCommands;
}

/** Notes the day of the last use, at most once a day. */
async function touch({ storage, clock }: RelayState, queue: QueueRecord): Promise<void> {
  const day = Math.floor(clock.now() / dayMs);
  if (queue.updatedDay !== day) await storage.touchQueue(queue.recipientId, day);
}

// --- links ---

async function linkOf({ state }: Context, queue: QueueRecord): Promise<SmpMessage> {
  const data = await state.storage.getLinkData(queue.recipientId);
  return data === undefined ? authError : { msg: 'LNK', senderId: queue.senderId, data };
}

// --- receiving ---

async function subscribe(c: Context, queue: QueueRecord): Promise<SmpMessage> {
  const { delivery, settings } = c.state;
  const { peer } = c;
  let subscription = delivery.subscriptionOf(peer, queue.recipientId);
  if (subscription?.kind === 'get') return fail(cmdError('PROHIBITED'));
  if (subscription === undefined) {
    if (peer.subscriptions.size >= settings.maxSubscriptions) return fail({ type: 'QUOTA' });
    subscription = delivery.subscribe(peer, queue.recipientId);
  } else {
    // A repeated SUB gets the message once more.
    subscription.delivered = undefined;
  }
  const subscribed = subscription;
  if ((await c.state.storage.queueSize(queue.recipientId)) > 0) {
    c.afterwards.push(() => delivery.deliverHead(subscribed));
  }
  return { msg: 'SOK', serviceId: undefined };
}

async function get(c: Context, queue: QueueRecord): Promise<SmpMessage> {
  const { delivery, settings } = c.state;
  let subscription = delivery.subscriptionOf(c.peer, queue.recipientId);
  if (subscription?.kind === 'sub') return fail(cmdError('PROHIBITED'));
  if (subscription === undefined) {
    if (c.peer.subscriptions.size >= settings.maxSubscriptions) return fail({ type: 'QUOTA' });
    subscription = delivery.addGet(c.peer, queue.recipientId);
  }
  const message = await c.state.storage.head(queue.recipientId);
  if (message === undefined) return ok;
  subscription.delivered = message.id;
  return delivery.deliveryOf(queue, message);
}

async function acknowledge(c: Context, queue: QueueRecord, command: Of<'ACK'>): Promise<SmpMessage> {
  const { delivery, storage, metrics } = c.state;
  const subscription = delivery.subscriptionOf(c.peer, queue.recipientId);
  if (subscription?.delivered === undefined || !acknowledges(command.msgId, subscription.delivered)) {
    return fail({ type: 'NO_MSG' });
  }
  const { delivered } = subscription;
  subscription.delivered = undefined;
  const { removed, next } = await storage.acknowledge(queue.recipientId, delivered);
  if (removed) metrics.counts.messagesAcknowledged++;
  if (subscription.kind === 'get' || next === undefined) return ok;
  // While the storage worked another connection may have taken the queue over, or the next message was pushed.
  if (delivery.subscriptionOf(c.peer, queue.recipientId) !== subscription || subscription.delivered !== undefined) {
    return ok;
  }
  subscription.delivered = next.id;
  return delivery.deliveryOf(queue, next);
}

async function queueInfo(c: Context, queue: QueueRecord): Promise<SmpMessage> {
  const { storage, delivery } = c.state;
  const subscription = delivery.subscriptionOf(c.peer, queue.recipientId);
  const head = await storage.head(queue.recipientId);
  const base64 = (id: Uint8Array): string => Buffer.from(id).toString('base64');
  return {
    msg: 'INFO',
    info: {
      qiSnd: queue.senderKey !== undefined,
      qiNtf: queue.notifier !== undefined,
      ...(subscription === undefined
        ? {}
        : {
            qiSub: {
              qSubThread: subscription.kind === 'get' ? ('prohibitSub' as const) : ('noSub' as const),
              ...(subscription.delivered === undefined ? {} : { qDelivered: base64(subscription.delivered) }),
            },
          }),
      qiSize: await storage.queueSize(queue.recipientId),
      ...(head === undefined
        ? {}
        : {
            qiMsg: {
              msgId: base64(head.id),
              msgTs: new Date(head.time * 1000).toISOString(),
              msgType: head.kind,
            },
          }),
    },
  };
}

// --- sending ---

async function send(c: Context, queue: QueueRecord, command: Of<'SEND'>): Promise<SmpMessage> {
  const { storage, delivery, metrics, settings, random, clock } = c.state;
  if (command.body.length > maxSendBody(c.version)) return fail({ type: 'LARGE_MSG' });
  if (queue.status.kind === 'off') return authError;
  // The first message says that the one-time link was used.
  if (queue.linkId !== undefined && queue.mode === 'M' && queue.senderKey !== undefined) {
    await storage.deleteLinkData(queue.recipientId);
  }
  const message: StoredMessage & { kind: 'message' } = {
    kind: 'message',
    id: random.bytes(idSize),
    time: Math.floor(clock.now() / 1000),
    notification: command.flags.notification,
    body: command.body,
  };
  const result = await storage.append(queue.recipientId, message, settings.quota);
  if (result.kind === 'gone') return authError;
  if (result.kind === 'full') {
    metrics.counts.quotaExceeded++;
    return fail({ type: 'QUOTA' });
  }
  metrics.counts.messagesReceived++;
  if (result.wasEmpty) delivery.push(queue, message);
  if (message.notification) delivery.notify(queue, message.id, message.time);
  return ok;
}

// --- forwarded commands, as the destination (section 10.2) ---

async function forwarded(c: Context, encrypted: Uint8Array): Promise<SmpMessage> {
  const { state, peer } = c;
  const relayKey = forwardKey(peer);
  if (relayKey === undefined) return fail({ type: 'CRYPTO' });
  let t: RawTransmission;
  let secret: BoxKey;
  let forward: ReturnType<typeof openRelayForward>;
  try {
    forward = openRelayForward(relayKey, c.corrId, encrypted);
    secret = boxKey(dh(forward.key, peer.sessionKey));
    if (!isInRange(forward.version, smpRange)) return fail(cmdError('PROHIBITED'));
    t = decodeTransmission(openForwardedCommand(secret, forward.corrId, forward.encrypted), forward.version);
  } catch {
    return fail({ type: 'CRYPTO' });
  }
  state.metrics.counts.forwardedAsDestination++;
  const answer = await forwardedCommand(c, t, forward.version);
  const context = { version: forward.version, sessionId: peer.sessionId };
  const inner = encodeMessageTransmission(context, t.corrId, t.entityId, answer);
  const response = { corrId: forward.corrId, encrypted: sealForwardedAnswer(secret, forward.corrId, inner) };
  return { msg: 'RRES', encrypted: sealRelayResponse(relayKey, c.corrId, response) };
}

function forwardedCommand(c: Context, t: RawTransmission, version: SmpVersion): Promise<SmpMessage> | SmpMessage {
  const parsed = parseCommand(t, version);
  if (parsed.kind === 'error') return fail(parsed.error);
  if (!forwardable.has(parsed.command.cmd)) return fail(cmdError('PROHIBITED'));
  return executeTransmission(c.state, c.peer, t, parsed.command, version, c.afterwards);
}

/** Parses the command of a transmission and checks that it has the credentials that it needs. */
export function parseCommand(
  t: RawTransmission,
  version: SmpVersion,
): { readonly kind: 'command'; readonly command: SmpCommand } | { readonly kind: 'error'; readonly error: SmpError } {
  try {
    const command = decodeCommand(t.body, version);
    const error = checkCredentials(t, command.cmd);
    return error === undefined ? { kind: 'command', command } : { kind: 'error', error };
  } catch (e) {
    if (e instanceof SmpParseError) return { kind: 'error', error: e.error };
    throw e;
  }
}
