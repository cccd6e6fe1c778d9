import type { ChatRef, GroupChatScope } from '../../types.generated.js';
import { type CommandInput, isSpace } from '../input.js';
import type { ChatNameRef, SendNameRef, SendRef } from '../types.js';

/** How commands name chats, contacts and members (70-bot-api.md 3.2). */

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

/** `'` */
export const quote = 0x27;

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
