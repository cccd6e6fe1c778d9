export { BodyReader } from './body-reader.js';
export * from './chunk-io.js';
export * from './chunks.js';
export * from './client.js';
export * from './commands.js';
export {
  connectXftp,
  type Dial,
  openRequest,
  type XftpConnection,
  type XftpConnectOptions,
  xftpTlsParameters,
  xftpWindows,
} from './connection.js';
export * from './constants.js';
export * from './description.js';
export * from './description-yaml.js';
export * from './errors.js';
export * from './file-cipher.js';
export * from './handshake.js';
export { Limiter } from './limiter.js';
export * from './link.js';
export * from './servers.js';
export * from './transmission.js';
