export type { GrammarEntry } from './grammar/entry.js';
export { type CommandSyntaxError, grammar, type ParseResult, parseCommand } from './parse.js';
export { decodeMsgContent, isKnownReaction, linkKind, parseTime } from './parts/index.js';
export * from './types.js';
