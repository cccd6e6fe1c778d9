import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import type { expect } from 'vitest';
import type { TestNetwork, TestUser } from '../../src/bot/testing/index.js';

/** What the hidden tests behind the code blocks of the documentation can use. */
export interface DocsContext {
  readonly net: TestNetwork;
  readonly alice: TestUser;
  readonly expect: typeof expect;
}

let current: DocsContext | undefined;

/** For the blocks that are run next. */
export function setContext(context: DocsContext): void {
  current = context;
}

export function context(): DocsContext {
  if (current === undefined) throw new Error('no context');
  return current;
}

export const docs = {
  path: (name: string): string => path.join(context().net.folder, name),
  write: (name: string, text: string): Promise<void> => writeFile(path.join(context().net.folder, name), text),
};
