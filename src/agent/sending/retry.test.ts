import { describe, expect, it } from 'vitest';
import { fastRetry, Retry, reconnectRetry, slowRetry } from './retry.js';

const delays = (retry: Retry, n: number): number[] => Array.from({ length: n }, () => retry.advance() / 1000);

describe('retry schedule', () => {
  it('is that of the protocol (30-agent.md, section 7.3)', () => {
    expect(delays(new Retry(fastRetry), 16)).toEqual([
      2, 2, 2, 2, 2, 3, 4.5, 6.75, 10.125, 15.187, 22.78, 34.17, 51.255, 76.882, 115.323, 120,
    ]);
    const slow = delays(new Retry(slowRetry), 13).map(Math.floor);
    expect(slow).toEqual([300, 450, 675, 1012, 1518, 2278, 3417, 5125, 7688, 11533, 17299, 21600, 21600]);
    expect(delays(new Retry(reconnectRetry), 18).slice(-3).map(Math.round)).toEqual([173, 180, 180]);
  });

  it('goes on from the saved delay after a restart, and grows at once', () => {
    expect(delays(new Retry(slowRetry, 675_000), 3)).toEqual([675, 1012.5, 1518.75]);
    expect(delays(new Retry(fastRetry, 2_000), 3)).toEqual([2, 3, 4.5]);
  });
});
