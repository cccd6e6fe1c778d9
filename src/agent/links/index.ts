export * from './connection-request.js';
export * from './link.js';
export * from './link-data.js';
export * from './short-link.js';
