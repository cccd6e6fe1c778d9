import { DecodeError, EncodeError, Reader } from '../wire/index.js';
import { batchSpace, maxBatchCount, maxTransmission } from './sizes.js';

/** The transmissions of one block, or one that fits no block (`large`: its index in the input). */
export type Batch =
  | { readonly kind: 'batch'; readonly transmissions: readonly Uint8Array[] }
  | { readonly kind: 'large'; readonly index: number };

/**
 * Distributes transmissions over blocks, in order (20-smp.md, section 5.1). Blocks are filled from the end of the
 * list, as upstream does: the first block may have room left. Transmissions over the limit stand alone.
 */
export function packBatches(transmissions: readonly Uint8Array[]): Batch[] {
  const batches: Batch[] = [];
  let current: Uint8Array[] = [];
  let size = 0;
  const flush = (): void => {
    if (current.length === 0) return;
    batches.push({ kind: 'batch', transmissions: current.reverse() });
    current = [];
    size = 0;
  };
  for (let index = transmissions.length - 1; index >= 0; index--) {
    const t = transmissions[index];
    if (t === undefined) continue;
    if (t.length > maxTransmission) {
      flush();
      batches.push({ kind: 'large', index });
      continue;
    }
    const length = t.length + 2;
    if (size + length > batchSpace || current.length === maxBatchCount) flush();
    current.push(t);
    size += length;
  }
  flush();
  return batches.reverse();
}

/** Bytes of the payload of these transmissions. */
function batchSize(transmissions: readonly Uint8Array[]): number {
  let size = 1;
  for (const t of transmissions) size += 2 + t.length;
  return size;
}

/** Writes the payload at the start of `out`; gives its length. */
export function writeBatch(out: Uint8Array, transmissions: readonly Uint8Array[]): number {
  if (transmissions.length < 1 || transmissions.length > maxBatchCount) {
    throw new EncodeError('batch', `${transmissions.length} transmissions`);
  }
  if (batchSize(transmissions) > out.length) throw new EncodeError('batch', 'does not fit');
  out[0] = transmissions.length;
  let at = 1;
  for (const t of transmissions) {
    out[at] = t.length >>> 8;
    out[at + 1] = t.length;
    out.set(t, at + 2);
    at += 2 + t.length;
  }
  return at;
}

/** The payload of a block with these transmissions. */
export function encodeBatch(transmissions: readonly Uint8Array[]): Uint8Array {
  const out = new Uint8Array(batchSize(transmissions));
  writeBatch(out, transmissions);
  return out;
}

/** The transmissions of a payload, as views. No transmissions and trailing bytes are errors. */
export function decodeBatch(payload: Uint8Array): Uint8Array[] {
  const r = new Reader(payload);
  const count = r.u8('count');
  if (count === 0) throw new DecodeError('batch', 'empty', 0);
  const transmissions: Uint8Array[] = [];
  for (let i = 0; i < count; i++) transmissions.push(r.large('transmission'));
  r.end('batch');
  return transmissions;
}
