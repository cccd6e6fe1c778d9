import type { ChatBotCommand } from '../../types.generated.js';
import type { CommandInput } from '../input.js';
import { quote } from './names.js';

/** The menu of `/set bot commands` (70-bot-api.md 3.5). */

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
