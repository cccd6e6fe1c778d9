import { isJsonObject, type JsonObject, type JsonValue } from './json.js';

/** The type of a value on the wire, as the API documents describe it. */
export type SchemaType =
  | { readonly kind: 'prim'; readonly name: string }
  | { readonly kind: 'ref'; readonly name: string }
  | { readonly kind: 'array'; readonly items: SchemaType; readonly nonEmpty?: boolean }
  | { readonly kind: 'tuple'; readonly items: readonly SchemaType[] }
  | { readonly kind: 'map'; readonly key: SchemaType; readonly value: SchemaType }
  | { readonly kind: 'external'; readonly name: string };

/** A field of a record or of a variant of a union. */
export interface SchemaField {
  readonly name: string;
  readonly type: SchemaType;
  readonly optional?: boolean;
}

/** A named type. An `open` enum keeps strings that it does not know, an `open` union keeps objects of unknown tags. */
export type SchemaDef =
  | { readonly kind: 'record'; readonly fields: readonly SchemaField[] }
  | { readonly kind: 'enum'; readonly values: readonly string[]; readonly open?: boolean }
  | {
      readonly kind: 'union';
      readonly members: readonly { readonly tag: string; readonly fields: readonly SchemaField[] }[];
      readonly open?: boolean;
    };

export type Schema = Readonly<Record<string, SchemaDef>>;

/** Readers of primitive types beyond those of the API: they give the value, normalised, or throw {@link SchemaMismatch}. */
export type Primitives = Readonly<Record<string, (value: JsonValue, path: string) => JsonValue>>;

const noPrimitives: Primitives = {};

/** The first thing in a JSON value that is not as its type demands: where (`$.profile.displayName`) and what was expected. */
export class SchemaMismatch extends Error {
  readonly path: string;
  readonly expected: string;

  constructor(path: string, expected: string) {
    super(`${path}: expected ${expected}`);
    this.name = 'SchemaMismatch';
    this.path = path;
    this.expected = expected;
  }
}

/**
 * Reads `value` as the type `name`: unknown keys are dropped, `null` is the same as a missing key, objects of
 * unknown tags of open unions stay as they are. Throws {@link SchemaMismatch}.
 */
export function decodeAs(schema: Schema, name: string, value: JsonValue, prims = noPrimitives): JsonValue {
  return decodeNamed(schema, name, value, '$', prims);
}

/** Reads `value` as a type without a name of its own, such as a list. Throws {@link SchemaMismatch}. */
export function decodeType(
  schema: Schema,
  type: SchemaType,
  value: JsonValue,
  path = '$',
  prims = noPrimitives,
): JsonValue {
  switch (type.kind) {
    case 'prim':
      return (prims[type.name] ?? decodePrim(type.name))(value, path);
    case 'ref':
      return decodeNamed(schema, type.name, value, path, prims);
    case 'array': {
      if (!Array.isArray(value)) throw new SchemaMismatch(path, 'an array');
      if (type.nonEmpty === true && value.length === 0) throw new SchemaMismatch(path, 'a non-empty array');
      return value.map((v: JsonValue, i) => decodeType(schema, type.items, v, `${path}[${i}]`, prims));
    }
    case 'tuple': {
      if (!Array.isArray(value) || value.length !== type.items.length) {
        throw new SchemaMismatch(path, `an array of ${type.items.length}`);
      }
      return type.items.map((t, i) => decodeType(schema, t, value[i], `${path}[${i}]`, prims));
    }
    case 'map': {
      if (!isJsonObject(value)) throw new SchemaMismatch(path, 'an object');
      const out: [string, JsonValue][] = [];
      for (const [k, v] of Object.entries(value)) {
        if (v !== undefined) out.push([k, decodeType(schema, type.value, v, `${path}.${k}`, prims)]);
      }
      return fromEntries(out);
    }
    case 'external':
      return value;
  }
}

function text(value: JsonValue, path: string): JsonValue {
  if (typeof value !== 'string') throw new SchemaMismatch(path, 'a string');
  return value;
}

const apiPrimitives: Primitives = {
  bool(value, path) {
    if (typeof value !== 'boolean') throw new SchemaMismatch(path, 'true or false');
    return value;
  },
  string: text,
  UTCTime: text,
  JSONObject(value, path) {
    if (!isJsonObject(value)) throw new SchemaMismatch(path, 'an object');
    return value;
  },
  double(value, path) {
    if (typeof value !== 'number') throw new SchemaMismatch(path, 'a number');
    return value;
  },
};

function whole(value: JsonValue, path: string): JsonValue {
  if (typeof value !== 'number' || !Number.isInteger(value)) throw new SchemaMismatch(path, 'a whole number');
  return value;
}

function decodePrim(name: string): (value: JsonValue, path: string) => JsonValue {
  return apiPrimitives[name] ?? whole;
}

function decodeNamed(schema: Schema, name: string, value: JsonValue, path: string, prims: Primitives): JsonValue {
  const def = schema[name];
  if (def === undefined) return value;
  if (def.kind === 'enum') {
    if (typeof value !== 'string' || (def.open !== true && !def.values.includes(value))) {
      throw new SchemaMismatch(path, `one of ${def.values.join(', ')}`);
    }
    return value;
  }
  if (!isJsonObject(value)) throw new SchemaMismatch(path, `an object (${name})`);
  if (def.kind === 'record') return decodeFields(schema, def.fields, value, path, prims);
  const tag = value.type;
  if (typeof tag !== 'string') throw new SchemaMismatch(`${path}.type`, 'a string');
  const member = def.members.find((m) => m.tag === tag);
  if (member === undefined) {
    if (def.open === true) return value;
    throw new SchemaMismatch(`${path}.type`, `one of ${def.members.map((m) => m.tag).join(', ')}`);
  }
  return { type: tag, ...decodeFields(schema, member.fields, value, path, prims) };
}

/** Reads the given fields of an object. Throws {@link SchemaMismatch}. */
export function decodeFields(
  schema: Schema,
  fields: readonly SchemaField[],
  value: JsonObject,
  path = '$',
  prims = noPrimitives,
): JsonObject {
  // The names come from the schema: none is `__proto__`.
  const out: Record<string, JsonValue> = {};
  for (const f of fields) {
    const v = Object.hasOwn(value, f.name) ? value[f.name] : undefined;
    if (v === undefined || v === null) {
      if (f.optional !== true) throw new SchemaMismatch(`${path}.${f.name}`, 'a value');
    } else out[f.name] = decodeType(schema, f.type, v, `${path}.${f.name}`, prims);
  }
  return out;
}

/** Unlike assignment, this does not treat the key `__proto__` as something else. */
function fromEntries(entries: readonly (readonly [string, JsonValue])[]): JsonObject {
  return Object.fromEntries(entries);
}
