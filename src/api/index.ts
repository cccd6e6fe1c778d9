export * from './json.js';
export * from './refs.js';
export * from './types.generated.js';
