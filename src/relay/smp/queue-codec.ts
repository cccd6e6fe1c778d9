import { type AuthAlgorithm, readPublicKey, writePublicKey } from '../../crypto/index.js';
import { decodeWhole, encode } from '../../wire/index.js';
import type { AuthKey, QueueStatus } from './storage.js';

/** The columns of a queue row that hold more than one value, as bytes and text. */

const anyAuthKey: readonly AuthAlgorithm[] = ['ed25519', 'ed448', 'x25519'];

/** The recipient's keys, 1 to 255: a count, then each as on the wire (20-smp.md, section 1.2). */
export function encodeKeys(keys: readonly AuthKey[]): Uint8Array {
  return encode((w) => w.nonEmpty(keys, writePublicKey));
}

/** DecodeError for bytes that {@link encodeKeys} does not make. */
export function decodeKeys(bytes: Uint8Array): [AuthKey, ...AuthKey[]] {
  return decodeWhole(bytes, 'recipientKeys', (r) =>
    r.nonEmpty('recipientKeys', (rr) => readPublicKey(rr, 'recipientKey', anyAuthKey)),
  );
}

/** The key of a sender or notifier, as on the wire. */
export function encodeKey(key: AuthKey): Uint8Array {
  return encode((w) => writePublicKey(w, key), 72);
}

/** DecodeError for bytes that {@link encodeKey} does not make. */
export function decodeKey(bytes: Uint8Array): AuthKey {
  return decodeWhole(bytes, 'key', (r) => readPublicKey(r, 'key', anyAuthKey));
}

/** `active`, `off`, or `blocked:` with reason and notice: `blocked:spam`, `blocked:content:86400`, `blocked:spam:`. */
export function encodeStatus(status: QueueStatus): string {
  if (status.kind !== 'blocked') return status.kind;
  const { reason, notice } = status.info;
  return notice === undefined ? `blocked:${reason}` : `blocked:${reason}:${notice.ttl ?? ''}`;
}

/** Never throws: what it does not know counts as blocked for spam. */
export function decodeStatus(text: string): QueueStatus {
  if (text === 'active' || text === 'off') return { kind: text };
  const [, reason, ttl] = text.split(':');
  const info = { reason: reason === 'content' ? 'content' : 'spam' } as const;
  if (ttl === undefined) return { kind: 'blocked', info };
  return { kind: 'blocked', info: { ...info, notice: ttl === '' ? {} : { ttl: Number(ttl) } } };
}
