export * from './commands/index.js';
export * from './decode.js';
export * from './errors.js';
export * from './json.js';
export * from './presets.generated.js';
export * from './refs.js';
export { inputSchema } from './schema.generated.js';
export * from './types.generated.js';
