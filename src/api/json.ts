/** A JSON value. */
export type JsonValue = null | boolean | number | string | readonly JsonValue[] | JsonObject;

/** A JSON object. */
export interface JsonObject {
  readonly [key: string]: JsonValue | undefined;
}

declare const unknownTag: unique symbol;

/**
 * Stands in types for "any string that is none of the known tags", so that a discriminated union stays
 * narrowable although it has a variant for what is not known. At run time it is a string: {@link tagOf}.
 */
export type UnknownTag = typeof unknownTag;

/** The tag of a tagged object as a string, whether it is known or not. */
export function tagOf(value: { readonly type: string | UnknownTag }): string {
  return String(value.type);
}

/** True for a JSON object (not null, not an array). */
export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Nesting of arrays and objects that is accepted in JSON from outside; `JSON.parse` alone would recurse as deep as it is told. */
export const maxJsonDepth = 64;

/** Values of all kinds that are accepted in JSON from outside: a few bytes of text can become a hundred in memory. */
const maxJsonValues = 500_000;

/**
 * Parses JSON from outside: `undefined` when it is not JSON, nested deeper than {@link maxJsonDepth} or has more than
 * {@link maxJsonValues} values. Both are counted before parsing, in one pass over the text.
 */
export function parseJson(text: string): JsonValue | undefined {
  if (isExcessive(text)) return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function isExcessive(text: string): boolean {
  let depth = 0;
  let values = 1;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (c === 0x22) {
      i = stringEnd(text, i + 1);
    } else if (c === 0x5b || c === 0x7b) {
      if (++depth > maxJsonDepth || ++values > maxJsonValues) return true;
    } else if (c === 0x2c) {
      if (++values > maxJsonValues) return true;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return false;
}

/** The position of the quote that ends the string whose first character is at `from`, or of the end of the text. */
function stringEnd(text: string, from: number): number {
  for (let end = text.indexOf('"', from); end !== -1; end = text.indexOf('"', end + 1)) {
    let escapes = 0;
    while (text.charCodeAt(end - 1 - escapes) === 0x5c) escapes++;
    if (escapes % 2 === 0) return end;
  }
  return text.length;
}
