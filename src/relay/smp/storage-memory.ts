import type { LinkData } from '../../smp/index.js';
import { equalBytes } from '../../wire/index.js';
import {
  type AppendResult,
  type AuthKey,
  idKey,
  type NewQueue,
  type QueueIdKind,
  type QueueNotifier,
  type QueueRecord,
  type QueueStatus,
  type SmpStorage,
  type StoredMessage,
  sameKey,
} from './storage.js';

interface Entry {
  record: QueueRecord;
  link: LinkData | undefined;
  readonly clientIds: boolean;
  messages: StoredMessage[];
  canWrite: boolean;
}

/** Keeps everything in memory, nothing survives: for tests and throw-away relays. */
export class MemorySmpStorage implements SmpStorage {
  readonly #ids: Record<QueueIdKind, Map<string, Entry>> = {
    recipient: new Map(),
    sender: new Map(),
    link: new Map(),
    notifier: new Map(),
  };
  readonly #gone = new Set<string>();

  #entry(recipientId: Uint8Array): Entry | undefined {
    return this.#ids.recipient.get(idKey(recipientId));
  }

  findQueue(kind: QueueIdKind, id: Uint8Array): QueueRecord | undefined {
    return this.#ids[kind].get(idKey(id))?.record;
  }

  createQueue({ record, linkData, clientIds }: NewQueue): boolean {
    const ids = [
      ['recipient', record.recipientId],
      ['sender', record.senderId],
      ['link', record.linkId],
      ['notifier', record.notifier?.notifierId],
    ] as const;
    for (const [kind, id] of ids) {
      if (id !== undefined && (this.#ids[kind].has(idKey(id)) || this.#gone.has(idKey(id)))) return false;
    }
    const entry: Entry = { record, link: linkData, clientIds, messages: [], canWrite: true };
    for (const [kind, id] of ids) if (id !== undefined) this.#ids[kind].set(idKey(id), entry);
    return true;
  }

  secureQueue(recipientId: Uint8Array, key: AuthKey): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    if (entry.record.senderKey !== undefined) return sameKey(entry.record.senderKey, key);
    entry.record = { ...entry.record, senderKey: key };
    return true;
  }

  replaceRecipientKeys(recipientId: Uint8Array, keys: readonly [AuthKey, ...AuthKey[]]): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    entry.record = { ...entry.record, recipientKeys: keys };
    return true;
  }

  getLinkData(recipientId: Uint8Array): LinkData | undefined {
    return this.#entry(recipientId)?.link;
  }

  setLinkData(recipientId: Uint8Array, linkId: Uint8Array, data: LinkData): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    const { record, link } = entry;
    if (record.linkId !== undefined && link !== undefined) {
      if (!equalBytes(record.linkId, linkId) || !equalBytes(link.fixed, data.fixed)) return false;
    } else {
      const key = idKey(linkId);
      if (this.#ids.link.has(key) || this.#gone.has(key)) return false;
      this.#ids.link.set(key, entry);
      entry.record = { ...record, linkId };
    }
    entry.link = data;
    return true;
  }

  deleteLinkData(recipientId: Uint8Array): void {
    const entry = this.#entry(recipientId);
    if (entry?.record.linkId === undefined) return;
    this.#ids.link.delete(idKey(entry.record.linkId));
    entry.record = { ...entry.record, linkId: undefined };
    entry.link = undefined;
  }

  setNotifier(recipientId: Uint8Array, notifier: QueueNotifier | undefined): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    if (notifier !== undefined && this.#ids.notifier.has(idKey(notifier.notifierId))) return false;
    if (entry.record.notifier !== undefined) this.#ids.notifier.delete(idKey(entry.record.notifier.notifierId));
    if (notifier !== undefined) this.#ids.notifier.set(idKey(notifier.notifierId), entry);
    entry.record = { ...entry.record, notifier };
    return true;
  }

  setStatus(recipientId: Uint8Array, status: QueueStatus): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    entry.record = { ...entry.record, status };
    return true;
  }

  touchQueue(recipientId: Uint8Array, day: number): void {
    const entry = this.#entry(recipientId);
    if (entry !== undefined) entry.record = { ...entry.record, updatedDay: day };
  }

  deleteQueue(recipientId: Uint8Array): boolean {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return false;
    const { record } = entry;
    this.#ids.recipient.delete(idKey(recipientId));
    this.#ids.sender.delete(idKey(record.senderId));
    if (record.linkId !== undefined) this.#ids.link.delete(idKey(record.linkId));
    if (record.notifier !== undefined) this.#ids.notifier.delete(idKey(record.notifier.notifierId));
    if (entry.clientIds) {
      this.#gone.add(idKey(record.senderId));
      if (record.linkId !== undefined) this.#gone.add(idKey(record.linkId));
    }
    return true;
  }

  append(recipientId: Uint8Array, message: StoredMessage & { kind: 'message' }, quota: number): AppendResult {
    const entry = this.#entry(recipientId);
    if (entry === undefined) return { kind: 'gone' };
    const wasEmpty = entry.messages.length === 0;
    if (!entry.canWrite && !wasEmpty) return { kind: 'full' };
    entry.canWrite = entry.messages.length < quota;
    if (!entry.canWrite) {
      entry.messages.push({ kind: 'quota', id: message.id, time: message.time });
      return { kind: 'full' };
    }
    entry.messages.push({ ...message, body: Uint8Array.from(message.body) });
    return { kind: 'stored', wasEmpty };
  }

  head(recipientId: Uint8Array): StoredMessage | undefined {
    return this.#entry(recipientId)?.messages[0];
  }

  acknowledge(recipientId: Uint8Array, messageId: Uint8Array): { removed: boolean; next: StoredMessage | undefined } {
    const messages = this.#entry(recipientId)?.messages ?? [];
    const [head] = messages;
    const removed = head !== undefined && equalBytes(head.id, messageId);
    if (removed) messages.shift();
    return { removed, next: messages[0] };
  }

  queueSize(recipientId: Uint8Array): number {
    return this.#entry(recipientId)?.messages.length ?? 0;
  }

  expireMessages(before: number, limit: number): { expired: number; more: boolean } {
    let expired = 0;
    for (const entry of this.#ids.recipient.values()) {
      for (;;) {
        const [head] = entry.messages;
        if (head === undefined || head.kind === 'quota' || head.time >= before) break;
        if (expired === limit) return { expired, more: true };
        entry.messages.shift();
        expired++;
      }
    }
    return { expired, more: false };
  }

  countQueues(): number {
    return this.#ids.recipient.size;
  }

  durable(): undefined {}

  written(): undefined {}

  close(): Promise<void> {
    return Promise.resolve();
  }
}
