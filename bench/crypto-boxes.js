// Boxes, keys, signatures and files: npm run bench -- crypto
import { createCipheriv, randomBytes, randomFillSync } from 'node:crypto';
import { mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import sodium from 'sodium-native';
import * as fanion from '../dist/crypto/index.js';
import { against, compare, eventLoopDelay, line, measureAsync, megabytesPerSecond, ratio } from './lib.js';

const block = 16384;

/** The box of one transport block against AES-GCM of node:crypto and the secretbox of libsodium. */
export function benchBoxes() {
  const secret = randomBytes(32);
  const prepared = fanion.boxKey(secret);
  const nonce = randomBytes(24);
  const iv = randomBytes(16);
  const message = randomBytes(16000);
  const out = Buffer.alloc(block + 16);
  const plain = Buffer.alloc(block);
  const boxed = fanion.sealBoxPadded(secret, nonce, message, block);
  const t = compare({
    seal: () => fanion.sealBoxPadded(prepared, nonce, message, block),
    sealRaw: () => fanion.sealBoxPadded(secret, nonce, message, block),
    open: () => fanion.openBoxPadded(prepared, nonce, boxed),
    secretbox: () => sodium.crypto_secretbox_easy(out, plain, nonce, secret),
    aes: () => {
      const cipher = createCipheriv('aes-256-gcm', secret, iv);
      cipher.update(plain);
      cipher.final();
      cipher.getAuthTag();
    },
  });
  const speed = (us) => megabytesPerSecond(block, us);
  line('box of a 16 KiB block, seal', speed(t.seal), 'MB/s', `${t.seal.toFixed(1)} us`);
  line('box of a 16 KiB block, seal, key not prepared', speed(t.sealRaw), 'MB/s', `${t.sealRaw.toFixed(1)} us`);
  line('box of a 16 KiB block, open', speed(t.open), 'MB/s', `${t.open.toFixed(1)} us`);
  line('libsodium secretbox of 16 KiB', speed(t.secretbox), 'MB/s', `${t.secretbox.toFixed(1)} us`);
  line('node:crypto AES-256-GCM of 16 KiB', speed(t.aes), 'MB/s', `${t.aes.toFixed(1)} us`);
  ratio('box seal / AES-GCM, throughput', t.aes, t.seal);
  ratio('box seal / libsodium secretbox, throughput', t.secretbox, t.seal);
}

/** The operations with keys that commands and blocks need. */
export function benchKeys() {
  const message = randomBytes(200);
  const ed25519 = fanion.generateKeyPair('ed25519');
  const ed448 = fanion.generateKeyPair('ed448');
  const [a, b] = [fanion.generateKeyPair('x25519'), fanion.generateKeyPair('x25519')];
  const nonce = randomBytes(24);
  const signature = fanion.sign(ed25519.privateKey, message);
  const signature448 = fanion.sign(ed448.privateKey, message);
  const authenticator = fanion.authenticate(b.publicKey, a.privateKey, nonce, message);
  const chainKey = randomBytes(32);
  const t = compare(
    {
      'Ed25519 sign': () => fanion.sign(ed25519.privateKey, message),
      'Ed25519 verify': () => fanion.verify(ed25519.publicKey, signature, message),
      'Ed448 verify': () => fanion.verify(ed448.publicKey, signature448, message),
      'X25519 shared secret': () => fanion.dh(a.publicKey, b.privateKey),
      'X25519 key pair': () => fanion.generateKeyPair('x25519'),
      'Ed25519 key pair': () => fanion.generateKeyPair('ed25519'),
      'X448 key pair': () => fanion.generateKeyPair('x448'),
      'authenticator, make': () => fanion.authenticate(b.publicKey, a.privateKey, nonce, message),
      'authenticator, verify': () =>
        fanion.verifyAuthenticator(a.publicKey, b.privateKey, nonce, authenticator, message),
      'block chain step': () => fanion.stepBlockChain(chainKey),
    },
    { iterations: 20, samples: 15, warmup: 20 },
  );
  for (const [name, us] of Object.entries(t)) line(name, us, 'us');
}

async function* pieces(piece, count) {
  for (let i = 0; i < count; i++) yield piece;
}

async function drain(source) {
  let bytes = 0;
  for await (const piece of source) bytes += piece.length;
  return bytes;
}

/** File encryption: the stream in memory, whole files on disk, and its memory and delay of the event loop. */
export async function benchFiles(args) {
  const megabytes = Number(args[0] ?? 128);
  const size = megabytes * 1_000_000;
  const key = randomBytes(32);
  const nonce = randomBytes(24);
  const piece = randomFillSync(Buffer.alloc(256 * 1024));
  const out = Buffer.alloc(piece.length + 16);
  const stream = new fanion.BoxStream(key, nonce);
  const opener = new fanion.BoxStream(key, nonce);
  const t = compare(
    {
      secretbox: () => sodium.crypto_secretbox_easy(out, piece, nonce, key),
      seal: () => stream.seal(piece),
      open: () => opener.open(piece),
    },
    { iterations: 10, samples: 31, warmup: 20 },
  );
  const speed = (us) => megabytesPerSecond(piece.length, us);
  line('libsodium secretbox of 256 KiB pieces', speed(t.secretbox), 'MB/s');
  line('file stream, encrypt', speed(t.seal), 'MB/s');
  line('file stream, decrypt', speed(t.open), 'MB/s');
  ratio('file stream encrypt / secretbox', t.secretbox, t.seal, 0.6);
  ratio('file stream decrypt / secretbox', t.secretbox, t.open, 0.6);

  const count = Math.ceil(size / piece.length);
  const length = count * piece.length;
  const whole = await measureAsync(() => drain(fanion.sealStream(key, nonce, pieces(piece, count))));
  line(`${megabytes} MB through the asynchronous stream, encrypt`, megabytesPerSecond(length, whole.wall), 'MB/s');
  ratio('the same / secretbox', length / whole.wall, speed(t.secretbox), 0.6);

  const dir = mkdtempSync(join(tmpdir(), 'fanion-bench-'));
  try {
    const plain = { filePath: join(dir, 'plain') };
    const sealed = { filePath: join(dir, 'sealed'), cryptoArgs: fanion.randomCryptoFileArgs() };
    await fanion.writeCryptoFile(plain, pieces(piece, count));
    const copy = await measureAsync(() => fanion.copyCryptoFile(plain, { filePath: join(dir, 'copy') }));
    const before = process.memoryUsage().rss;
    const delayed = await eventLoopDelay(() => measureAsync(() => fanion.copyCryptoFile(plain, sealed)));
    const back = await measureAsync(() => fanion.copyCryptoFile(sealed, { filePath: join(dir, 'back') }));
    const grown = process.memoryUsage().rss - before;
    if (statSync(join(dir, 'back')).size !== length) throw new Error('the file came back with another size');
    line(`file of ${megabytes} MB on disk, copy without encryption`, megabytesPerSecond(length, copy.wall), 'MB/s');
    line(`file of ${megabytes} MB on disk, encrypt`, megabytesPerSecond(length, delayed.value.wall), 'MB/s');
    line(`file of ${megabytes} MB on disk, decrypt`, megabytesPerSecond(length, back.wall), 'MB/s');
    line('event loop blocked while encrypting, longest', delayed.max, 'ms', `p99 ${delayed.p99.toFixed(1)} ms`);
    against('memory that the files took', grown / 1e6, 'MB', 64, 'lower');
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}
