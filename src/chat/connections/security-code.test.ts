import { expect, test } from 'vitest';
import { sha256 } from '../../crypto/index.js';
import { securityCode } from './security-code.js';

test('the security code is that of the specification', () => {
  expect(securityCode(sha256(Uint8Array.from({ length: 0x70 }, (_, i) => i)))).toBe(
    '41684 27534 29689 42479 19639 12398 42948 98346 65299 19213 25878 42343 32854 97033 66079 3',
  );
});
