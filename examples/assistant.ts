/**
 * An assistant with a language model: answers appear while they are made. It works with every server that speaks the
 * OpenAI protocol, also on this machine (Ollama, llama.cpp, vLLM). Run it:
 * `LLM_URL=http://localhost:11434/v1 LLM_MODEL=llama3.2 npm run example assistant`
 */
import { Bot, type BotConnection } from 'fanion';

export interface AssistantOptions {
  /** The base URL: `/chat/completions` is added. */
  readonly url: string;
  readonly model: string;
  readonly apiKey?: string;
  readonly connection?: BotConnection;
  /** The shortest time between two changes of an answer that grows, in milliseconds. */
  readonly intervalMs?: number;
}

interface Session {
  history: { role: 'user' | 'assistant'; content: string }[];
}

const system = 'You are a helpful assistant in a messenger. Answer briefly, in plain text.';
const remembered = 20;

export function assistantBot(options: AssistantOptions): Bot<Session> {
  const bot = new Bot<Session>({
    profile: { displayName: 'Assistant', shortDescr: 'Ask me anything.' },
    welcome: 'Ask me anything. /new begins a new conversation.',
    session: () => ({ history: [] }),
    rateLimit: { incoming: { count: 10, perMs: 60_000 } },
    ...(options.connection === undefined ? {} : { connection: options.connection }),
  });
  bot.command('new', { label: 'Begin a new conversation' }, async (ctx) => {
    ctx.session.history = [];
    await ctx.reply('What is it about?');
  });
  bot.on('message:text', async (ctx) => {
    const { session, text } = ctx;
    session.history.push({ role: 'user', content: text });
    const { intervalMs = 1000 } = options;
    const answer = await ctx.stream(completion(options, session.history), { intervalMs });
    session.history.push({ role: 'assistant', content: answer.text });
    session.history = session.history.slice(-remembered);
  });
  bot.catch(async (error, ctx) => {
    console.error(error);
    await ctx.reply('Sorry, I cannot answer now.');
  });
  return bot;
}

/** The pieces of an answer, as the server makes them (server-sent events). */
async function* completion(options: AssistantOptions, history: Session['history']): AsyncGenerator<string> {
  const { url, model, apiKey } = options;
  const response = await fetch(`${url}/chat/completions`, {
    method: 'POST',
    headers: {
      'Content-Type': 'application/json',
      ...(apiKey === undefined ? {} : { Authorization: `Bearer ${apiKey}` }),
    },
    body: JSON.stringify({ model, stream: true, messages: [{ role: 'system', content: system }, ...history] }),
  });
  if (!response.ok || response.body === null) throw new Error(`the model server answered HTTP ${response.status}`);
  let buffer = '';
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    buffer += chunk;
    const lines = buffer.split('\n');
    buffer = lines.pop() ?? '';
    for (const line of lines) {
      const data = /^data: ?(.*)$/.exec(line.trim())?.[1];
      if (data === undefined || data === '[DONE]') continue;
      const piece = (JSON.parse(data) as { choices?: { delta?: { content?: string } }[] }).choices?.[0]?.delta?.content;
      if (piece) yield piece;
    }
  }
}

if (process.argv[1] === import.meta.filename) {
  const {
    LLM_URL: url = 'http://localhost:11434/v1',
    LLM_MODEL: model = 'llama3.2',
    LLM_API_KEY: apiKey,
  } = process.env;
  await assistantBot({ url, model, ...(apiKey === undefined ? {} : { apiKey }) }).run();
}
