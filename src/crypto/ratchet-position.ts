import { decodeWhole, encode } from '../wire/index.js';
import type { RatchetState } from './ratchet-state.js';

/** First byte of a stored position; a later format gets another. */
const positionFormat = 1;

const flag = { supportKem: 1, enableKem: 2, snd: 4, rcv: 8 } as const;

/**
 * Whether two states of one ratchet have the same keys, so that only their positions differ: true for the states
 * before and after a message, unless it made a ratchet step. Keys are compared by identity: states share them.
 */
export function sameRatchetKeys(a: RatchetState, b: RatchetState): boolean {
  return (
    a.rootKey === b.rootKey &&
    a.ratchetKey === b.ratchetKey &&
    a.kem === b.kem &&
    a.snd?.headerKey === b.snd?.headerKey &&
    a.rcv?.headerKey === b.rcv?.headerKey
  );
}

/**
 * What every message changes in a state: at most 82 bytes, where all of it is 4.6 kB with the KEM. Stores write the
 * state when its keys change, and for each message only this.
 */
export function encodeRatchetPosition(s: RatchetState): Uint8Array {
  return encode((w) => {
    const flags =
      (s.supportKem ? flag.supportKem : 0) |
      (s.enableKem ? flag.enableKem : 0) |
      (s.snd === undefined ? 0 : flag.snd) |
      (s.rcv === undefined ? 0 : flag.rcv);
    w.u8(positionFormat).u8(flags).u16(s.version).u16(s.maxVersion).u32(s.ns).u32(s.nr).u32(s.pn);
    if (s.snd !== undefined) w.raw(s.snd.chainKey);
    if (s.rcv !== undefined) w.raw(s.rcv.chainKey);
  }, 96);
}

/** A stored state at a stored position with the same keys. @throws DecodeError */
export function atRatchetPosition(state: RatchetState, position: Uint8Array): RatchetState {
  return decodeWhole(position, 'ratchetPosition', (r) => {
    const format = r.u8('position.format');
    if (format !== positionFormat) throw r.error('position.format', `${format} is unknown`);
    const flags = r.u8('position.flags');
    if (((flags & flag.snd) !== 0) !== (state.snd !== undefined)) throw r.error('position.flags', 'another state');
    if (((flags & flag.rcv) !== 0) !== (state.rcv !== undefined)) throw r.error('position.flags', 'another state');
    const version = r.u16('position.version');
    const maxVersion = r.u16('position.maxVersion');
    const [ns, nr, pn] = [r.u32('position.ns'), r.u32('position.nr'), r.u32('position.pn')];
    const { snd, rcv } = state;
    return {
      ...state,
      version,
      maxVersion,
      supportKem: (flags & flag.supportKem) !== 0,
      enableKem: (flags & flag.enableKem) !== 0,
      ...(snd === undefined ? {} : { snd: { ...snd, chainKey: r.fixed(32, 'position.snd') } }),
      ...(rcv === undefined ? {} : { rcv: { ...rcv, chainKey: r.fixed(32, 'position.rcv') } }),
      ns,
      nr,
      pn,
    };
  });
}
