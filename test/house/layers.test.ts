import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';

const script = path.resolve('scripts/check-layers.mjs');
let dir = '';
beforeEach(() => {
  dir = mkdtempSync(path.join(tmpdir(), 'fanion-layers-'));
});
afterEach(() => rmSync(dir, { recursive: true, force: true }));

function put(file: string, text: string): void {
  mkdirSync(path.dirname(path.join(dir, file)), { recursive: true });
  writeFileSync(path.join(dir, file), text);
}
const check = () => spawnSync(process.execPath, [script, dir], { encoding: 'utf8' });

describe('the layer check', () => {
  it('passes this project', () => {
    expect(execFileSync(process.execPath, [script], { encoding: 'utf8' })).toContain('only point down');
  });

  it('passes an import that points down and enters by the index', () => {
    put('crypto/keys.ts', "import { Reader } from '../wire/index.js';");
    expect(check().status).toBe(0);
  });

  it.each([
    [
      'an import that points up',
      'wire/reader.ts',
      "import { sign } from '../crypto/index.js';",
      'wire may not import crypto',
    ],
    ['an import past the index', 'crypto/keys.ts', "import { Reader } from '../wire/reader.js';", 'by its index.js'],
    [
      'a lazy import that points up',
      'smp/x.ts',
      "const m = await import('../chat/index.js');",
      'smp may not import chat',
    ],
    ['a re-export that points up', 'agent/x.ts', "export * from '../chat/index.js';", 'agent may not import chat'],
    ['a room that is not in the plan', 'misc/x.ts', 'export {};', 'not a room'],
    ['a file outside of the rooms', 'x.ts', 'export {};', 'belong in a room'],
    ['an import from outside of src', 'wire/x.ts', "import '../../test/x.js';", 'outside of src'],
  ])('refuses %s', (_what, file, text, message) => {
    put(file, text);
    const result = check();
    expect(result.status).toBe(1);
    expect(result.stderr).toContain(message);
  });
});
