import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, it } from 'vitest';
import { TestNetwork } from '../../src/bot/testing/index.js';

/** A bot that is killed at random moments: every message is answered at least once, and in order. */
const root = fileURLToPath(new URL('../..', import.meta.url));
const kills = 30;

const program = `
import { Bot } from '${root}dist/bot/index.js';
const bot = new Bot({ profile: 'bot', session: () => ({ last: 0 }) });
bot.on('message:text', async (ctx) => {
  const n = Number(ctx.text);
  // Messages may come again after a crash, but none is skipped.
  if (n > ctx.session.last + 1) await ctx.reply('lost after ' + ctx.session.last);
  await ctx.once('answer', async () => void (await ctx.reply('got ' + n)));
  ctx.session.last = Math.max(n, ctx.session.last);
});
await bot.run();
`;

it.each(['in process', 'over WebSocket'])(
  'a bot %s answers every message although it is killed again and again',
  async (kind) => {
    const net = await TestNetwork.start();
    const folder = await mkdtemp(path.join(tmpdir(), 'fanion-crash-'));
    const file = path.join(folder, 'bot.mjs');
    await writeFile(file, program);
    const connection = kind === 'in process' ? './bot.db' : (await net.server()).url;
    const start = () =>
      spawn(process.execPath, [file], {
        cwd: folder,
        env: {
          ...process.env,
          FANION_CONNECTION: connection,
          FANION_SMP_SERVERS: net.smpServer,
          FANION_XFTP_SERVERS: '',
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      });
    let child = start();
    const address = await new Promise<string>((resolve) => {
      let output = '';
      child.stdout.on('data', (data: Buffer) => {
        output += data.toString();
        const link = /^(?:https|simplex):\S+\n/m.exec(output)?.[0];
        if (link !== undefined) resolve(link.trim());
      });
    });
    const alice = await net.user('alice');
    await alice.connect(address);
    let sent = 0;
    for (let i = 0; i < kills; i++) {
      for (let j = 0; j < 5; j++) await alice.says(String(++sent));
      await new Promise((resolve) => setTimeout(resolve, Math.random() * 1500));
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      child = start();
    }
    for (let n = 1; n <= sent; n++) await alice.hears(`got ${n}`, { timeoutMs: 60_000 });
    expect(alice.messages.filter((m) => m.text.startsWith('lost'))).toEqual([]);
    child.kill('SIGKILL');
    await net.stop();
    await rm(folder, { recursive: true, force: true });
  },
);
