/** Squares numbers, with a command in the bot's menu. Run it: `npm run example squaring` */
import { Bot, type BotConnection } from 'fanion';

export function squaringBot(connection?: BotConnection): Bot {
  const bot = new Bot({
    profile: { displayName: 'Squaring bot', shortDescr: 'I square numbers.' },
    welcome: 'Send me a number, and I calculate its square.',
    ...(connection === undefined ? {} : { connection }),
  });
  bot.command(['help', 'start'], { label: 'What can you do?' }, (ctx) =>
    ctx.reply('Send me a number, or use /square <number>.'),
  );
  bot.command('square', { label: 'Square a number', params: '<number>' }, (ctx, next) => {
    const n = Number(ctx.args);
    // Not a number: the last handler says so.
    return ctx.args === '' || Number.isNaN(n) ? next() : ctx.reply(`${n} × ${n} = ${n * n}`, { quote: true });
  });
  bot.hears(/^-?\d+(?:\.\d+)?$/, (ctx) => ctx.reply(`${ctx.text} × ${ctx.text} = ${Number(ctx.text) ** 2}`));
  bot.on('message', (ctx) => ctx.reply('That is not a number.', { quote: true }));
  return bot;
}

if (process.argv[1] === import.meta.filename) await squaringBot().run();
