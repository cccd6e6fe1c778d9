import { SmpV, type SmpVersion } from './versions.js';

/** Every block on the wire, in both directions (20-smp.md, section 4.1). */
export const blockSize = 16384;
/** Padded size of the content of an encrypted block: the block less the tag. */
export const encryptedContentSize = blockSize - 16;
/** Σ(2 + length) of the transmissions of one block, for encrypted and plain blocks alike (section 5.1). */
export const batchSpace = 16365;
/** The longest single transmission. */
export const maxTransmission = batchSpace - 2;
/** Transmissions in one block: the count is one byte. */
export const maxBatchCount = 255;
/** Ids of queues, links, services and messages that relays make; correlation ids (section 5.3). */
export const idSize = 24;
/** Padded size of a message body between relay and recipient, for every version (section 9.1). */
export const rcvBodyPadded = 16106;
/** Padded sizes of the client message, with and without the sender's DH key (section 9.2). */
export const clientMessagePaddedWithKey = 15904;
export const clientMessagePadded = 16000;
/** The absolute limit of a stored body (section 9.3). */
const maxStoredBody = 16088;
/** Padded size of a transmission inside PFWD and of the answer in PRES. */
export const forwardedPadded = 16226;
/** Padded size of notification metadata. */
export const ntfMetaPadded = 128;
/** Queues per resubscription round: 10 blocks of 135 SUB (section 12.7). */
export const subscriptionRound = 1350;

/** The largest SEND body at a version (section 9.3). */
export function maxSendBody(version: SmpVersion): number {
  if (version >= SmpV.EncryptedBlocks) return 16048;
  return version >= SmpV.PrivateRouting ? 16064 : maxStoredBody;
}
