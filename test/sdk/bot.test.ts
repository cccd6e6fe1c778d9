import { writeFile } from 'node:fs/promises';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Bot, type BotConnection, type BotOptions, isChatApiError } from '../../src/bot/index.js';
import { TestNetwork } from '../../src/bot/testing/index.js';

/** The same tests for both kinds of connection: only the option differs. */
const kinds: readonly [string, (net: TestNetwork) => BotConnection | Promise<BotConnection>][] = [
  ['in process', (net) => net.connection()],
  ['over WebSocket', (net) => net.webSocketConnection()],
];

// The storage suites run on PostgreSQL, too, where there is one (scripts/with-postgres.sh).
const url = process.env['FANION_TEST_POSTGRES'];
let schemas = 0;
const postgres: typeof kinds =
  url === undefined
    ? []
    : [
        [
          'in process with PostgreSQL',
          (net) => {
            const schema = `bot_${process.pid}_${Date.now()}_${++schemas}`;
            return net.connection({ database: { kind: 'postgres', url, schema } });
          },
        ],
      ];

/** A connection whose database outlives a bot. */
function lastingConnection(connection: BotConnection, net: TestNetwork, name: string): BotConnection {
  if (typeof connection === 'string' || !('database' in connection)) return connection;
  return typeof connection.database === 'string'
    ? { ...connection, database: path.join(net.folder, name) }
    : connection;
}

describe.each([...kinds, ...postgres])('a bot %s', (_kind, connect) => {
  let net: TestNetwork;
  let connection: BotConnection;
  const bots: { stop(): Promise<void> }[] = [];

  beforeEach(async () => {
    net = await TestNetwork.start({ files: true });
    connection = await connect(net);
  });
  afterEach(async () => {
    for (const bot of bots.splice(0)) await bot.stop();
    await net.stop();
  });

  function newBot<S = undefined>(options: Partial<BotOptions<S>> = {}): Bot<S> {
    const bot = new Bot<S>({ profile: 'bot', connection, ...options });
    bots.push(bot);
    return bot;
  }

  it('answers messages, commands and patterns, in the order of registration', async () => {
    const bot = newBot({ welcome: 'Send me a number.' });
    const seen: string[] = [];
    bot.use(async (ctx, next) => {
      seen.push(ctx.tag);
      await next();
    });
    bot.command('square', { label: 'Square a number', params: '<number>' }, (ctx) =>
      ctx.reply(String(Number(ctx.args) ** 2), { quote: true }),
    );
    bot.hears(/^(\d+)\+(\d+)$/, (ctx) => ctx.reply(String(Number(ctx.match[1]) + Number(ctx.match[2]))));
    bot.hears('ping', (ctx, next) => ctx.reply('pong').then(next));
    bot.hears(
      (text) => text === 'ping',
      (ctx) => ctx.reply('and pong'),
    );
    bot.on('message:text', (ctx) => ctx.reply(`? ${ctx.content.text}`));
    await bot.start();
    expect(bot.setup).toEqual({ profile: 'created', address: 'created', addressSettings: 'updated' });
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.hears('Send me a number.');
    const asked = await alice.says('/square 12');
    const answer = await alice.hears('144');
    expect(answer.item.quotedItem?.itemId).toBe(asked);
    await alice.says('2+3');
    await alice.hears('5');
    await alice.says('ping');
    await alice.hears('pong');
    await alice.hears('and pong');
    await alice.says('hm');
    await alice.hears('? hm');
    expect(seen).toContain('contactConnected');
    const { contacts } = await alice.api.listContacts({ userId: alice.userId });
    const profile = contacts.at(-1)?.profile;
    expect(profile?.peerType).toBe('bot');
    expect(profile?.preferences?.commands).toEqual([
      { type: 'command', keyword: 'square', label: 'Square a number', params: '<number>' },
    ]);
  });

  it('reacts, edits, deletes and shows a message while it grows', async () => {
    const bot = newBot();
    bot.command('react', (ctx) => ctx.react('👍'));
    bot.command('edit', async (ctx) => {
      const message = await ctx.reply('one');
      await message.edit('two');
    });
    bot.command('delete', async (ctx) => {
      const message = await ctx.reply('secret');
      await message.delete();
    });
    bot.command('live', async (ctx) => {
      const live = ctx.typing({ intervalMs: 1 });
      live.append('a');
      await alice.hears('a');
      live.append('b');
      await alice.hears('ab');
      await live.finish('abc');
    });
    await bot.start();
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.says('/react');
    const reaction = await alice.waitFor('chatItemReaction');
    expect(reaction.added).toBe(true);
    await alice.says('/edit');
    const edited = await alice.hears('two');
    expect(edited.item.meta.itemEdited).toBe(true);
    await alice.says('/delete');
    await alice.hears((m) => m.deleted);
    await alice.says('/live');
    const grown = await alice.hears('abc');
    expect(grown.versions.slice(0, 3)).toEqual(['a', 'ab', 'abc']);
    expect(grown.item.meta.itemLive ?? false).toBe(false);
  });

  it('keeps the state of each conversation, also over restarts', async () => {
    const lasting = lastingConnection(connection, net, 'sessions.db');
    const make = () => {
      const bot = newBot({ connection: lasting, session: () => ({ count: 0, last: '' }) });
      bot.on('message:text', async (ctx) => {
        ctx.session.count++;
        await ctx.reply(`${ctx.session.count} ${ctx.session.last}`);
        ctx.session.last = ctx.text;
      });
      return bot;
    };
    const first = await make().start();
    const [alice, dan] = [await net.user('alice'), await net.user('dan')];
    await alice.connect(first);
    await dan.connect(first);
    await alice.says('x');
    await alice.hears('1 ');
    await alice.says('y');
    await alice.hears('2 x');
    await dan.says('z');
    await dan.hears('1 ');
    await first.stop();
    const second = await make().start();
    expect(second.setup).toEqual({ profile: 'unchanged', address: 'unchanged', addressSettings: 'unchanged' });
    await alice.says('w');
    await alice.hears('3 y');
  });

  it('handles what came while it was stopped, and repeats an interrupted handler but not its finished steps', async () => {
    const lasting = lastingConnection(connection, net, 'again.db');
    const steps: string[] = [];
    const first = newBot({ connection: lasting, stopTimeoutMs: 50 });
    let reached = (): void => {};
    const interrupted = new Promise<void>((resolve) => {
      reached = resolve;
    });
    first.on('message:text', async (ctx) => {
      await ctx.once('charge', () => void steps.push('charge 1'));
      reached();
      // As if the process died here.
      await new Promise(() => {});
    });
    await first.start();
    const alice = await net.user('alice');
    await alice.connect(first);
    await alice.says('pay');
    await interrupted;
    await first.stop();
    const second = newBot({ connection: lasting });
    second.on('message:text', async (ctx) => {
      const n = await ctx.once('charge', () => steps.push('charge 2'));
      await ctx.reply(`paid ${ctx.text} ${String(n)}`);
    });
    await second.start();
    await alice.hears('paid pay undefined');
    expect(steps).toEqual(['charge 1']);
    await alice.says('more');
    await alice.hears('paid more 2');
  });

  it('goes on when a handler fails', async () => {
    const bot = newBot();
    const errors: unknown[] = [];
    bot.catch((error, ctx) => {
      errors.push(error);
      return ctx.reply('That failed.');
    });
    bot.command(
      'boom',
      async (ctx) =>
        void (await ctx.api.getChat({
          chatRef: { chatType: 'direct', chatId: 999 },
          pagination: { type: 'last', count: 1 },
        })),
    );
    bot.on('message', (ctx) => ctx.reply('fine'));
    await bot.start();
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.says('/boom');
    await alice.hears('That failed.');
    expect(isChatApiError(errors[0], 'contactNotFound')).toBe(true);
    await alice.says('x');
    await alice.hears('fine');
  });

  it('works on one chat in order and on several at once', async () => {
    const bot = newBot();
    const log: string[] = [];
    let release = (): void => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    bot.hears('wait', async (ctx) => {
      log.push('wait');
      await held;
      await ctx.reply('waited');
    });
    bot.on('message', (ctx) => {
      log.push(ctx.text);
      return ctx.reply(`got ${ctx.text}`);
    });
    await bot.start();
    const [alice, dan] = [await net.user('alice'), await net.user('dan')];
    await alice.connect(bot);
    await dan.connect(bot);
    await alice.says('wait');
    await alice.says('after');
    await dan.says('meanwhile');
    await dan.hears('got meanwhile');
    expect(log).toEqual(['wait', 'meanwhile']);
    release();
    await alice.hears('waited');
    await alice.hears('got after');
  });

  it('limits what a chat can ask for', async () => {
    const bot = newBot({ rateLimit: { incoming: { count: 2, perMs: 3_600_000 } }, logger: silent });
    bot.on('message', (ctx) => ctx.reply(ctx.text));
    await bot.start();
    const [alice, dan] = [await net.user('alice'), await net.user('dan')];
    await alice.connect(bot);
    await dan.connect(bot);
    for (const text of ['1', '2', '3']) await alice.says(text);
    await alice.hears('2');
    await dan.says('1');
    await dan.hears('1');
    expect(alice.messages.map((m) => m.text)).toEqual(['1', '2']);
  });

  it('receives and sends files', async () => {
    const bot = newBot({ allowFiles: true });
    const name = path.join(net.folder, 'report.txt');
    await writeFile(name, 'figures');
    bot.on('message:file', async (ctx) => {
      await ctx.download();
      await ctx.reply(`got ${ctx.file.fileName} of ${ctx.file.fileSize} bytes`);
    });
    bot.command('report', (ctx) => ctx.replyWithFile(name, { text: 'here' }));
    await bot.start();
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.sendsFile(name);
    await alice.hears(/^got report.*\.txt of 7 bytes$/);
    await alice.says('/report');
    const message = await alice.hears('here');
    expect(message.item.file?.fileName).toBe('report.txt');
  });
});

const silent = { debug() {}, info() {}, warn() {}, error() {} };
