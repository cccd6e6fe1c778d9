import sodiumNative from 'sodium-native';

/** Functions that the binding has and its type package does not know. */
declare module 'sodium-native' {
  function crypto_stream_salsa20_xor_ic(c: Buffer, m: Buffer, n: Buffer, ic: number, k: Buffer): void;
  function crypto_onetimeauth_init(state: Buffer, k: Buffer): void;
  function crypto_onetimeauth_update(state: Buffer, input: Buffer): void;
  function crypto_onetimeauth_final(state: Buffer, out: Buffer): void;
}

/**
 * The part of libsodium that this room uses, with plain `Uint8Array`s. Functions without a result throw or crash
 * on wrong sizes, so callers check sizes first.
 */
interface Sodium {
  crypto_hash_sha512(out: Uint8Array, input: Uint8Array): void;
  crypto_scalarmult(q: Uint8Array, n: Uint8Array, p: Uint8Array): void;
  crypto_scalarmult_base(q: Uint8Array, n: Uint8Array): void;
  crypto_sign_seed_keypair(pk: Uint8Array, sk: Uint8Array, seed: Uint8Array): void;
  crypto_sign_detached(signature: Uint8Array, message: Uint8Array, sk: Uint8Array): void;
  crypto_sign_verify_detached(signature: Uint8Array, message: Uint8Array, pk: Uint8Array): boolean;
  crypto_secretbox_detached(c: Uint8Array, mac: Uint8Array, m: Uint8Array, n: Uint8Array, k: Uint8Array): void;
  crypto_secretbox_open_detached(m: Uint8Array, c: Uint8Array, mac: Uint8Array, n: Uint8Array, k: Uint8Array): boolean;
  crypto_stream_salsa20_xor_ic(c: Uint8Array, m: Uint8Array, n: Uint8Array, ic: number, k: Uint8Array): void;
  crypto_onetimeauth_init(state: Uint8Array, k: Uint8Array): void;
  crypto_onetimeauth_update(state: Uint8Array, input: Uint8Array): void;
  crypto_onetimeauth_final(state: Uint8Array, out: Uint8Array): void;
  readonly crypto_onetimeauth_STATEBYTES: number;
}

export const sodium: Sodium = sodiumNative;
