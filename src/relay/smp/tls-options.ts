import { smpAlpn } from '../../smp/index.js';

/** Upstream's clients bring an X448 key share; another group first would cost them a round trip. */
export const relayGroups = 'X448:X25519';

/** Protocols that the relay accepts: SMP is what is spoken in any case (20-smp.md, section 3.2). */
export const relayProtocols: readonly string[] = [smpAlpn, 'h2', 'http/1.1'];
