import { describe, expect, it } from 'vitest';
import { ManualClock, nextTurn, Pacer } from './index.js';

describe('a pacer', () => {
  it('runs pieces in order, gives their results and errors, and lets others in between', async () => {
    const clock = new ManualClock();
    const pacer = new Pacer(clock, 4);
    const ran: number[] = [];
    const piece = (i: number) =>
      pacer.run(() => {
        ran.push(i);
        clock.advance(1);
        if (i === 7) throw new Error('seven');
        return i;
      });
    const all = Array.from({ length: 20 }, (_, i) => piece(i).catch((e: Error) => e.message));
    // What fits into one turn has run, the rest waits for others.
    expect(ran).toEqual([0, 1, 2, 3]);
    await nextTurn();
    await nextTurn();
    expect(ran.length).toBeGreaterThan(4);
    expect(ran.length).toBeLessThan(20);
    expect(await Promise.all(all)).toEqual(Array.from({ length: 20 }, (_, i) => (i === 7 ? 'seven' : i)));
    expect(ran).toEqual(Array.from({ length: 20 }, (_, i) => i));
  });
});
