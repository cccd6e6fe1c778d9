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

/**
 * Parses JSON from outside: `undefined` when it is not JSON or nested deeper than {@link maxJsonDepth}.
 * The depth is counted before parsing, in one pass over the text.
 */
export function parseJson(text: string): JsonValue | undefined {
  if (jsonDepth(text) > maxJsonDepth) return undefined;
  try {
    return JSON.parse(text) as JsonValue;
  } catch {
    return undefined;
  }
}

function jsonDepth(text: string): number {
  let depth = 0;
  let max = 0;
  let inString = false;
  for (let i = 0; i < text.length; i++) {
    const c = text.charCodeAt(i);
    if (inString) {
      if (c === 0x5c) i++;
      else if (c === 0x22) inString = false;
    } else if (c === 0x22) inString = true;
    else if (c === 0x5b || c === 0x7b) {
      if (++depth > max) max = depth;
    } else if (c === 0x5d || c === 0x7d) depth--;
  }
  return max;
}
