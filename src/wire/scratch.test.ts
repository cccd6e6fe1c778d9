import { describe, expect, it } from 'vitest';
import { detached, inScratch, memory } from './scratch.js';
import { encode } from './writer.js';

describe('the scratch', () => {
  it('gives the same memory to the next computation', () => {
    const first = inScratch(() => memory(5000));
    const second = inScratch(() => memory(5000));
    expect(second.buffer).toBe(first.buffer);
    expect(second.byteOffset).toBe(first.byteOffset);
  });

  it('gives different memory to what one computation asks for, also in inner ones', () => {
    inScratch(() => {
      const a = memory(3000).fill(1);
      const b = inScratch(() => memory(3000).fill(2));
      const c = memory(3000).fill(3);
      expect([a.every((x) => x === 1), b.every((x) => x === 2), c.every((x) => x === 3)]).toEqual([true, true, true]);
    });
  });

  it('does not give out small memory, nor any outside of a computation, nor more than there is', () => {
    const shared = inScratch(() => memory(5000)).buffer;
    expect(inScratch(() => memory(100)).buffer).not.toBe(shared);
    expect(memory(5000).buffer).not.toBe(shared);
    inScratch(() => {
      const all = Array.from({ length: 100 }, (_, i) => memory(16_384).fill(i));
      expect(all.every((m, i) => m.every((x) => x === i))).toBe(true);
    });
  });

  it('ends also when the computation throws', () => {
    expect(() =>
      inScratch(() => {
        memory(5000);
        throw new Error('no');
      }),
    ).toThrow('no');
    expect(memory(5000).buffer).not.toBe(inScratch(() => memory(5000)).buffer);
  });

  it('is what writers write into; detached bytes stay as they are', () => {
    const bytes = Uint8Array.from({ length: 6000 }, (_, i) => i);
    const kept = inScratch(() => detached(encode((w) => w.raw(bytes), 16)));
    inScratch(() => memory(20_000).fill(0));
    expect(kept).toEqual(bytes);
  });
});
