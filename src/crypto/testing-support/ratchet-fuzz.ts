import { seededRandom } from '../../core/index.js';
import { decodeWhole, encode } from '../../wire/index.js';
import { fuzzDecoder, fuzzTextDecoder } from '../../wire/testing-support/fuzz.js';
import { aeadEncryptPadded } from '../aead.js';
import {
  decodeE2EKeys,
  decodeMessageKey,
  decodeRatchetState,
  decrypt,
  e2eParamsOf,
  encodeE2EKeys,
  encodeMessageKey,
  encodeRatchetState,
  encryptBody,
  encryptHeader,
  formatE2EParamsUri,
  generateE2EKeys,
  generateJoiningE2EKeys,
  generateKeyPair,
  initRcvRatchet,
  initSndRatchet,
  noSkippedKeys,
  parseE2EParamsUri,
  type RatchetKeys,
  type RatchetState,
  readE2EParams,
  readE2EParamsUri,
  writeE2EParams,
  writeE2EParamsUri,
} from '../index.js';
import { decodeHeader, encodeEncryptedHeader, encodeHeader, encodeMessage } from '../ratchet-message.js';
import type { Sntrup761 } from '../sntrup761.js';
import { e2eParamsUriOf } from '../x3dh.js';

/** Fuzzes every decoder of the ratchet and the key agreement, and the headers that only the peer can make. */
export function fuzzRatchet(kem: Sntrup761, runs: number): void {
  const random = seededRandom('ratchet fuzz');
  const pairs = [kem.generateKeyPair(), kem.generateKeyPair()];
  const [pair = kem.generateKeyPair(), other = pair] = pairs;
  const ratchetKey = generateKeyPair('x448', random);
  const keys: RatchetKeys = { kem, ratchetKeyPair: () => ratchetKey, kemKeyPair: () => pair };

  const offered = generateE2EKeys(random, pair);
  const offer = e2eParamsOf(offered);
  const joining = generateJoiningE2EKeys(random, offer, { kem, keyPair: other });
  const reply = e2eParamsOf(joining);
  const snd = initSndRatchet(joining, offer, ratchetKey);
  const rcv = initRcvRatchet(offered, reply, true, kem);

  const params = [e2eParamsOf(offered, 2), offer, reply].map((p) => encode((w) => writeE2EParams(w, p)));
  fuzzDecoder({ name: 'e2e parameters', inputs: params, decode: (b) => decodeWhole(b, 'e2e', readE2EParams), runs });
  const uris = [e2eParamsUriOf(offered), e2eParamsUriOf(joining)];
  fuzzDecoder({
    name: 'e2e parameters of links',
    inputs: uris.map((p) => encode((w) => writeE2EParamsUri(w, p))),
    decode: (b) => decodeWhole(b, 'e2e', readE2EParamsUri),
    runs,
  });
  fuzzTextDecoder({
    name: 'e2e parameters as text',
    inputs: uris.map(formatE2EParamsUri),
    decode: parseE2EParamsUri,
    runs,
  });
  fuzzDecoder({
    name: 'stored keys',
    inputs: [offered, joining].map(encodeE2EKeys),
    decode: decodeE2EKeys,
    runs,
  });
  fuzzDecoder({
    name: 'stored ratchet',
    inputs: [snd, rcv].map(encodeRatchetState),
    decode: decodeRatchetState,
    runs,
  });
  const { messageKey } = encryptHeader(snd);
  fuzzDecoder({ name: 'message key', inputs: [encodeMessageKey(messageKey)], decode: decodeMessageKey, runs });

  const decryptTo = (state: RatchetState, message: Uint8Array): void => {
    const result = decrypt(state, noSkippedKeys, message, keys);
    // Typed errors are values here; the fuzzer wants them thrown.
    if (result.type === 'failed' || result.type === 'bodyError') throw result.error;
  };
  fuzzDecoder({
    name: 'ratchet message',
    inputs: [encryptBody(messageKey, new Uint8Array(10), 100)],
    decode: (b) => decryptTo(rcv, b),
    runs,
  });
  // A peer can put anything into the header that it encrypts.
  const header = { maxVersion: 3, ratchetKey: ratchetKey.publicKey, pn: 0, ns: 0 };
  const headers = [
    encodeHeader(header, 3),
    encodeHeader({ ...header, ns: 3 }, 2),
    encodeHeader({ ...header, kem: { type: 'proposed', publicKey: other.publicKey } }, 3),
  ];
  for (const version of [2, 3]) {
    fuzzDecoder({ name: 'header plaintext', inputs: headers, decode: (b) => decodeHeader(b, version), runs });
  }
  const { headerKey } = snd.snd ?? { headerKey: new Uint8Array(32) };
  const iv = new Uint8Array(16);
  fuzzDecoder({
    name: 'ratchet header',
    inputs: headers,
    decode: (b) => {
      const version = 2 + (b.length % 2);
      if (b.length > 2308) return;
      const sealed = aeadEncryptPadded(headerKey, iv, rcv.associatedData, b, Math.max(88, b.length + 2));
      if (version < 3 && sealed.ciphertext.length > 200) return;
      const encrypted = encodeEncryptedHeader({ version, iv, tag: sealed.tag, body: sealed.ciphertext });
      decryptTo(rcv, encodeMessage(version, encrypted, new Uint8Array(16), new Uint8Array(100)));
    },
    // Each of them may be a ratchet step with 512 skipped keys.
    runs: Math.ceil(runs / 20),
  });
}
