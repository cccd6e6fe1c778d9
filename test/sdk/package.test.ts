import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdir, mkdtemp, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestNetwork } from '../../src/bot/testing/index.js';

/** What users get: the built package, in a project of its own. `npm test` builds it before. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const run = promisify(execFile);

describe('the package', () => {
  let net: TestNetwork;
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    net = await TestNetwork.start();
    folder = await mkdtemp(path.join(tmpdir(), 'fanion-package-'));
  });
  afterEach(async () => {
    for (const child of children.splice(0)) child.kill('SIGKILL');
    await net.stop();
    await rm(folder, { recursive: true, force: true });
  });

  /** As `npm install` of what `npm pack` makes, without a registry: dependencies are those of this project. */
  async function install(): Promise<void> {
    const { stdout } = await run('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
      cwd: root,
    });
    const [packed] = JSON.parse(stdout) as [{ filename: string }];
    const modules = path.join(folder, 'node_modules');
    await mkdir(path.join(modules, 'fanion'), { recursive: true });
    await run('tar', [
      '-xzf',
      path.join(folder, packed.filename),
      '--strip-components=1',
      '-C',
      path.join(modules, 'fanion'),
    ]);
    const { dependencies = {} } = JSON.parse(await readFile(path.join(modules, 'fanion/package.json'), 'utf8')) as {
      dependencies?: Record<string, string>;
    };
    // Only what a user has: dependencies (with theirs), @types/node and TypeScript.
    const wanted = new Set([...Object.keys(dependencies), '@types/node', 'undici-types']);
    for (const name of wanted) {
      await mkdir(path.dirname(path.join(modules, name)), { recursive: true });
      await symlink(path.join(root, 'node_modules', name), path.join(modules, name));
    }
    await writeFile(path.join(folder, 'package.json'), JSON.stringify({ name: 'empty', type: 'module' }));
  }

  /** Runs a bot until it has printed its address. */
  async function start(
    file: string,
    env: Record<string, string>,
  ): Promise<{ address: string; stop(): Promise<number> }> {
    const child = spawn(process.execPath, [file], {
      cwd: folder,
      env: { ...process.env, FANION_SMP_SERVERS: net.smpServer, FANION_XFTP_SERVERS: '', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    children.push(child);
    const ended = new Promise<number>((resolve) => child.once('exit', (code) => resolve(code ?? -1)));
    let output = '';
    const address = await new Promise<string>((resolve, reject) => {
      child.stderr.on('data', (data: Buffer) => {
        output += data.toString();
      });
      child.stdout.on('data', (data: Buffer) => {
        output += data.toString();
        const link = /^(?:https|simplex):\S+\n/m.exec(output)?.[0];
        if (link !== undefined) resolve(link.trim());
      });
      child.once('exit', () => reject(new Error(`the bot ended: ${output}`)));
    });
    return {
      address,
      stop: () => {
        child.kill('SIGTERM');
        return ended;
      },
    };
  }

  async function readmeBot(): Promise<string> {
    const readme = await readFile(path.join(root, 'README.md'), 'utf8');
    const code = /^```ts\n([\s\S]*?)^```$/m.exec(readme)?.[1] ?? '';
    expect(code).toContain("from 'fanion'");
    return code;
  }

  it('runs the bot of the README, exactly as it is printed there, in at most ten lines', async () => {
    await install();
    const code = await readmeBot();
    expect(code.split('\n').filter((line) => line.trim() !== '').length).toBeLessThanOrEqual(10);
    await writeFile(path.join(folder, 'bot.js'), code);
    const server = await net.server();
    const alice = await net.user('alice');
    for (const connection of ['./bot.db', server.url]) {
      const bot = await start('bot.js', { FANION_CONNECTION: connection });
      await alice.connect(bot.address);
      await alice.hears('Send me a number.');
      await alice.says('12');
      await alice.hears('12 × 12 = 144');
      await alice.says('twelve');
      await alice.hears('That is not a number.');
      expect(await bot.stop()).toBe(0);
    }
    expect(await readdir(folder)).toContain('bot.db');
  });

  it('type-checks in an empty TypeScript project, without skipLibCheck', async () => {
    await install();
    await writeFile(path.join(folder, 'bot.ts'), await readmeBot());
    const more = [
      "import { Bot, type BotConnection, ChatApiError } from 'fanion';",
      "import { TestNetwork } from 'fanion/testing';",
      'export async function test(connection: BotConnection): Promise<string> {',
      '  const net = await TestNetwork.start();',
      "  const bot = new Bot({ profile: 'x', connection, session: () => ({ count: 0 }) });",
      "  bot.on('message:voice', (ctx) => void (ctx.session.count += ctx.content.duration));",
      '  bot.catch((error) => error instanceof ChatApiError && error.chatError.type);',
      '  await net.stop();',
      '  return bot.address;',
      '}',
    ];
    await writeFile(path.join(folder, 'more.ts'), more.join('\n'));
    const compilerOptions = {
      target: 'ES2023',
      module: 'NodeNext',
      strict: true,
      skipLibCheck: false,
      noEmit: true,
      types: ['node'],
    };
    await writeFile(path.join(folder, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.ts'] }));
    const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
    const result = await run(process.execPath, [tsc, '-p', folder, '--pretty', 'false'], { cwd: folder }).catch(
      (error: { stdout: string }) => error,
    );
    expect(result.stdout).toBe('');
  });
});
