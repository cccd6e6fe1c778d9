import { idKey, type QueueIdKind, type QueueRecord } from './storage.js';

/** What is known of a queue without a read. */
export interface CachedQueue {
  /** Its number in the database. */
  readonly q: number;
  record: QueueRecord;
  readonly clientIds: boolean;
  /** Messages and marker in the queue. */
  size: number;
  /** False after a marker until the queue is empty. */
  canWrite: boolean;
  /** The head, when it is known without a read. */
  head: { readonly seq: number; readonly id: Uint8Array } | undefined;
}

/** The queues that were used last, found by any of their ids. */
export class QueueCache {
  readonly #limit: number;
  /** In the order of their last use, the oldest first; the other maps follow it. */
  readonly #ids: Record<QueueIdKind, Map<string, CachedQueue>> = {
    recipient: new Map(),
    sender: new Map(),
    link: new Map(),
    notifier: new Map(),
  };

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Adds a queue; the one that was not used for longest goes when there are too many. */
  add(queue: CachedQueue): CachedQueue {
    const { record } = queue;
    const { recipient, sender, link, notifier } = this.#ids;
    recipient.set(idKey(record.recipientId), queue);
    sender.set(idKey(record.senderId), queue);
    if (record.linkId !== undefined) link.set(idKey(record.linkId), queue);
    if (record.notifier !== undefined) notifier.set(idKey(record.notifier.notifierId), queue);
    if (recipient.size > this.#limit) {
      const [oldest] = recipient.values();
      if (oldest !== undefined) this.delete(oldest);
    }
    return queue;
  }

  /** Finds a queue, which makes it the one that was used last. */
  find(kind: QueueIdKind, id: Uint8Array): CachedQueue | undefined {
    const queue = this.#ids[kind].get(idKey(id));
    if (queue === undefined) return undefined;
    const { recipient } = this.#ids;
    const key = idKey(queue.record.recipientId);
    recipient.delete(key);
    recipient.set(key, queue);
    return queue;
  }

  /** Replaces the record of a queue, whose ids may be others. */
  update(queue: CachedQueue, record: QueueRecord): void {
    this.delete(queue);
    queue.record = record;
    this.add(queue);
  }

  delete({ record }: CachedQueue): void {
    const { recipient, sender, link, notifier } = this.#ids;
    recipient.delete(idKey(record.recipientId));
    sender.delete(idKey(record.senderId));
    if (record.linkId !== undefined) link.delete(idKey(record.linkId));
    if (record.notifier !== undefined) notifier.delete(idKey(record.notifier.notifierId));
  }

  /** Forgets the queues with these numbers. */
  deleteAll(numbers: ReadonlySet<number>): void {
    for (const queue of [...this.#ids.recipient.values()]) if (numbers.has(queue.q)) this.delete(queue);
  }

  clear(): void {
    for (const map of Object.values(this.#ids)) map.clear();
  }
}
