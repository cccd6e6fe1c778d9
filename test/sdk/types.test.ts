import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
const tsc = path.join(root, 'node_modules/typescript/bin/tsc');

/** The errors of the compiler in the files of test/sdk/types. */
async function errors(folder: string): Promise<string[]> {
  const compilerOptions = { rootDir: root, noUnusedLocals: false };
  mkdirSync(folder, { recursive: true });
  writeFileSync(
    path.join(folder, 'tsconfig.json'),
    JSON.stringify({ extends: path.join(root, 'tsconfig.json'), compilerOptions, include: ['*.ts'] }),
  );
  const result = await promisify(execFile)(process.execPath, [tsc, '-p', folder, '--noEmit', '--pretty', 'false'], {
    cwd: folder,
  }).catch((error: { stdout: string }) => error);
  return result.stdout.split('\n').filter((line) => /^(?:api|bot)\.ts/.test(line));
}

it('wrong names, roles, modes and missing fields do not compile, and unions are narrowed', async () => {
  const folder = path.join(root, 'tmp', 'types');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  for (const name of ['api.ts', 'bot.ts'])
    copyFileSync(path.join(root, 'test/sdk/types', name), path.join(folder, name));
  // A mark whose line compiles is an error, too.
  expect(await errors(folder)).toEqual([]);
  rmSync(folder, { recursive: true, force: true });
});
