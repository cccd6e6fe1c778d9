/**
 * A support desk on a business address: each customer gets a chat with the bot, and colleagues are added to it when the bot
 * does not know the answer. Run it: `npm run example support`; colleagues connect by the printed invitation.
 */
import { Bot, type BotConnection } from 'fanion';

interface Session {
  /** Whether this contact is a colleague. */
  colleague: boolean;
  /** Whether colleagues were called into this customer's chat. */
  called: boolean;
}

const answers: readonly (readonly [RegExp, string])[] = [
  [/open|hours/i, 'We are open from 9 to 17, Monday to Friday.'],
  [/price|cost/i, 'It costs 10 a month.'],
];

/** `key` makes colleagues out of contacts: they write `/colleague <key>` to the bot. */
export function supportDesk(key: string, connection?: BotConnection): Bot<Session> {
  const bot = new Bot<Session>({
    profile: { displayName: 'Support desk', shortDescr: 'We are here to help.' },
    address: { business: true },
    welcome: 'Hello! How can we help?',
    session: () => ({ colleague: false, called: false }),
    ...(connection === undefined ? {} : { connection }),
  });
  // Between the bot and a colleague: an ordinary chat.
  bot.command('colleague', async (ctx) => {
    if (ctx.group !== undefined || ctx.args !== key) return ctx.reply('I do not know you.');
    ctx.session.colleague = true;
    return ctx.reply('Thank you. You will be called when a customer needs you.');
  });
  // In a customer's chat: until a colleague is there, the bot answers.
  bot.on('message:text', async (ctx) => {
    const { group, session } = ctx;
    if (group?.businessChat === undefined || session.called) return;
    const known = answers.find(([pattern]) => pattern.test(ctx.text));
    if (known !== undefined) return ctx.reply(known[1]);
    session.called = true;
    const called = await ctx.once('call', () => callColleagues(bot, group.groupId));
    return ctx.reply(called > 0 ? 'A colleague will answer soon.' : 'We will answer as soon as we can.');
  });
  return bot;
}

/** Invites every colleague to a customer's chat; gives their number. */
async function callColleagues(bot: Bot<Session>, groupId: number): Promise<number> {
  const { contacts } = await bot.api.listContacts({ userId: bot.user.userId });
  let called = 0;
  for (const contact of contacts) {
    if (!(await bot.readSession(contact)).colleague) continue;
    await bot.api.addMember({ groupId, contactId: contact.contactId, memberRole: 'member' });
    called++;
  }
  return called;
}

/** A link for one colleague: the address itself is for customers. */
export async function invitation(bot: Bot<Session>): Promise<string> {
  const { connLinkInvitation } = await bot.api.addContact({ userId: bot.user.userId });
  return connLinkInvitation.connShortLink ?? connLinkInvitation.connFullLink;
}

if (process.argv[1] === import.meta.filename) {
  const key = process.env.COLLEAGUE_KEY ?? 'colleague';
  const bot = await supportDesk(key).run();
  console.log(`For a colleague, who then writes "/colleague ${key}":\n${await invitation(bot)}`);
}
