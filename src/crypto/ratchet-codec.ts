import { FanionError } from '../core/index.js';
import type { MessageKey, RatchetState } from './ratchet-state.js';

/** The state as bytes for the store: one version byte, then fields of fixed size (about 0.7 kB, 4.7 kB with the KEM). */
export function encodeRatchetState(state: RatchetState): Uint8Array {
  throw new FanionError('INTERNAL', `being written ${state.version}`);
}

/** @throws DecodeError on bytes that {@link encodeRatchetState} does not make. */
export function decodeRatchetState(bytes: Uint8Array): RatchetState {
  throw new FanionError('INTERNAL', `being written ${bytes.length}`);
}

/** The stored form of a message key (the official one, so it can be compared). */
export function encodeMessageKey(key: MessageKey): Uint8Array {
  throw new FanionError('INTERNAL', `being written ${key.version}`);
}

export function decodeMessageKey(bytes: Uint8Array): MessageKey {
  throw new FanionError('INTERNAL', `being written ${bytes.length}`);
}
