import { base64url, type Reader, utf8String } from '../../wire/index.js';
import { normalTime } from './schema.js';
import type { ChatEventOf } from './types.js';

/** First bytes of the binary formats of newer clients (60-groups, section 13.2). */
export const elementTag = { batch: 0x3d, signed: 0x2f, forwarded: 0x3e } as const;

/** The elements of a batch, each of which is read on its own. */
export function readBatch(r: Reader): readonly Uint8Array[] {
  r.char('batch');
  const count = r.u8('count');
  return Array.from({ length: count }, () => r.large('element'));
}

/** What a signature covers. The signature itself only means something in groups with relays, which we do not join. */
export function readSigned(r: Reader): Uint8Array {
  r.char('signed element');
  if (r.char('binding') !== 'G') throw r.error('binding', 'unknown binding');
  const count = r.u8('signatures');
  if (count === 0) throw r.error('signatures', 'no signature');
  for (let i = 0; i < count; i++) {
    if (r.char('key') !== 'M') throw r.error('key', 'unknown key reference');
    r.str('signature');
  }
  return r.tail();
}

/** Who wrote what is forwarded, and when; `element` is the message. */
export function readForwarded(
  r: Reader,
): Omit<ChatEventOf<'x.grp.msg.forward'>, 'msg'> & { readonly element: Uint8Array } {
  r.char('forwarded element');
  const sender = r.char('sender');
  let memberId: string | undefined;
  let memberName: string | undefined;
  if (sender === 'M') {
    memberId = base64url(r.str('memberId'));
    memberName = utf8String(r.str('memberName')) ?? '';
  } else if (sender !== 'C') throw r.error('sender', 'unknown sender');
  const seconds = r.i64('ts');
  const msgTs = Math.abs(seconds) < 1e11 ? normalTime(new Date(seconds * 1000).toISOString()) : undefined;
  if (msgTs === undefined) throw r.error('ts', 'no time');
  return { type: 'x.grp.msg.forward', memberId, memberName, msgTs, element: r.tail() };
}
