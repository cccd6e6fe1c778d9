import { equalBytes } from '../../wire/index.js';
import type { MsgIntegrity } from '../types.js';

const problem = (errorInfo: Extract<MsgIntegrity, { type: 'msgError' }>['errorInfo']): MsgIntegrity => ({
  type: 'msgError',
  errorInfo,
});

/** Section 8.3: where a message stands in the peer's sequence. Reported, never a reason to refuse. */
export function checkIntegrity(
  prevExtSndId: number,
  prevRcvHash: Uint8Array,
  sndMsgId: number,
  prevMsgHash: Uint8Array,
): MsgIntegrity {
  const sameHash = equalBytes(prevRcvHash, prevMsgHash);
  if (sndMsgId === prevExtSndId + 1 && sameHash) return { type: 'msgOk' };
  if (sndMsgId < prevExtSndId) return problem({ type: 'msgBadId', msgId: sndMsgId });
  if (sndMsgId === prevExtSndId) return problem({ type: 'msgDuplicate' });
  if (sndMsgId > prevExtSndId + 1) {
    return problem({ type: 'msgSkipped', fromMsgId: prevExtSndId + 1, toMsgId: sndMsgId - 1 });
  }
  return problem({ type: 'msgBadHash' });
}
