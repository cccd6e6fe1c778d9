import { pad } from '../crypto/index.js';
import { decodePrefix, encode, readVersionRange, type VersionRange, writeVersionRange } from '../wire/index.js';
import { xftpBlockSize } from './constants.js';
import { unpadBlock } from './transmission.js';

/** What the server says first (40-xftp, section 1.2). `signedKey` is the DER of its signed X25519 session key. */
export interface XftpServerHello {
  readonly versions: VersionRange;
  readonly sessionId: Uint8Array;
  /** DER certificates: leaf, CA. */
  readonly certificates: readonly Uint8Array[];
  readonly signedKey: Uint8Array;
}

/** What the client answers: the agreed version and the SHA-256 of the CA certificate that it expects. */
export interface XftpClientHello {
  readonly version: number;
  readonly keyHash: Uint8Array;
}

/** Content of the block, without padding. */
export function encodeServerHello(hello: XftpServerHello): Uint8Array {
  return encode((w) => {
    writeVersionRange(w, hello.versions);
    w.str(hello.sessionId)
      .nonEmpty(hello.certificates, (x, der) => x.large(der))
      .large(hello.signedKey);
  }, 1024);
}

/** Reads the content of a block; what follows the known fields is ignored (6.5 servers add a proof for browsers). */
export function decodeServerHello(content: Uint8Array): XftpServerHello {
  return decodePrefix(content, (r) => ({
    versions: readVersionRange(r, 'versions'),
    sessionId: r.str('sessionId'),
    certificates: r.nonEmpty('certificates', (x) => x.large('certificate')),
    signedKey: r.large('signedKey'),
  }));
}

/** The content of the client's hello, without the padding of its block. */
export function encodeClientHello(hello: XftpClientHello): Uint8Array {
  return encode((w) => {
    w.u16(hello.version).str(hello.keyHash);
  });
}

/** Reads the content of a block; a tail is ignored. */
export function decodeClientHello(content: Uint8Array): XftpClientHello {
  return decodePrefix(content, (r) => ({ version: r.u16('version'), keyHash: r.str('keyHash') }));
}

export const serverHelloBlock = (hello: XftpServerHello): Uint8Array => pad(encodeServerHello(hello), xftpBlockSize);
export const clientHelloBlock = (hello: XftpClientHello): Uint8Array => pad(encodeClientHello(hello), xftpBlockSize);
export const readServerHelloBlock = (block: Uint8Array): XftpServerHello => decodeServerHello(unpadBlock(block));
export const readClientHelloBlock = (block: Uint8Array): XftpClientHello => decodeClientHello(unpadBlock(block));
