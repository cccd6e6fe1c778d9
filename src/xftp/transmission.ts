import { pad, unpad } from '../crypto/index.js';
import { DecodeError, encode, Reader } from '../wire/index.js';
import { xftpBlockSize } from './constants.js';
import { parseXftpError, type XftpError } from './errors.js';

/** One transmission (40-xftp, section 1.4). Byte fields of decoded ones are views into the block. */
export interface XftpTransmission {
  /** Nothing, a signature, or an authenticator. */
  readonly auth: Uint8Array;
  readonly sessionId: Uint8Array;
  readonly corrId: Uint8Array;
  readonly entityId: Uint8Array;
  /** Encoded command or response. */
  readonly command: Uint8Array;
  /** The bytes that `auth` covers. */
  readonly signed: Uint8Array;
}

/** A transmission before it is authorised (40-xftp, section 1.4): all of it is signed. */
export interface XftpTransmissionFields {
  readonly sessionId: Uint8Array;
  /** Empty, except where an authenticator takes its nonce from it. */
  readonly corrId?: Uint8Array;
  readonly entityId: Uint8Array;
  readonly command: Uint8Array;
}

const none = new Uint8Array(0);
/** Sizes of no authorisation, Ed25519, X25519 authenticator, Ed448. */
const authSizes: readonly number[] = [0, 64, 80, 114];

/** The block of one transmission; `authorize` makes the authorisation of the given bytes. */
export function encodeXftpBlock(
  fields: XftpTransmissionFields,
  authorize?: (signed: Uint8Array) => Uint8Array,
): Uint8Array {
  const signed = encode((w) => {
    w.str(fields.sessionId)
      .str(fields.corrId ?? none)
      .str(fields.entityId)
      .raw(fields.command);
  });
  const auth = authorize === undefined ? none : authorize(signed);
  const content = encode((w) => {
    w.u8(1)
      .u16(1 + auth.length + signed.length)
      .str(auth)
      .raw(signed);
  });
  return pad(content, xftpBlockSize);
}

/** Reads a block: bad padding, a batch of other than one, and an impossible authorisation are a {@link DecodeError}. */
export function decodeXftpBlock(block: Uint8Array): XftpTransmission {
  const r = new Reader(unpadBlock(block));
  if (r.u8('batch') !== 1) throw r.error('batch', 'not one transmission');
  const t = new Reader(r.large('transmission'));
  r.end('batch');
  const auth = t.str('auth');
  if (!authSizes.includes(auth.length)) throw t.error('auth', 'impossible size');
  const rest = t.tail();
  const s = new Reader(rest);
  const sessionId = s.str('sessionId');
  const corrId = s.str('corrId');
  const entityId = s.str('entityId');
  return { auth, sessionId, corrId, entityId, command: s.tail(), signed: rest };
}

/** The content of a padded block, or a {@link DecodeError}. */
export function unpadBlock(block: Uint8Array): Uint8Array {
  if (block.length !== xftpBlockSize) throw new DecodeError('xftpBlock', `${block.length} bytes`, 0);
  try {
    return unpad(block);
  } catch (cause) {
    throw new DecodeError('xftpBlock', 'bad padding', 0, cause);
  }
}

/** The bare error word that a server sends when the handshake is not done; undefined when the block is something else. */
export function bareXftpError(block: Uint8Array): XftpError | undefined {
  let content: Uint8Array;
  try {
    content = unpadBlock(block);
  } catch {
    return undefined;
  }
  if (content.length >= 20) return undefined;
  const text = Buffer.from(content).toString('latin1');
  if (!/^[A-Z_]+$/.test(text)) return undefined;
  try {
    return parseXftpError(text);
  } catch {
    return undefined;
  }
}

/** The block of a handshake error. */
export function encodeBareXftpError(error: 'HANDSHAKE' | 'SESSION'): Uint8Array {
  return pad(Buffer.from(error, 'latin1'), xftpBlockSize);
}
