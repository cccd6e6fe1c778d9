#!/usr/bin/env node
// Runs an example: `npm run example echo`. Examples are TypeScript; Node.js 20 needs them compiled.
import { spawn, spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

const root = path.join(path.dirname(fileURLToPath(import.meta.url)), '..');
const examples = path.join(root, 'examples');
const [name, ...args] = process.argv.slice(2);
if (name === undefined || !existsSync(path.join(examples, `${name}.ts`))) {
  const names = readdirSync(examples).filter((f) => f.endsWith('.ts') && !f.endsWith('.test.ts'));
  console.error(`Which example? ${names.map((f) => f.slice(0, -3)).join(', ')}`);
  process.exit(2);
}
const out = path.join(root, 'tmp', 'examples');
const tsc = spawnSync(
  process.execPath,
  [path.join(root, 'node_modules/typescript/bin/tsc'), '-p', path.join(examples, 'tsconfig.json'), '--outDir', out],
  { stdio: 'inherit' },
);
if (tsc.status !== 0) process.exit(tsc.status ?? 1);
const child = spawn(process.execPath, [path.join(out, `${name}.js`), ...args], { stdio: 'inherit' });
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
child.on('exit', (code, signal) => process.exit(code ?? (signal === null ? 1 : 0)));
