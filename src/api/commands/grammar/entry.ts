import type { CommandInput } from '../input.js';
import type { CommandMap, CommandTag, None, ParsedCommand, UnsupportedTag } from '../types.js';

/** One row of the grammar: the words a command begins with, and how the rest is read. */
export interface GrammarEntry {
  readonly tag: ParsedCommand['tag'];
  readonly heads: readonly string[];
  /** Reads what follows the head; the caller demands the end of the command after it. */
  readonly read: (p: CommandInput) => ParsedCommand;
}

/** A row of a command that the engine executes. */
export function command<T extends CommandTag>(
  tag: T,
  heads: string | readonly string[],
  read: (p: CommandInput) => CommandMap[T],
): GrammarEntry {
  // The compiler does not see that the members of a generic tag and map belong together; each row is checked by `read`.
  const parse = (p: CommandInput): ParsedCommand => ({ tag, ...read(p) }) as unknown as ParsedCommand;
  return { tag, heads: typeof heads === 'string' ? [heads] : heads, read: parse };
}

/** Tags of commands without parameters. */
type PlainTag = {
  [K in CommandTag]: CommandMap[K] extends None ? (keyof CommandMap[K] extends never ? K : never) : never;
}[CommandTag];

/** A row of a command without parameters. */
export function plain<T extends PlainTag>(tag: T, ...heads: readonly string[]): GrammarEntry {
  // As in {@link command}: a tag of this type stands for a command without other fields.
  return { tag, heads, read: () => ({ tag }) as unknown as ParsedCommand };
}

/** A row of a command that parses but is never executed. */
export function unsupported(
  tag: UnsupportedTag,
  heads: string | readonly string[],
  read: (p: CommandInput) => unknown = () => undefined,
): GrammarEntry {
  const parse = (p: CommandInput): ParsedCommand => {
    read(p);
    return { tag };
  };
  return { tag, heads: typeof heads === 'string' ? [heads] : heads, read: parse };
}
