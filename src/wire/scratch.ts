import { madeGarbage } from '../core/index.js';

/**
 * Recycled memory for what is computed and thrown away at once.
 *
 * A message of 16 kB goes through half a dozen layers, each of which makes its bytes anew. V8 keeps memory of that size
 * outside its heap and answers every few dozen megabytes of it with a full collection: for an engine or a relay under
 * load that was a third of all CPU time. So a synchronous computation may run in a scratch: whatever it asks for with
 * {@link memory} is taken from one buffer, which is used again for the next computation.
 */

/** Smaller results are made by V8 itself: they are cheap, and they may be kept (keys, hashes). */
const smallest = 2048;
/** Enough for all layers of one message. What does not fit is made anew. */
const arenaSize = 256 * 1024;

let arena: Buffer | undefined;
let used = 0;
let depth = 0;

/** Memory of its own that nobody else sees. Not zeroed. */
function fresh(length: number): Uint8Array {
  madeGarbage(length);
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}

/** The next bytes of the scratch; undefined outside of one, and for sizes that are no business of it. */
function fromScratch(length: number): Buffer | undefined {
  if (depth === 0 || length < smallest || used + length > arenaSize) return undefined;
  arena ??= Buffer.allocUnsafeSlow(arenaSize);
  const from = used;
  used += length;
  return arena.subarray(from, used);
}

/**
 * Memory for a result that is written whole before anybody sees it: large results need no zeros first, which saves a
 * tenth of the time of a box. Inside of {@link inScratch} it is recycled.
 */
export function memory(length: number): Uint8Array {
  if (length < smallest) return new Uint8Array(length);
  return fromScratch(length) ?? fresh(length);
}

/** As {@link memory} for writers. */
export function writerMemory(length: number): Buffer {
  if (length < smallest) return Buffer.allocUnsafe(length);
  const recycled = fromScratch(length);
  if (recycled !== undefined) return recycled;
  madeGarbage(length);
  return Buffer.allocUnsafe(length);
}

/**
 * Runs a computation, which must not be asynchronous, in the scratch. Of its result only small byte strings and what
 * went through {@link detached} may be kept: everything else is overwritten by the next computation.
 */
export function inScratch<T>(work: () => T): T {
  depth++;
  try {
    return work();
  } finally {
    if (--depth === 0) used = 0;
  }
}

/** The bytes in memory of their own, also inside of a scratch. */
export function detached(bytes: Uint8Array): Uint8Array {
  const copy = bytes.length < smallest ? new Uint8Array(bytes.length) : fresh(bytes.length);
  copy.set(bytes);
  return copy;
}
