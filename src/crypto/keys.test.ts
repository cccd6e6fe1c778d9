import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { seededRandom } from '../core/index.js';
import { decodeWhole, encode } from '../wire/index.js';
import {
  authenticate,
  authenticatorSize,
  decodePrivateKey,
  decodePublicKey,
  dh,
  encodePrivateKey,
  encodePublicKey,
  formatPublicKey,
  generateKeyPair,
  parsePublicKey,
  privateKeyFromRaw,
  publicKeyFromRaw,
  publicKeyOf,
  readPublicKey,
  type SignAlgorithm,
  sign,
  signatureSize,
  verify,
  verifyAuthenticator,
  writePublicKey,
} from './index.js';
import {
  anyAlgorithm,
  type DhAlgorithm,
  formatPrivateKey,
  parsePrivateKey,
  privateKeyObject,
  publicKeyFromObject,
  publicKeyObject,
  readPrivateKey,
  writePrivateKey,
} from './keys.js';

describe.each(anyAlgorithm)('%s keys', (alg) => {
  it('come back from every encoding, and no other algorithm reads them', () => {
    for (let i = 0; i < 20; i++) {
      const { publicKey, privateKey } = generateKeyPair(alg);
      const others = anyAlgorithm.filter((a) => a !== alg);
      expect(decodePublicKey(encodePublicKey(publicKey), 'key', [alg])).toEqual(publicKey);
      expect(decodePrivateKey(encodePrivateKey(privateKey), 'key', [alg])).toEqual(privateKey);
      expect(parsePublicKey(formatPublicKey(publicKey), 'key', anyAlgorithm)).toEqual(publicKey);
      expect(parsePrivateKey(formatPrivateKey(privateKey), 'key', anyAlgorithm)).toEqual(privateKey);
      const wire = encode((w) => {
        writePublicKey(w, publicKey);
        writePrivateKey(w, privateKey);
      });
      const read = decodeWhole(wire, 'keys', (r) => [readPublicKey(r, 'key', [alg]), readPrivateKey(r, 'key', [alg])]);
      expect(read).toEqual([publicKey, privateKey]);
      expect(() => decodePublicKey(encodePublicKey(publicKey), 'key', others)).toThrow(
        expect.objectContaining({ code: 'DECODE' }),
      );
      expect(() => decodePrivateKey(encodePrivateKey(privateKey), 'key', others)).toThrow(
        expect.objectContaining({ code: 'DECODE' }),
      );
    }
  });

  it('are the same in node:crypto', () => {
    const { publicKey, privateKey } = generateKeyPair(alg);
    expect(publicKeyFromObject(publicKeyObject(publicKey))).toEqual(publicKey);
    expect(privateKeyObject(privateKey).export({ format: 'der', type: 'pkcs8' })).toEqual(
      Buffer.from(encodePrivateKey(privateKey)),
    );
    expect(publicKeyObject(publicKey).export({ format: 'der', type: 'spki' })).toEqual(
      Buffer.from(encodePublicKey(publicKey)),
    );
  });

  it('repeat from a repeatable source, and are refused with a wrong size', () => {
    const first = generateKeyPair(alg, seededRandom('keys'));
    expect(generateKeyPair(alg, seededRandom('keys'))).toEqual(first);
    expect(publicKeyOf(privateKeyFromRaw(alg, first.privateKey.raw))).toEqual(first.publicKey);
    const bad = expect.objectContaining({ code: 'CRYPTO_BAD_KEY' });
    expect(() => privateKeyFromRaw(alg, new Uint8Array(31))).toThrow(bad);
    expect(() => publicKeyFromRaw(alg, new Uint8Array(58))).toThrow(bad);
  });
});

describe('signatures', () => {
  const signers: readonly SignAlgorithm[] = ['ed25519', 'ed448'];
  it.each(signers)('%s verify, and nothing else does', (alg) => {
    const { publicKey, privateKey } = generateKeyPair(alg);
    const other = generateKeyPair(alg);
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), fc.nat(), (message, bit) => {
        const signature = sign(privateKey, message);
        expect(signature.length).toBe(signatureSize[alg]);
        expect(verify(publicKey, signature, message)).toBe(true);
        expect(verify(other.publicKey, signature, message)).toBe(false);
        const damaged = new Uint8Array(signature);
        const at = bit % damaged.length;
        damaged[at] = (damaged[at] ?? 0) ^ (1 << (bit & 7));
        expect(verify(publicKey, damaged, message)).toBe(false);
      }),
      { numRuns: 30 },
    );
  });

  it('of foreign lengths, keys of foreign algorithms and impossible keys are false, not errors', () => {
    const { publicKey } = generateKeyPair('ed448');
    const message = new Uint8Array(3);
    for (const length of [0, 1, 63, 64, 65, 80, 113, 114, 115]) {
      expect(verify(publicKey, new Uint8Array(length), message)).toBe(false);
      expect(verify(generateKeyPair('ed25519').publicKey, new Uint8Array(length), message)).toBe(false);
      expect(verify(generateKeyPair('x25519').publicKey, new Uint8Array(length), message)).toBe(false);
      expect(verify({ alg: 'ed448', raw: new Uint8Array(57).fill(255) }, new Uint8Array(length), message)).toBe(false);
      expect(verify({ alg: 'ed25519', raw: new Uint8Array(32).fill(255) }, new Uint8Array(length), message)).toBe(
        false,
      );
    }
  });
});

describe('shared secrets', () => {
  const agreeing: readonly DhAlgorithm[] = ['x25519', 'x448'];
  it.each(agreeing)('%s are equal on both sides', (alg) => {
    for (let i = 0; i < 10; i++) {
      const [a, b] = [generateKeyPair(alg), generateKeyPair(alg)];
      expect(dh(a.publicKey, b.privateKey)).toEqual(dh(b.publicKey, a.privateKey));
    }
  });

  it('make authenticators that only the right keys, nonce and bytes pass', () => {
    const [client, server, other] = [generateKeyPair('x25519'), generateKeyPair('x25519'), generateKeyPair('x25519')];
    const nonce = new Uint8Array(24).fill(1);
    const bytes = Buffer.from('command');
    const made = authenticate(server.publicKey, client.privateKey, nonce, bytes);
    expect(made.length).toBe(authenticatorSize);
    expect(verifyAuthenticator(client.publicKey, server.privateKey, nonce, made, bytes)).toBe(true);
    expect(verifyAuthenticator(other.publicKey, server.privateKey, nonce, made, bytes)).toBe(false);
    expect(verifyAuthenticator(client.publicKey, other.privateKey, nonce, made, bytes)).toBe(false);
    expect(verifyAuthenticator(client.publicKey, server.privateKey, new Uint8Array(24), made, bytes)).toBe(false);
    expect(verifyAuthenticator(client.publicKey, server.privateKey, nonce, made.subarray(1), bytes)).toBe(false);
    const zero = publicKeyFromRaw('x25519', new Uint8Array(32));
    expect(verifyAuthenticator(zero, server.privateKey, nonce, made, bytes)).toBe(false);
  });
});
