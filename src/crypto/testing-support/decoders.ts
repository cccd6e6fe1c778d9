import { decodeWhole, encode } from '../../wire/index.js';
import type { FuzzOptions } from '../../wire/testing-support/fuzz.js';
import { parseCertificate, readCertificateChain, writeCertificateChain } from '../certs.js';
import {
  boxKey,
  type Compression,
  certificateFingerprint,
  decodePrivateKey,
  decodePublicKey,
  decodeSignedKey,
  encodePrivateKey,
  encodePublicKey,
  generateKeyPair,
  lazyLength,
  openBox,
  openBoxPadded,
  openLinkData,
  openTail,
  parsePublicKey,
  readFileHeader,
  sealBoxPadded,
  sealLinkData,
  sealTail,
  signKey,
  signLinkData,
  unpad,
  validateChain,
  writeFileHeader,
} from '../index.js';
import { anyAlgorithm } from '../keys.js';
import { cryptoFileArgsFromJson } from '../local-file.js';
import { padLazy, unpadLazy } from '../padding.js';
import { readCertificateChainKey, writeCertificateChainKey } from '../signed-key.js';
import { frameContentSize } from '../zstd.js';
import { fromHex, loadVectors } from './vectors.js';

/** Every decoder of this room that takes bytes from outside, with inputs that it accepts. */
export function cryptoDecoders(compression: Compression): readonly FuzzOptions[] {
  const key = boxKey(new Uint8Array(32).fill(3));
  const nonce = new Uint8Array(24).fill(5);
  const pairs = anyAlgorithm.map((alg) => generateKeyPair(alg));
  const ed25519 = generateKeyPair('ed25519');
  const x25519 = generateKeyPair('x25519');
  const ed448 = generateKeyPair('ed448');
  const message = Buffer.from('a message of the queue');
  const signed = [ed25519, ed448].map((signer) => signKey(x25519.publicKey, signer.privateKey));
  const { servers } = loadVectors<{ servers: Record<string, { certificateChain: string[] }> }>('session.json');
  const chains = Object.values(servers).map((s) => s.certificateChain.map(fromHex));
  const identity = chains[0]?.[1] ?? new Uint8Array();
  const recordedAt = Date.UTC(2026, 10, 21);
  const { compression: recorded, decompression } = loadVectors<{
    compression: { batch: string; smpEncode: string }[];
    decompression: { input: string }[];
  }>('crypto.json');
  const items = [...recorded.map((c) => fromHex(c.smpEncode)), ...decompression.map((c) => fromHex(c.input))];
  const linkData = sealLinkData(new Uint8Array(32), signLinkData(ed25519.privateKey, message), 200);
  const text = (b: Uint8Array): string => Buffer.from(b).toString('latin1');
  return [
    {
      name: 'public key',
      inputs: pairs.map((p) => encodePublicKey(p.publicKey)),
      decode: (b) => decodePublicKey(b, 'key', anyAlgorithm),
    },
    {
      name: 'private key',
      inputs: pairs.map((p) => encodePrivateKey(p.privateKey)),
      decode: (b) => decodePrivateKey(b, 'key', anyAlgorithm),
    },
    {
      name: 'public key text',
      inputs: [Buffer.from('MCowBQYDK2VuAyEAj0DFrbaPJWJK5bIU6nZ6bslNgp09e14a0bpvPiE4KF8=')],
      decode: (b) => parsePublicKey(text(b), 'key', anyAlgorithm),
    },
    { name: 'box', inputs: [sealBoxPadded(key, nonce, message, 64)], decode: (b) => openBox(key, nonce, b) },
    {
      name: 'padded box',
      inputs: [sealBoxPadded(key, nonce, message, 64)],
      decode: (b) => openBoxPadded(key, nonce, b),
    },
    { name: 'tail box', inputs: [sealTail(key, nonce, message)], decode: (b) => openTail(key, nonce, b) },
    { name: 'padding', inputs: [fromHex('0003616263232323')], decode: unpad },
    { name: 'long padding', inputs: [padLazy(message, 64)], decode: (b) => [lazyLength(b), unpadLazy(b)] },
    { name: 'signed key', inputs: signed.map((s) => s.der), decode: (b) => decodeSignedKey(b, 'key', anyAlgorithm) },
    {
      name: 'certificate chain',
      inputs: chains.map((c) => encode((w) => writeCertificateChain(w, c))),
      decode: (b) => decodeWhole(b, 'chain', (r) => readCertificateChain(r, 'chain')),
    },
    {
      name: 'certificate chain with key',
      inputs: chains.flatMap((chain) =>
        signed.map((signedKey) => encode((w) => writeCertificateChainKey(w, { chain, signedKey }))),
      ),
      decode: (b) => decodeWhole(b, 'chain', (r) => readCertificateChainKey(r, 'chain')),
    },
    { name: 'certificate', inputs: chains.flat(), decode: parseCertificate },
    {
      name: 'certificate validation',
      inputs: chains.map((c) => c[0] ?? new Uint8Array()),
      decode: (b) => validateChain([b, identity], certificateFingerprint(identity), recordedAt),
    },
    {
      name: 'file header',
      inputs: [encode((w) => writeFileHeader(w, { fileName: 'a.txt', fileExtra: 'x' }))],
      decode: (b) => decodeWhole(b, 'header', readFileHeader),
    },
    { name: 'link data', inputs: [linkData], decode: (b) => openLinkData(new Uint8Array(32), b) },
    {
      name: 'local file keys',
      inputs: [Buffer.from('AAECAwQFBgcICQoLDA0ODxAREhMUFRYX')],
      decode: (b) => cryptoFileArgsFromJson({ fileKey: `${text(b)}AAECAwQFBgc`, fileNonce: text(b) }),
    },
    { name: 'zstd header', inputs: items.map((b) => b.subarray(3)), decode: frameContentSize },
    { name: 'compressed item', inputs: items, decode: (b) => compression.decompressItem(b) },
    {
      name: 'compressed batch',
      inputs: recorded.map((c) => fromHex(c.batch)),
      decode: (b) => compression.decompressBatch(b),
    },
  ];
}
