import type { Clock, RandomSource, Timer } from '../../core/index.js';
import { type BoxKey, boxKey } from '../../crypto/index.js';
import { idSize, type SmpError, type SmpMessage, sealNtfMeta, sealRcvBody } from '../../smp/index.js';
import { equalBytes } from '../../wire/index.js';
import type { RelayCounts } from '../metrics.js';
import type { Peer, Subscription } from './peer.js';
import { idKey, idOf, type QueueRecord, type SmpStorage, type StoredMessage } from './storage.js';

const noId = new Uint8Array(0);

/** Notifications that wait for a subscriber: per notifier, and for how long. */
const maxPendingNotifications = 16;
const notificationTtlMs = 24 * 3_600_000;

type PendingNotification = SmpMessage & { msg: 'NMSG' };

/** What delivery shares with the rest of the relay. */
export interface DeliveryOptions {
  readonly storage: SmpStorage;
  readonly counts: RelayCounts;
  readonly clock: Clock;
  readonly random: RandomSource;
  /** END and DELD are collected for this long. */
  readonly eventDelayMs: number;
}

/** The keys of the recipients' layers, as long as the queue records are in memory. */
const boxKeys = new WeakMap<Uint8Array, BoxKey>();

function recipientBoxKey(queue: QueueRecord): BoxKey {
  let key = boxKeys.get(queue.rcvDhSecret);
  if (key === undefined) {
    key = boxKey(queue.rcvDhSecret);
    boxKeys.set(queue.rcvDhSecret, key);
  }
  return key;
}

/** The MSG of a stored message: encrypted when it is delivered, the same bytes each time (section 9.1). */
function messageFor(queue: QueueRecord, message: StoredMessage): SmpMessage {
  const body =
    message.kind === 'quota'
      ? ({ kind: 'quota', timestamp: message.time } as const)
      : ({
          kind: 'message',
          timestamp: message.time,
          flags: { notification: message.notification },
          body: message.body,
        } as const);
  return { msg: 'MSG', msgId: message.id, encBody: sealRcvBody(recipientBoxKey(queue), message.id, body) };
}

/** Who is subscribed to what, and what is on its way to whom (section 11.4). */
export class Delivery {
  readonly #options: DeliveryOptions;
  readonly #subscribers = new Map<string, Subscription>();
  readonly #notified = new Map<string, Peer>();
  readonly #notifications = new Map<string, { at: number; messages: PendingNotification[] }>();
  #events: { peer: Peer; entityId: Uint8Array; message: SmpMessage }[] = [];
  #eventTimer: Timer | undefined;

  constructor(options: DeliveryOptions) {
    this.#options = options;
  }

  /** The connection that gets the messages of a queue. */
  subscriber(recipientId: Uint8Array): Subscription | undefined {
    return this.#subscribers.get(idKey(recipientId));
  }

  /** Subscribes a connection; the one that was subscribed before loses the queue and gets END. */
  subscribe(peer: Peer, recipientId: Uint8Array): Subscription {
    const key = idKey(recipientId);
    const subscription: Subscription = { queue: key, peer, kind: 'sub', delivered: undefined };
    const before = this.#subscribers.get(key);
    if (before !== undefined && before.peer !== peer) {
      before.peer.subscriptions.delete(key);
      this.event(before.peer, recipientId, { msg: 'END' });
    }
    if (before === undefined) this.#options.counts.subscriptions++;
    // The connection may have closed while the command was worked on: then nobody is subscribed.
    if (peer.isClosed) {
      this.#subscribers.delete(key);
      this.#options.counts.subscriptions--;
      return subscription;
    }
    peer.subscriptions.set(key, subscription);
    this.#subscribers.set(key, subscription);
    return subscription;
  }

  /** The subscription of this connection, of either kind. */
  subscriptionOf(peer: Peer, recipientId: Uint8Array): Subscription | undefined {
    return peer.subscriptions.get(idKey(recipientId));
  }

  /** Remembers that a connection asks for messages one by one; it takes nothing over. */
  addGet(peer: Peer, recipientId: Uint8Array): Subscription {
    const key = idKey(recipientId);
    const subscription: Subscription = { queue: key, peer, kind: 'get', delivered: undefined };
    peer.subscriptions.set(key, subscription);
    return subscription;
  }

  /** The queue was deleted by `by`: another subscriber gets DELD. */
  queueDeleted(by: Peer, queue: QueueRecord): void {
    const key = idKey(queue.recipientId);
    by.subscriptions.delete(key);
    const subscription = this.#subscribers.get(key);
    if (subscription !== undefined) {
      this.#subscribers.delete(key);
      this.#options.counts.subscriptions--;
      subscription.peer.subscriptions.delete(key);
      if (subscription.peer !== by) this.event(subscription.peer, queue.recipientId, { msg: 'DELD' });
    }
    if (queue.notifier !== undefined) this.notifierGone(by, queue.notifier.notifierId);
  }

  /** The queue was blocked: its subscriber is told at once (section 11.10). */
  queueBlocked(queue: QueueRecord, error: SmpError): void {
    this.subscriber(queue.recipientId)?.peer.send(noId, queue.recipientId, { msg: 'ERR', error });
  }

  /** Delivers a message that came into an empty queue, if its subscriber waits for one. */
  push(queue: QueueRecord, message: StoredMessage): void {
    const subscription = this.subscriber(queue.recipientId);
    if (subscription === undefined || subscription.delivered !== undefined) return;
    this.#deliver(subscription, queue, message);
  }

  #deliver(subscription: Subscription, queue: QueueRecord, message: StoredMessage): void {
    const { peer } = subscription;
    if (peer.isFull) {
      peer.deferred.add(idKey(queue.recipientId));
      return;
    }
    subscription.delivered = message.id;
    peer.send(noId, queue.recipientId, this.deliveryOf(queue, message));
  }

  /** The MSG of a message, counted as delivered. */
  deliveryOf(queue: QueueRecord, message: StoredMessage): SmpMessage {
    this.#options.counts.messagesDelivered++;
    return messageFor(queue, message);
  }

  /** Delivers the head of a queue to its subscriber, if nothing is out. */
  async deliverHead(subscription: Subscription): Promise<void> {
    const { peer } = subscription;
    if (peer.isFull) {
      peer.deferred.add(subscription.queue);
      return;
    }
    const { storage } = this.#options;
    const recipientId = idOf(subscription.queue);
    const message = await storage.head(recipientId);
    const queue = message === undefined ? undefined : await storage.findQueue('recipient', recipientId);
    // While the storage was asked the subscription may have moved on.
    if (message === undefined || queue === undefined || subscription.delivered !== undefined) return;
    if (peer.subscriptions.get(subscription.queue) !== subscription) return;
    this.#deliver(subscription, queue, message);
  }

  /** The connection's buffer has room again: makes the deliveries that waited for it. */
  async drained(peer: Peer): Promise<void> {
    for (const key of peer.deferred) {
      if (peer.isFull || peer.isClosed) return;
      peer.deferred.delete(key);
      const subscription = peer.subscriptions.get(key);
      if (subscription?.kind === 'sub' && subscription.delivered === undefined) await this.deliverHead(subscription);
    }
  }

  /** Forgets a connection. Nothing is sent to anyone. */
  remove(peer: Peer): void {
    for (const [key, subscription] of peer.subscriptions) {
      if (this.#subscribers.get(key) === subscription) {
        this.#subscribers.delete(key);
        this.#options.counts.subscriptions--;
      }
    }
    peer.subscriptions.clear();
    for (const key of peer.notifiers) if (this.#notified.get(key) === peer) this.#notified.delete(key);
    peer.notifiers.clear();
    peer.deferred.clear();
  }

  // --- notifications ---

  /** Registers a connection for the notifications of a queue; it gets those that waited. */
  subscribeNotifier(peer: Peer, notifierId: Uint8Array): void {
    const key = idKey(notifierId);
    const before = this.#notified.get(key);
    if (before !== undefined && before !== peer) {
      before.notifiers.delete(key);
      this.event(before, notifierId, { msg: 'END' });
    }
    if (peer.isClosed) return;
    this.#notified.set(key, peer);
    peer.notifiers.add(key);
    const waiting = this.#notifications.get(key);
    this.#notifications.delete(key);
    for (const message of waiting?.messages ?? []) this.event(peer, notifierId, message);
  }

  /** The notifier was replaced or deleted by `by`: its subscriber gets DELD. */
  notifierGone(by: Peer, notifierId: Uint8Array): void {
    const key = idKey(notifierId);
    this.#notifications.delete(key);
    const peer = this.#notified.get(key);
    if (peer === undefined) return;
    this.#notified.delete(key);
    peer.notifiers.delete(key);
    if (peer !== by) this.event(peer, notifierId, { msg: 'DELD' });
  }

  /** Tells the notifier of a queue about a message. */
  notify(queue: QueueRecord, messageId: Uint8Array, time: number): void {
    const { notifier } = queue;
    if (notifier === undefined) return;
    const nonce = this.#options.random.bytes(idSize);
    const encMeta = sealNtfMeta(notifier.dhSecret, nonce, { msgId: messageId, timestamp: time });
    const message: PendingNotification = { msg: 'NMSG', nonce, encMeta };
    const key = idKey(notifier.notifierId);
    const peer = this.#notified.get(key);
    if (peer !== undefined) {
      this.event(peer, notifier.notifierId, message);
      return;
    }
    const waiting = this.#notifications.get(key)?.messages ?? [];
    waiting.push(message);
    if (waiting.length > maxPendingNotifications) waiting.shift();
    this.#notifications.set(key, { at: this.#options.clock.now(), messages: waiting });
  }

  /** Drops notifications that nobody fetched for a day. */
  expireNotifications(): void {
    const before = this.#options.clock.now() - notificationTtlMs;
    for (const [key, { at }] of this.#notifications) if (at < before) this.#notifications.delete(key);
  }

  // --- events ---

  /** Queues an event for a connection; events are collected, so that many share a block. */
  event(peer: Peer, entityId: Uint8Array, message: SmpMessage): void {
    this.#events.push({ peer, entityId, message });
    this.#eventTimer ??= this.#options.clock.after(this.#options.eventDelayMs, () => this.flushEvents(), {
      unref: true,
    });
  }

  flushEvents(): void {
    this.#eventTimer?.cancel();
    this.#eventTimer = undefined;
    const events = this.#events;
    this.#events = [];
    for (const { peer, entityId, message } of events) if (!peer.isClosed) peer.send(noId, entityId, message);
  }

  close(): void {
    this.#eventTimer?.cancel();
    this.#eventTimer = undefined;
    this.#events = [];
  }
}

/** Whether ACK names the message that is out: an empty id stands for whatever it is. */
export function acknowledges(messageId: Uint8Array, delivered: Uint8Array): boolean {
  return messageId.length === 0 || equalBytes(messageId, delivered);
}
