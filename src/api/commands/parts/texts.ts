import { SchemaMismatch } from '../../decode.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../../json.js';
import type { CryptoFile } from '../../types.generated.js';
import { type CommandInput, isSpace } from '../input.js';

/** Texts, passwords, JSON and paths in commands (70-bot-api.md 3.2). */

/** A JSON string that fills the rest, else the rest as it is. */
export function msgText(p: CommandInput): string {
  return p.optional(() => jsonString(p, 'a text')) ?? p.rest();
}

function jsonString(p: CommandInput, what: string): string {
  if (p.text[p.pos] !== '"') p.fail(`a JSON string (${what})`);
  return p.json(what, (v) => {
    if (typeof v !== 'string') throw new SchemaMismatch('$', 'a string');
    return v;
  });
}

/** A password as JSON string; old clients put the word `json` before it. */
export function jsonPassword(p: CommandInput): string {
  p.option('json ', () => undefined);
  return jsonString(p, 'a password');
}

/** A password: a JSON string or a word. */
export function password(p: CommandInput): string {
  return p.first(
    () => jsonString(p, 'a password'),
    () => p.until((c) => c === 0x20, 'a password'),
  );
}

/** White space and a short description: trimmed, cut to 160 code points, absent when empty. */
export function bio(p: CommandInput): string | undefined {
  if (!isSpace(p.text.charCodeAt(p.pos))) return undefined;
  while (isSpace(p.text.charCodeAt(p.pos))) p.pos++;
  const text = p.rest().trimEnd();
  return text === '' ? undefined : [...text].slice(0, 160).join('');
}

/** `(quoted)` and a space. */
export function quotedText(p: CommandInput): string {
  p.literal('(');
  const end = p.text.indexOf(')', p.pos);
  if (end < 0) p.fail('")"');
  const text = p.text.slice(p.pos, end);
  p.pos = end + 1;
  if (isSpace(p.text.charCodeAt(p.pos))) p.pos++;
  return text;
}

/** Any JSON object that fills the rest. */
export function jsonObject(p: CommandInput, what: string): JsonObject {
  return p.json(what, (v) => {
    if (!isJsonObject(v)) throw new SchemaMismatch('$', 'an object');
    return v;
  });
}

/** Any JSON that fills the rest. */
export function jsonValue(p: CommandInput, what: string): JsonValue {
  return p.json(what, (v) => v);
}

const plainPath = (filePath: string): CryptoFile => ({ filePath });

/** A path up to the end, not empty. */
export function path(p: CommandInput): string {
  if (p.atEnd) p.fail('a path');
  return p.rest();
}

/** A file to send: a path, or ` key=<b64>  nonce=<b64><path>` for an encrypted one. */
export function cryptoFile(p: CommandInput): CryptoFile {
  const m = /^ key=([A-Za-z0-9_-]{43}=) {2}nonce=([A-Za-z0-9_-]{32})(\S.*)$/s.exec(p.text.slice(p.pos, p.pos + 8192));
  if (m === null) return plainPath(path(p));
  const [, fileKey = '', fileNonce = '', filePath = ''] = m;
  p.rest();
  return { filePath, cryptoArgs: { fileKey, fileNonce } };
}
