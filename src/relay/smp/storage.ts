import { timingSafeEqual } from 'node:crypto';
import type { AuthAlgorithm, PublicKey } from '../../crypto/index.js';
import type { BlockingInfo, LinkData } from '../../smp/index.js';

/** `M` messaging, `C` contact address, undefined for queues of clients older than version 9. */
export type StoredQueueMode = 'M' | 'C' | undefined;

export type AuthKey = PublicKey<AuthAlgorithm>;

export type QueueStatus =
  | { readonly kind: 'active' }
  | { readonly kind: 'off' }
  | { readonly kind: 'blocked'; readonly info: BlockingInfo };

/** Where notifications of a queue go. */
export interface QueueNotifier {
  readonly notifierId: Uint8Array;
  readonly key: AuthKey;
  /** Shared secret of the notification metadata, 32 bytes. */
  readonly dhSecret: Uint8Array;
}

/**
 * A queue as the storage holds it (20-smp.md, section 11.1). A snapshot: drivers replace it on change, so what was
 * read before an await may be old. Operations that must not act on old values check inside the storage.
 */
export interface QueueRecord {
  readonly recipientId: Uint8Array;
  readonly recipientKeys: readonly [AuthKey, ...AuthKey[]];
  /** X25519 secret of the recipient's layer, 32 bytes. */
  readonly rcvDhSecret: Uint8Array;
  readonly senderId: Uint8Array;
  readonly senderKey: AuthKey | undefined;
  readonly mode: StoredQueueMode;
  /** Set while the queue has link data. */
  readonly linkId: Uint8Array | undefined;
  readonly notifier: QueueNotifier | undefined;
  readonly status: QueueStatus;
  /** Days since the epoch. */
  readonly updatedDay: number;
}

/** A queue and its link data, which are stored together or not at all. */
export interface NewQueue {
  readonly record: QueueRecord;
  readonly linkData: LinkData | undefined;
  /** The client chose the sender id (and the link id): they are remembered after deletion, so that they never come back. */
  readonly clientIds: boolean;
}

/** A message in a queue, or the marker that a sender was refused. Time is in seconds. */
export type StoredMessage =
  | {
      readonly kind: 'message';
      readonly id: Uint8Array;
      readonly time: number;
      readonly notification: boolean;
      readonly body: Uint8Array;
    }
  | { readonly kind: 'quota'; readonly id: Uint8Array; readonly time: number };

export type AppendResult =
  | { readonly kind: 'stored'; readonly wasEmpty: boolean }
  | { readonly kind: 'full' }
  /** The queue was deleted meanwhile. */
  | { readonly kind: 'gone' };

export type QueueIdKind = 'recipient' | 'sender' | 'link' | 'notifier';

/** Drivers that read from memory or by synchronous calls answer at once; others give a promise. */
export type Awaitable<T> = T | Promise<T>;

/**
 * The storage of an SMP relay. Each operation is atomic by itself, and is visible to all that follow as soon as it
 * answers; it is durable when the promise that {@link SmpStorage.durable} gives afterwards resolves. The relay
 * releases answers only then, so that one commit serves many commands. Removals of messages need not be durable: after
 * a loss of power a message may be delivered once more, which every recipient must bear anyway.
 */
export interface SmpStorage {
  findQueue(kind: QueueIdKind, id: Uint8Array): Awaitable<QueueRecord | undefined>;
  /** False when one of the ids is, or ever was, in use. */
  createQueue(queue: NewQueue): Awaitable<boolean>;
  /** Sets the sender's key if there is none. False when another key is set or the queue is gone. */
  secureQueue(recipientId: Uint8Array, key: AuthKey): Awaitable<boolean>;
  replaceRecipientKeys(recipientId: Uint8Array, keys: readonly [AuthKey, ...AuthKey[]]): Awaitable<boolean>;
  getLinkData(recipientId: Uint8Array): Awaitable<LinkData | undefined>;
  /** False when the link id belongs to another queue, or the queue has another link id or other fixed data. */
  setLinkData(recipientId: Uint8Array, linkId: Uint8Array, data: LinkData): Awaitable<boolean>;
  deleteLinkData(recipientId: Uint8Array): Awaitable<void>;
  /** Replaces or (undefined) removes the notifier. False when the id is in use or the queue is gone. */
  setNotifier(recipientId: Uint8Array, notifier: QueueNotifier | undefined): Awaitable<boolean>;
  setStatus(recipientId: Uint8Array, status: QueueStatus): Awaitable<boolean>;
  /** Notes the day of the last use. */
  touchQueue(recipientId: Uint8Array, day: number): Awaitable<void>;
  /** Deletes the queue with its messages, link and notifier. False when there is none. */
  deleteQueue(recipientId: Uint8Array): Awaitable<boolean>;

  /**
   * Appends a message. A queue that holds `quota` messages gets one quota marker instead, and then nothing until it
   * is completely empty (section 11.5).
   */
  append(recipientId: Uint8Array, message: StoredMessage & { kind: 'message' }, quota: number): Awaitable<AppendResult>;
  head(recipientId: Uint8Array): Awaitable<StoredMessage | undefined>;
  /** Removes the head if it has this id, and gives the head that there is then. */
  acknowledge(
    recipientId: Uint8Array,
    messageId: Uint8Array,
  ): Awaitable<{ readonly removed: boolean; readonly next: StoredMessage | undefined }>;
  /** Messages and markers in the queue. */
  queueSize(recipientId: Uint8Array): Awaitable<number>;
  /**
   * Removes at most `limit` messages older than `before` (seconds), from the heads of the queues; a quota marker
   * stops the removal in its queue. `more` is true when the limit ended the search.
   */
  expireMessages(before: number, limit: number): Awaitable<{ readonly expired: number; readonly more: boolean }>;
  countQueues(): Awaitable<number>;

  /** Undefined when all changes so far are durable, otherwise a promise for it. It rejects when they are lost. */
  durable(): Promise<void> | undefined;
  /** Makes all changes so far survive the end of this process. Undefined, or a promise that rejects: they are lost. */
  written(): Promise<void> | undefined;
  close(): Promise<void>;
}

/** Map key of an id. Latin-1 keeps it at one byte per byte. */
export function idKey(id: Uint8Array): string {
  const bytes = id instanceof Buffer ? id : Buffer.from(id.buffer, id.byteOffset, id.byteLength);
  return bytes.toString('latin1');
}

/** The id of a map key. */
export function idOf(key: string): Uint8Array {
  return Buffer.from(key, 'latin1');
}

/** Whether two authorization keys are the same. */
export function sameKey(a: AuthKey, b: AuthKey): boolean {
  return a.alg === b.alg && a.raw.length === b.raw.length && timingSafeEqual(a.raw, b.raw);
}
