import { chatCommands, messageCommands } from './grammar/chats.js';
import { connectionCommands } from './grammar/connections.js';
import type { GrammarEntry } from './grammar/entry.js';
import { groupCommands } from './grammar/groups.js';
import { serverCommands, unsupportedCommands } from './grammar/servers.js';
import { userCommands } from './grammar/users.js';
import { CommandInput, isSpace, noMatch } from './input.js';
import type { ParsedCommand } from './types.js';

/** The grammar: all rows, in the order in which they are tried. The first that reads the whole command wins. */
export const grammar: readonly GrammarEntry[] = [
  ...userCommands,
  ...groupCommands,
  ...chatCommands,
  ...messageCommands,
  ...connectionCommands,
  ...serverCommands,
  ...unsupportedCommands,
];

/** Why a command string is no command. */
export interface CommandSyntaxError {
  /** For the sender: the recognised command, what was expected and where. Holds nothing of the parameters. */
  readonly message: string;
  /** The first character that could not be read, counted from 1. */
  readonly position: number;
  readonly expected: readonly string[];
}

export type ParseResult =
  | { readonly ok: true; readonly command: ParsedCommand }
  | { readonly ok: false; readonly error: CommandSyntaxError };

/** A row with one of its heads; the rows by the first two characters of the head, so that few are looked at. */
interface Candidate {
  readonly head: string;
  readonly entry: GrammarEntry;
}

const byBeginning = ((): ReadonlyMap<string, readonly Candidate[]> => {
  const map = new Map<string, Candidate[]>();
  for (const entry of grammar) {
    for (const head of entry.heads) {
      const key = head.slice(0, 3);
      const list = map.get(key);
      if (list === undefined) map.set(key, [{ head, entry }]);
      else list.push({ head, entry });
    }
  }
  return map;
})();

/**
 * Parses a command string (70-bot-api.md 3): white space at its end is ignored, at its beginning it is an error.
 * Linear in the length of the text; JSON nested deeper than {@link maxJsonDepth} is refused.
 */
export function parseCommand(text: string): ParseResult {
  let end = text.length;
  while (end > 0 && isSpace(text.charCodeAt(end - 1))) end--;
  const p = new CommandInput(text.slice(0, end));
  const recognised = new Set<string>();
  let farthest = -1;
  for (let n = 3; n >= 1; n--) {
    for (const { head, entry } of byBeginning.get(p.text.slice(0, n)) ?? []) {
      // A head shorter than the key is stored under itself.
      if (head.length < n || !p.text.startsWith(head)) continue;
      p.pos = head.length;
      p.note('parameters');
      try {
        const command = entry.read(p);
        p.end();
        return { ok: true, command };
      } catch (e) {
        if (e !== noMatch) throw e;
      }
      if (p.farthest > farthest) {
        farthest = p.farthest;
        recognised.clear();
      }
      if (p.farthest === farthest) recognised.add(head.trim());
    }
  }
  return { ok: false, error: syntaxError(p, recognised) };
}

function syntaxError(p: CommandInput, recognised: ReadonlySet<string>): CommandSyntaxError {
  if (recognised.size === 0) {
    const message = 'unknown command: expected a command such as /help at 1';
    return { message, position: 1, expected: ['a command'] };
  }
  const expected = p.expected.filter((e) => e !== 'parameters' || p.expected.length === 1);
  const position = p.farthest + 1;
  const list = expected.length < 2 ? expected.join('') : `${expected.slice(0, -1).join(', ')} or ${expected.at(-1)}`;
  // The most specific head of those that got as far.
  const head = [...recognised].sort((a, b) => b.length - a.length)[0];
  return { message: `${head}: expected ${list} at ${position}`, position, expected };
}
