import { FanionError } from '../../core/index.js';
import { decodeKey, decodeKeys, decodeStatus } from './queue-codec.js';
import type { AuthKey, QueueRecord, StoredMessage, StoredQueueMode } from './storage.js';

/** Rows of the relay's tables as records, and back. */

export const messageKind = { plain: 0, notification: 1, quota: 2 } as const;

export type Row = Record<string, string | number | null | Uint8Array>;
export type Values = (string | number | null | Uint8Array<ArrayBuffer>)[];

/** @throws FanionError `RELAY_STORAGE` when the column holds something else: the file is damaged */
export function blobColumn(row: Row, column: string): Uint8Array {
  const value = row[column];
  if (!(value instanceof Uint8Array)) throw new FanionError('RELAY_STORAGE', `${column} is not a blob`);
  return value;
}

function maybeBlob(row: Row, column: string): Uint8Array | undefined {
  return row[column] === null ? undefined : blobColumn(row, column);
}

/** @throws FanionError `RELAY_STORAGE` when the column holds something else: the file is damaged */
export function numberColumn(row: Row, column: string): number {
  const value = row[column];
  if (typeof value !== 'number') throw new FanionError('RELAY_STORAGE', `${column} is not a number`);
  return value;
}

function textColumn(row: Row, column: string): string {
  const value = row[column];
  if (typeof value !== 'string') throw new FanionError('RELAY_STORAGE', `${column} is not text`);
  return value;
}

/** The driver takes views of plain memory only. */
export function blob(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  if (bytes.buffer instanceof ArrayBuffer) return bytes as Uint8Array<ArrayBuffer>;
  return Uint8Array.from(bytes);
}

/**
 * A copy in the shared pool of small buffers. A byte array of its own takes some hundred bytes of management, which
 * for the seven of a queue is most of its memory.
 */
const pooled = (bytes: Uint8Array): Uint8Array => Buffer.from(bytes);

const pooledKey = <K extends AuthKey>({ alg, raw }: K): AuthKey => ({ alg, raw: pooled(raw) });

/** The record as the cache keeps it: its keys and ids in pooled memory. */
export function pooledRecord(record: QueueRecord): QueueRecord {
  const [first, ...rest] = record.recipientKeys;
  const { senderKey, linkId, notifier } = record;
  return {
    ...record,
    recipientId: pooled(record.recipientId),
    recipientKeys: [pooledKey(first), ...rest.map(pooledKey)],
    rcvDhSecret: pooled(record.rcvDhSecret),
    senderId: pooled(record.senderId),
    senderKey: senderKey === undefined ? undefined : pooledKey(senderKey),
    linkId: linkId === undefined ? undefined : pooled(linkId),
    notifier:
      notifier === undefined
        ? undefined
        : {
            notifierId: pooled(notifier.notifierId),
            key: pooledKey(notifier.key),
            dhSecret: pooled(notifier.dhSecret),
          },
  };
}

export const optionalBlob = (bytes: Uint8Array | undefined): Uint8Array<ArrayBuffer> | null =>
  bytes === undefined ? null : blob(bytes);

/** FanionError `RELAY_STORAGE` or DecodeError for a damaged row. */
export function recordOf(row: Row): QueueRecord {
  const mode = textColumn(row, 'mode');
  const senderKey = maybeBlob(row, 'sender_key');
  const notifierId = maybeBlob(row, 'notifier_id');
  return {
    recipientId: blobColumn(row, 'recipient_id'),
    recipientKeys: decodeKeys(blobColumn(row, 'recipient_keys')),
    rcvDhSecret: blobColumn(row, 'rcv_dh_secret'),
    senderId: blobColumn(row, 'sender_id'),
    senderKey: senderKey === undefined ? undefined : decodeKey(senderKey),
    mode: modeOf(mode),
    linkId: maybeBlob(row, 'link_id'),
    notifier:
      notifierId === undefined
        ? undefined
        : {
            notifierId,
            key: decodeKey(blobColumn(row, 'notifier_key')),
            dhSecret: blobColumn(row, 'notifier_secret'),
          },
    status: decodeStatus(textColumn(row, 'status')),
    updatedDay: numberColumn(row, 'updated_day'),
  };
}

const modeOf = (text: string): StoredQueueMode => (text === 'M' || text === 'C' ? text : undefined);

/** The row of a message or of a quota marker, which has no body. */
export function messageOf(row: Row): StoredMessage {
  const id = blobColumn(row, 'id');
  const time = numberColumn(row, 'time');
  const kind = numberColumn(row, 'kind');
  if (kind === messageKind.quota) return { kind: 'quota', id, time };
  return { kind: 'message', id, time, notification: kind === messageKind.notification, body: blobColumn(row, 'body') };
}
