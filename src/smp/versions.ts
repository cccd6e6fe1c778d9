import type { VersionRange } from '../wire/index.js';

declare const smpVersionBrand: unique symbol;
declare const smpClientVersionBrand: unique symbol;

/** Version of the protocol between a client and a relay, negotiated per connection (20-smp.md, section 2.1). */
export type SmpVersion = number & { readonly [smpVersionBrand]: true };

/** "SMPC": the version of queue addresses and message headers, end to end (20-smp.md, section 2.3). */
export type SmpClientVersion = number & { readonly [smpClientVersionBrand]: true };

/** A number that came from a peer or a table as a relay protocol version. */
export function smpVersion(n: number): SmpVersion {
  return n as SmpVersion;
}

/** A number that came from a peer or a table as a queue address version. */
export function smpClientVersion(n: number): SmpClientVersion {
  return n as SmpClientVersion;
}

/** The gates of the relay protocol: compare the negotiated version with the constant that names the effect. */
export const SmpV = {
  /** The lowest version that any current peer knows: the session id is sent, only signatures. */
  Lowest: smpVersion(6),
  /** The relay sends its chain and session key, the session id is signed but not sent, authenticators. */
  SessionKeys: smpVersion(7),
  /** PRXY, PFWD, RFWD. */
  PrivateRouting: smpVersion(8),
  /** SKEY; `sndSecure` in NEW and IDS; basic authorization in NEW is a `maybe`. */
  SenderSecures: smpVersion(9),
  /** DELD; older clients get END instead. */
  DeletedEvent: smpVersion(10),
  /** Blocks are encrypted inside TLS. */
  EncryptedBlocks: smpVersion(11),
  /** `ERR BLOCKED`; older clients get AUTH. */
  Blocked: smpVersion(12),
  /** `proxyServer` in the client hello. */
  ProxyServerFlag: smpVersion(14),
  /** Queue mode and link data in NEW, LSET, LDEL, LKEY, LGET, LNK, RKEY. */
  ShortLinks: smpVersion(15),
  /** Service part of the hello, second signature, SOK. */
  Services: smpVersion(16),
  /** Notifier credentials in NEW and IDS. */
  NotifierInNew: smpVersion(17),
  /** Notice in BLOCKED. */
  BlockedNotice: smpVersion(18),
  /** SUBS, NSUBS, SOKS, ENDS carry count and hash. */
  ServiceHash: smpVersion(19),
} as const;

/** What our client offers to relays and our relay to clients. */
export const smpRange: VersionRange<SmpVersion> = { min: SmpV.PrivateRouting, max: SmpV.BlockedNotice };

/** What our proxy passes on in PKEY at most, so that a relay cannot tell client versions apart (section 10.1). */
export const proxiedRange: VersionRange<SmpVersion> = { min: SmpV.PrivateRouting, max: SmpV.NotifierInNew };

/** Relays whose maximum is below this get at most version 10 from a proxy, so that blocks stay plain (section 10.6). */
export const proxyFullVersion: SmpVersion = SmpV.ProxyServerFlag;

/** The gates of queue addresses and message headers. */
export const SmpClientV = {
  Lowest: smpClientVersion(1),
  /** Several host names, versioned queue addresses. */
  MultipleHosts: smpClientVersion(2),
  /** The sender can secure the queue. */
  SenderSecures: smpClientVersion(3),
  /** Short links; the queue mode is written as `M` or `C`. */
  ShortLinks: smpClientVersion(4),
} as const;

/** What we offer in queue URIs. */
export const smpClientRange: VersionRange<SmpClientVersion> = { min: SmpClientV.Lowest, max: SmpClientV.ShortLinks };
