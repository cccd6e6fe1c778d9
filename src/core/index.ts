export * from './errors.js';
export { collectAll, madeGarbage } from './garbage.js';
export * from './locks.js';
export * from './log.js';
export * from './pacer.js';
export * from './random.js';
export * from './time.js';
