import type { KeyPair, PublicKey } from './keys.js';
import type { Kem, KemKeyPair } from './sntrup761.js';

/** The e2e versions that we offer (10-crypto-and-ratchet.md, section 4.1). */
export const e2eVersions = { min: 2, max: 3 } as const;

/** The first e2e version with the KEM, with 2-byte lengths in messages. */
export const pqE2EVersion = 3;

/** At most this many messages are skipped on one chain by one message. */
export const maxSkipped = 512;

/** The KEM's part of a ratchet. */
export interface RatchetKem {
  /** Our key pair: its public key goes into our headers. */
  readonly keyPair: KemKeyPair;
  /** Set when the peer's key was accepted: what the headers of this sending chain carry. */
  readonly accepted?: KemAcceptance;
  /**
   * Set instead of `accepted` after `pqEnc = false`: the KEM secret stays mixed into this sending chain, so its
   * later headers must go on carrying the ciphertext, otherwise the chain is lost when its first message is.
   */
  readonly withdrawn?: KemAcceptance;
}

/** A KEM secret that was made for the peer's key. */
export interface KemAcceptance {
  readonly peerKey: Uint8Array;
  readonly sharedSecret: Uint8Array;
  readonly ciphertext: Uint8Array;
}

/** What our messages are encrypted with until the peer's next ratchet key. Keys of 32 bytes. */
export interface SendingChain {
  /** The peer's key with which this chain was made. */
  readonly peerKey: PublicKey<'x448'>;
  readonly chainKey: Uint8Array;
  readonly headerKey: Uint8Array;
}

/** What the peer's messages are decrypted with until its next ratchet key. Keys of 32 bytes. */
export interface ReceivingChain {
  readonly chainKey: Uint8Array;
  readonly headerKey: Uint8Array;
}

/**
 * The state of a double ratchet (10-crypto-and-ratchet.md, section 5.1): an immutable value. Each operation gives
 * a new one, which the caller stores before it uses the result; never encrypt twice from one stored state.
 */
export interface RatchetState {
  /** Agreed e2e version; only grows. */
  readonly version: number;
  /** Highest e2e version that we support. */
  readonly maxVersion: number;
  /** 112 bytes: raw first keys of the joiner and of the initiator. */
  readonly associatedData: Uint8Array;
  /** Our current ratchet key. */
  readonly ratchetKey: KeyPair<'x448'>;
  readonly kem?: RatchetKem;
  /** Chooses the padded size of headers; once true, always true. */
  readonly supportKem: boolean;
  /** Whether the next ratchet step uses the KEM. */
  readonly enableKem: boolean;
  /** Whether a KEM secret is in the current sending chain: "this message is PQ encrypted". */
  readonly sndKem: boolean;
  /** The same of the current receiving chain. */
  readonly rcvKem: boolean;
  readonly rootKey: Uint8Array;
  /** Absent at the initiator until the first message came. */
  readonly snd?: SendingChain;
  readonly rcv?: ReceivingChain;
  /** Number of the next message to send, of the next to receive, and messages in our previous sending chain. */
  readonly ns: number;
  readonly nr: number;
  readonly pn: number;
  readonly nextSndHeaderKey: Uint8Array;
  readonly nextRcvHeaderKey: Uint8Array;
}

/** The key of one message body: 32 and 16 bytes. */
export interface BodyKey {
  readonly key: Uint8Array;
  readonly iv: Uint8Array;
}

/** The stored key of a message that was skipped: one row of the store. */
export interface SkippedKey extends BodyKey {
  readonly headerKey: Uint8Array;
  readonly number: number;
}

/** Names a {@link SkippedKey}. */
export interface SkippedKeyId {
  readonly headerKey: Uint8Array;
  readonly number: number;
}

/** The skipped keys of one connection, as far as decryption needs them. */
export interface SkippedKeys {
  /** Distinct header keys of stored skipped keys. */
  headerKeys(): Iterable<Uint8Array>;
  find(headerKey: Uint8Array, number: number): BodyKey | undefined;
}

/** What the caller must change in the stored skipped keys, in the transaction that stores the state. */
export interface SkippedDiff {
  readonly added: readonly SkippedKey[];
  readonly removed?: SkippedKeyId;
}

/** What a ratchet step draws. Replaced in tests to repeat recorded values. */
export interface RatchetKeys {
  readonly kem: Kem;
  ratchetKeyPair(): KeyPair<'x448'>;
  /** A fresh KEM key pair without waiting; undefined when none is ready: the result is then `needsKemKeyPair`. */
  kemKeyPair(): KemKeyPair | undefined;
}

/**
 * All that is needed to encrypt a message body later, again and again with the same result: stored with the
 * message when it is queued (30-agent.md, section 7.2).
 */
export interface MessageKey extends BodyKey {
  readonly version: number;
  readonly associatedData: Uint8Array;
  /** The encrypted header with its version, iv and tag. */
  readonly header: Uint8Array;
}
