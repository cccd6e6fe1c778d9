import type { Reader, Writer } from '../wire/index.js';
import { type KemKeyPair, kemSizes } from './sntrup761.js';

/** KEM parameters that a party sends: a key of its own, or also an encapsulation for the peer's key. */
export type KemParams =
  | { readonly type: 'proposed'; readonly publicKey: Uint8Array }
  | { readonly type: 'accepted'; readonly ciphertext: Uint8Array; readonly publicKey: Uint8Array };

/** What a party keeps for the KEM parameters that it sent in the key agreement. */
export type KemPrivate =
  | { readonly type: 'proposed'; readonly keyPair: KemKeyPair }
  | {
      readonly type: 'accepted';
      readonly keyPair: KemKeyPair;
      readonly ciphertext: Uint8Array;
      readonly sharedSecret: Uint8Array;
    };

/** The public side of {@link KemPrivate}. */
export function kemParamsOf(kem: KemPrivate): KemParams {
  const publicKey = kem.keyPair.publicKey;
  return kem.type === 'proposed'
    ? { type: 'proposed', publicKey }
    : { type: 'accepted', ciphertext: kem.ciphertext, publicKey };
}

/** `P` key, or `A` ciphertext key (10-crypto-and-ratchet.md, section 4.2). */
export function writeKemParams(w: Writer, kem: KemParams): void {
  if (kem.type === 'proposed') w.char('P').large(kem.publicKey);
  else w.char('A').large(kem.ciphertext).large(kem.publicKey);
}

/** Reads {@link writeKemParams}; keys and ciphertexts of another size are a decode error. */
export function readKemParams(r: Reader): KemParams {
  const tag = r.char('kemParams');
  if (tag === 'P') return { type: 'proposed', publicKey: readSized(r, 'publicKey') };
  if (tag === 'A') {
    const ciphertext = readSized(r, 'ciphertext');
    return { type: 'accepted', ciphertext, publicKey: readSized(r, 'publicKey') };
  }
  throw r.error('kemParams', 'unknown tag');
}

function readSized(r: Reader, kind: keyof typeof kemSizes): Uint8Array {
  const bytes = r.large(`kem.${kind}`);
  if (bytes.length !== kemSizes[kind]) throw r.error(`kem.${kind}`, `${bytes.length} bytes, not ${kemSizes[kind]}`);
  // A copy: parameters are kept, the message that brought them is not.
  return new Uint8Array(bytes);
}
