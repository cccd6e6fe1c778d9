import { describe, expect, it } from 'vitest';
import { decodeWhole, encode } from '../wire/index.js';
import { chainRoles, parseCertificate, readCertificateChain, writeCertificateChain } from './certs.js';
import {
  certificateFingerprint,
  certificateKey,
  checkChainIdentity,
  generateKeyPair,
  signKey,
  validateChain,
  verifySignedKey,
} from './index.js';
import { readCertificateChainKey, writeCertificateChainKey } from './signed-key.js';
import { makeCertificate, type TestCertificate } from './testing-support/certificates.js';
import { fromHex, loadVectors } from './testing-support/vectors.js';

const { servers } = loadVectors<{ readonly servers: Record<string, { readonly certificateChain: readonly string[] }> }>(
  'session.json',
);
const now = Date.UTC(2030, 0, 1);
const refused = (problem: string) =>
  expect.objectContaining({ code: 'CRYPTO_CERTIFICATE', message: expect.stringContaining(problem) });

const [ca, leaf, other, network] = [0, 1, 2, 3].map(() => generateKeyPair('ed25519'));
if (ca === undefined || leaf === undefined || other === undefined || network === undefined) throw new Error('keys');

const identity: TestCertificate = { subject: 'CA', issuer: 'CA', keys: ca, signer: ca, ca: true };
const server: TestCertificate = { subject: 'server', issuer: 'CA', keys: leaf, signer: ca };
const certificate = (base: TestCertificate, changes: Partial<TestCertificate> = {}) =>
  makeCertificate({ ...base, ...changes });
const caDer = certificate(identity);
const hash = certificateFingerprint(caDer);

describe('certificate chains', () => {
  it.each(Object.entries(servers))('of the official relay %s are valid', (_name, { certificateChain }) => {
    const chain = certificateChain.map(fromHex);
    const fingerprint = certificateFingerprint(chain[1] ?? new Uint8Array());
    const at = Date.parse(parseCertificate(chain[0] ?? new Uint8Array()).validFrom) + 1000;
    const { leafKey } = validateChain(chain, fingerprint, at);
    expect(leafKey).toEqual(certificateKey(chain[0] ?? new Uint8Array()));
    expect(() => validateChain(chain, fingerprint, at - 2000)).toThrow(refused('not valid now'));
    expect(() => validateChain(chain, hash, at)).toThrow(refused('fingerprint'));
    const wire = encode((w) => writeCertificateChain(w, chain));
    expect(decodeWhole(wire, 'chain', (r) => readCertificateChain(r, 'chain')).map((c) => Buffer.from(c))).toEqual(
      chain.map((c) => Buffer.from(c)),
    );
  });

  it('have roles by their length', () => {
    const chain = [1, 2, 3, 4, 5].map((n) => Uint8Array.of(n));
    expect(chainRoles([]).kind).toBe('empty');
    expect(chainRoles(chain.slice(0, 1))).toEqual({ kind: 'self', leaf: chain[0] });
    for (const n of [2, 3, 4]) {
      expect(chainRoles(chain.slice(0, n))).toEqual({
        kind: 'valid',
        leaf: chain[0],
        identity: chain[1],
        anchor: chain[n - 1],
      });
    }
    expect(chainRoles(chain).kind).toBe('tooDeep');
    expect(() => checkChainIdentity([], hash)).toThrow(refused('empty'));
    expect(() => checkChainIdentity([caDer], hash)).toThrow(refused('self'));
  });

  it('of two, three and four certificates are valid when each is signed by the next', () => {
    expect(validateChain([certificate(server), caDer], hash, now).leafKey).toEqual(leaf.publicKey);
    const operated = certificate(identity, { issuer: 'operator', signer: other });
    const operator = certificate({ subject: 'operator', issuer: 'operator', keys: other, signer: other, ca: true });
    const operatedHash = certificateFingerprint(operated);
    validateChain([certificate(server), operated, operator], operatedHash, now);
    const below = certificate({ subject: 'operator', issuer: 'network', keys: other, signer: network, ca: true });
    const root = certificate({ subject: 'network', issuer: 'network', keys: network, signer: network, ca: true });
    validateChain([certificate(server), operated, below, root], operatedHash, now);
    const deep = [certificate(server), operated, below, root, root];
    expect(() => validateChain(deep, operatedHash, now)).toThrow(refused('tooDeep'));
    const notSigned = certificate({ subject: 'operator', issuer: 'network', keys: other, signer: other, ca: true });
    expect(() => validateChain([certificate(server), operated, notSigned, root], operatedHash, now)).toThrow(
      refused('certificate 2 is not signed'),
    );
  });

  it.each([
    ['signed by another key', { signer: other }, 'not signed'],
    ['of another issuer', { issuer: 'other' }, 'not signed'],
    ['expired', { to: 2025 }, 'certificate 0 is not valid now'],
    ['not yet valid', { from: 2035 }, 'certificate 0 is not valid now'],
    ['of X.509 version 1', { version: 1 }, 'not X.509 v3'],
  ] as const)('with a leaf %s are refused', (_name, changes, problem) => {
    expect(() => validateChain([certificate(server, changes), caDer], hash, now)).toThrow(refused(problem));
  });

  it('with an identity that is no authority or is expired are refused', () => {
    for (const [changes, problem] of [
      [{ ca: false }, 'certificate 1 is not an authority'],
      [{ to: 2025 }, 'certificate 1 is not valid now'],
    ] as const) {
      const bad = certificate(identity, changes);
      expect(() => validateChain([certificate(server), bad], certificateFingerprint(bad), now)).toThrow(
        refused(problem),
      );
    }
  });

  it('with something else than DER certificates are refused', () => {
    for (const bad of [
      new Uint8Array(0),
      new Uint8Array(100),
      Buffer.concat([certificate(server), Buffer.from([0])]),
    ]) {
      expect(() => validateChain([bad, caDer], hash, now)).toThrow(
        expect.objectContaining({ code: 'CRYPTO_CERTIFICATE' }),
      );
    }
  });

  it('carry a session key that the leaf signed, with Ed25519 and with Ed448', () => {
    for (const alg of ['ed25519', 'ed448'] as const) {
      const signer = generateKeyPair(alg);
      const session = generateKeyPair('x25519').publicKey;
      const chain = [certificate(server, { keys: signer }), caDer];
      const wire = encode((w) =>
        writeCertificateChainKey(w, { chain, signedKey: signKey(session, signer.privateKey) }),
      );
      const read = decodeWhole(wire, 'chain', (r) => readCertificateChainKey(r, 'chain'));
      expect(read.signedKey.key).toEqual(session);
      const { leafKey } = validateChain(read.chain, hash, now);
      expect(verifySignedKey(read.signedKey, leafKey)).toBe(true);
      expect(verifySignedKey(read.signedKey, ca.publicKey)).toBe(false);
    }
  });
});
