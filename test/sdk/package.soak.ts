import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { expect, it } from 'vitest';

/** With the package registry: what `npm test` does without. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

it('npm installs the packed package into an empty TypeScript project, which type-checks and runs', async () => {
  const folder = await mkdtemp(path.join(tmpdir(), 'fanion-install-'));
  try {
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
    });
    const [packed] = JSON.parse(stdout) as [{ filename: string }];
    await run('npm', ['init', '-y'], { cwd: folder });
    await run('npm', ['pkg', 'set', 'type=module'], { cwd: folder });
    const packages = [`./${packed.filename}`, 'typescript@5', '@types/node@22'];
    await run('npm', ['install', '--no-audit', '--no-fund', ...packages], { cwd: folder });
    const bot = [
      "import { Bot } from 'fanion';",
      "import { TestNetwork } from 'fanion/testing';",
      'const net = await TestNetwork.start();',
      "const bot = new Bot({ profile: 'echo', connection: net.connection() });",
      "bot.on('message:text', (ctx) => ctx.reply(ctx.content.text));",
      'await bot.start();',
      "const alice = await net.user('alice');",
      'await alice.connect(bot);',
      "await alice.says('It runs.');",
      "console.log((await alice.hears('It runs.')).text);",
      'await bot.stop();',
      'await net.stop();',
    ];
    await writeFile(path.join(folder, 'bot.ts'), bot.join('\n'));
    await run(
      'npx',
      ['tsc', '--init', '--target', 'es2022', '--module', 'nodenext', '--strict', '--skipLibCheck', 'false'],
      {
        cwd: folder,
      },
    );
    await run('npx', ['tsc', '-p', '.'], { cwd: folder });
    expect((await run(process.execPath, ['bot.js'], { cwd: folder })).stdout).toBe('It runs.\n');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
});

it('TypeDoc makes the reference without a warning', async () => {
  const tools = path.join(root, 'docs/tools');
  await run('npm', ['ci', '--no-audit', '--no-fund'], { cwd: tools });
  // Warnings are errors: see typedoc.json.
  await run('npm', ['run', 'docs'], { cwd: root });
  expect(await readFile(path.join(root, 'tmp/docs/api/index.html'), 'utf8')).toContain('Fanion');
});
