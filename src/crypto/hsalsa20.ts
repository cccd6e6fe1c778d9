function load(b: Uint8Array, i: number): number {
  return (b[i] ?? 0) | ((b[i + 1] ?? 0) << 8) | ((b[i + 2] ?? 0) << 16) | ((b[i + 3] ?? 0) << 24);
}

function store(b: Uint8Array, i: number, x: number): void {
  b[i] = x;
  b[i + 1] = x >>> 8;
  b[i + 2] = x >>> 16;
  b[i + 3] = x >>> 24;
}

/**
 * HSalsa20: a 32-byte key from a 32-byte key and the first 16 bytes of `input`. libsodium has it, its Node binding
 * does not; it runs once per box, over 64 bytes, so plain integers are fast enough (well below 1 microsecond).
 */
export function hsalsa20(key: Uint8Array, input: Uint8Array): Uint8Array {
  let x0 = 0x61707865;
  let x1 = load(key, 0);
  let x2 = load(key, 4);
  let x3 = load(key, 8);
  let x4 = load(key, 12);
  let x5 = 0x3320646e;
  let x6 = load(input, 0);
  let x7 = load(input, 4);
  let x8 = load(input, 8);
  let x9 = load(input, 12);
  let x10 = 0x79622d32;
  let x11 = load(key, 16);
  let x12 = load(key, 20);
  let x13 = load(key, 24);
  let x14 = load(key, 28);
  let x15 = 0x6b206574;
  let t = 0;
  for (let i = 0; i < 10; i++) {
    t = (x0 + x12) | 0;
    x4 ^= (t << 7) | (t >>> 25);
    t = (x4 + x0) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x4) | 0;
    x12 ^= (t << 13) | (t >>> 19);
    t = (x12 + x8) | 0;
    x0 ^= (t << 18) | (t >>> 14);

    t = (x5 + x1) | 0;
    x9 ^= (t << 7) | (t >>> 25);
    t = (x9 + x5) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x9) | 0;
    x1 ^= (t << 13) | (t >>> 19);
    t = (x1 + x13) | 0;
    x5 ^= (t << 18) | (t >>> 14);

    t = (x10 + x6) | 0;
    x14 ^= (t << 7) | (t >>> 25);
    t = (x14 + x10) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x14) | 0;
    x6 ^= (t << 13) | (t >>> 19);
    t = (x6 + x2) | 0;
    x10 ^= (t << 18) | (t >>> 14);

    t = (x15 + x11) | 0;
    x3 ^= (t << 7) | (t >>> 25);
    t = (x3 + x15) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x3) | 0;
    x11 ^= (t << 13) | (t >>> 19);
    t = (x11 + x7) | 0;
    x15 ^= (t << 18) | (t >>> 14);

    t = (x0 + x3) | 0;
    x1 ^= (t << 7) | (t >>> 25);
    t = (x1 + x0) | 0;
    x2 ^= (t << 9) | (t >>> 23);
    t = (x2 + x1) | 0;
    x3 ^= (t << 13) | (t >>> 19);
    t = (x3 + x2) | 0;
    x0 ^= (t << 18) | (t >>> 14);

    t = (x5 + x4) | 0;
    x6 ^= (t << 7) | (t >>> 25);
    t = (x6 + x5) | 0;
    x7 ^= (t << 9) | (t >>> 23);
    t = (x7 + x6) | 0;
    x4 ^= (t << 13) | (t >>> 19);
    t = (x4 + x7) | 0;
    x5 ^= (t << 18) | (t >>> 14);

    t = (x10 + x9) | 0;
    x11 ^= (t << 7) | (t >>> 25);
    t = (x11 + x10) | 0;
    x8 ^= (t << 9) | (t >>> 23);
    t = (x8 + x11) | 0;
    x9 ^= (t << 13) | (t >>> 19);
    t = (x9 + x8) | 0;
    x10 ^= (t << 18) | (t >>> 14);

    t = (x15 + x14) | 0;
    x12 ^= (t << 7) | (t >>> 25);
    t = (x12 + x15) | 0;
    x13 ^= (t << 9) | (t >>> 23);
    t = (x13 + x12) | 0;
    x14 ^= (t << 13) | (t >>> 19);
    t = (x14 + x13) | 0;
    x15 ^= (t << 18) | (t >>> 14);
  }
  const out = new Uint8Array(32);
  store(out, 0, x0);
  store(out, 4, x5);
  store(out, 8, x10);
  store(out, 12, x15);
  store(out, 16, x6);
  store(out, 20, x7);
  store(out, 24, x8);
  store(out, 28, x9);
  return out;
}
