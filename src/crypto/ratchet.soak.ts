import { describe, expect, it } from 'vitest';
import { loadSntrup761 } from './sntrup761.js';
import { fuzzRatchet } from './testing-support/ratchet-fuzz.js';
import { simulateRatchet } from './testing-support/ratchet-simulation.js';

describe('ratchet soak', () => {
  it('10,000 messages: each is decrypted exactly once or reported as the right error', async () => {
    const kem = await loadSntrup761();
    for (const seed of [11, 12]) {
      const result = simulateRatchet({ kem, seed, messages: 10_000 });
      console.log(JSON.stringify({ seed, ...result }));
      expect(result.decrypted + result.lost + (result.errors.DECRYPT_AES ?? 0)).toBe(10_000);
      expect(result.pq).toBeGreaterThan(500);
      expect(result.decrypted - result.pq).toBeGreaterThan(500);
    }
  });

  it('100,000 random and mutated inputs for each decoder', async () => {
    fuzzRatchet(await loadSntrup761(), 100_000);
  });
});
