import { X509Certificate } from 'node:crypto';
import { equalBytes, type Reader, type Writer } from '../wire/index.js';
import { DerReader, derTag } from './der.js';
import { CryptoError } from './errors.js';
import { sha256 } from './hash.js';
import { type PublicKey, publicKeyFromObject, type SignAlgorithm } from './keys.js';

/** Certificates in DER, leaf first. */
export type CertificateChain = readonly Uint8Array[];

/** `nonEmpty(large(DER))`. */
export function writeCertificateChain(w: Writer, chain: CertificateChain): void {
  w.nonEmpty(chain, (x, certificate) => x.large(certificate));
}

/** Reads a chain of one certificate at least; the certificates are not looked at. */
export function readCertificateChain(r: Reader, field: string): CertificateChain {
  return r.nonEmpty(field, (x) => x.large(field));
}

/** What the certificates of a chain are (section 2.4). */
export type ChainRoles =
  | { readonly kind: 'empty' }
  /** One certificate: a client's service certificate; not valid for servers. */
  | { readonly kind: 'self'; readonly leaf: Uint8Array }
  | {
      readonly kind: 'valid';
      readonly leaf: Uint8Array;
      /** The certificate whose SHA-256 is the server's key hash. */
      readonly identity: Uint8Array;
      readonly anchor: Uint8Array;
    }
  | { readonly kind: 'tooDeep' };

/** The roles by the length of the chain; the identity is always the second certificate. */
export function chainRoles(chain: CertificateChain): ChainRoles {
  const [leaf, identity] = chain;
  if (leaf === undefined) return { kind: 'empty' };
  if (identity === undefined) return { kind: 'self', leaf };
  const anchor = chain.length <= 4 ? chain.at(-1) : undefined;
  return anchor === undefined ? { kind: 'tooDeep' } : { kind: 'valid', leaf, identity, anchor };
}

/** The key hash of a server: SHA-256 of the whole DER of its identity certificate. 32 bytes. */
export function certificateFingerprint(certificate: Uint8Array): Uint8Array {
  return sha256(certificate);
}

function refuse(problem: string, cause?: unknown): CryptoError {
  return new CryptoError('CRYPTO_CERTIFICATE', problem, { cause });
}

/** Check (1): the chain has a valid form and its identity is the one of the address. CRYPTO_CERTIFICATE if not. */
export function checkChainIdentity(chain: CertificateChain, keyHash: Uint8Array): void {
  const roles = chainRoles(chain);
  if (roles.kind !== 'valid') throw refuse(`certificate chain: ${roles.kind}`);
  if (!equalBytes(certificateFingerprint(roles.identity), keyHash)) {
    throw refuse('certificate fingerprint does not match the server address');
  }
}

/** Reads a certificate; CRYPTO_CERTIFICATE unless it is exactly one in DER. */
export function parseCertificate(bytes: Uint8Array): X509Certificate {
  let certificate: X509Certificate;
  try {
    certificate = new X509Certificate(bytes);
  } catch (cause) {
    throw refuse('not a certificate', cause);
  }
  // OpenSSL takes PEM and ignores bytes after the end: the fingerprint would be of something else.
  if (!equalBytes(certificate.raw, bytes)) throw refuse('not exactly a certificate in DER');
  return certificate;
}

/** The key of a certificate. CRYPTO_CERTIFICATE unless it is Ed25519 or Ed448. */
export function certificateKey(bytes: Uint8Array): PublicKey<SignAlgorithm> {
  return signingKey(parseCertificate(bytes));
}

function signingKey(certificate: X509Certificate): PublicKey<SignAlgorithm> {
  let key: PublicKey;
  try {
    key = publicKeyFromObject(certificate.publicKey);
  } catch (cause) {
    throw refuse('certificate key is not Ed25519 or Ed448', cause);
  }
  const { alg } = key;
  if (alg !== 'ed25519' && alg !== 'ed448') throw refuse('certificate key is not Ed25519 or Ed448');
  return { alg, raw: key.raw };
}

/** The X.509 version: 1, 2 or 3. */
function certificateVersion(bytes: Uint8Array): number {
  const body = new DerReader(new DerReader(bytes, 'certificate').next(derTag.sequence).content, 'certificate');
  const fields = new DerReader(body.next(derTag.sequence).content, 'certificate');
  if (!fields.has(derTag.explicit0)) return 1;
  const version = new DerReader(fields.next(derTag.explicit0).content, 'certificate').next(derTag.integer).content;
  return (version[0] ?? 0) + 1;
}

/** What a validated chain says. */
export interface ValidatedChain {
  /** The key of the leaf: it signs session keys. */
  readonly leafKey: PublicKey<SignAlgorithm>;
  readonly keyHash: Uint8Array;
}

/**
 * The full validation of section 2.4: (1) the identity has the given fingerprint, (2) each certificate is signed by
 * the next, the last is the trust anchor, all are valid at `now` (milliseconds since the epoch), the leaf is X.509
 * v3, the others are certificate authorities, keys are Ed25519 or Ed448. Host names are not checked.
 * CRYPTO_CERTIFICATE says what is wrong.
 */
export function validateChain(chain: CertificateChain, keyHash: Uint8Array, now: number): ValidatedChain {
  checkChainIdentity(chain, keyHash);
  const certificates = chain.map(parseCertificate);
  const [leaf] = certificates;
  if (leaf === undefined || chain[0] === undefined) throw refuse('certificate chain: empty');
  if (certificateVersion(chain[0]) !== 3) throw refuse('leaf certificate is not X.509 v3');
  certificates.forEach((certificate, i) => {
    // Written so that a date which does not parse is refused too.
    const valid = Date.parse(certificate.validFrom) <= now && now <= Date.parse(certificate.validTo);
    if (!valid) throw refuse(`certificate ${i} is not valid now`);
    signingKey(certificate);
    if (i > 0 && !certificate.ca) throw refuse(`certificate ${i} is not an authority`);
    const issuer = certificates[i + 1];
    if (issuer === undefined) return;
    if (!certificate.checkIssued(issuer) || !verifiedBy(certificate, issuer)) {
      throw refuse(`certificate ${i} is not signed by the next one`);
    }
  });
  return { leafKey: signingKey(leaf), keyHash };
}

function verifiedBy(certificate: X509Certificate, issuer: X509Certificate): boolean {
  try {
    return certificate.verify(issuer.publicKey);
  } catch {
    return false;
  }
}
