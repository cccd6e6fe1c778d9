/** The TLS parameters of SMP (20-smp.md, section 3.1). */
export const smpCiphers = 'TLS_CHACHA20_POLY1305_SHA256:ECDHE-ECDSA-CHACHA20-POLY1305';
export const smpSignatureSchemes = 'ed25519:ed448';
/** Upstream's clients bring an X448 key share; another group first would cost them a round trip. */
export const relayGroups = 'X448:X25519';
export const clientGroups = 'X25519:X448';

/** Protocols that the relay accepts: SMP is what is spoken in any case (section 3.2). */
export const relayProtocols: readonly string[] = ['smp/1', 'h2', 'http/1.1'];
