import { timingSafeEqual } from 'node:crypto';
import { memory } from '../wire/index.js';
import { type BoxKey, boxNonceSize, boxTagSize, keyOf } from './box.js';
import { CryptoError } from './errors.js';
import { hsalsa20 } from './hsalsa20.js';
import { sodium } from './sodium.js';

/** Bytes of keystream per counter value. */
const block = 64;
/** The first keystream bytes are the key of Poly1305. */
const polyKeySize = 32;

/**
 * The box of section 3.1 made piece by piece, in constant memory (section 3.7): the result does not depend on where
 * the pieces end. Use one stream for one direction: either `seal` pieces and take the `tag`, or `open` pieces and
 * `verify` the tag. Opened pieces are not authenticated before `verify`.
 */
export class BoxStream {
  readonly #key: Uint8Array;
  readonly #nonce: Uint8Array;
  readonly #poly = new Uint8Array(sodium.crypto_onetimeauth_STATEBYTES);
  readonly #partial = new Uint8Array(block);
  #position = polyKeySize;

  constructor(secret: Uint8Array | BoxKey, nonce: Uint8Array) {
    if (nonce.length !== boxNonceSize) {
      throw new CryptoError('CRYPTO_BAD_KEY', `box nonce of ${nonce.length} bytes, not ${boxNonceSize}`);
    }
    this.#key = hsalsa20(keyOf(secret), nonce);
    this.#nonce = nonce.slice(16);
    const polyKey = new Uint8Array(polyKeySize);
    this.#xor(polyKey, polyKey, 0);
    sodium.crypto_onetimeauth_init(this.#poly, polyKey);
  }

  #xor(out: Uint8Array, input: Uint8Array, counter: number): void {
    // The binding takes a 32-bit counter: 256 GiB.
    if (counter + input.length / block > 0xffff_ffff) throw new CryptoError('CRYPTO_LARGE_MSG', 'stream is too long');
    sodium.crypto_stream_salsa20_xor_ic(out, input, this.#nonce, counter, this.#key);
  }

  /** Applies the keystream from the current position on, which may be inside of a block. */
  #advance(out: Uint8Array, input: Uint8Array): void {
    let done = 0;
    const within = this.#position % block;
    if (within !== 0) {
      done = Math.min(block - within, input.length);
      const partial = this.#partial;
      partial.set(input.subarray(0, done), within);
      this.#xor(partial, partial, (this.#position - within) / block);
      out.set(partial.subarray(within, within + done));
      partial.fill(0);
    }
    if (done < input.length) {
      const counter = (this.#position + done) / block;
      // Into subarrays only when there was a partial block: a view costs more than a short message.
      if (done === 0) this.#xor(out, input, counter);
      else this.#xor(out.subarray(done, input.length), input.subarray(done), counter);
    }
    this.#position += input.length;
  }

  /** Encrypts the next piece into `out` (fresh memory by default; `piece` itself is allowed). */
  seal(piece: Uint8Array, out: Uint8Array = memory(piece.length)): Uint8Array {
    if (piece.length === 0) return out;
    this.#advance(out, piece);
    sodium.crypto_onetimeauth_update(this.#poly, out);
    return out;
  }

  /** Decrypts the next piece into `out` (fresh memory by default; `piece` itself is allowed). Not yet authenticated. */
  open(piece: Uint8Array, out: Uint8Array = memory(piece.length)): Uint8Array {
    if (piece.length === 0) return out;
    sodium.crypto_onetimeauth_update(this.#poly, piece);
    this.#advance(out, piece);
    return out;
  }

  /** Ends the stream: the tag over all pieces, 16 bytes. Call once. */
  tag(): Uint8Array {
    const tag = new Uint8Array(boxTagSize);
    sodium.crypto_onetimeauth_final(this.#poly, tag);
    return tag;
  }

  /** Ends the stream: CRYPTO_DECRYPT unless `tag` is the tag over all pieces. Call once. */
  verify(tag: Uint8Array): void {
    const expected = this.tag();
    if (tag.length !== boxTagSize || !timingSafeEqual(expected, tag)) {
      throw new CryptoError('CRYPTO_DECRYPT', 'stream cannot be authenticated');
    }
  }
}

/** Seals a stream of pieces: ciphertext pieces, then the tag (tail tag, no padding: chunks in transit, local files). */
export async function* sealStream(
  secret: Uint8Array | BoxKey,
  nonce: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = new BoxStream(secret, nonce);
  for await (const piece of source) yield stream.seal(piece);
  yield stream.tag();
}

/**
 * Opens what {@link sealStream} gives, whatever the pieces. The plaintext is authenticated only when the generator
 * has ended: it throws CRYPTO_DECRYPT at the end, and the receiver must then forget what it got.
 */
export async function* openStream(
  secret: Uint8Array | BoxKey,
  nonce: Uint8Array,
  source: AsyncIterable<Uint8Array>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const stream = new BoxStream(secret, nonce);
  const tail = new TailTag();
  for await (const piece of source) {
    for (const body of tail.push(piece)) yield stream.open(body);
  }
  stream.verify(tail.end());
}

/** Holds back the last 16 bytes of a stream of unknown length. */
class TailTag {
  #held: Uint8Array = new Uint8Array(0);

  /** The pieces that are certainly not part of the tag. */
  push(piece: Uint8Array): Uint8Array[] {
    if (piece.length >= boxTagSize) {
      const bodies = [this.#held, piece.subarray(0, piece.length - boxTagSize)];
      this.#held = piece.slice(piece.length - boxTagSize);
      return bodies.filter((b) => b.length > 0);
    }
    const joined = Buffer.concat([this.#held, piece]);
    const cut = Math.max(0, joined.length - boxTagSize);
    this.#held = joined.subarray(cut);
    return cut > 0 ? [joined.subarray(0, cut)] : [];
  }

  end(): Uint8Array {
    if (this.#held.length < boxTagSize) throw new CryptoError('CRYPTO_DECRYPT', 'stream is shorter than its tag');
    return this.#held;
  }
}

/** Seals in one piece with the tag at the end: `message.length + 16` bytes. */
export function sealTail(secret: Uint8Array | BoxKey, nonce: Uint8Array, message: Uint8Array): Uint8Array {
  const out = new Uint8Array(message.length + boxTagSize);
  const stream = new BoxStream(secret, nonce);
  stream.seal(message, out.subarray(0, message.length));
  out.set(stream.tag(), message.length);
  return out;
}

/** Opens {@link sealTail}'s form. CRYPTO_DECRYPT when too short or not authentic. */
export function openTail(secret: Uint8Array | BoxKey, nonce: Uint8Array, box: Uint8Array): Uint8Array {
  const end = box.length - boxTagSize;
  if (end < 0) throw new CryptoError('CRYPTO_DECRYPT', 'box is shorter than its tag');
  const stream = new BoxStream(secret, nonce);
  const message = stream.open(box.subarray(0, end));
  stream.verify(box.subarray(end));
  return message;
}
