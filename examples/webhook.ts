/**
 * A bridge between HTTP and chats: `POST /` with a text goes to everybody who has written `/listen <token>` to the bot, and what
 * they write goes to a URL. Run it: `TOKEN=secret PORT=8080 npm run example webhook`, then
 * `curl -H 'Authorization: Bearer secret' -d 'The build is green.' http://localhost:8080/`
 */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { Bot, type BotConnection } from 'fanion';

export interface WebhookOptions {
  /** Needed by those who post, and by those who listen. */
  readonly token: string;
  /** Where messages of listeners go, as JSON. */
  readonly forwardTo?: string;
  readonly connection?: BotConnection;
}

interface Session {
  listening: boolean;
}

const maxBody = 15_000;

/** The bot, and the HTTP server to listen with. */
export function webhookBridge(options: WebhookOptions): { readonly bot: Bot<Session>; readonly server: Server } {
  const bot = new Bot<Session>({
    profile: { displayName: 'Webhook', shortDescr: 'Messages from and to the web.' },
    session: () => ({ listening: false }),
    ...(options.connection === undefined ? {} : { connection: options.connection }),
  });
  bot.command('listen', async (ctx) => {
    ctx.session.listening = ctx.args === options.token;
    await ctx.reply(ctx.session.listening ? 'You will hear what comes.' : 'That is not the token.');
  });
  bot.on('message:text', async (ctx) => {
    if (!ctx.session.listening) return ctx.reply('/listen <token>, please.');
    if (options.forwardTo === undefined) return ctx.reply('There is nobody to tell.');
    const message = { id: `${ctx.me.userId}-${ctx.message.id}`, from: ctx.senderName, text: ctx.text };
    const response = await fetch(options.forwardTo, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(message),
    });
    return ctx.react(response.ok ? '✅' : '👎');
  });

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    if (request.headers.authorization !== `Bearer ${options.token}`) return end(response, 401, 'the token is missing');
    if (request.method !== 'POST') return end(response, 405, 'POST a text');
    let text = '';
    for await (const chunk of request) {
      text += String(chunk);
      if (text.length > maxBody) return end(response, 413, 'the text is too long');
    }
    if (text === '') return end(response, 400, 'the text is missing');
    const { contacts } = await bot.api.listContacts({ userId: bot.user.userId });
    let count = 0;
    for (const contact of contacts) {
      if (!(await bot.readSession(contact)).listening) continue;
      await bot.send(contact, text);
      count++;
    }
    return end(response, 200, `sent to ${count}`);
  }
  const server = createServer((request, response) => {
    answer(request, response).catch((error: unknown) => {
      console.error(error);
      end(response, 500, 'that did not work');
    });
  });
  return { bot, server };
}

function end(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain' }).end(`${text}\n`);
}

if (process.argv[1] === import.meta.filename) {
  const { TOKEN: token, PORT: port = '8080', FORWARD_TO: forwardTo } = process.env;
  if (token === undefined || token === '') throw new Error('choose a token: TOKEN=...');
  const { bot, server } = webhookBridge({ token, ...(forwardTo === undefined ? {} : { forwardTo }) });
  await bot.run();
  server.listen(Number(port), '127.0.0.1', () => console.log(`POST to http://localhost:${port}/`));
}
