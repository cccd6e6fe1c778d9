/** Says what it hears. Run it: `npm run example echo` */
import { Bot, type BotConnection } from 'fanion';

export function echoBot(connection?: BotConnection): Bot {
  const bot = new Bot({
    profile: { displayName: 'Echo', shortDescr: 'I say what I hear.' },
    welcome: 'Hello! I say what I hear.',
    ...(connection === undefined ? {} : { connection }),
  });
  bot.on('message:text', (ctx) => ctx.reply(ctx.content.text));
  bot.on('message', (ctx) => ctx.reply('I only understand text.', { quote: true }));
  return bot;
}

if (process.argv[1] === import.meta.filename) await echoBot().run();
