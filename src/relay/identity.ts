import { X509Certificate } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { FanionError, type RandomSource } from '../core/index.js';
import { certificateFingerprint } from '../crypto/index.js';
import {
  type CertificateAlgorithm,
  createCertificateAuthority,
  createLeafCertificate,
  fromPem,
  toPem,
} from './certificates.js';

/** What a relay runs with: the chain, and the key of its leaf. The CA's key is not part of it. */
export interface RelayIdentity {
  /** Leaf first, then the CA. DER. */
  readonly chain: readonly [leaf: Uint8Array, ca: Uint8Array];
  /** Private key of the leaf, PKCS#8 DER. */
  readonly leafKey: Uint8Array;
  /** SHA-256 of the CA certificate, 32 bytes. */
  readonly fingerprint: Uint8Array;
}

/** What a new identity is made from; a stored one is loaded as it is. */
export interface RelayIdentityOptions {
  readonly kind: 'smp' | 'xftp';
  /** Host name for the leaf. */
  readonly host: string;
  /** Milliseconds since the epoch. */
  readonly now: number;
  readonly random: RandomSource;
  readonly algorithm?: CertificateAlgorithm;
}

const caNames = { smp: 'SMP server CA', xftp: 'XFTP server CA' } as const;

/** The files of an identity. `caKey` may be moved away after the first start: only renewal needs it. */
export function identityFiles(
  prefix: string,
  kind: 'smp' | 'xftp',
): { caKey: string; caCertificate: string; leaf: string } {
  return {
    caKey: `${prefix}_${kind}_ca.key`,
    caCertificate: `${prefix}_${kind}_ca.crt`,
    // Key and certificate in one file, so that renewal replaces both at once.
    leaf: `${prefix}_${kind}_server.pem`,
  };
}

/** An identity that lives in memory only. */
export function createIdentity(options: RelayIdentityOptions): RelayIdentity {
  const { identity } = makeIdentity(options);
  return identity;
}

function makeIdentity(options: RelayIdentityOptions): { identity: RelayIdentity; caKey: Uint8Array } {
  const certificateOptions = { ...options, caName: caNames[options.kind] };
  const ca = createCertificateAuthority(certificateOptions);
  const leaf = createLeafCertificate(ca, options.host, certificateOptions);
  return {
    identity: {
      chain: [leaf.certificate, ca.certificate],
      leafKey: leaf.privateKey,
      fingerprint: certificateFingerprint(ca.certificate),
    },
    caKey: ca.privateKey,
  };
}

/** Loads the identity stored under `prefix`, and makes one on the first start. Keys get mode 0600. */
export function loadOrCreateIdentity(prefix: string, options: RelayIdentityOptions): RelayIdentity {
  const files = identityFiles(prefix, options.kind);
  if (existsSync(files.caCertificate)) return loadIdentity(prefix, options.kind);
  mkdirSync(path.dirname(files.caCertificate), { recursive: true });
  const { identity, caKey } = makeIdentity(options);
  replaceFile(files.caKey, toPem('PRIVATE KEY', caKey), 0o600);
  writeLeaf(files.leaf, identity.leafKey, identity.chain[0]);
  // The CA certificate says that the identity is complete: a crash before this line makes a new one.
  replaceFile(files.caCertificate, toPem('CERTIFICATE', identity.chain[1]), 0o644);
  return identity;
}

function loadIdentity(prefix: string, kind: 'smp' | 'xftp'): RelayIdentity {
  const files = identityFiles(prefix, kind);
  const ca = fromPem('CERTIFICATE', readFileSync(files.caCertificate, 'utf8'));
  const leafText = readFileSync(files.leaf, 'utf8');
  const leaf = fromPem('CERTIFICATE', leafText);
  const leafKey = fromPem('PRIVATE KEY', leafText);
  const caX509 = new X509Certificate(ca);
  const leafX509 = new X509Certificate(leaf);
  if (!leafX509.verify(caX509.publicKey)) {
    throw new FanionError('RELAY_CERTIFICATE', `${files.leaf} is not signed by ${files.caCertificate}`);
  }
  return { chain: [leaf, ca], leafKey, fingerprint: certificateFingerprint(ca) };
}

/**
 * Makes a new leaf key and certificate with the stored CA key. The address stays. A running relay uses the old
 * leaf until it is restarted.
 */
export function renewLeaf(prefix: string, options: RelayIdentityOptions): RelayIdentity {
  const files = identityFiles(prefix, options.kind);
  if (!existsSync(files.caKey)) {
    throw new FanionError('RELAY_CERTIFICATE', `renewal needs the CA key: put it back to ${files.caKey}`);
  }
  const ca = {
    certificate: fromPem('CERTIFICATE', readFileSync(files.caCertificate, 'utf8')),
    privateKey: fromPem('PRIVATE KEY', readFileSync(files.caKey, 'utf8')),
  };
  const leaf = createLeafCertificate(ca, options.host, { ...options, caName: caNames[options.kind] });
  if (!new X509Certificate(leaf.certificate).verify(new X509Certificate(ca.certificate).publicKey)) {
    throw new FanionError('RELAY_CERTIFICATE', `${files.caKey} does not belong to ${files.caCertificate}`);
  }
  writeLeaf(files.leaf, leaf.privateKey, leaf.certificate);
  return loadIdentity(prefix, options.kind);
}

function writeLeaf(file: string, key: Uint8Array, certificate: Uint8Array): void {
  replaceFile(file, toPem('PRIVATE KEY', key) + toPem('CERTIFICATE', certificate), 0o600);
}

function replaceFile(file: string, text: string, mode: number): void {
  const temporary = `${file}.new`;
  writeFileSync(temporary, text, { mode });
  renameSync(temporary, file);
}
