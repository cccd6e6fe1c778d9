import { createHash, randomFillSync } from 'node:crypto';

/** The one source of randomness. Replaced in tests to repeat recorded bytes. */
export interface RandomSource {
  /** `n` fresh random bytes. */
  bytes(n: number): Uint8Array;
}

const poolSize = 8192;

/** The operating system's generator, drawn in blocks because a call per nonce is slow. */
export const systemRandom: RandomSource = (() => {
  let pool = Buffer.alloc(0);
  let used = 0;
  return {
    bytes(n) {
      if (n > poolSize / 4) return randomFillSync(new Uint8Array(n));
      if (used + n > pool.length) {
        // A new block each time: the bytes that were handed out belong to their callers.
        pool = randomFillSync(Buffer.alloc(poolSize));
        used = 0;
      }
      const out = new Uint8Array(pool.subarray(used, used + n));
      pool.fill(0, used, used + n);
      used += n;
      return out;
    },
  };
})();

/** A whole number from 0 to `below - 1`, without bias. `below` is 1 to 2^32. */
export function randomInt(random: RandomSource, below: number): number {
  const limit = Math.floor(0x1_0000_0000 / below) * below;
  for (;;) {
    const b = random.bytes(4);
    const n = new DataView(b.buffer, b.byteOffset, 4).getUint32(0);
    if (n < limit) return n % below;
  }
}

/** One element of a non-empty list. */
export function randomElement<T>(random: RandomSource, list: readonly [T, ...T[]] | readonly T[]): T {
  const element = list[randomInt(random, list.length)];
  if (element === undefined) throw new RangeError('randomElement: the list is empty');
  return element;
}

/** A repeatable source for tests: SHA-256 in counter mode over `seed`. Never for keys. */
export function seededRandom(seed: string): RandomSource {
  let counter = 0;
  let block = Buffer.alloc(0);
  return {
    bytes(n) {
      const parts: Buffer[] = [];
      let left = n;
      while (left > 0) {
        if (block.length === 0) block = createHash('sha256').update(`${seed}:${counter++}`).digest();
        const take = block.subarray(0, left);
        parts.push(take);
        block = block.subarray(take.length);
        left -= take.length;
      }
      return new Uint8Array(Buffer.concat(parts));
    },
  };
}
