import {
  initBlockChains,
  openBoxPaddedInPlace,
  padInto,
  sealBoxPadded,
  stepBlockChain,
  unpad,
} from '../crypto/index.js';
import { writeBatch } from './batch.js';
import { blockSize, encryptedContentSize } from './sizes.js';

/** One direction of a connection: turns payloads into blocks, or blocks into payloads. The order is the chain's. */
class BlockChain {
  #chain: Uint8Array | undefined;

  /** Without a chain key blocks are only padded. */
  constructor(chain: Uint8Array | undefined) {
    this.#chain = chain;
  }

  /** The key of the next block. The chain advances whatever becomes of the block. */
  protected step(): { readonly key: Uint8Array; readonly nonce: Uint8Array } | undefined {
    if (this.#chain === undefined) return undefined;
    const { chainKey, key, nonce } = stepBlockChain(this.#chain);
    this.#chain = chainKey;
    return { key, nonce };
  }
}

/** Blocks that were sent and may be used again: at the most 1 MB. */
const recycled: Uint8Array[] = [];
const maxRecycled = 64;

function takeBlock(): Uint8Array {
  return recycled.pop() ?? new Uint8Array(Buffer.allocUnsafeSlow(blockSize).buffer);
}

/**
 * Takes back a block of a {@link BlockSealer} when the socket is done with it: sending thousands of blocks makes no
 * garbage (see `wire/scratch.ts`).
 */
export function recycleBlock(block: Uint8Array): void {
  if (block.length === blockSize && recycled.length < maxRecycled) recycled.push(block);
}

/** Where payloads are put together, for all connections: sealing is synchronous and copies out of it. */
const scratch = new Uint8Array(blockSize);

/** Makes the 16384-byte blocks of one direction (20-smp.md, section 4.1). Call in the order of sending. */
export class BlockSealer extends BlockChain {
  /**
   * A block with this payload: at most 16382 bytes, or 16366 when encrypted; else CRYPTO_LARGE_MSG. Whoever has sent
   * it may give it back with {@link recycleBlock}.
   */
  seal(payload: Uint8Array): Uint8Array {
    const step = this.step();
    const block = takeBlock();
    if (step === undefined) padInto(block, payload);
    else sealBoxPadded(step.key, step.nonce, payload, encryptedContentSize, block);
    return block;
  }

  /** A block with these transmissions, which must fit (see `packBatches`). */
  sealBatch(transmissions: readonly Uint8Array[]): Uint8Array {
    const length = writeBatch(scratch, transmissions);
    return this.seal(scratch.subarray(0, length));
  }
}

/** Opens the blocks of one direction. Call in the order of receiving. */
export class BlockOpener extends BlockChain {
  /**
   * The payload of a block: a view of it, because it is decrypted where it is. CryptoError when it cannot be opened or
   * its padding is wrong.
   */
  open(block: Uint8Array): Uint8Array {
    const step = this.step();
    return step === undefined ? unpad(block) : openBoxPaddedInPlace(step.key, step.nonce, block);
  }
}

/** Which end of the connection: it decides which chain is for sending. */
export type Side = 'client' | 'relay';

/** Both directions of a connection after the handshake. Without a secret blocks are plain (section 4.1). */
export function blockCiphers(
  side: Side,
  sessionId: Uint8Array,
  secret: Uint8Array | undefined,
): { readonly sealer: BlockSealer; readonly opener: BlockOpener } {
  if (secret === undefined) return { sealer: new BlockSealer(undefined), opener: new BlockOpener(undefined) };
  const { serverToClient, clientToServer } = initBlockChains(sessionId, secret);
  const [own, peer] = side === 'client' ? [clientToServer, serverToClient] : [serverToClient, clientToServer];
  return { sealer: new BlockSealer(own), opener: new BlockOpener(peer) };
}
