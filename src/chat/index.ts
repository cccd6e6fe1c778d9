export type { Capability } from './engine/capability.js';
export type { ChatContext, ChatOptions } from './engine/context.js';
export { type ChatEngine, type ChatEngineOptions, openChatEngine } from './engine/engine.js';
export type { EventListener, LoggedEvent } from './engine/events.js';
export { type LocalDatabase, type LocalEngine, type LocalEngineOptions, openLocalEngine } from './local.js';
export { chatMigrations } from './schema/index.js';
export { officialContactCards } from './users/preset-contacts.js';
