import { type PublicKey, readPublicKey, writePublicKey } from '../crypto/index.js';
import { DecodeError, encode, Reader, type Writer } from '../wire/index.js';
import { formatXftpError, parseXftpError, type XftpError } from './errors.js';

/** Keys that authorise commands: a signature, or (from version 2) an authenticator. */
export type XftpAuthKey = PublicKey<'ed25519' | 'ed448' | 'x25519'>;
const authAlgorithms = ['ed25519', 'ed448', 'x25519'] as const;

/** Commands (40-xftp, section 2.2). `size` is the chunk size in bytes, `digest` its SHA-256. */
export type XftpCommand =
  | {
      readonly type: 'FNEW';
      readonly sndKey: XftpAuthKey;
      readonly size: number;
      readonly digest: Uint8Array;
      readonly rcvKeys: readonly XftpAuthKey[];
      readonly basicAuth?: string;
    }
  | { readonly type: 'FADD'; readonly rcvKeys: readonly XftpAuthKey[] }
  | { readonly type: 'FPUT' | 'FDEL' | 'FACK' | 'PING' }
  | { readonly type: 'FGET'; readonly dhKey: PublicKey<'x25519'> };

/** Responses (40-xftp, section 2.3). */
export type XftpResponse =
  | { readonly type: 'SIDS'; readonly senderId: Uint8Array; readonly recipientIds: readonly Uint8Array[] }
  | { readonly type: 'RIDS'; readonly recipientIds: readonly Uint8Array[] }
  | { readonly type: 'FILE'; readonly dhKey: PublicKey<'x25519'>; readonly nonce: Uint8Array }
  | { readonly type: 'OK' | 'PONG' }
  | { readonly type: 'ERR'; readonly error: XftpError };

const writeKey = (w: Writer, key: XftpAuthKey): void => writePublicKey(w, key);
const readKey = (r: Reader): XftpAuthKey => readPublicKey(r, 'rcvKey', authAlgorithms);

/** The bytes of a command as they stand in a transmission (40-xftp, section 2.2). */
export function encodeXftpCommand(command: XftpCommand): Uint8Array {
  return encode((w) => {
    switch (command.type) {
      case 'FNEW':
        w.ascii('FNEW ');
        writePublicKey(w, command.sndKey);
        w.u32(command.size).str(command.digest).nonEmpty(command.rcvKeys, writeKey);
        w.maybe(command.basicAuth, (x, auth) => x.latin1(auth));
        break;
      case 'FADD':
        w.ascii('FADD ').nonEmpty(command.rcvKeys, writeKey);
        break;
      case 'FGET':
        w.ascii('FGET ');
        writePublicKey(w, command.dhKey);
        break;
      default:
        w.ascii(command.type);
    }
  });
}

/** A command that does not decode, with what the server answers. */
export class XftpCommandDecodeError extends DecodeError {
  readonly xftpErr: XftpError;

  constructor(type: 'UNKNOWN' | 'SYNTAX', cause?: unknown) {
    super('xftpCommand', type === 'UNKNOWN' ? 'unknown command' : 'bad syntax', 0, cause);
    this.xftpErr = { type: 'CMD', cmdErr: { type } };
  }
}

/**
 * Decodes a whole command.
 * @throws XftpCommandDecodeError with `CMD UNKNOWN` or `CMD SYNTAX`
 */
export function decodeXftpCommand(bytes: Uint8Array): XftpCommand {
  const space = bytes.indexOf(0x20);
  const tag = Buffer.from(space < 0 ? bytes : bytes.subarray(0, space)).toString('latin1');
  const r = new Reader(space < 0 ? bytes.subarray(bytes.length) : bytes.subarray(space + 1));
  try {
    const command = readParameters(tag, r, space >= 0);
    r.end('xftpCommand');
    return command;
  } catch (e) {
    if (e instanceof XftpCommandDecodeError || !(e instanceof DecodeError)) throw e;
    throw new XftpCommandDecodeError('SYNTAX', e);
  }
}

function readParameters(tag: string, r: Reader, hasParameters: boolean): XftpCommand {
  switch (tag) {
    case 'FNEW': {
      const sndKey = readPublicKey(r, 'sndKey', authAlgorithms);
      const size = r.u32('size');
      const digest = new Uint8Array(r.str('digest'));
      const rcvKeys = r.nonEmpty('rcvKeys', readKey);
      const basicAuth = r.maybe('basicAuth', (x) => x.latin1('basicAuth'));
      return { type: 'FNEW', sndKey, size, digest, rcvKeys, ...(basicAuth === undefined ? {} : { basicAuth }) };
    }
    case 'FADD':
      return { type: 'FADD', rcvKeys: r.nonEmpty('rcvKeys', readKey) };
    case 'FGET':
      return { type: 'FGET', dhKey: readPublicKey(r, 'dhKey', ['x25519']) };
    case 'FPUT':
    case 'FDEL':
    case 'FACK':
    case 'PING':
      if (hasParameters) throw new XftpCommandDecodeError('SYNTAX');
      return { type: tag };
    default:
      throw new XftpCommandDecodeError('UNKNOWN');
  }
}

/** `version` decides whether a blocked chunk is reported as such (from 3) or as AUTH. */
export function encodeXftpResponse(response: XftpResponse, version: number): Uint8Array {
  return encode((w) => {
    switch (response.type) {
      case 'SIDS':
        w.ascii('SIDS ')
          .str(response.senderId)
          .nonEmpty(response.recipientIds, (x, id) => x.str(id));
        break;
      case 'RIDS':
        w.ascii('RIDS ').nonEmpty(response.recipientIds, (x, id) => x.str(id));
        break;
      case 'FILE':
        w.ascii('FILE ');
        writePublicKey(w, response.dhKey);
        w.raw(response.nonce);
        break;
      case 'ERR':
        w.ascii(`ERR ${response.error.type === 'BLOCKED' && version < 3 ? 'AUTH' : formatXftpError(response.error)}`);
        break;
      default:
        w.ascii(response.type);
    }
  });
}

/** Decodes a whole response; a {@link DecodeError} when it is none. */
export function decodeXftpResponse(bytes: Uint8Array): XftpResponse {
  const r = new Reader(bytes);
  const tag = r.word('xftpResponse');
  const id = (x: Reader): Uint8Array => new Uint8Array(x.str('id'));
  const response = ((): XftpResponse => {
    switch (tag) {
      case 'SIDS':
        return { type: 'SIDS', senderId: id(r), recipientIds: r.nonEmpty('recipientIds', id) };
      case 'RIDS':
        return { type: 'RIDS', recipientIds: r.nonEmpty('recipientIds', id) };
      case 'FILE':
        return {
          type: 'FILE',
          dhKey: readPublicKey(r, 'dhKey', ['x25519']),
          nonce: new Uint8Array(r.fixed(24, 'nonce')),
        };
      case 'ERR':
        return { type: 'ERR', error: parseXftpError(Buffer.from(r.tail()).toString('latin1')) };
      case 'OK':
      case 'PONG':
        return { type: tag };
      default:
        throw r.error('xftpResponse', 'unknown response');
    }
  })();
  r.end('xftpResponse');
  return response;
}
