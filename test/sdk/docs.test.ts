import { execFile } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { TestNetwork } from '../../src/bot/testing/index.js';
import { setContext } from './docs-support.js';

/**
 * Every TypeScript block of README.md and docs/*.md is a program. It is compiled, then run in a network in this process; what it
 * must do is in the comment `<!-- test ... -->` behind it.
 */
const root = fileURLToPath(new URL('../..', import.meta.url));
const out = path.join(root, 'tmp', 'docs-blocks');

interface Block {
  readonly name: string;
  readonly file: string;
  readonly code: string;
}

const pages = [
  'README.md',
  ...readdirSync(path.join(root, 'docs'))
    .filter((f) => f.endsWith('.md'))
    .map((f) => `docs/${f}`),
];

const blocks: Block[] = pages.flatMap((page) => {
  const text = readFileSync(path.join(root, page), 'utf8');
  return [...text.matchAll(/^```ts\n([\s\S]*?)^```\n(?:<!-- test\n([\s\S]*?)-->)?/gm)].map((match, i) => {
    const [, code = '', test = ''] = match;
    const line = text.slice(0, match.index).split('\n').length;
    const file = `${page.replace(/\W+/g, '-')}-${i}.ts`;
    return { name: `${page}:${line}`, file: path.join(out, file), code: moduleText(code, test) };
  });
});

function moduleText(code: string, test: string): string {
  return [
    "import { context as context$, docs as docs$ } from '../../test/sdk/docs-support.js';",
    code,
    '{',
    '  const { alice, net, expect } = context$();',
    '  const docs = docs$;',
    test,
    '  void [alice, net, expect, docs];',
    '}',
    // Blocks that have stopped their bot themselves can do it twice.
    /\bbot\b = /.test(code) ? 'await bot.stop();' : '',
    'export {};',
    '',
  ].join('\n');
}

beforeAll(() => {
  rmSync(out, { recursive: true, force: true });
  mkdirSync(out, { recursive: true });
  for (const block of blocks) writeFileSync(block.file, block.code);
});

/** One run of the compiler for the blocks and for the type tests of test/sdk/types. */
let compilerErrors: Promise<string[]> | undefined;

async function compile(): Promise<string[]> {
  for (const name of ['api.ts', 'bot.ts'])
    copyFileSync(path.join(root, 'test/sdk/types', name), path.join(out, `types-${name}`));
  const config = {
    extends: '../../tsconfig.json',
    compilerOptions: { noUnusedLocals: false },
    include: ['*.ts'],
  };
  writeFileSync(path.join(out, 'tsconfig.json'), JSON.stringify(config));
  const tsc = path.join(root, 'node_modules/typescript/bin/tsc');
  const result = await promisify(execFile)(process.execPath, [tsc, '-p', out, '--noEmit', '--pretty', 'false'], {
    cwd: root,
  }).catch((error: { stdout: string }) => error);
  // Errors of the project itself are found by `npm run check`.
  return result.stdout.split('\n').filter((l) => l.includes('docs-blocks'));
}

it('the blocks of all pages compile', async () => {
  expect(blocks.length).toBeGreaterThan(15);
  compilerErrors ??= compile();
  expect((await compilerErrors).filter((l) => !l.includes('types-'))).toEqual([]);
});

it('wrong names, roles, modes and missing fields do not compile, and unions are narrowed', async () => {
  compilerErrors ??= compile();
  // `@ts-expect-error` before a line that compiles is an error, too.
  expect((await compilerErrors).filter((l) => l.includes('types-'))).toEqual([]);
});

describe('the block', () => {
  const cwd = process.cwd();
  let net: TestNetwork;

  beforeEach(async () => {
    vi.spyOn(console, 'log').mockImplementation(() => {});
    vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    net = await TestNetwork.start({ files: true });
    const { smpServers = [], xftpServers = [] } = net.connection();
    vi.stubEnv('FANION_CONNECTION', ':memory:');
    vi.stubEnv('FANION_SMP_SERVERS', smpServers.join(' '));
    vi.stubEnv('FANION_XFTP_SERVERS', xftpServers.join(' '));
    process.chdir(net.folder);
    setContext({ net, alice: await net.user('alice'), expect });
  });
  afterEach(async () => {
    process.chdir(cwd);
    vi.unstubAllEnvs();
    vi.restoreAllMocks();
    await net.stop();
  });

  it.each(blocks.map((b) => [b.name, b] as const))('%s does what its page says', async (_name, block) => {
    await import(block.file);
  });
});

afterAll(() => rmSync(out, { recursive: true, force: true }));
