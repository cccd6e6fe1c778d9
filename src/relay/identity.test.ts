import { existsSync, mkdtempSync, renameSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { systemRandom } from '../core/index.js';
import { certificateFingerprint, validateChain } from '../crypto/index.js';
import { createIdentity, identityFiles, loadOrCreateIdentity, renewLeaf } from './identity.js';

describe('relay identity', () => {
  let directory: string;
  beforeEach(() => {
    directory = mkdtempSync(path.join(tmpdir(), 'fanion-identity-'));
  });
  afterEach(() => rmSync(directory, { recursive: true, force: true }));
  const options = { kind: 'smp', host: 'relay.example', now: Date.now(), random: systemRandom } as const;

  it.each(['ed25519', 'ed448'] as const)('makes %s chains that clients accept, for thousands of years', (algorithm) => {
    const identity = createIdentity({ ...options, algorithm });
    const [leaf, ca] = identity.chain;
    expect(validateChain([leaf, ca], certificateFingerprint(ca), Date.now()).leafKey.alg).toBe(algorithm);
    expect(validateChain([leaf, ca], identity.fingerprint, Date.UTC(4000, 1)).keyHash).toEqual(identity.fingerprint);
    expect(() => validateChain([leaf, ca], identity.fingerprint, Date.now() - 2 * 86_400_000)).toThrow('not valid now');
  });

  it('keeps its identity, and its keys to itself', () => {
    const prefix = path.join(directory, 'sub', 'relay');
    const first = loadOrCreateIdentity(prefix, options);
    const second = loadOrCreateIdentity(prefix, options);
    expect(second.fingerprint).toEqual(first.fingerprint);
    expect(second.leafKey).toEqual(first.leafKey);
    const files = identityFiles(prefix, 'smp');
    for (const file of [files.caKey, files.leaf]) expect(statSync(file).mode & 0o077).toBe(0);
  });

  it('renews the leaf without a new address, and only with the key of its CA', () => {
    const prefix = path.join(directory, 'relay');
    const first = loadOrCreateIdentity(prefix, options);
    const renewed = renewLeaf(prefix, options);
    expect(renewed.fingerprint).toEqual(first.fingerprint);
    expect(renewed.leafKey).not.toEqual(first.leafKey);
    expect(loadOrCreateIdentity(prefix, options).leafKey).toEqual(renewed.leafKey);
    validateChain(renewed.chain, first.fingerprint, Date.now());
    const { caKey } = identityFiles(prefix, 'smp');
    renameSync(caKey, path.join(directory, 'offline'));
    expect(loadOrCreateIdentity(prefix, options).leafKey).toEqual(renewed.leafKey);
    expect(() => renewLeaf(prefix, options)).toThrow('CA key');
    const other = path.join(directory, 'other');
    loadOrCreateIdentity(other, options);
    renameSync(identityFiles(other, 'smp').caKey, caKey);
    expect(() => renewLeaf(prefix, options)).toThrow('does not belong');
    expect(existsSync(identityFiles(prefix, 'smp').leaf)).toBe(true);
    expect(loadOrCreateIdentity(prefix, options).leafKey).toEqual(renewed.leafKey);
  });
});
