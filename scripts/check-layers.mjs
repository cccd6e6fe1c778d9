#!/usr/bin/env node
// Fails when a room imports from a room that is not below it, or reaches past another room's index.ts.
// The rooms and their order are those of ARCHITECTURE.md.
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

/** For each room, the rooms that it may import. */
const below = {
  core: [],
  wire: ['core'],
  crypto: ['core', 'wire'],
  smp: ['core', 'wire', 'crypto'],
  xftp: ['core', 'wire', 'crypto', 'smp'],
  store: ['core'],
  relay: ['core', 'wire', 'crypto', 'smp', 'xftp', 'store'],
  agent: ['core', 'wire', 'crypto', 'smp', 'xftp', 'store'],
  api: ['core'],
  chat: ['core', 'wire', 'crypto', 'smp', 'xftp', 'store', 'agent', 'api'],
  server: ['core', 'api', 'chat'],
  bot: ['core', 'crypto', 'store', 'api', 'chat', 'relay', 'server', 'agent', 'smp'],
  cli: ['core', 'wire', 'crypto', 'smp', 'xftp', 'store', 'relay', 'agent', 'api', 'chat', 'server', 'bot'],
};

const root = path.resolve(process.argv[2] ?? 'src');
const importPattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"](\.{1,2}\/[^'"]+)['"]/g;
const problems = [];

for (const entry of readdirSync(root, { recursive: true, withFileTypes: true })) {
  if (!entry.isFile() || !/\.(ts|js|mjs)$/.test(entry.name)) continue;
  const file = path.join(entry.parentPath, entry.name);
  const relative = path.relative(root, file);
  const room = relative.split(path.sep)[0];
  if (room === relative) {
    problems.push(`${relative}: source files belong in a room, not in src itself`);
    continue;
  }
  if (!(room in below)) {
    problems.push(`${relative}: ${room} is not a room of ARCHITECTURE.md`);
    continue;
  }
  for (const [, target] of readFileSync(file, 'utf8').matchAll(importPattern)) {
    const to = path.relative(root, path.resolve(path.dirname(file), target));
    const toRoom = to.split(path.sep)[0];
    if (toRoom === '..' || toRoom === room) {
      // Tests may take fixtures from outside of src; sources may not.
      if (toRoom === '..' && !/\.(test|soak)\.ts$/.test(entry.name))
        problems.push(`${relative}: imports ${target} from outside of src`);
      continue;
    }
    const forTests = /\.(test|soak)\.ts$/.test(entry.name) || relative.split(path.sep).includes('testing-support');
    if (!below[room].includes(toRoom)) problems.push(`${relative}: ${room} may not import ${toRoom} (${target})`);
    // Tests may use what a room below has for tests.
    else if (!/^[^/\\]+[/\\]index\.(js|ts)$/.test(to) && !(forTests && /^[^/\\]+[/\\]testing-support[/\\]/.test(to)))
      problems.push(`${relative}: enter ${toRoom} by its index.js, not ${target}`);
  }
}

if (problems.length > 0) {
  console.error(problems.join('\n'));
  console.error(`${problems.length} layer violation${problems.length === 1 ? '' : 's'}`);
  process.exit(1);
}
console.log('layers: imports only point down');
