import { agreeE2EParams, type E2EParams, pqE2EVersion } from '../../crypto/index.js';
import { type QueueAddress, type SmpClientVersion, smpClientRange } from '../../smp/index.js';
import { agreeVersion, DecodeError } from '../../wire/index.js';
import { cmdError, versionError } from '../errors.js';
import { type ConnectionRequest, parseConnectionRequest } from '../links/index.js';
import { AgentV, type AgentVersion, agentVersions } from '../versions.js';

/** Section 1.1: both sides know PQ; the ratchet version counts when it is known. */
export function pqSupportedBy(agent: AgentVersion, e2e?: number): boolean {
  return agent >= AgentV.PqRatchet && (e2e === undefined || e2e >= pqE2EVersion);
}

/** A link that we can join, at the versions that both know. */
export interface CompatibleLink {
  readonly mode: ConnectionRequest['mode'];
  readonly agentVersion: AgentVersion;
  readonly clientVersion: SmpClientVersion;
  /** The queue that the request leads to. */
  readonly queue: QueueAddress;
  /** The initiator's parameters; absent for contact addresses. */
  readonly e2e: E2EParams | undefined;
}

/** @throws AgentError `CMD SYNTAX` for what is not a full link */
export function parseLink(text: string): ConnectionRequest {
  try {
    return parseConnectionRequest(text);
  } catch (error) {
    if (error instanceof DecodeError) throw cmdError('SYNTAX', 'connection link');
    throw error;
  }
}

/** undefined when a version does not fit. */
export function compatible(request: ConnectionRequest): CompatibleLink | undefined {
  const [first] = request.queues;
  const clientVersion = agreeVersion(smpClientRange, first.clientRange);
  const agentVersion = agreeVersion(agentVersions, request.agentVersions);
  if (clientVersion === undefined || agentVersion === undefined) return undefined;
  let e2e: E2EParams | undefined;
  if (request.mode === 'invitation') {
    e2e = agreeE2EParams(request.e2e);
    if (e2e === undefined) return undefined;
  }
  return { mode: request.mode, agentVersion, clientVersion, queue: first.address, e2e };
}

/** @throws AgentError `AGENT A_VERSION`, `CMD SYNTAX` */
export function requireCompatible(link: string): CompatibleLink {
  const found = compatible(parseLink(link));
  if (found === undefined) throw versionError();
  return found;
}

/** The PQ support of a connection that joins the link (section 6.1). */
export function linkPqSupport(requested: boolean, link: CompatibleLink): boolean {
  return requested && pqSupportedBy(link.agentVersion, link.e2e?.version);
}
