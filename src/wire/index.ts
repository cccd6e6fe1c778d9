export * from './base64url.js';
export * from './bytes.js';
export * from './errors.js';
export * from './reader.js';
export { detached, inScratch, memory } from './scratch.js';
export * from './text.js';
export * from './version.js';
export * from './writer.js';
