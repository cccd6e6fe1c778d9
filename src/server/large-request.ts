import { isAscii, isUtf8 } from 'node:buffer';
import { parseJson } from '../api/index.js';
import type { ApiRequest } from './messages.js';

const quote = 0x22;
const backslash = 0x5c;

/**
 * Reads a request of many megabytes without making a string of the whole message or values of what is not needed:
 * the result is the only copy. `undefined` when it is no request.
 */
export function parseLargeRequest(bytes: Buffer): ApiRequest | undefined {
  if (!isUtf8(bytes)) return undefined;
  const found = new Map<string, string | undefined>();
  let pos = skipSpace(bytes, 0);
  if (bytes[pos++] !== 0x7b) return undefined;
  pos = skipSpace(bytes, pos);
  if (bytes[pos] === 0x7d) return undefined;
  for (;;) {
    const keyEnd = stringEnd(bytes, pos);
    if (keyEnd === undefined) return undefined;
    const key = stringValue(bytes, pos, keyEnd);
    pos = skipSpace(bytes, keyEnd);
    if (key === undefined || bytes[pos++] !== 0x3a) return undefined;
    pos = skipSpace(bytes, pos);
    const wanted = key === 'corrId' || key === 'cmd';
    const end = bytes[pos] === quote ? stringEnd(bytes, pos) : valueEnd(bytes, pos);
    if (end === undefined) return undefined;
    if (bytes[pos] === quote) {
      if (wanted) {
        const value = stringValue(bytes, pos, end);
        if (value === undefined) return undefined;
        found.set(key, value);
      }
    } else {
      if (parseJson(bytes.toString('utf8', pos, end)) === undefined) return undefined;
      if (wanted) found.set(key, undefined);
    }
    pos = skipSpace(bytes, end);
    const next = bytes[pos++];
    if (next === 0x7d) break;
    if (next !== 0x2c) return undefined;
    pos = skipSpace(bytes, pos);
  }
  if (skipSpace(bytes, pos) !== bytes.length) return undefined;
  const corrId = found.get('corrId');
  const cmd = found.get('cmd');
  return corrId === undefined || cmd === undefined ? undefined : { corrId, cmd };
}

function skipSpace(bytes: Buffer, from: number): number {
  let pos = from;
  for (; pos < bytes.length; pos++) {
    const c = bytes[pos];
    if (c !== 0x20 && c !== 0x0a && c !== 0x0d && c !== 0x09) break;
  }
  return pos;
}

/** The position after the string that starts at `start`. */
function stringEnd(bytes: Buffer, start: number): number | undefined {
  if (bytes[start] !== quote) return undefined;
  for (let from = start + 1; ; ) {
    const end = bytes.indexOf(quote, from);
    if (end === -1) return undefined;
    let escapes = 0;
    while (bytes[end - 1 - escapes] === backslash) escapes++;
    if (escapes % 2 === 0) return end + 1;
    from = end + 1;
  }
}

/** The position after a value that is no string; it ends where its parent goes on. */
function valueEnd(bytes: Buffer, start: number): number | undefined {
  let depth = 0;
  let pos = start;
  while (pos < bytes.length) {
    const c = bytes[pos];
    if (c === quote) {
      const end = stringEnd(bytes, pos);
      if (end === undefined) return undefined;
      pos = end;
      continue;
    }
    if (c === 0x7b || c === 0x5b) depth++;
    else if (c === 0x7d || c === 0x5d) {
      if (depth === 0) return pos;
      depth--;
    } else if (c === 0x2c && depth === 0) return pos;
    pos++;
  }
  return undefined;
}

/** The string between the quotes at `start` and before `end`. */
function stringValue(bytes: Buffer, start: number, end: number): string | undefined {
  const raw = bytes.subarray(start + 1, end - 1);
  if (raw.includes(backslash)) {
    const value = parseJson(bytes.toString('utf8', start, end));
    return typeof value === 'string' ? value : undefined;
  }
  const text = isAscii(raw) ? raw.toString('latin1') : raw.toString('utf8');
  return /[\u0000-\u001f]/.test(text) ? undefined : text;
}
