import {
  type E2EParamsUri,
  formatE2EParamsUri,
  parseE2EParamsUri,
  readE2EParamsUri,
  writeE2EParamsUri,
} from '../../crypto/index.js';
import {
  formatQueueUri,
  parseQueueUri,
  type QueueUri,
  readQueueUri,
  sameQueueAddress,
  writeQueueUri,
} from '../../smp/index.js';
import {
  DecodeError,
  decodeWhole,
  formatQuery,
  formatVersionRange,
  parseQuery,
  parseVersionRange,
  type QueryPairs,
  queryValue,
  type Reader,
  readVersionRange,
  utf8Bytes,
  utf8String,
  type VersionRange,
  type Writer,
  writeVersionRange,
} from '../../wire/index.js';
import { AgentV, type AgentVersion, agentVersion } from '../versions.js';

/** Whether a connection is made once (invitation) or by anybody who knows the address (contact). */
export type ConnectionMode = 'invitation' | 'contact';

interface ConnReqData {
  readonly agentVersions: VersionRange<AgentVersion>;
  /** The first one is used for joining; the others are printed as they were read. */
  readonly queues: readonly [QueueUri, ...QueueUri[]];
  /** Text of the layer above, `{"groupLinkId": ...}` in old group links. */
  readonly clientData?: string;
}

/** A one-time invitation: carries the keys of the ratchet. */
export interface InvitationRequest extends ConnReqData {
  readonly mode: 'invitation';
  readonly e2e: E2EParamsUri;
}

/** A contact address: the keys come with the request. */
export interface ContactRequest extends ConnReqData {
  readonly mode: 'contact';
}

/** A full connection link (30-agent.md, section 4.1). */
export type ConnectionRequest = InvitationRequest | ContactRequest;

/** The text form `simplex:/<mode>#/?v=...`; links of web pages (`https://<host>/<mode>#/?...`) are read, never made. */
export function formatConnectionRequest(request: ConnectionRequest): string {
  const query: [string, string][] = [
    ['v', formatVersionRange(request.agentVersions)],
    ['smp', request.queues.map(formatQueueUri).join(';')],
  ];
  if (request.mode === 'invitation') query.push(['e2e', formatE2EParamsUri(request.e2e)]);
  if (request.clientData !== undefined) query.push(['data', request.clientData]);
  return `simplex:/${request.mode}#/?${formatQuery(query, 'escaped')}`;
}

const linkPattern = /^(?:simplex:|https:\/\/[^/?#\s]+)\/(invitation|contact)\/?#\/\?(\S*)$/;

/**
 * Parses a full link of either scheme.
 * @throws DecodeError
 */
export function parseConnectionRequest(text: string): ConnectionRequest {
  const [, mode, queryText] = linkPattern.exec(text) ?? [];
  if (queryText === undefined) throw new DecodeError('link', 'not a connection link', 0);
  const query = parseQuery(queryText, 'link');
  const data = parseData(query);
  if (mode === 'contact') return { mode, ...data, agentVersions: contactVersions(data.agentVersions) };
  return { mode: 'invitation', ...data, e2e: parseE2EParamsUri(requiredParam(query, 'e2e')) };
}

function parseData(query: QueryPairs): ConnReqData {
  const versions = parseVersionRange(requiredParam(query, 'v'), 'link.v');
  const [first, ...rest] = requiredParam(query, 'smp')
    .split(';')
    .map((s) => parseQueueUri(s));
  if (first === undefined) throw new DecodeError('link.smp', 'no queue', 0);
  const clientData = queryValue(query, 'data');
  return {
    agentVersions: { min: agentVersion(versions.min), max: agentVersion(versions.max) },
    queues: [first, ...rest],
    ...(clientData === undefined ? {} : { clientData }),
  };
}

function requiredParam(query: QueryPairs, name: string): string {
  const value = queryValue(query, name);
  if (value === undefined) throw new DecodeError(`link.${name}`, 'missing', 0);
  return value;
}

/** Version 1 had no reply queue in the confirmation, which contact addresses need: they start at 2. */
function contactVersions(range: VersionRange<AgentVersion>): VersionRange<AgentVersion> {
  const min = range.min > AgentV.DuplexHandshake ? range.min : AgentV.DuplexHandshake;
  return { min, max: min > range.max ? min : range.max };
}

/** The binary form, inside the fixed data of short links; the scheme is not kept. */
export function writeConnectionRequest(w: Writer, request: ConnectionRequest): void {
  w.char(request.mode === 'invitation' ? 'I' : 'C');
  writeVersionRange(w, request.agentVersions);
  w.nonEmpty(request.queues, writeQueueUri);
  w.maybe(request.clientData, (w2, s) => w2.large(utf8Bytes(s)));
  if (request.mode === 'invitation') writeE2EParamsUri(w, request.e2e);
}

/** Reads what {@link writeConnectionRequest} writes (30-agent.md, section 4.4). @throws DecodeError */
export function readConnectionRequest(r: Reader): ConnectionRequest {
  const tag = r.char('connReq');
  if (tag !== 'I' && tag !== 'C') throw r.error('connReq', 'not I or C');
  const versions = readVersionRange(r, 'connReq.versions');
  const queues = r.nonEmpty('connReq.queues', (r2) => contactByDefault(readQueueUri(r2)));
  const clientData = r.maybe('connReq.clientData', readText);
  const data: ConnReqData = {
    agentVersions: { min: agentVersion(versions.min), max: agentVersion(versions.max) },
    queues,
    ...(clientData === undefined ? {} : { clientData }),
  };
  if (tag === 'C') return { mode: 'contact', ...data, agentVersions: contactVersions(data.agentVersions) };
  return { mode: 'invitation', ...data, e2e: readE2EParamsUri(r) };
}

/** In a connection request a queue without a mode is a contact queue: version 1-4 ones print no mode byte. */
function contactByDefault(uri: QueueUri): QueueUri {
  return uri.address.queueMode === undefined ? { ...uri, address: { ...uri.address, queueMode: 'contact' } } : uri;
}

function readText(r: Reader): string {
  const text = utf8String(r.large('connReq.clientData'));
  if (text === undefined) throw r.error('connReq.clientData', 'invalid UTF-8');
  return text;
}

/** Decodes a whole binary request. */
export function decodeConnectionRequest(bytes: Uint8Array): ConnectionRequest {
  return decodeWhole(bytes, 'connReq', readConnectionRequest);
}

/** Whether two links lead to the same queues (30-agent.md, section 4.9). */
export function sameConnectionRequest(a: ConnectionRequest, b: ConnectionRequest): boolean {
  return (
    a.mode === b.mode &&
    a.queues.length === b.queues.length &&
    a.queues.every((q, i) => {
      const other = b.queues[i];
      return other !== undefined && sameQueueAddress(q.address, other.address);
    })
  );
}
