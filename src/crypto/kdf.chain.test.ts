import { expect, it } from 'vitest';
import { seededRandom } from '../core/index.js';
import { concat } from '../wire/index.js';
import { hkdf, stepBlockChain } from './kdf.js';
import { chainKdf } from './ratchet-kdf.js';

it('a step of a block chain is HKDF of the chain key', () => {
  const random = seededRandom('block chain');
  let chainKey = random.bytes(32);
  for (let i = 0; i < 50; i++) {
    const step = stepBlockChain(chainKey);
    const expected = hkdf(new Uint8Array(0), chainKey, 'SimpleXSbChain', 88);
    expect(concat(step.chainKey, step.key, step.nonce)).toEqual(expected);
    chainKey = step.chainKey;
  }
});

it('a step of a message chain is HKDF of the chain key', () => {
  const random = seededRandom('message chain');
  let chainKey = random.bytes(32);
  for (let i = 0; i < 50; i++) {
    const step = chainKdf(chainKey);
    const expected = hkdf(new Uint8Array(0), chainKey, 'SimpleXChainRatchet', 96);
    expect(concat(step.chainKey, step.key, step.bodyIv, step.headerIv)).toEqual(expected);
    chainKey = step.chainKey;
  }
});
