import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';

/**
 * Byte strings of kilobytes lie outside of V8's heap, and V8 does not collect its young generation because of them:
 * after 8 MB it starts a full collection instead, of everything that the process holds. Under load that is one every
 * few dozen messages and a third of all CPU time. A collection of the young generation, which is where these bytes
 * are garbage, takes half a millisecond: it is asked for every so many bytes.
 */
const bytesPerCollection = 4 * 1024 * 1024;

type Collector = (how?: { readonly type: 'minor' }) => void;

let collector: Collector | undefined;
let made = 0;

function collect(...how: Parameters<Collector>): void {
  if (collector === undefined) {
    setFlagsFromString('--expose-gc');
    const gc: unknown = runInNewContext('gc');
    setFlagsFromString('--no-expose-gc');
    collector = typeof gc === 'function' ? (h) => void gc(...(h === undefined ? [] : [h])) : () => {};
  }
  collector(...how);
}

/** Says that `bytes` of memory outside of the heap were made which nobody will need for long. */
export function madeGarbage(bytes: number): void {
  made += bytes;
  if (made < bytesPerCollection) return;
  made = 0;
  collect({ type: 'minor' });
}

/** A full collection, for memory that should never have been taken: dozens of milliseconds. */
export function collectAll(): void {
  collect();
}
