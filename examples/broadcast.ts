/**
 * Sends news to its subscribers. Run it: `OWNER_KEY=secret npm run example broadcast`, then write `/own secret` to the bot
 * to become its publisher.
 */
import { Bot, type BotConnection } from 'fanion';

interface Session {
  subscribed: boolean;
  publisher: boolean;
}

export function broadcastBot(ownerKey: string, connection?: BotConnection): Bot<Session> {
  const bot = new Bot<Session>({
    profile: { displayName: 'News', shortDescr: 'News for subscribers.' },
    welcome: 'Welcome! /subscribe to get the news, /unsubscribe to stop them.',
    session: () => ({ subscribed: false, publisher: false }),
    // Other chats wait at most half a second for theirs while news go out.
    rateLimit: { outgoing: { count: 5, perMs: 1000 } },
    ...(connection === undefined ? {} : { connection }),
  });

  bot.command('subscribe', { label: 'Get the news' }, async (ctx) => {
    ctx.session.subscribed = true;
    await ctx.reply('You will get the news.');
  });
  bot.command('unsubscribe', { label: 'No more news' }, async (ctx) => {
    ctx.session.subscribed = false;
    await ctx.reply('You will get no more news.');
  });
  bot.command('own', async (ctx) => {
    if (ctx.args !== ownerKey) return ctx.reply('That is not the key.');
    ctx.session.publisher = true;
    // The key does not stay in the chat.
    await ctx.delete();
    return ctx.reply('You are a publisher: /publish <text>');
  });
  bot.command('publish', async (ctx) => {
    if (!ctx.session.publisher) return ctx.reply('Only publishers can do that.');
    if (ctx.args === '') return ctx.reply('What shall I publish?');
    const { contacts } = await ctx.api.listContacts({ userId: ctx.me.userId });
    let count = 0;
    for (const contact of contacts) {
      const { subscribed } = await bot.readSession(contact);
      if (!subscribed) continue;
      // If the bot is stopped in the middle, it goes on with those who have not got it.
      await ctx.once(`to ${contact.contactId}`, async () => void (await bot.send(contact, ctx.args)));
      count++;
    }
    return ctx.reply(`Sent to ${count} subscriber${count === 1 ? '' : 's'}.`);
  });
  bot.on('message', (ctx) => ctx.reply('Use /subscribe or /unsubscribe.'));
  return bot;
}

if (process.argv[1] === import.meta.filename) {
  const key = process.env.OWNER_KEY;
  if (key === undefined || key === '') throw new Error('choose a key for publishers: OWNER_KEY=...');
  await broadcastBot(key).run();
}
