/**
 * The TLS parameters that all relays and clients share (20-smp.md, section 3.1; 40-xftp, section 1.1). Each side says
 * which group it puts first.
 */
export const tlsParameters = {
  minVersion: 'TLSv1.2',
  ciphers: 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305',
  sigalgs: 'ed25519:ed448',
} as const;

/** Groups in the order of clients: an X25519 share is the cheaper one. */
export const clientGroups = 'X25519:X448';

/** The protocol that clients name in ALPN (section 3.2). */
export const smpAlpn = 'smp/1';
