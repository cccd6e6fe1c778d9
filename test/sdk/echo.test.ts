import { expect, it } from 'vitest';
import { Bot } from '../../src/bot/index.js';
import { TestNetwork } from '../../src/bot/testing/index.js';

it('a bot is tested end to end in this process', async () => {
  const t0 = performance.now();
  const lap = (what: string) => console.log(what, Math.round(performance.now() - t0));
  const net = await TestNetwork.start();
  lap('net');
  const bot = new Bot({ profile: 'echo', connection: net.connection(), welcome: 'Hello!' });
  bot.on('message:text', (ctx) => ctx.reply(ctx.content.text));
  await bot.start();
  lap('bot');
  const alice = await net.user('alice');
  lap('alice');
  await alice.connect(bot);
  lap('connected');
  await alice.hears('Hello!');
  await alice.says('hi');
  expect((await alice.hears(/hi/)).text).toBe('hi');
  lap('heard');
  await bot.stop();
  await net.stop();
  lap('stopped');
});
