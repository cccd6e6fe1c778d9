export * from './files/index.js';
export * from './errors.js';
export * from './links/index.js';
export * from './types.js';
