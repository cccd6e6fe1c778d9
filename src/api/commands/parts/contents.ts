import { decodeAs, decodeType, SchemaMismatch } from '../../decode.js';
import { isJsonObject, type JsonValue } from '../../json.js';
import { inputSchema } from '../../schema.generated.js';
import type { ComposedMessage, MsgContent, MsgReaction } from '../../types.generated.js';
import type { CommandInput } from '../input.js';

/** What is sent: contents, lists of messages, reactions (70-bot-api.md 3.2). */

/** `text <rest>` or `json <MsgContent>`. */
export function content(p: CommandInput): MsgContent {
  return p.first(
    () => {
      p.literal('text ');
      return { type: 'text', text: p.rest() };
    },
    () => {
      p.literal('json ');
      return p.json('a message content', decodeMsgContent);
    },
  );
}

/** The space before a message content, or nothing at all. */
export function optionalContent(p: CommandInput): MsgContent | undefined {
  return p.optional(() => {
    p.space();
    return content(p);
  });
}

/** Decodes a value of a type that clients send; the generated types and the schema come from one source. */
export function decoder<T>(name: keyof typeof inputSchema): (value: JsonValue) => T {
  return (value) => decodeAs(inputSchema, name, value) as T;
}

/** Unknown kinds are kept; known kinds with a missing key throw {@link SchemaMismatch}. */
export const decodeMsgContent = decoder<MsgContent>('MsgContent');

/** JSON of a named type that fills the rest. */
export function typed<T>(p: CommandInput, name: keyof typeof inputSchema): T {
  return p.json(name, decoder<T>(name));
}

/** `json [ComposedMessage…]` or `text <rest>`, with the space before it. */
export function composedMessages(p: CommandInput): readonly ComposedMessage[] {
  return p.first<readonly ComposedMessage[]>(
    () => {
      p.literal(' json ');
      return p.json('a list of ComposedMessage', decodeComposed);
    },
    () => {
      p.literal(' text ');
      return [{ msgContent: { type: 'text', text: p.rest() }, mentions: {} }];
    },
  );
}

function decodeComposed(value: JsonValue): readonly ComposedMessage[] {
  if (!Array.isArray(value) || value.length === 0) throw new SchemaMismatch('$', 'a non-empty array');
  // `filePath` is the key of old clients.
  const current = value.map((v: JsonValue): JsonValue => {
    if (!isJsonObject(v)) return v;
    const fileSource =
      (v.fileSource ?? null) === null && typeof v.filePath === 'string' ? { filePath: v.filePath } : v.fileSource;
    return { ...v, fileSource, mentions: v.mentions ?? {} };
  });
  const type = { kind: 'array', items: { kind: 'ref', name: 'ComposedMessage' } } as const;
  // The schema and the type come from one source; JSON arrays are mutable, those of commands are not.
  return decodeType(inputSchema, type, current) as unknown as readonly ComposedMessage[];
}

const knownEmoji = new Set(['👍', '👎', '😀', '😂', '😢', '❤', '🚀', '✅', '\uFE0F']);

/** True for the reactions that the API sends: one of eight emoji, each one code point (U+FE0F is known by accident). */
export function isKnownReaction(reaction: MsgReaction): boolean {
  return reaction.type === 'emoji' && typeof reaction.emoji === 'string' && knownEmoji.has(reaction.emoji);
}

/** JSON of a reaction that the API sends: {@link isKnownReaction}. */
export function knownReaction(p: CommandInput): MsgReaction {
  return p.json('a reaction', (v) => {
    const reaction = decoder<MsgReaction>('MsgReaction')(v);
    if (!isKnownReaction(reaction)) throw new SchemaMismatch('$.emoji', 'one of 👍 👎 😀 😂 😢 ❤ 🚀 ✅');
    return reaction;
  });
}

const reactionKeys: Readonly<Record<string, string>> = {
  '1': '👍',
  '+': '👍',
  '-': '👎',
  ')': '😀',
  ',': '😢',
  '*': '❤',
  '^': '🚀',
};

/** The key of `+1 @name text`. */
export function reactionKey(p: CommandInput): MsgReaction {
  // The emoji itself is no key here: the official parser reads one byte.
  const char = p.text[p.pos] ?? '';
  const emoji = reactionKeys[char];
  if (emoji === undefined) return p.fail('one of 1 + - ) , * ^');
  p.pos++;
  return { type: 'emoji', emoji };
}
