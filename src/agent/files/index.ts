export { openFileAgent } from './agent.js';
export { type FileErrorJson, fileError, toFileAgentError } from './errors.js';
export { fileMigrations } from './schema.js';
export * from './types.js';
