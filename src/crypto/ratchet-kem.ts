import type { KemParams } from './kem-params.js';
import { RatchetError } from './ratchet-errors.js';
import type { RatchetKem, RatchetKeys } from './ratchet-state.js';

/** What a ratchet step does with the KEM. */
export interface KemStep {
  /** Secrets to mix into the new receiving and sending chains. */
  readonly rcvSecret?: Uint8Array;
  readonly sndSecret?: Uint8Array;
  readonly kem?: RatchetKem;
}

/**
 * The KEM state machine (10-crypto-and-ratchet.md, section 5.7): `received` is what the peer's header carries,
 * `ours` our part, `on` whether we want the KEM (and the version has it). Undefined: no key pair was ready.
 * @throws RatchetError `KEM_STATE` when the peer accepts what we did not propose.
 */
export function kemStep(
  received: KemParams | undefined,
  ours: RatchetKem | undefined,
  on: boolean,
  keys: RatchetKeys,
): KemStep | undefined {
  switch (received?.type) {
    case undefined: {
      // The peer declined our key, or nobody proposed: then we propose if we want to.
      if (ours !== undefined || !on) return {};
      const keyPair = keys.kemKeyPair();
      return keyPair === undefined ? undefined : { kem: { keyPair } };
    }
    case 'proposed':
      return on ? accept(received.publicKey, keys) : {};
    case 'accepted': {
      if (ours === undefined) throw new RatchetError('KEM_STATE', 'KEM accepted without a proposal');
      const next = on ? accept(received.publicKey, keys) : {};
      if (next === undefined) return undefined;
      return { ...next, rcvSecret: keys.kem.decapsulate(received.ciphertext, ours.keyPair.secretKey) };
    }
  }
}

function accept(peerKey: Uint8Array, keys: RatchetKeys): KemStep | undefined {
  const keyPair = keys.kemKeyPair();
  if (keyPair === undefined) return undefined;
  const { ciphertext, sharedSecret } = keys.kem.encapsulate(peerKey);
  return { sndSecret: sharedSecret, kem: { keyPair, accepted: { peerKey, sharedSecret, ciphertext } } };
}
