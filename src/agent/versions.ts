import type { VersionRange } from '../wire/index.js';

/** A version of the agent protocol (30-agent.md, section 1.1). */
export type AgentVersion = number & { readonly __brand: 'AgentVersion' };

/** The versions of the agent protocol, by what came with them. */
export const AgentV = {
  /** The reply queue is inside of the confirmation; the lowest version that we speak. */
  DuplexHandshake: 2 as AgentVersion,
  RatchetSync: 3 as AgentVersion,
  DeliveryReceipts: 4 as AgentVersion,
  PqRatchet: 5 as AgentVersion,
  SenderSecured: 6 as AgentVersion,
  /** The initiator has a ratchet as soon as it processed the confirmation. */
  RatchetOnConfirmation: 7 as AgentVersion,
  Current: 7 as AgentVersion,
} as const;

/** What we offer. */
export const agentVersions: VersionRange<AgentVersion> = { min: AgentV.DuplexHandshake, max: AgentV.Current };

/** Any number that a peer names as its version. */
export function agentVersion(n: number): AgentVersion {
  return n as AgentVersion;
}

/** The lower of two versions. */
export function lowerVersion<V extends number>(a: V, b: V): V {
  if (a < b) return a;
  return b;
}
