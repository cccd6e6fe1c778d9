/** Keeps files that it is sent, and gives them back. Run it: `npm run example filedrop` */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { mkdir, readdir, stat } from 'node:fs/promises';
import path from 'node:path';
import { Bot, type LocalConnection } from 'fanion';

interface Session {
  /** Each contact sees only its own files. */
  files: { name: string; path: string }[];
}

/** `folder` is where the engine puts received files: this bot needs an engine on its own machine. */
export function fileDropBot(folder: string, connection: Omit<LocalConnection, 'filesFolder'>): Bot<Session> {
  const bot = new Bot<Session>({
    profile: { displayName: 'File drop', shortDescr: 'I keep your files.' },
    welcome: 'Send me files. /list shows them, /get <name> gives one back.',
    allowFiles: true,
    session: () => ({ files: [] }),
    connection: { ...connection, filesFolder: folder },
  });
  bot.on('message:file', async (ctx) => {
    const file = await ctx.download();
    ctx.session.files.push({ name: ctx.file.fileName, path: file });
    const digest = await sha256(path.resolve(folder, file));
    await ctx.reply(`Kept ${ctx.file.fileName}: ${ctx.file.fileSize} bytes, SHA-256 ${digest}`, { quote: true });
  });
  bot.command('list', { label: 'My files' }, async (ctx) => {
    const lines: string[] = [];
    for (const { name, path: file } of ctx.session.files) {
      lines.push(`${name}, ${(await stat(path.resolve(folder, file))).size} bytes`);
    }
    await ctx.reply(lines.length === 0 ? 'You have no files here.' : lines.join('\n'));
  });
  bot.command('get', { label: 'Give me a file', params: '<name>' }, async (ctx) => {
    // By what the contact was told, not by a path: nobody gets other files of this machine.
    const found = ctx.session.files.findLast((f) => f.name === ctx.args);
    if (found === undefined) await ctx.reply('There is no such file: /list shows them.');
    else await ctx.replyWithFile(found.path, { text: found.name });
  });
  return bot;
}

async function sha256(file: string): Promise<string> {
  const hash = createHash('sha256');
  for await (const chunk of createReadStream(file)) hash.update(chunk);
  return hash.digest('hex');
}

if (process.argv[1] === import.meta.filename) {
  const folder = process.env.FOLDER ?? './filedrop';
  await mkdir(folder, { recursive: true });
  console.log(`${(await readdir(folder)).length} files in ${folder}`);
  await fileDropBot(folder, { database: './filedrop.db' }).run();
}
