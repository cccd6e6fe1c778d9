import { afterEach, describe, it } from 'vitest';
import { crashTransfer } from './crash-support.js';
import { Cleanup } from './support.js';

const cleanup = new Cleanup();
afterEach(() => cleanup.run());

describe('100 MB, each party killed several times', () => {
  for (const victim of ['sender', 'receiver', 'relay while uploading', 'relay while downloading'] as const) {
    it(`${victim}: the file arrives whole`, () => crashTransfer(cleanup, victim, 100 << 20, [1, 5, 4]));
  }
});
