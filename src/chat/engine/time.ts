/**
 * An instant as the API writes it: ISO 8601 in UTC, a fraction only when it is not zero and without trailing zeros
 * (70-bot-api.md, section 2.2).
 */
export function isoTime(ms: number): string {
  const s = new Date(ms).toISOString();
  if (s.endsWith('.000Z')) return `${s.slice(0, -5)}Z`;
  if (s.endsWith('00Z')) return `${s.slice(0, -3)}Z`;
  return s.endsWith('0Z') ? `${s.slice(0, -2)}Z` : s;
}

/** As {@link isoTime}; undefined for what is not set. */
export function isoTimeOrUndefined(ms: number | null): string | undefined {
  return ms === null ? undefined : isoTime(ms);
}

/** Milliseconds of an ISO 8601 time with any number of fraction digits; undefined when it is none. */
export function parseIsoTime(s: string): number | undefined {
  const ms = Date.parse(s.replace(' ', 'T').replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(ms) ? undefined : ms;
}
