// Runs one of the benchmarks: npm run bench -- <name> [options of the benchmark]
import { readdirSync } from 'node:fs';

const folder = new URL('.', import.meta.url);
// Files with a dash are parts of the benchmark before the dash.
const names = readdirSync(folder)
  .filter((f) => f.endsWith('.js') && !f.includes('-') && f !== 'main.js' && f !== 'lib.js')
  .map((f) => f.slice(0, -3));

const [name, ...args] = process.argv.slice(2);
if (name === undefined || !names.includes(name)) {
  console.error(`usage: npm run bench -- ${names.join('|')}`);
  process.exitCode = 2;
} else {
  const { run } = await import(new URL(`${name}.js`, folder).href);
  await run(args);
}
