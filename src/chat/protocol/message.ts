import {
  decodeFields,
  isJsonObject,
  type JsonObject,
  type JsonValue,
  type SchemaField,
  SchemaMismatch,
} from '../../api/index.js';
import { FanionError } from '../../core/index.js';
import { DecodeError, formatVersionRange, parseVersionRange, utf8Bytes } from '../../wire/index.js';
import { contentFields, eventFields, forwardFields, protocolPrimitives, protocolSchema } from './schema.js';
import type { ChatMessage, JsonChatEvent, MsgContainer } from './types.js';
import { type ChatVersionRange, chatVersion, initialChatVersions } from './version.js';

function read(fields: readonly SchemaField[], params: JsonObject): JsonObject {
  return decodeFields(protocolSchema, fields, params, '$.params', protocolPrimitives);
}

const envelope: readonly SchemaField[] = [
  { name: 'v', type: { kind: 'prim', name: 'versions' }, optional: true },
  { name: 'msgId', type: { kind: 'prim', name: 'id' }, optional: true },
  { name: 'event', type: { kind: 'prim', name: 'string' } },
  { name: 'params', type: { kind: 'prim', name: 'JSONObject' } },
];

/**
 * One message (50-chat-messages.md 1.3). Unknown keys are ignored, unknown events and contents kept.
 * @throws SchemaMismatch when it is no message
 */
export function decodeChatMessage(json: JsonValue): ChatMessage {
  if (!isJsonObject(json)) throw new SchemaMismatch('$', 'an object');
  const { v, msgId, event, params } = decodeFields(protocolSchema, envelope, json, '$', protocolPrimitives);
  if (typeof event !== 'string' || !event.startsWith('x')) throw new SchemaMismatch('$.event', 'an event');
  return {
    versions: typeof v === 'string' ? versionsOf(v) : initialChatVersions,
    msgId: typeof msgId === 'string' ? msgId : undefined,
    event: decodeEvent(event, isJsonObject(params) ? params : {}),
  };
}

/** Versions in their text form. */
export function versionsOf(text: string): ChatVersionRange {
  const { min, max } = parseVersionRange(text);
  return { min: chatVersion(min), max: chatVersion(max) };
}

function decodeEvent(event: string, params: JsonObject): JsonChatEvent {
  // What the schema has read is what the event's type says: both are written down side by side in types.ts and schema.ts.
  if (event === 'x.msg.new') return { type: event, ...decodeContainer(params) };
  if (event === 'x.grp.msg.forward') {
    const msg = params.msg;
    if (msg === undefined) throw new SchemaMismatch('$.params.msg', 'a value');
    return { ...read(forwardFields, params), type: event, msg: decodeChatMessage(msg) } as JsonChatEvent;
  }
  if (!isKnownEvent(event)) return { type: 'unknown', event, params };
  const out = { type: event, ...read(eventFields[event], params) } as JsonChatEvent;
  if (out.type === 'x.grp.mem.del' && params.messages === true) return { ...out, messages: true };
  if (out.type === 'x.contact' && (out.msgId === undefined || out.content === undefined)) {
    const { msgId: _1, content: _2, ...rest } = out;
    return rest;
  }
  return out;
}

function isKnownEvent(event: string): event is keyof typeof eventFields {
  return Object.hasOwn(eventFields, event);
}

const quoteField: SchemaField = { name: 'quote', type: { kind: 'ref', name: 'QuotedMsg' } };
const parentField: SchemaField = { name: 'parent', type: { kind: 'ref', name: 'MsgRef' } };

/** Content in the first form that can be read: quote, comment, forward, simple (1.12). */
function decodeContainer(params: JsonObject): MsgContainer {
  // `read` has checked each field against its type in the schema, from which MsgContainer is written.
  const content = read(contentFields, params) as unknown as MsgContainer;
  for (const field of [quoteField, parentField]) {
    if ((params[field.name] ?? null) === null) continue;
    try {
      return { ...content, ...read([field], params) };
    } catch (e) {
      if (!(e instanceof SchemaMismatch)) throw e;
    }
  }
  return params.forward === true || isJsonObject(params.forward) ? { ...content, forward: true } : content;
}

/** The JSON value of a message. */
export function chatMessageJson(message: ChatMessage): JsonObject {
  const { versions, msgId, event } = message;
  return {
    v: formatVersionRange(versions),
    msgId,
    event: event.type === 'unknown' ? event.event : event.type,
    params: eventParams(event),
  };
}

function eventParams(event: JsonChatEvent): JsonObject {
  switch (event.type) {
    case 'unknown':
      return event.params;
    case 'x.msg.new':
    case 'x.msg.update': {
      const { type: _, mentions, ...params } = event;
      const some = mentions !== undefined && Object.keys(mentions).length > 0;
      return toJson(some ? { ...params, mentions } : params);
    }
    case 'x.grp.msg.forward': {
      // The name is for newer clients, in their own format.
      const { type: _1, memberName: _2, msg, ...params } = event;
      return { ...params, msg: chatMessageJson(msg) };
    }
    default: {
      const { type: _, ...params } = event;
      return toJson(params);
    }
  }
}

/** Values of the protocol's types are JSON already; interfaces have no index signature to say so. */
function toJson(params: object): JsonObject {
  return params as JsonObject;
}

/** The most bytes of a message, or of a batch with its brackets and commas (1.8). */
export const maxEncodedMessage = 15_602;
/** The most bytes of the message in connection information. */
export const maxEncodedInfo = 14_694;

/** A message is larger than a connection can take. */
export class LargeMessageError extends FanionError {
  constructor(what: string, size: number, max: number) {
    super('CHAT_LARGE_MESSAGE', what, { details: { size, max } });
  }
}

/**
 * The bytes of a message. Half surrogates, which peers refuse, are replaced.
 * @throws LargeMessageError when it is larger than `max`
 */
export function encodeChatMessage(message: ChatMessage, max = maxEncodedMessage): Uint8Array {
  const bytes = utf8Bytes(wellFormed(JSON.stringify(chatMessageJson(message))));
  if (bytes.length > max) throw new LargeMessageError('large message', bytes.length, max);
  return bytes;
}

/** `JSON.stringify` writes half surrogates, and only them, as escapes of this kind. */
const surrogateEscape = /\\u[dD][89abAB-fF][0-9a-fA-F]{2}/;

function wellFormed(json: string): string {
  if (!surrogateEscape.test(json)) return json;
  return JSON.stringify(JSON.parse(json), (_key, value: unknown) =>
    typeof value === 'string' ? Buffer.from(value, 'utf8').toString('utf8') : value,
  );
}

/** True for errors that mean "this is no message" (and not a mistake of the program). */
export function isBadMessage(error: unknown): error is DecodeError | SchemaMismatch {
  return error instanceof DecodeError || error instanceof SchemaMismatch;
}
