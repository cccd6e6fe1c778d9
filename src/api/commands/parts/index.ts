/** Building blocks of the grammar (70-bot-api.md 3.2): each reads one thing from the input or fails. */

export { botCommands } from './bot-commands.js';
export * from './contents.js';
export * from './links.js';
export * from './names.js';
export * from './options.js';
export * from './texts.js';
