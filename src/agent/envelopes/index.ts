export * from './envelope.js';
export * from './message.js';
