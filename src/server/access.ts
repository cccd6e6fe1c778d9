import { createHash, timingSafeEqual } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';

/** Who may connect (70-bot-api.md 1.1). */
export interface AccessRules {
  /** When set, requests must carry it: `Authorization: Bearer <token>` or `?token=<token>`. */
  readonly apiToken?: string | undefined;
  /** Origins of web pages that may connect, such as `https://bots.example.org`; `*` allows all. */
  readonly allowedOrigins?: readonly string[] | undefined;
  /** Names under which the server is reached besides `localhost` and IP addresses. */
  readonly allowedHosts?: readonly string[] | undefined;
}

/** Why a request is refused: the HTTP status and a text for people. */
export interface Refusal {
  readonly status: 400 | 401 | 403 | 503;
  readonly reason: string;
}

/** The URL of a request; the host in it is that of the request line only. */
export function requestUrl(request: IncomingMessage): URL | undefined {
  try {
    return new URL(request.url ?? '/', 'http://localhost');
  } catch {
    return undefined;
  }
}

/**
 * Refuses requests without the token, from web pages of other origins, and for host names that are not ours: a web
 * page whose name was made to point at this machine has its own name in `Host`, an IP address cannot be forged so.
 */
export function refusal(request: IncomingMessage, rules: AccessRules): Refusal | undefined {
  const { host, origin } = request.headers;
  if (host !== undefined && !isOwnHost(host, rules)) {
    return { status: 403, reason: 'this host name is not allowed (see --allow-host)' };
  }
  if (origin !== undefined && !isAllowedOrigin(origin, host, rules)) {
    return { status: 403, reason: 'web pages of this origin are not allowed (see --allow-origin)' };
  }
  if (rules.apiToken !== undefined && !hasToken(request, rules.apiToken)) {
    return { status: 401, reason: 'the API token is missing or wrong' };
  }
  return undefined;
}

function isOwnHost(host: string, rules: AccessRules): boolean {
  const name = hostName(host);
  if (name === undefined) return false;
  if (name === 'localhost' || isIP(name) !== 0) return true;
  return (rules.allowedHosts ?? []).some((h) => h === '*' || h.toLowerCase() === name);
}

function hostName(host: string): string | undefined {
  const m = /^(?:\[([0-9a-f:.]+)\]|([^:/?#@[\]]+))(?::\d{1,5})?$/i.exec(host);
  return (m?.[1] ?? m?.[2])?.toLowerCase();
}

function isAllowedOrigin(origin: string, host: string | undefined, rules: AccessRules): boolean {
  const allowed = rules.allowedOrigins ?? [];
  if (allowed.includes('*') || allowed.some((o) => o.toLowerCase().replace(/\/$/, '') === origin.toLowerCase()))
    return true;
  // Some client libraries send the server's own address as origin.
  const at = origin.indexOf('://');
  return at > 0 && host !== undefined && origin.slice(at + 3).toLowerCase() === host.toLowerCase();
}

function hasToken(request: IncomingMessage, token: string): boolean {
  const bearer = /^Bearer +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1];
  const given = bearer ?? requestUrl(request)?.searchParams.get('token') ?? undefined;
  return given !== undefined && timingSafeEqual(digest(given), digest(token));
}

/** Of equal length whatever is compared, so that the time says nothing about the token. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
