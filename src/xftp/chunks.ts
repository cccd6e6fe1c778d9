import { serverChunkSizes } from './constants.js';

const [small64, medium256, large1m, huge4m] = [65_536, 262_144, 1_048_576, 4_194_304];

/**
 * How an encrypted payload of `total` bytes is divided: the sizes of its chunks in order, in bytes. Their sum is at
 * least `total`; what is over is padding (40-xftp, section 3.2).
 */
export function prepareChunkSizes(total: number): number[] {
  const [small, big] =
    total > 0.75 * huge4m ? [large1m, huge4m] : total > 0.75 * large1m ? [medium256, large1m] : [small64, medium256];
  const sizes: number[] = [];
  let left = total;
  for (; left >= big; left -= big) sizes.push(big);
  if (left > 0.75 * big) sizes.push(big);
  else for (; left > 0; left -= small) sizes.push(small);
  return sizes;
}

/** The smallest chunk that holds `total` bytes; undefined when none does. For redirect descriptions, which have one chunk. */
export function singleChunkSize(total: number): number | undefined {
  return serverChunkSizes.find((size) => size >= total);
}

/** Offsets of consecutive chunks, numbered from 1. */
export function layOutChunks(sizes: readonly number[]): { chunkNo: number; offset: number; size: number }[] {
  let offset = 0;
  return sizes.map((size, i) => {
    const chunk = { chunkNo: i + 1, offset, size };
    offset += size;
    return chunk;
  });
}
