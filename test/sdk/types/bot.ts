/** What must and must not compile when a bot is written. */
import {
  Bot,
  type CEvtContactConnected,
  type CIFile,
  type Contact,
  type GroupInfo,
  type GroupMember,
  type MsgContentText,
} from 'fanion';

type Equal<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false;
function same<A, B>(_equal: Equal<A, B>): void {}

const bot = new Bot({ profile: 'bot', session: () => ({ count: 0 }) });

bot.on('message:text', (ctx) => {
  same<typeof ctx.content.type, 'text'>(true);
  const content: MsgContentText = ctx.content;
  same<typeof ctx.session.count, number>(true);
  same<typeof ctx.file, CIFile | undefined>(true);
  // @ts-expect-error: sessions have what the option says
  ctx.session.name;
  // @ts-expect-error: a text has no duration
  ctx.content.duration;
  return ctx.reply(content);
});
bot.on('message:voice', (ctx) => {
  same<typeof ctx.content.duration, number>(true);
});
bot.on('message:file', (ctx) => {
  same<typeof ctx.file.fileSize, number>(true);
});
bot.on(['message:voice', 'message:video'], (ctx) => {
  same<typeof ctx.content.duration, number>(true);
});
bot.on('contact:connected', (ctx) => {
  same<typeof ctx.contact, Contact>(true);
  same<typeof ctx.event, CEvtContactConnected>(true);
  // @ts-expect-error: the event is about a contact: its group may be absent
  ctx.group.groupId;
  // @ts-expect-error: only messages can be reacted to
  return ctx.react('👍');
});
bot.on('contactConnected', (ctx) => same<typeof ctx.contact, Contact>(true));
bot.on('group:member:left', (ctx) => {
  same<typeof ctx.group, GroupInfo>(true);
  same<typeof ctx.member, GroupMember>(true);
});
bot.on('chatItemsStatusesUpdated', (ctx) => {
  same<(typeof ctx.event)['type'], 'chatItemsStatusesUpdated'>(true);
});
// @ts-expect-error: there is no such event
bot.on('contact:conected', () => {});
// @ts-expect-error: there is no such kind of message
bot.on('message:txt', () => {});

bot.hears(/(\d+)/, (ctx) => same<typeof ctx.match, RegExpExecArray>(true));
bot.hears('x', (ctx) => same<typeof ctx.match, RegExpExecArray | undefined>(true));
bot.command('square', { label: 'Square', params: '<n>' }, (ctx) => {
  same<typeof ctx.command.params, string>(true);
});
// @ts-expect-error: a menu entry has a label
bot.command('square', { params: '<n>' }, () => {});
bot.command('square', (ctx, next) => (ctx.args === '' ? next() : ctx.reply(ctx.args)));

bot.use(async (ctx, next) => {
  same<typeof ctx.contact, Contact | undefined>(true);
  if (ctx.event.type === 'groupUpdated') same<typeof ctx.event.toGroup, GroupInfo>(true);
  await next();
});
bot.catch((error, ctx) => {
  same<typeof error, unknown>(true);
  return ctx.reply('!');
});

// @ts-expect-error: a bot has a profile
new Bot({});
// @ts-expect-error: the option is called connection
new Bot({ profile: 'x', connect: './x.db' });
// @ts-expect-error: a connection has a database or a URL
new Bot({ profile: 'x', connection: { server: 'x' } });
new Bot({ profile: { displayName: 'x' }, connection: { database: ':memory:' }, address: false });
// @ts-expect-error: a profile has a display name
new Bot({ profile: { fullName: 'x' } });

const plain = new Bot({ profile: 'x' });
plain.on('message', (ctx) => {
  same<typeof ctx.session, undefined>(true);
  // @ts-expect-error: without the option there is no session
  ctx.session.count;
});

export async function use(): Promise<void> {
  await bot.send({ contactId: 1 }, 'x');
  await bot.send({ groupId: 1 }, { type: 'text', text: 'x' });
  // @ts-expect-error: members are not chats
  await bot.send({ groupMemberId: 1 }, 'x');
  const event = await bot.waitFor('rcvFileComplete', (e) => e.chatItem.chatItem.file?.fileId === 1);
  same<(typeof event)['type'], 'rcvFileComplete'>(true);
  const session = await bot.readSession({ contactId: 1 });
  same<typeof session, { count: number }>(true);
  // @ts-expect-error: of another type
  await bot.writeSession({ contactId: 1 }, { count: 'x' });
}
