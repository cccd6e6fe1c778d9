export type * from './options.js';
export { startXftpRelay } from './relay.js';
