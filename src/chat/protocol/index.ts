export * from './body.js';
export * from './ids.js';
export * from './json-text.js';
export * from './message.js';
export { normalTime } from './schema.js';
export * from './types.js';
export * from './version.js';
