import { afterAll, describe, it } from 'vitest';
import { crashTransfer } from './crash-support.js';
import { Cleanup } from './support.js';

const cleanup = new Cleanup();
afterAll(() => cleanup.run());

/** The short form of crash.soak.ts. */
describe.concurrent('a party that is killed in the middle of a transfer and started again', () => {
  for (const victim of ['sender', 'receiver', 'relay while uploading', 'relay while downloading'] as const) {
    it(`${victim}: the file arrives whole`, () => crashTransfer(cleanup, victim, 30 << 20, [2]));
  }
});
