export { BodyReader } from './body-reader.js';
export { sendSlice, sliceSize, syncFolder, writeFully, writeTo } from './chunk-io.js';
export { XftpClient, type XftpClientOptions } from './client.js';
export {
  decodeXftpCommand,
  encodeXftpResponse,
  type XftpAuthKey,
  type XftpCommand,
  XftpCommandDecodeError,
  type XftpResponse,
} from './commands.js';
export { connectXftp, type Dial, openRequest, xftpTlsParameters, xftpWindows } from './connection.js';
export {
  maxFileSize,
  maxRecipientsPerRequest,
  serverChunkSizes,
  xftpAlpn,
  xftpBlockSize,
  xftpVersions,
} from './constants.js';
export {
  descriptionServers,
  type FileChunk,
  type FileDescription,
  type ReplicaKey,
  validateFileDescription,
} from './description.js';
export { formatFileDescription, parseFileDescription } from './description-yaml.js';
export { networkError, XftpClientError, type XftpError } from './errors.js';
export { decryptFile, type EncryptedFile, encryptFile, FileCipherError, planEncryption } from './file-cipher.js';
export { readClientHelloBlock, serverHelloBlock, type XftpServerHello } from './handshake.js';
export { type FileLink, formatFileLink, parseFileLink } from './link.js';
export {
  bareXftpError,
  decodeXftpBlock,
  encodeBareXftpError,
  encodeXftpBlock,
  type XftpTransmission,
} from './transmission.js';
