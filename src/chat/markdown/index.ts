export * from './links.js';
export * from './markdown.js';
