import { createHash, createPrivateKey, generateKeyPairSync, type KeyObject, sign } from 'node:crypto';
import { FanionError, type RandomSource } from '../core/index.js';
import { concat, utf8Bytes } from '../wire/index.js';

/**
 * Certificates of relays: a CA whose fingerprint is the address, and a leaf signed by it that the relay runs
 * with (20-smp.md, section 3.4). Written with a small DER encoder because the shape is fixed and it is synchronous.
 */

/** The key algorithms of relay certificates. */
export type CertificateAlgorithm = 'ed25519' | 'ed448';

/** A certificate with its private key, both in DER (X.509, PKCS#8). */
export interface CertifiedKey {
  readonly certificate: Uint8Array;
  readonly privateKey: Uint8Array;
}

const oid = {
  ed25519: [0x2b, 0x65, 0x70],
  ed448: [0x2b, 0x65, 0x71],
  commonName: [0x55, 0x04, 0x03],
  organization: [0x55, 0x04, 0x0a],
  subjectKeyIdentifier: [0x55, 0x1d, 0x0e],
  keyUsage: [0x55, 0x1d, 0x0f],
  basicConstraints: [0x55, 0x1d, 0x13],
  authorityKeyIdentifier: [0x55, 0x1d, 0x23],
  extendedKeyUsage: [0x55, 0x1d, 0x25],
  serverAuth: [0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x01],
} as const;

const tag = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  oid: 0x06,
  utf8String: 0x0c,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const;

function der(type: number, ...parts: readonly Uint8Array[]): Uint8Array {
  const body = concat(...parts);
  const n = body.length;
  const length = n < 0x80 ? [n] : n < 0x100 ? [0x81, n] : [0x82, n >> 8, n & 0xff];
  return concat(Uint8Array.of(type, ...length), body);
}

const sequence = (...parts: readonly Uint8Array[]): Uint8Array => der(tag.sequence, ...parts);
const objectId = (bytes: readonly number[]): Uint8Array => der(tag.oid, Uint8Array.from(bytes));

/** A whole byte string as BIT STRING. */
const bits = (bytes: Uint8Array): Uint8Array => der(tag.bitString, Uint8Array.of(0), bytes);

function name(commonName: string, organization?: string): Uint8Array {
  const part = (id: readonly number[], value: string): Uint8Array =>
    der(tag.set, sequence(objectId(id), der(tag.utf8String, utf8Bytes(value))));
  const parts = [part(oid.commonName, commonName)];
  if (organization !== undefined) parts.push(part(oid.organization, organization));
  return sequence(...parts);
}

/** RFC 5280, section 4.1.2.5: two-digit years up to 2049, four digits from 2050. */
function time(ms: number): Uint8Array {
  const text = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return Number(text.slice(0, 4)) < 2050
    ? der(tag.utcTime, utf8Bytes(text.slice(2)))
    : der(tag.generalizedTime, utf8Bytes(text));
}

function extension(id: readonly number[], critical: boolean, value: Uint8Array): Uint8Array {
  const body = der(tag.octetString, value);
  return critical ? sequence(objectId(id), der(tag.boolean, Uint8Array.of(0xff)), body) : sequence(objectId(id), body);
}

function publicKeyOf(key: KeyObject): Uint8Array {
  const { x } = key.export({ format: 'jwk' });
  if (x === undefined) throw new FanionError('RELAY_CERTIFICATE', 'not an Edwards curve key');
  return new Uint8Array(Buffer.from(x, 'base64url'));
}

function algorithmOf(key: KeyObject): CertificateAlgorithm {
  const type = key.asymmetricKeyType;
  if (type !== 'ed25519' && type !== 'ed448') {
    throw new FanionError('RELAY_CERTIFICATE', `relay certificates need Ed25519 or Ed448 keys, not ${String(type)}`);
  }
  return type;
}

const privateKeyOf = (bytes: Uint8Array): KeyObject =>
  createPrivateKey({ key: Buffer.from(bytes), format: 'der', type: 'pkcs8' });

function newKey(algorithm: CertificateAlgorithm): { key: KeyObject; bytes: Uint8Array } {
  const { privateKey } = algorithm === 'ed25519' ? generateKeyPairSync('ed25519') : generateKeyPairSync('ed448');
  return { key: privateKey, bytes: new Uint8Array(privateKey.export({ format: 'der', type: 'pkcs8' })) };
}

interface CertificateFields {
  readonly subject: Uint8Array;
  readonly issuer: Uint8Array;
  readonly key: KeyObject;
  readonly signer: KeyObject;
  readonly notBefore: number;
  readonly extensions: readonly Uint8Array[];
  readonly random: RandomSource;
}

/** 999,999 days, as upstream: a relay must not die of a date that nobody watches; keys are renewed on purpose. */
const validityMs = 999_999 * 86_400_000;

function certificate(fields: CertificateFields): Uint8Array {
  const subjectAlgorithm = sequence(objectId(oid[algorithmOf(fields.key)]));
  const signatureAlgorithm = sequence(objectId(oid[algorithmOf(fields.signer)]));
  const serial = Uint8Array.from(fields.random.bytes(16));
  // A positive number that needs no leading zero.
  serial[0] = ((serial[0] ?? 0) & 0x3f) | 0x40;
  const body = sequence(
    der(0xa0, der(tag.integer, Uint8Array.of(2))),
    der(tag.integer, serial),
    signatureAlgorithm,
    fields.issuer,
    // One day of grace for clients whose clocks are behind.
    sequence(time(fields.notBefore - 86_400_000), time(fields.notBefore + validityMs)),
    fields.subject,
    sequence(subjectAlgorithm, bits(publicKeyOf(fields.key))),
    der(0xa3, sequence(...fields.extensions)),
  );
  return sequence(body, signatureAlgorithm, bits(new Uint8Array(sign(null, body, fields.signer))));
}

/** RFC 5280, section 4.2.1.2, method 1: SHA-1 of the public key. A name for the key, not a security measure. */
const keyId = (key: KeyObject): Uint8Array => new Uint8Array(createHash('sha1').update(publicKeyOf(key)).digest());

const subjectKeyExtension = (key: KeyObject): Uint8Array =>
  extension(oid.subjectKeyIdentifier, false, der(tag.octetString, keyId(key)));

const authorityKeyExtension = (key: KeyObject): Uint8Array =>
  extension(oid.authorityKeyIdentifier, false, sequence(der(0x80, keyId(key))));

/** What a CA and its leaf have in common: both name the same CA. */
export interface CertificateOptions {
  /** Common name of the CA: `SMP server CA` or `XFTP server CA`. */
  readonly caName: string;
  /** Milliseconds since the epoch: the certificate is valid from a day before. */
  readonly now: number;
  readonly algorithm?: CertificateAlgorithm;
  readonly random: RandomSource;
}

/** A new self-signed CA. Its fingerprint is the identity of the relay. */
export function createCertificateAuthority(options: CertificateOptions): CertifiedKey {
  const { key, bytes } = newKey(options.algorithm ?? 'ed25519');
  const subject = name(options.caName, 'SimpleX');
  const der = certificate({
    subject,
    issuer: subject,
    key,
    signer: key,
    notBefore: options.now,
    random: options.random,
    extensions: [
      subjectKeyExtension(key),
      authorityKeyExtension(key),
      extension(oid.basicConstraints, true, sequence(derTrue)),
    ],
  });
  return { certificate: der, privateKey: bytes };
}

const derTrue = der(tag.boolean, Uint8Array.of(0xff));

/** A new leaf for `host`, signed by the CA. The address of the relay does not change with it. */
export function createLeafCertificate(ca: CertifiedKey, host: string, options: CertificateOptions): CertifiedKey {
  const { key, bytes } = newKey(options.algorithm ?? 'ed25519');
  const signer = privateKeyOf(ca.privateKey);
  const der = certificate({
    subject: name(host === '' ? 'localhost' : host.slice(0, 64)),
    issuer: name(options.caName, 'SimpleX'),
    key,
    signer,
    notBefore: options.now,
    random: options.random,
    extensions: [
      extension(oid.basicConstraints, false, sequence()),
      // digitalSignature, nonRepudiation, keyAgreement
      extension(oid.keyUsage, false, Uint8Array.of(tag.bitString, 2, 3, 0xc8)),
      extension(oid.extendedKeyUsage, false, sequence(objectId(oid.serverAuth))),
      subjectKeyExtension(key),
      authorityKeyExtension(signer),
    ],
  });
  return { certificate: der, privateKey: bytes };
}

/** PEM text of DER bytes. */
export function toPem(label: 'CERTIFICATE' | 'PRIVATE KEY', der: Uint8Array): string {
  const lines =
    Buffer.from(der)
      .toString('base64')
      .match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

/** The first PEM block with this label. */
export function fromPem(label: 'CERTIFICATE' | 'PRIVATE KEY', text: string): Uint8Array {
  const match = new RegExp(`-----BEGIN ${label}-----([A-Za-z0-9+/=\\s]+)-----END ${label}-----`).exec(text);
  if (match?.[1] === undefined) throw new FanionError('RELAY_CERTIFICATE', `no ${label} in the PEM text`);
  return new Uint8Array(Buffer.from(match[1], 'base64'));
}
