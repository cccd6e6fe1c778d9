/**
 * The names of the official library for Node.js (`simplex-chat` 6.5 and `@simplex-chat/types`), on the engine of Fanion: bots
 * that were written for it need another import, nothing else.
 *
 * @packageDocumentation
 */
export * as api from './api.js';
export * as bot from './bot.js';
export * as CC from './cc.generated.js';
export type * as CEvt from './cevt.generated.js';
export * as core from './core.js';
export type * as CR from './cr.generated.js';
export * as T from './t.generated.js';
export * as util from './util.js';
