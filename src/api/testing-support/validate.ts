import { readFileSync } from 'node:fs';
import {
  decodeFields,
  isJsonObject,
  type JsonValue,
  type Primitives,
  type Schema,
  type SchemaDef,
  type SchemaField,
  SchemaMismatch,
} from '../index.js';

interface RawField {
  readonly name: string;
  readonly type: SchemaField['type'];
  readonly optional?: boolean;
  readonly inputOptional?: boolean;
  readonly wire?: { readonly type?: SchemaField['type']; readonly nullWhenAbsent?: boolean };
}

interface RawMember {
  readonly tag: string;
  readonly fields?: readonly RawField[];
}

interface RawType {
  readonly name: string;
  readonly kind: 'record' | 'union' | 'enum';
  readonly fields?: readonly RawField[];
  readonly members?: readonly RawMember[];
  readonly hiddenMembers?: readonly RawMember[];
  readonly values?: readonly string[];
  readonly hiddenValues?: readonly string[];
  readonly open?: boolean;
  readonly wire?: { readonly encoding?: string };
}

interface RawApi {
  readonly types: Record<string, RawType>;
  readonly responses: readonly RawMember[];
  readonly events: readonly RawMember[];
  readonly undocumented: {
    readonly types: Record<string, RawType>;
    readonly responses: readonly RawMember[];
    readonly events: readonly RawMember[];
  };
}

const api = JSON.parse(readFileSync(new URL('../data/bot-api.json', import.meta.url), 'utf8')) as RawApi;

const passedThrough = new Set(['MsgContent', 'MsgReaction', 'LinkContent']);

function field(f: RawField): SchemaField {
  const type = f.wire?.type ?? f.type;
  return { name: f.name, type, ...(f.optional === true || f.inputOptional === true ? { optional: true } : {}) };
}

const legacy: Readonly<Record<string, string>> = {
  UserContactLink: 'connReqContact',
  userContactLinkCreated: 'connReqContact',
  invitation: 'connReqInvitation',
};

function withLegacy(name: string, fields: readonly RawField[]): SchemaField[] {
  const extra = legacy[name];
  const own = fields.map(field);
  return extra === undefined ? own : [...own, { name: extra, type: { kind: 'prim', name: 'string' }, optional: true }];
}

function definition(t: RawType): SchemaDef {
  if (t.kind === 'record') return { kind: 'record', fields: withLegacy(t.name, t.fields ?? []) };
  const values = [...(t.values ?? []), ...(t.hiddenValues ?? [])];
  if (t.kind === 'enum') {
    if (t.wire?.encoding === 'taggedObject') {
      return { kind: 'union', members: values.map((tag) => ({ tag, fields: [] })) };
    }
    return { kind: 'enum', values, ...(t.open === true ? { open: true } : {}) };
  }
  const open = passedThrough.has(t.name);
  const members = [...(t.members ?? []), ...(t.hiddenMembers ?? [])]
    .filter((m) => !(open && m.tag === 'unknown'))
    .map((m) => ({ tag: m.tag, fields: (m.fields ?? []).map(field) }));
  return { kind: 'union', members, ...(open ? { open: true } : {}) };
}

const schema: Schema = Object.fromEntries(
  Object.values({ ...api.types, ...api.undocumented.types }).map((t) => [t.name, definition(t)]),
);

const time = /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{0,11}[1-9])?Z$/;

const primitives: Primitives = {
  UTCTime(value, path) {
    if (typeof value !== 'string' || !time.test(value)) throw new SchemaMismatch(path, 'a time without trailing zeros');
    return value;
  },
};

/** Where `value` has something that `known`, what the schema knows of it, has not. */
function unknownParts(value: JsonValue, known: JsonValue, path: string): string[] {
  if (Array.isArray(value)) {
    return value.flatMap((v: JsonValue, i) =>
      unknownParts(v, Array.isArray(known) ? (known[i] as JsonValue) : null, `${path}[${i}]`),
    );
  }
  if (!isJsonObject(value)) return [];
  return Object.entries(value).flatMap(([k, v]) => {
    if (v === undefined || (v === null && k === 'chatDir')) return [];
    const other = isJsonObject(known) ? known[k] : undefined;
    if (other === undefined) return [`${path}.${k}: not in the documents${v === null ? ' (and null)' : ''}`];
    return unknownParts(v, other, `${path}.${k}`);
  });
}

function check(members: readonly RawMember[], kind: string, value: unknown): string[] {
  // As it goes over the wire: without undefined keys.
  const json = JSON.parse(JSON.stringify(value)) as JsonValue;
  if (!isJsonObject(json)) return [`no object: ${JSON.stringify(json)}`];
  const candidates = members.filter((m) => m.tag === json.type);
  if (candidates.length === 0) return [`unknown ${kind} ${String(json.type)}`];
  const problems: string[] = [];
  for (const m of candidates) {
    try {
      const known = decodeFields(schema, withLegacy(m.tag, m.fields ?? []), json, m.tag, primitives);
      return unknownParts(json, { ...known, type: json.type ?? '' }, m.tag);
    } catch (error) {
      if (!(error instanceof SchemaMismatch)) throw error;
      problems.push(error.message);
    }
  }
  return problems;
}

/** What is wrong with a response by bot-api.json, wire notes included; empty when nothing is. */
export function responseProblems(value: unknown): string[] {
  const problems = check([...api.responses, ...api.undocumented.responses], 'response', value);
  // The superset of what 6.4.3 and later versions send.
  return problems.filter((p) => !/^groupsList\.groups\[\d+\]\.(groupInfo|groupSummary): /.test(p));
}

/** What is wrong with an event by bot-api.json. */
export function eventProblems(value: unknown): string[] {
  return check([...api.events, ...api.undocumented.events], 'event', value);
}
