import { readFileSync } from 'node:fs';

/** A recorded result: `{"ok": value}` or `{"error": text of the official implementation}`. */
export type Recorded<T> = { readonly ok: T } | { readonly error: string };

/** One of the files of test/vectors. Its shape is told by the caller: the files are fixed. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(`../../../test/vectors/${name}`, import.meta.url), 'utf8'));
}

/** Bytes of lower-case hexadecimal. */
export function fromHex(s: string): Uint8Array {
  return new Uint8Array(Buffer.from(s, 'hex'));
}

export function toHex(b: Uint8Array): string {
  return Buffer.from(b).toString('hex');
}

/** What a function gives, in the form of recorded results, with our error codes. */
export function outcome(run: () => Uint8Array): { ok: string } | { error: string } {
  try {
    return { ok: toHex(run()) };
  } catch (e) {
    if (e instanceof Error && 'code' in e && typeof e.code === 'string') return { error: e.code };
    throw e;
  }
}
