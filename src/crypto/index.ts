export { authenticate, authenticatorSize, verifyAuthenticator } from './authenticator.js';
export {
  BoxKey,
  boxKey,
  cbNonce,
  openBox,
  openBoxPadded,
  openBoxPaddedInPlace,
  reverseNonce,
  sealBox,
  sealBoxPadded,
} from './box.js';
export { certificateFingerprint, certificateKey, checkChainIdentity, validateChain } from './certs.js';
export { CryptoError } from './errors.js';
export { type FileHeader, readFileHeader, writeFileHeader } from './file-header.js';
export { sha3_256, sha3_384, sha256 } from './hash.js';
export { initBlockChains, stepBlockChain } from './kdf.js';
export { createKemPool, type KemPool, ratchetKeys } from './kem-pool.js';
export {
  type AuthAlgorithm,
  authAlgorithms,
  decodePrivateKey,
  decodePublicKey,
  dh,
  encodePrivateKey,
  encodePublicKey,
  formatPublicKey,
  generateKeyPair,
  type KeyPair,
  type PrivateKey,
  type PublicKey,
  parsePublicKey,
  privateKeyFromRaw,
  publicKeyFromRaw,
  publicKeyOf,
  readPublicKey,
  type SignAlgorithm,
  signAlgorithms,
  writePublicKey,
} from './keys.js';
export {
  type CryptoFile,
  copyCryptoFile,
  cryptoFileArgsToJson,
  cryptoFileFromJson,
  cryptoFileSize,
  filePieces,
  randomCryptoFileArgs,
  readCryptoFileWhole,
  writeCryptoFile,
} from './local-file.js';
export { lazyLength, lazyPrefix, pad, padInto, unpad } from './padding.js';
export { decodeMessageKey, decodeRatchetState, encodeMessageKey, encodeRatchetState } from './ratchet-codec.js';
export { type DecryptResult, decrypt } from './ratchet-decrypt.js';
export { encryptBody, encryptHeader, ratchetPaddedLength } from './ratchet-encrypt.js';
export { RatchetError } from './ratchet-errors.js';
export { atRatchetPosition, encodeRatchetPosition, sameRatchetKeys } from './ratchet-position.js';
export { noSkippedKeys, SkippedKeyMap } from './ratchet-skipped.js';
export { e2eVersions, pqE2EVersion, type RatchetKeys, type RatchetState, type SkippedDiff } from './ratchet-state.js';
export {
  contactLinkKeys,
  fixedLinkDataPadded,
  invitationLinkKey,
  openLinkData,
  sealLinkData,
  senderIdForCorrId,
  signLinkData,
  userLinkDataPadded,
} from './shortlink.js';
export { sign, signatureSize, verify } from './sign.js';
export { decodeSignedKey, signKey, verifySignedKey } from './signed-key.js';
export { BoxStream, openTail, sealStream, sealTail } from './stream.js';
export {
  decodeE2EKeys,
  type E2EKeys,
  e2eParamsOf,
  encodeE2EKeys,
  generateE2EKeys,
  generateJoiningE2EKeys,
  initRcvRatchet,
  initSndRatchet,
  ratchetKeyHash,
} from './x3dh.js';
export {
  agreeE2EParams,
  type E2EParams,
  type E2EParamsUri,
  formatE2EParamsUri,
  parseE2EParamsUri,
  readE2EParams,
  readE2EParamsUri,
  writeE2EParams,
  writeE2EParamsUri,
} from './x3dh-params.js';
export { type Compression, compressedTag, loadCompression } from './zstd.js';
