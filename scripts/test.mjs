// npm test: the recorded scenarios, and everything else beside them at the lowest priority. The scenarios mostly wait,
// but what they compare depends on which of two messages on their way is faster: they come first when both want to run.
import { spawn } from 'node:child_process';
import { constants, setPriority } from 'node:os';
import { fileURLToPath } from 'node:url';

const vitest = fileURLToPath(new URL('../node_modules/vitest/vitest.mjs', import.meta.url));

/** Resolves with the exit code when the run has ended. */
function run(args, { stdio, priority }) {
  const child = spawn(process.execPath, [vitest, 'run', ...args], { stdio });
  if (priority !== undefined) setPriority(child.pid, priority);
  // What is not inherited is shown when it is whole: two runs must not mix their lines.
  const output = [];
  for (const stream of [child.stdout, child.stderr]) stream?.on('data', (part) => output.push(part));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code, signal) => {
      process.stdout.write(Buffer.concat(output));
      resolve(code ?? `ended by ${signal}`);
    });
  });
}

const codes = await Promise.all([
  run(['test/conformance'], { stdio: ['ignore', 'pipe', 'pipe'] }),
  run(['--exclude', 'test/conformance/**', ...process.argv.slice(2)], {
    stdio: 'inherit',
    priority: constants.priority.PRIORITY_LOW,
  }),
]);
for (const [i, code] of codes.entries()) {
  if (code !== 0) console.error(`${i === 0 ? 'the scenarios' : 'the other tests'} failed: ${code}`);
}
process.exitCode = codes.every((code) => code === 0) ? 0 : 1;
