import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import {
  ApiClient,
  Bot,
  ConnectionLostError,
  ConnectionRefusedError,
  type Logger,
  MemoryState,
  openTransport,
} from '../../src/bot/index.js';
import { TestNetwork } from '../../src/bot/testing/index.js';
import { type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
import { type ApiServer, startApiServer } from '../../src/server/index.js';

/** Collects warnings. */
function recorder(): { readonly warnings: string[]; readonly logger: Logger } {
  const warnings: string[] = [];
  return {
    warnings,
    logger: { debug() {}, info() {}, warn: (_f, m) => void warnings.push(m), error: (_f, m) => void warnings.push(m) },
  };
}

describe('a bot that loses its server', () => {
  let net: TestNetwork;
  let local: LocalEngine;
  let server: ApiServer;

  beforeEach(async () => {
    net = await TestNetwork.start();
    const { database: _d, key: _k, embeddedRelay: _e, ...options } = net.connection();
    local = await openLocalEngine({ ...options, database: { kind: 'sqlite', path: ':memory:' } });
    server = await startApiServer({ engine: local.engine, port: 0, hosts: ['127.0.0.1'] });
  });
  afterEach(async () => {
    await server.close(0);
    await local.close();
    await net.stop();
  });

  it('connects again and misses no event, and none comes twice', async () => {
    const { warnings, logger } = recorder();
    const bot = new Bot({
      profile: 'bot',
      connection: { url: server.url, state: new MemoryState(), pauseMs: 5, maxPauseMs: 20 },
      logger,
    });
    const got: string[] = [];
    const seqs: number[] = [];
    bot.on('message:text', (ctx) => {
      got.push(ctx.text);
      if (ctx.seq !== undefined) seqs.push(ctx.seq);
      return ctx.reply(`got ${ctx.text}`);
    });
    await bot.start();
    const alice = await net.user('alice');
    await alice.connect(bot);
    const { port } = server;
    for (let round = 0; round < 3; round++) {
      await alice.says(`online ${round}`);
      await alice.hears(`got online ${round}`);
      await server.close(0);
      // What comes now is only in the log of the server's engine.
      const arrived = new Promise<void>((resolve) => {
        let left = 3;
        const stop = local.engine.listen(({ event }) => {
          if (event.type !== 'newChatItems' || --left > 0) return;
          stop();
          resolve();
        });
      });
      for (const i of [1, 2, 3]) await alice.says(`away ${round}.${i}`);
      await arrived;
      server = await startApiServer({ engine: local.engine, port, hosts: ['127.0.0.1'] });
      for (const i of [1, 2, 3]) await alice.hears(`got away ${round}.${i}`);
    }
    const expected = [0, 1, 2].flatMap((r) => [`online ${r}`, `away ${r}.1`, `away ${r}.2`, `away ${r}.3`]);
    expect(got).toEqual(expected);
    expect(seqs).toEqual([...new Set(seqs)].sort((a, b) => a - b));
    expect(warnings.some((w) => /does not number events/.test(w))).toBe(false);
    await bot.stop();
  });

  it('repeats a handler whose command was lost with the connection', async () => {
    const bot = new Bot({
      profile: 'bot',
      connection: { url: server.url, state: new MemoryState(), pauseMs: 5, maxPauseMs: 20 },
      logger: recorder().logger,
    });
    let attempts = 0;
    const { port } = server;
    bot.on('message:text', async (ctx) => {
      if (++attempts === 1) {
        const lost = ctx.api.listContacts({ userId: ctx.me.userId });
        await Promise.all([lost, server.close(0)]);
        throw new ConnectionLostError('CONNECTION_LOST', 'the server was faster than the test');
      }
      await ctx.reply(`attempt ${attempts}`);
    });
    await bot.start();
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.says('x');
    while (attempts === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    await server.close(0);
    server = await startApiServer({ engine: local.engine, port, hosts: ['127.0.0.1'] });
    await alice.hears('attempt 2');
    await bot.stop();
  });

  it('is told at once when it has no access', async () => {
    const closed = await startApiServer({ engine: local.engine, port: 0, hosts: ['127.0.0.1'], apiToken: 'secret' });
    const refused = new Bot({
      profile: 'bot',
      connection: { url: closed.url, state: new MemoryState() },
      logger: recorder().logger,
    });
    await expect(refused.start()).rejects.toThrow(ConnectionRefusedError);
    const bot = new Bot({ profile: 'bot', connection: { url: closed.url, token: 'secret', state: new MemoryState() } });
    await bot.start();
    expect(bot.address).toMatch(/^https?:|^simplex:/);
    await bot.stop();
    await closed.close(0);
  });
});

describe('with a server that does not number events', () => {
  let server: WebSocketServer;
  const sockets: WebSocket[] = [];
  const paths: string[] = [];

  beforeEach(async () => {
    server = new WebSocketServer({ host: '127.0.0.1', port: 0 });
    server.on('connection', (ws, request) => {
      sockets.push(ws);
      paths.push(request.url ?? '');
      ws.on('message', (data: Buffer) => {
        const { corrId } = JSON.parse(data.toString()) as { corrId: string };
        ws.send(JSON.stringify({ corrId, resp: { type: 'cmdOk' } }));
      });
    });
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterEach(() => {
    for (const ws of sockets.splice(0)) ws.terminate();
    server.close();
    paths.splice(0);
  });

  const url = (): string => {
    const address = server.address();
    return `ws://127.0.0.1:${typeof address === 'object' && address !== null ? address.port : 0}`;
  };

  it('says so once, and passes on events of unknown tags with all their fields', async () => {
    const { warnings, logger } = recorder();
    const transport = openTransport({ url: url(), state: new MemoryState(), pauseMs: 5 }, logger);
    const events: unknown[] = [];
    await transport.open();
    await transport.connect({ after: undefined, onEvent: ({ event }) => void events.push(event) });
    const api = new ApiClient(transport);
    const send = (resp: object): void => sockets.at(-1)?.send(JSON.stringify({ resp }));
    send({ type: 'hostConnected', protocol: 'smp', transportHost: 'x' });
    await api.execute('/_check');
    expect(warnings).toEqual([]);
    send({ type: 'futureEvent', news: { a: 1 } });
    send({ type: 'contactConnected', contact: {}, extra: true });
    await api.execute('/_check');
    expect(events.slice(1)).toEqual([
      { type: 'futureEvent', news: { a: 1 } },
      { type: 'contactConnected', contact: {}, extra: true },
    ]);
    sockets.at(-1)?.terminate();
    while (sockets.length < 2) await new Promise((resolve) => setTimeout(resolve, 5));
    await api.execute('/_check');
    send({ type: 'futureEvent', news: { a: 2 } });
    await api.execute('/_check');
    expect(warnings.filter((w) => /does not number events/.test(w))).toHaveLength(1);
    expect(paths).toEqual(['/?since=delivered', '/?since=delivered']);
    await transport.close();
    await expect(api.execute('/_check')).rejects.toThrow(ConnectionLostError);
  });
});
