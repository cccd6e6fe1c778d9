export { decodeBatch, packBatches } from './batch.js';
export { BlockOpener, BlockSealer, blockCiphers, recycleBlock } from './block.js';
export {
  type ClientEnvelope,
  type ClientMessage,
  decodeClientEnvelope,
  openClientMessage,
  openRcvBody,
  type RcvBody,
  sealClientMessage,
  sealNtfMeta,
  sealRcvBody,
} from './bodies.js';
export { SmpClient } from './client.js';
export {
  type EncryptedMessage,
  type LinkAnswer,
  type RequestOptions,
  type SmpClientOptions,
  type SmpEvent,
  senderIdFor,
} from './client-types.js';
export {
  decodeCommand,
  type LinkData,
  type QueueRequest,
  type SmpCommand,
  type SmpCommandName,
  SmpParseError,
  type SubscriptionMode,
} from './commands.js';
export {
  type BlockingInfo,
  type BrokerError,
  type CommandErrorType,
  cmdError,
  type SmpError,
  type TransportError,
} from './errors.js';
export { brokerError, failureOf, isTemporaryFailure, SmpClientError, type SmpFailure } from './failures.js';
export {
  openForwardedAnswer,
  openForwardedCommand,
  openRelayForward,
  openRelayResponse,
  sealForwardedAnswer,
  sealForwardedCommand,
  sealRelayForward,
  sealRelayResponse,
} from './forward.js';
export {
  blocksEncrypted,
  type ClientHello,
  decodeClientHello,
  decodeServerHello,
  encodeClientHello,
  encodeServerHello,
  encodeServiceResponse,
  type ServerHello,
  type SessionCredentials,
} from './handshake.js';
export { decodeMessage, type QueueIds, type SmpMessage } from './messages.js';
export {
  chooseEndpoint,
  type HostMode,
  isAddressProtected,
  type NetworkConfig,
  networkConfig,
  type SessionMode,
  type SocksAuth,
  type SocksProxyConfig,
  socksLogin,
  type Timeout,
} from './network.js';
export { type PoolHandler, SmpPool } from './pool.js';
export {
  formatQueueUri,
  parseQueueUri,
  type QueueAddress,
  type QueueInfo,
  type QueueMode,
  type QueueUri,
  readQueueInfo,
  readQueueUri,
  sameQueueAddress,
  writeQueueInfo,
  writeQueueUri,
} from './queues.js';
export {
  formatServer,
  isBasicAuth,
  isOnionHost,
  parseHosts,
  parseServer,
  parseServerWithAuth,
  readServer,
  type ServerAddress,
  type ServerWithAuth,
  type SmpServer,
  sameServerAddress,
  writeServer,
  type XftpServer,
} from './server.js';
export { batchSpace, blockSize, idSize, maxBatchCount, maxSendBody } from './sizes.js';
export type { PoolQueue, TransportSession } from './subscriptions.js';
export { clientGroups, smpAlpn, tlsParameters } from './tls.js';
export {
  type AuthPrivateKey,
  decodeTransmission,
  encodeCommandTransmission,
  encodeMessageTransmission,
  isAuthorizationSize,
  type RawTransmission,
  verifyTransmission,
} from './transmission.js';
export {
  proxiedRange,
  proxyFullVersion,
  type SmpClientVersion,
  SmpV,
  type SmpVersion,
  smpClientRange,
  smpClientVersion,
  smpRange,
  smpVersion,
} from './versions.js';
