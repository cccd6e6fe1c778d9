import { readFileSync } from 'node:fs';
import { beforeAll, describe, expect, it } from 'vitest';
import { seededRandom } from '../core/index.js';
import { base64url, DecodeError, decodeWhole, encode, hex } from '../wire/index.js';
import {
  agreeE2EParams,
  decodeE2EKeys,
  decodePrivateKey,
  dh,
  type E2EKeys,
  type E2EParams,
  type E2EParamsUri,
  e2eParamsOf,
  encodeE2EKeys,
  encryptBody,
  encryptHeader,
  formatE2EParamsUri,
  generateE2EKeys,
  generateJoiningE2EKeys,
  initRcvRatchet,
  initSndRatchet,
  type KeyPair,
  parseE2EParamsUri,
  privateKeyFromRaw,
  publicKeyOf,
  RatchetError,
  ratchetKeyHash,
  readE2EParams,
  readE2EParamsUri,
  writeE2EParams,
  writeE2EParamsUri,
} from './index.js';
import type { KemPrivate } from './kem-params.js';
import type { RatchetKem } from './ratchet-state.js';
import { type Kem, loadSntrup761, type Sntrup761 } from './sntrup761.js';
import {
  kemFromJson,
  officialName,
  type RatchetJson,
  type RatchetKemJson,
  ratchetToJson,
  withoutNulls,
} from './testing-support/ratchet-json.js';
import { e2eParamsUriOf, verificationCode, type X3dhResult, x3dhRcv, x3dhSnd } from './x3dh.js';

interface KeyJson {
  readonly privPkcs8: string;
  readonly pubRaw: string;
}

interface PartyJson {
  readonly k1: KeyJson;
  readonly k2: KeyJson;
  readonly ratchetDH?: KeyJson;
  readonly privKemParams_smpEncode: string | null;
  readonly params: {
    readonly smpEncode: string;
    readonly uriSmpEncode: string;
    readonly uriStrEncode: string;
    readonly uriVersionRange: string;
    readonly version: number;
  };
}

interface ResultJson {
  readonly ok?: {
    readonly assocData: string;
    readonly kemAccepted: RatchetKemJson['rcKEMs'];
    readonly kemKeyPair: readonly [string, string] | null;
    readonly ratchetKey: string;
    readonly rcvNextHK: string;
    readonly sndHK: string;
    readonly securityCode: string;
  };
  readonly error?: string;
}

interface CaseJson {
  readonly name: string;
  readonly dh: Readonly<Record<'sndK1_rcvK2' | 'sndK2_rcvK1' | 'sndK2_rcvK2', string>>;
  readonly rcvParty: PartyJson;
  readonly sndParty: PartyJson;
  readonly rcvResult: ResultJson;
  readonly sndResult: ResultJson;
  readonly rcvRatchet?: RatchetJson | null;
  readonly sndRatchet?: RatchetJson | null;
  readonly rcvSupportKEM: boolean;
  readonly rkHashRcv: string;
  readonly rkHashSnd: string;
}

const unhex = (s: string): Uint8Array => new Uint8Array(Buffer.from(s, 'hex'));

function pair(json: KeyJson): KeyPair<'x448'> {
  const privateKey = decodePrivateKey(unhex(json.privPkcs8), 'key', ['x448']);
  const publicKey = publicKeyOf(privateKey);
  expect(hex(publicKey.raw)).toBe(json.pubRaw);
  return { privateKey, publicKey };
}

/** `P` large(pk) large(sk); `A` large(ct) str(secret) large(pk) large(sk). */
function kemPrivate(encoded: string | null): KemPrivate | undefined {
  if (encoded === null) return undefined;
  return decodeWhole(unhex(encoded), 'kem', (r): KemPrivate => {
    if (r.char('tag') === 'P') {
      return { type: 'proposed', keyPair: { publicKey: r.large('pk').slice(), secretKey: r.large('sk').slice() } };
    }
    const ciphertext = r.large('ct').slice();
    const sharedSecret = r.str('secret').slice();
    const keyPair = { publicKey: r.large('pk').slice(), secretKey: r.large('sk').slice() };
    return { type: 'accepted', ciphertext, sharedSecret, keyPair };
  });
}

function keysOf(party: PartyJson): E2EKeys {
  const kem = kemPrivate(party.privKemParams_smpEncode);
  return { key1: pair(party.k1), key2: pair(party.k2), ...(kem === undefined ? {} : { kem }) };
}

function kemJson(result: NonNullable<ResultJson['ok']>): RatchetKem | undefined {
  if (result.kemKeyPair === null) return undefined;
  return kemFromJson({ rcPQRs: result.kemKeyPair, rcKEMs: result.kemAccepted ?? null });
}

function expectResult(run: () => X3dhResult, expected: ResultJson): void {
  if (expected.ok === undefined) {
    let name = 'no error';
    try {
      run();
    } catch (e) {
      name = e instanceof RatchetError ? officialName(e) : String(e);
    }
    expect(name).toBe(expected.error);
    return;
  }
  const { headerKey, nextHeaderKey, rootKey, associatedData, kem } = run();
  expect(base64url(headerKey)).toBe(expected.ok.sndHK);
  expect(base64url(nextHeaderKey)).toBe(expected.ok.rcvNextHK);
  expect(base64url(rootKey)).toBe(expected.ok.ratchetKey);
  expect(hex(associatedData)).toBe(expected.ok.assocData);
  expect(verificationCode(associatedData)).toBe(expected.ok.securityCode);
  expect(kem).toEqual(kemJson(expected.ok));
}

let kem: Sntrup761;
beforeAll(async () => {
  kem = await loadSntrup761();
});

const { x3dh } = JSON.parse(readFileSync('test/vectors/ratchet.json', 'utf8')) as { x3dh: CaseJson[] };

describe('recorded key agreements of ratchet.json', () => {
  for (const c of x3dh) {
    it(`${c.name}: parameters, secrets, first ratchets and the security code are the recorded ones`, () => {
      const rcv = keysOf(c.rcvParty);
      const snd = keysOf(c.sndParty);
      expect(hex(dh(rcv.key2.publicKey, snd.key1.privateKey))).toBe(c.dh.sndK1_rcvK2);
      const offer = checkParams(rcv, c.rcvParty);
      const reply = checkParams(snd, c.sndParty);
      expectResult(() => x3dhSnd(snd, offer), c.sndResult);
      expectResult(() => x3dhRcv(rcv, reply, kem), c.rcvResult);
      expect(hex(ratchetKeyHash(offer))).toBe(c.rkHashRcv);
      expect(hex(ratchetKeyHash(reply))).toBe(c.rkHashSnd);
      const { ratchetDH } = c.sndParty;
      if (c.sndRatchet && ratchetDH) {
        const state = initSndRatchet(snd, offer, pair(ratchetDH));
        expect(ratchetToJson(state)).toEqual(withoutNulls(c.sndRatchet));
      }
      if (c.rcvRatchet) {
        const state = initRcvRatchet(rcv, reply, c.rcvSupportKEM, kem);
        expect(ratchetToJson(state)).toEqual(withoutNulls(c.rcvRatchet));
      }
    });
  }

  function checkParams(keys: E2EKeys, { params }: PartyJson): E2EParams {
    const mine = e2eParamsOf(keys, params.version);
    expect(hex(encode((w) => writeE2EParams(w, mine)))).toBe(params.smpEncode);
    const read = decodeWhole(unhex(params.smpEncode), 'params', readE2EParams);
    expect(read).toEqual(mine);
    const uri: E2EParamsUri = parseE2EParamsUri(params.uriStrEncode);
    expect(formatE2EParamsUri(uri)).toBe(params.uriStrEncode);
    expect(hex(encode((w) => writeE2EParamsUri(w, uri)))).toBe(params.uriSmpEncode);
    expect(decodeWhole(unhex(params.uriSmpEncode), 'uri', readE2EParamsUri)).toEqual(uri);
    expect(agreeE2EParams(uri)).toEqual(mine);
    return read;
  }
});

describe('the worked example of the specification (sections 4.5, 4.6, 5.11, 5.12)', () => {
  const consecutive = (from: number): KeyPair<'x448'> => {
    const privateKey = privateKeyFromRaw(
      'x448',
      Uint8Array.from({ length: 56 }, (_, i) => from + i),
    );
    return { privateKey, publicKey: publicKeyOf(privateKey) };
  };
  const rcv: E2EKeys = { key1: consecutive(0x10), key2: consecutive(0x20) };
  const snd: E2EKeys = { key1: consecutive(0x30), key2: consecutive(0x40) };

  it('gives the root key, the code and the hash of the text', () => {
    const agreed = x3dhSnd(snd, e2eParamsOf(rcv));
    expect(hex(agreed.rootKey)).toBe('8cd3eff63560522e4f478713087a48bb85402b1c16dea1d2e56bda2f1a2d1f7c');
    expect(verificationCode(agreed.associatedData)).toBe(
      '23555 22480 21221 40732 63393 10040 95390 38850 80775 73897 27964 94935 39771 33318 41479 64',
    );
    expect(hex(ratchetKeyHash(e2eParamsOf(rcv)))).toBe(
      '0048add7d153285ac562db522dbfafcf1456dcdd0e4bfe3d0889e12747e89ba7',
    );
    expect(formatE2EParamsUri(e2eParamsUriOf(rcv))).toBe(
      'v=2-3&x3dh=MEIwBQYDK2VvAzkAki8_l8HX3eR3Soqr__9sUMmYsbmapJ6wpkhOpWocWfG7B_YVTMalri99dvmXadUBadyX-CaB7jw=,MEIwBQYDK2VvAzkAuKpA3tehqpiEbzj5Jqxie1cEsJhxWbykuZ7MvGB9fg-FM0TV6vcmorDNVrkX45-2jvVg5E0zQ_M=',
    );
  });

  it.each([
    [3, '007c0003f4094335fe38d90b', 174],
    [2, '7b0002f4094335', 172],
  ])('encrypts hello at version %i to the message of the text', (version, start, length) => {
    const state = initSndRatchet(snd, e2eParamsOf(rcv, version), consecutive(0x50));
    const { messageKey } = encryptHeader(state);
    const message = encryptBody(messageKey, new TextEncoder().encode('hello'), 32);
    expect(message.length).toBe(length);
    expect(hex(message).startsWith(start)).toBe(true);
  });
});

describe('generated keys', () => {
  const random = seededRandom('x3dh');
  const proposing = (): E2EKeys => generateE2EKeys(random, kem.generateKeyPair());

  it('accept the KEM key of an offer, propose one without an offer, and leave it out at version 2 and without PQ', () => {
    const pq = { kem: kem as Kem, keyPair: kem.generateKeyPair() };
    const offer = e2eParamsOf(proposing());
    expect(generateJoiningE2EKeys(random, offer, pq).kem?.type).toBe('accepted');
    expect(generateJoiningE2EKeys(random, e2eParamsOf(generateE2EKeys(random)), pq).kem?.type).toBe('proposed');
    expect(generateJoiningE2EKeys(random, { ...offer, version: 2 }, pq).kem).toBeUndefined();
    expect(generateJoiningE2EKeys(random, offer).kem).toBeUndefined();
  });

  it('an offer that accepts the KEM is refused', () => {
    const joined = generateJoiningE2EKeys(random, e2eParamsOf(proposing()), { kem, keyPair: kem.generateKeyPair() });
    const strange = e2eParamsOf(joined);
    expect(() => generateJoiningE2EKeys(random, strange, { kem, keyPair: kem.generateKeyPair() })).toThrow(
      RatchetError,
    );
    expect(() => x3dhSnd(generateE2EKeys(random), strange)).toThrow(RatchetError);
  });

  it('survive the store', () => {
    const plain = generateE2EKeys(random);
    const proposed = proposing();
    const accepted = generateJoiningE2EKeys(random, e2eParamsOf(proposed), { kem, keyPair: kem.generateKeyPair() });
    for (const keys of [plain, proposed, accepted]) expect(decodeE2EKeys(encodeE2EKeys(keys))).toEqual(keys);
    expect(() => decodeE2EKeys(encodeE2EKeys(plain).subarray(0, 100))).toThrow(DecodeError);
  });
});

describe('parameters that are wrong', () => {
  const good =
    'v=2-3&x3dh=MEIwBQYDK2VvAzkAki8_l8HX3eR3Soqr__9sUMmYsbmapJ6wpkhOpWocWfG7B_YVTMalri99dvmXadUBadyX-CaB7jw=,MEIwBQYDK2VvAzkAuKpA3tehqpiEbzj5Jqxie1cEsJhxWbykuZ7MvGB9fg-FM0TV6vcmorDNVrkX45-2jvVg5E0zQ_M=';

  it.each([
    ['', 'nothing'],
    [good.replace('v=2-3', 'v=3-2'), 'versions upside down'],
    [good.replace(/,.*/, ''), 'one key'],
    [`${good}&kem_key=AAAA`, 'a KEM key of another size'],
    [good.replace('x3dh', 'x4dh'), 'no keys'],
  ])('%s is a decode error (%s)', (text) => {
    expect(() => parseE2EParamsUri(text)).toThrow(DecodeError);
  });

  it('the KEM is not read when the versions end at 2, and unknown fields are ignored', () => {
    expect(parseE2EParamsUri(`${good.replace('v=2-3', 'v=2')}&kem_key=AAAA&more=1`).kem).toBeUndefined();
  });

  it('versions that do not meet give no agreement', () => {
    const uri = parseE2EParamsUri(good);
    expect(agreeE2EParams({ ...uri, versions: { min: 4, max: 5 } })).toBeUndefined();
    expect(agreeE2EParams({ ...uri, versions: { min: 3, max: 9 } })?.version).toBe(3);
  });
});
