import type { VersionRange } from '../wire/index.js';

/** Size of every command, response and handshake block, in bytes (40-xftp, section 0). */
export const xftpBlockSize = 16_384;

/** Protocol versions (40-xftp, section 1.3). */
export const XftpVersion = {
  /** The first; also that of connections without ALPN and handshake. */
  initial: 1,
  /** Commands may carry an X25519 authenticator instead of a signature. */
  authCommands: 2,
  /** The server may answer `ERR BLOCKED ...`. */
  blockedFiles: 3,
} as const;

/** What we speak, as client and as server. */
export const xftpVersions: VersionRange = { min: XftpVersion.initial, max: XftpVersion.blockedFiles };

/** The ALPN name that a client offers. */
export const xftpAlpn = 'xftp/1';

/** Port of an address without port. */
export const xftpDefaultPort = 443;

const KB = 1024;
const MB = 1024 * KB;

/** Chunk sizes that servers take, in bytes, ascending (40-xftp, section 3.2). */
export const serverChunkSizes: readonly number[] = [64 * KB, 256 * KB, MB, 4 * MB];

/** Recipients of one FNEW or FADD. */
export const maxRecipientsPerRequest = 200;

/** Content above this is not sent by the agent, in bytes (40-xftp, section 3.3). */
export const maxFileSize = 5 * 1024 * MB;

/** Size of the authentication tag of the box stream. */
export const tagSize = 16;
