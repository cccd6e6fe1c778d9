import type { RandomSource } from '../../core/index.js';
import { base64url, utf8Bytes } from '../../wire/index.js';
import type { MemberId, SharedMsgId } from './types.js';

/**
 * Ids are made of random bytes in base64, and these characters are the id; its JSON form is base64url of them (1.4).
 */
function doubleBase64(bytes: Uint8Array): string {
  return base64url(utf8Bytes(Buffer.from(bytes).toString('base64')));
}

/** A new id of a message: 12 random bytes, 24 characters. */
export function newSharedMsgId(random: RandomSource): SharedMsgId {
  return doubleBase64(random.bytes(12));
}

/** A new id of a group member: 12 random bytes, 24 characters. */
export function newMemberId(random: RandomSource): MemberId {
  return doubleBase64(random.bytes(12));
}

/** A new id of a contact request: 16 random bytes, once in base64url. */
export function newXContactId(random: RandomSource): string {
  return base64url(random.bytes(16));
}

/** A new probe: 32 random bytes, 60 characters. */
export function newProbe(random: RandomSource): string {
  return doubleBase64(random.bytes(32));
}
