/**
 * Memory for a result that is written whole before anybody sees it: large results need no zeros first, which saves a
 * tenth of the time of a box.
 */
export function memory(length: number): Uint8Array {
  return length < 2048 ? new Uint8Array(length) : new Uint8Array(Buffer.allocUnsafeSlow(length).buffer);
}
