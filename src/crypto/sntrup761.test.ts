import crypto, { createCipheriv, createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it, vi } from 'vitest';
import { base64url, hex } from '../wire/index.js';
import { KemError, kemKeyPairOf, kemSizes, loadSntrup761, type Sntrup761 } from './sntrup761.js';

interface VectorJson {
  readonly publicKey: string;
  readonly publicKeyJson: string;
  readonly secretKey: string;
  readonly ciphertext: string;
  readonly sharedSecret: string;
  readonly decapsulated: string;
  readonly wrong: readonly { readonly ciphertextWithInvertedByte: number; readonly sharedSecret: string }[];
}

const unhex = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'hex'));

/** The generator of the NIST known answer tests: AES-256 in counter mode, with a new key after each request. */
function nistGenerator(seed: Uint8Array): (n: number) => Uint8Array {
  let key = Buffer.alloc(32);
  let v = Buffer.alloc(16);
  const block = (): Buffer => {
    for (let i = 15; i >= 0; i--) {
      v[i] = ((v[i] ?? 0) + 1) & 0xff;
      if (v[i] !== 0) break;
    }
    return createCipheriv('aes-256-ecb', key, null).setAutoPadding(false).update(v);
  };
  const update = (data: Uint8Array): void => {
    const next = Buffer.concat([block(), block(), block()]).map((b, i) => b ^ (data[i] ?? 0));
    key = Buffer.from(next.subarray(0, 32));
    v = Buffer.from(next.subarray(32));
  };
  update(seed);
  return (n) => {
    const blocks: Buffer[] = [];
    for (let left = n; left > 0; left -= 16) blocks.push(block());
    update(new Uint8Array(48));
    return Buffer.concat(blocks).subarray(0, n);
  };
}

let kem: Sntrup761;
beforeAll(async () => {
  kem = await loadSntrup761();
});

describe('sntrup761', () => {
  const { sntrup761 } = JSON.parse(readFileSync('test/vectors/crypto.json', 'utf8')) as { sntrup761: VectorJson[] };

  it('decapsulates the recorded ciphertexts, and damaged ones to the recorded pseudo-random secrets', () => {
    expect(sntrup761.length).toBeGreaterThan(0);
    for (const v of sntrup761) {
      const ciphertext = unhex(v.ciphertext);
      const secretKey = unhex(v.secretKey);
      expect(hex(kem.decapsulate(ciphertext, secretKey))).toBe(v.decapsulated);
      expect(v.decapsulated).toBe(v.sharedSecret);
      expect(hex(kemKeyPairOf(secretKey).publicKey)).toBe(v.publicKey);
      expect(base64url(unhex(v.publicKey))).toBe(v.publicKeyJson);
      for (const wrong of v.wrong) {
        const damaged = ciphertext.slice();
        damaged[wrong.ciphertextWithInvertedByte] = ~(damaged[wrong.ciphertextWithInvertedByte] ?? 0);
        expect(hex(kem.decapsulate(damaged, secretKey))).toBe(wrong.sharedSecret);
      }
    }
  });

  it('agrees on a secret, also with keys in Buffers and for the recorded keys', () => {
    const { publicKey, secretKey } = kem.generateKeyPair();
    expect([publicKey.length, secretKey.length]).toEqual([kemSizes.publicKey, kemSizes.secretKey]);
    const { ciphertext, sharedSecret } = kem.encapsulate(Buffer.from(publicKey));
    expect([ciphertext.length, sharedSecret.length]).toEqual([kemSizes.ciphertext, kemSizes.sharedSecret]);
    expect(kem.decapsulate(Buffer.from(ciphertext), Buffer.from(secretKey))).toEqual(sharedSecret);
    expect(kemKeyPairOf(secretKey)).toEqual({ publicKey, secretKey });
    for (const v of sntrup761) {
      const made = kem.encapsulate(unhex(v.publicKey));
      expect(kem.decapsulate(made.ciphertext, unhex(v.secretKey))).toEqual(made.sharedSecret);
    }
  });

  it('refuses keys and ciphertexts of other sizes', () => {
    const { publicKey, secretKey } = kem.generateKeyPair();
    expect(() => kem.encapsulate(publicKey.subarray(1))).toThrow(KemError);
    expect(() => kem.decapsulate(new Uint8Array(kemSizes.ciphertext + 1), secretKey)).toThrow(KemError);
    expect(() => kem.decapsulate(new Uint8Array(kemSizes.ciphertext), new Uint8Array(3))).toThrow(KemError);
    expect(() => kemKeyPairOf(new Uint8Array(3))).toThrow(KemError);
  });

  it('any 1158 bytes are a public key', () => {
    const noise = createHash('shake256', { outputLength: kemSizes.publicKey }).update('noise').digest();
    expect(kem.encapsulate(noise).sharedSecret.length).toBe(kemSizes.sharedSecret);
  });

  it('gives the known answers of PQClean (section 6.5, column B)', () => {
    const draw = nistGenerator(
      unhex('061550234D158C5EC95595FE04EF7A25767F2E24CC2BC479D09D86DC9ABCFDE7056A8C266F9EF97ED08541DBD2E1FFA1'),
    );
    let left: Uint8Array = new Uint8Array(0);
    const fill = vi.spyOn(crypto, 'randomFillSync').mockImplementation((buffer: NodeJS.ArrayBufferView) => {
      const bytes = new Uint8Array(buffer.buffer, buffer.byteOffset, buffer.byteLength);
      // The library asks the system for 256 bytes at a time: a whole polynomial takes 3044.
      if (left.length === 0) left = draw(bytes.length === 256 ? 3044 : bytes.length);
      bytes.set(left.subarray(0, bytes.length));
      left = left.subarray(bytes.length);
      return buffer;
    });
    try {
      const sha256 = (b: Uint8Array): string => createHash('sha256').update(b).digest('hex');
      const { publicKey, secretKey } = kem.generateKeyPair();
      expect(sha256(publicKey)).toBe('b985ad6ba3d1587cc6f96b2ba3c82df99f0217a1cf4ec14ea7470e4ad071b3a1');
      expect(sha256(secretKey)).toBe('bae7fe157c87b5005f3450fef526240c1e5362602a3e603f0650231c8d0b81c7');
      const { ciphertext, sharedSecret } = kem.encapsulate(publicKey);
      expect(sha256(ciphertext)).toBe('0aa56cbfbefb10ce1a3d4f2be928bf873cbe1be11439300d65b8fbf5190775bd');
      expect(hex(sharedSecret)).toBe('337b787540bf55f8f9933a0880f1fb1ce00855c7feacd55faaca1926fc174202');
      const damaged = ciphertext.slice();
      damaged[5] = (damaged[5] ?? 0) ^ 1;
      expect(hex(kem.decapsulate(damaged, secretKey))).toBe(
        '1b90ce443f6bb73e62d2b9f8d15fe08a8f548d662156fc54133b74302a6d4975',
      );
    } finally {
      fill.mockRestore();
    }
  });
});
