import { decodeAs, decodeType, SchemaMismatch } from '../decode.js';
import { isJsonObject, type JsonObject, type JsonValue } from '../json.js';
import { inputSchema } from '../schema.generated.js';
import type {
  AddressSettings,
  ChatBotCommand,
  ChatDeleteMode,
  ChatRef,
  ComposedMessage,
  CreatedConnLink,
  CryptoFile,
  GroupChatScope,
  MsgContent,
  MsgReaction,
} from '../types.generated.js';
import { type CommandInput, isSpace } from './input.js';
import type { ChatNameRef, ChatPagination, CommandRole, SendNameRef, SendRef, TimePagination } from './types.js';

/** Building blocks of the grammar (70-bot-api.md 3.2): each reads one thing from the input or fails. */

const chatTypes = { '@': 'direct', '#': 'group', '*': 'local', ':': 'contactConnection' } as const;

/** `@1`, `#2`, `#2(_support:5)`, `*1`, `:3`. */
export function chatRef(p: CommandInput): ChatRef {
  const chatType = p.keyword(chatTypes);
  const chatId = p.number();
  if (chatType !== 'group') return { chatType, chatId };
  const chatScope = p.optional(() => scope(p));
  return chatScope === undefined ? { chatType, chatId } : { chatType, chatId, chatScope };
}

/** `@1`, `#2`, `#2(_support:5)`. */
export function sendRef(p: CommandInput): SendRef {
  const chatType = p.keyword({ '@': 'direct', '#': 'group' } as const);
  const chatId = p.number();
  if (chatType !== 'group') return { chatType, chatId };
  const chatScope = p.optional(() => scope(p));
  return chatScope === undefined ? { chatType, chatId } : { chatType, chatId, chatScope };
}

function scope(p: CommandInput): GroupChatScope {
  p.literal('(_support');
  const groupMemberId_ = p.option(':', () => p.number());
  p.literal(')');
  return groupMemberId_ === undefined ? { type: 'memberSupport' } : { type: 'memberSupport', groupMemberId_ };
}

const quote = 0x27;

/** A local name: quoted with `'`, or up to white space or a comma. */
export function displayName(p: CommandInput): string {
  const first = p.text.charCodeAt(p.pos);
  if (first === quote) {
    p.pos++;
    checkFirst(p);
    const name = p.until((c) => c === quote, 'a name');
    p.literal("'");
    return name;
  }
  checkFirst(p);
  return p.until((c) => isSpace(c) || c === 0x2c, 'a name');
}

function checkFirst(p: CommandInput): void {
  const c = p.text.charCodeAt(p.pos);
  if (Number.isNaN(c) || c <= 0x20 || c === 0x23 || c === 0x40 || c === quote) p.fail('a name');
}

/** A name that may have `sign` before it. */
export function nameAfter(p: CommandInput, sign: '@' | '#'): string {
  if (p.text[p.pos] === sign) p.pos++;
  return displayName(p);
}

/** `@name`, `#name`, `:name` or `*`. */
export function chatName(p: CommandInput): ChatNameRef {
  const chatType = p.keyword(chatTypes);
  return { chatType, chatName: chatType === 'local' ? '' : displayName(p) };
}

/** As {@link chatName}; a name without a sign is a contact. */
export function chatNameOrContact(p: CommandInput): ChatNameRef {
  const sign = p.text[p.pos];
  if (sign === '@' || sign === '#' || sign === '*' || sign === ':') {
    p.pos++;
    return { chatType: chatTypes[sign], chatName: displayName(p) };
  }
  return { chatType: 'direct', chatName: displayName(p) };
}

/** `@name`, `#name`, `#name (support)`, `#name (support: member)`, or `/*` for private notes. */
export function sendName(p: CommandInput): SendNameRef {
  const type = p.keyword({ '@': 'direct', '#': 'group', '/*': 'local' } as const);
  if (type === 'local') return { type };
  const name = displayName(p);
  if (type === 'direct') return { type, name };
  const start = p.pos;
  while (isSpace(p.text.charCodeAt(p.pos))) p.pos++;
  if (!p.text.startsWith('(support', p.pos)) {
    p.pos = start;
    return { type, name };
  }
  // From here on a mistake fails the command: the text must not go to the whole group instead.
  p.pos += '(support'.length;
  let memberName: string | undefined;
  if (p.text[p.pos] === ':') {
    p.pos++;
    while (isSpace(p.text.charCodeAt(p.pos))) p.pos++;
    if (p.text.charCodeAt(p.pos) === quote) memberName = displayName(p);
    else {
      checkFirst(p);
      const word = p.until((c) => isSpace(c) || c === 0x2c, 'a member name');
      memberName = word.endsWith(')') ? word.slice(0, -1) : word;
      if (word.endsWith(')')) p.pos--;
    }
  }
  p.literal(')');
  return { type, name, support: { memberName } };
}

/** A role with the space before it. `author` is not accepted. */
export function role(p: CommandInput): CommandRole {
  p.literal(' ');
  return p.keyword({
    owner: 'owner',
    admin: 'admin',
    moderator: 'moderator',
    member: 'member',
    observer: 'observer',
  } as const);
}

/** ` incognito=on|off`; off without it. */
export function incognitoOption(p: CommandInput): boolean {
  return (
    p.optional(() => {
      p.space();
      p.literal('incognito=');
      return p.onOff();
    }) ?? false
  );
}

/** ` incognito` or ` i` of the commands for people. */
export function incognitoWord(p: CommandInput): boolean {
  return (
    p.optional(() => {
      p.space();
      return p.keyword({ incognito: true, i: true });
    }) ?? false
  );
}

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
function decoder<T>(name: keyof typeof inputSchema): (value: JsonValue) => T {
  return (value) => decodeAs(inputSchema, name, value) as T;
}

/** Unknown kinds are kept; known kinds with a missing key throw {@link SchemaMismatch}. */
export const decodeMsgContent = decoder<MsgContent>('MsgContent');

/** JSON of a named type that fills the rest. */
export function typed<T>(p: CommandInput, name: keyof typeof inputSchema): T {
  return p.json(name, decoder<T>(name));
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
  return decodeType(inputSchema, type, current) as unknown as readonly ComposedMessage[];
}

const knownEmoji = new Set(['👍', '👎', '😀', '😂', '😢', '❤', '🚀', '✅', '\uFE0F']);

/** True for the reactions that the API sends: one of eight emoji, each one code point (U+FE0F is known by accident). */
export function isKnownReaction(reaction: MsgReaction): boolean {
  return reaction.type === 'emoji' && typeof reaction.emoji === 'string' && knownEmoji.has(reaction.emoji);
}

export function knownReaction(p: CommandInput): MsgReaction {
  return p.json('a reaction', (v) => {
    const reaction = decodeAs(inputSchema, 'MsgReaction', v) as unknown as MsgReaction;
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

/** Full and short links by their looks; the agent parses them. */
const fullLink = /^(?:simplex:\/|https:\/\/[^\s/?#]+\/)(?:invitation|contact)\/?#?\/?\?\S*smp=/;
const shortLink = /^(?:simplex:\/|https:\/\/[^\s/?#]+\/)[iagcIAGC](?:[?][^\s#]*)?#\S/;

/** What a word is, judged by its beginning: a full or a short connection link, or neither. */
export function linkKind(word: string): 'full' | 'short' | undefined {
  return fullLink.test(word) ? 'full' : shortLink.test(word) ? 'short' : undefined;
}

/** A full link and, after a space, an optional short one. */
export function createdLink(p: CommandInput): CreatedConnLink {
  const start = p.pos;
  const connFullLink = p.word('a full connection link');
  if (linkKind(connFullLink) !== 'full') {
    p.pos = start;
    p.fail('a full connection link');
  }
  const connShortLink = p.optional(() => {
    p.space();
    const at = p.pos;
    const word = p.word('a short connection link');
    if (linkKind(word) !== 'short') {
      p.pos = at;
      p.fail('a short connection link');
    }
    return word;
  });
  return connShortLink === undefined ? { connFullLink } : { connFullLink, connShortLink };
}

export function chatPagination(p: CommandInput): ChatPagination {
  const type = p.keyword({
    'count=': 'last',
    'after=': 'after',
    'before=': 'before',
    'around=': 'around',
    'initial=': 'initial',
  } as const);
  if (type === 'last' || type === 'initial') return { type, count: p.number() };
  const itemId = p.number();
  p.space();
  p.literal('count=');
  return { type, itemId, count: p.number() };
}

export function timePagination(p: CommandInput): TimePagination {
  const type = p.keyword({ 'count=': 'last', 'after=': 'after', 'before=': 'before' } as const);
  if (type === 'last') return { type, count: p.number() };
  const start = p.pos;
  const time = parseTime(p.word('a time'));
  if (time === undefined) {
    p.pos = start;
    return p.fail('a time (ISO 8601)');
  }
  p.space();
  p.literal('count=');
  return { type, time, count: p.number() };
}

const isoTime = /^(\d{4}-\d{2}-\d{2})[T ](\d{2}:\d{2})(:\d{2}(?:\.\d{1,12})?)?(Z|[+-]\d{2}:?\d{2})$/;

/** ISO 8601 with any fraction and `Z` or an offset (70-bot-api.md 2.2) to milliseconds since the epoch. */
export function parseTime(text: string): number | undefined {
  const m = isoTime.exec(text);
  if (m === null) return undefined;
  const [, date = '', hours = '', seconds = ':00', zone = 'Z'] = m;
  const offset = zone === 'Z' || zone.includes(':') ? zone : `${zone.slice(0, 3)}:${zone.slice(3)}`;
  const ms = Date.parse(`${date}T${hours}${seconds}${offset}`);
  return Number.isNaN(ms) ? undefined : ms;
}

/** ` full[ notify=]`, ` entity[ notify=]`, ` messages`, ` notify=` or nothing (full). */
export function deleteMode(p: CommandInput): ChatDeleteMode {
  const notify = (): boolean => p.option(' notify=', () => p.onOff()) ?? true;
  if (p.has(' full')) return { type: 'full', notify: notify() };
  if (p.has(' entity')) return { type: 'entity', notify: notify() };
  if (p.has(' messages')) return { type: 'messages' };
  return { type: 'full', notify: notify() };
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

/** `on[ incognito=on|off][ <content>]`, `on business[ <content>]` or `off`. */
export function autoAccept(p: CommandInput): AddressSettings {
  if (!p.onOff()) return { businessAddress: false };
  const business = p.has(' business');
  const acceptIncognito = business ? false : (p.option(' incognito=', () => p.onOff()) ?? false);
  const autoReply = optionalContent(p);
  return {
    businessAddress: business,
    autoAccept: { acceptIncognito },
    ...(autoReply === undefined ? {} : { autoReply }),
  };
}

const maxMenuDepth = 16;

/** The list of `/set bot commands` (70-bot-api.md 3.5): `'Label':/keyword params,'Menu':{…}`. */
export function botCommands(p: CommandInput, depth = 0): readonly ChatBotCommand[] {
  if (depth > maxMenuDepth) p.fail(`menus nested at most ${maxMenuDepth} deep`);
  const list = [botCommand(p, depth)];
  while (p.text[p.pos] === ',') {
    p.pos++;
    list.push(botCommand(p, depth));
  }
  return list;
}

function botCommand(p: CommandInput, depth: number): ChatBotCommand {
  const label = quotedOr(p, (c) => c === 0x3a, 'a label');
  p.literal(':');
  if (p.text[p.pos] === '{') {
    p.pos++;
    const commands = botCommands(p, depth + 1);
    p.literal('}');
    return { type: 'menu', label, commands };
  }
  if (p.text[p.pos] === '/') p.pos++;
  const start = p.pos;
  const words = quotedOr(p, (c) => c === 0x3a || c === 0x2c || c === 0x7d, 'a command')
    .split(/\s+/)
    .filter((w) => w !== '');
  const [keyword, ...params] = words;
  if (keyword === undefined) {
    p.pos = start;
    return p.fail('a command');
  }
  return { type: 'command', keyword, label, ...(params.length === 0 ? {} : { params: params.join(' ') }) };
}

function quotedOr(p: CommandInput, stop: (code: number) => boolean, what: string): string {
  if (p.text.charCodeAt(p.pos) !== quote) return p.until(stop, what);
  p.pos++;
  const text = p.until((c) => c === quote, what);
  p.literal("'");
  return text;
}

/** Seconds by name, or a number of seconds. */
export function timedTTL(p: CommandInput): number {
  return p.first(
    () => p.keyword({ '30s': 30, '5min': 300, '1h': 3600, '8h': 28_800, day: 86_400, week: 604_800, month: 2_592_000 }),
    () => p.number(),
  );
}

/** `day`, `week`, `month`, `year` or `none`, in seconds. */
export function itemTTL(p: CommandInput): number {
  return p.keyword({ day: 86_400, week: 604_800, month: 2_592_000, year: 31_536_000, none: 0 });
}

const serverAddress = /^(smp|xftp):\/\/[A-Za-z0-9_-]+={0,2}(?::[^\s@:/]+)?@[^\s@:/,;]+(?:,[^\s@:/,;]+)*(?::\d{1,5})?$/;

/** `smp://<fingerprint>[:password]@host[,host][:port]` up to white space. */
export function serverWord(p: CommandInput, protocol?: 'smp' | 'xftp'): { protocol: 'smp' | 'xftp'; server: string } {
  const start = p.pos;
  const what = `a server address (${protocol ?? 'smp or xftp'}://…)`;
  const server = p.word(what);
  // IPv6 hosts are in brackets and contain colons: look at what is around them.
  const plain = server.replace(/\[[0-9A-Fa-f:.]{2,45}\]/, 'ipv6');
  const found = serverAddress.exec(plain)?.[1];
  if ((found !== 'smp' && found !== 'xftp') || (protocol !== undefined && found !== protocol)) {
    p.pos = start;
    p.fail(what);
  }
  return { protocol: found, server };
}
