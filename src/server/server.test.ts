import { connect } from 'node:net';
import { afterEach, describe, expect, expectTypeOf, it } from 'vitest';
import WebSocket from 'ws';
import type { ApiEvent, ApiResponse } from '../api/index.js';
import type { ChatEngine } from '../chat/index.js';
import { deferred } from '../core/index.js';
import {
  type ApiServer,
  type ApiServerOptions,
  type BotApiEngine,
  type EventSource,
  type SourceEvent,
  startApiServer,
} from './index.js';

/** The port of the server over an event log in memory; commands are answered by `answer`. */
class MemoryEngine implements BotApiEngine {
  readonly log: { seq: number; json: string }[] = [];
  readonly listeners = new Set<(event: SourceEvent) => void>();
  readonly commands: string[] = [];
  delivered = 0;
  last = 0;
  answer: (command: string) => Promise<ApiResponse> = async () => ({ type: 'cmdOk' });

  readonly events: EventSource = ((engine) => ({
    listen(listener: (event: SourceEvent) => void) {
      engine.listeners.add(listener);
      return () => void engine.listeners.delete(listener);
    },
    since: async (seq: number, limit: number) => engine.log.filter((e) => e.seq > seq).slice(0, limit),
    range: async () => ({ oldest: engine.log[0]?.seq ?? 0, last: engine.log.at(-1)?.seq ?? 0 }),
    get delivered() {
      return engine.delivered;
    },
    markDelivered(seq: number) {
      engine.delivered = Math.max(engine.delivered, seq);
    },
  }))(this);

  session() {
    return {
      execute: (command: string) => {
        this.commands.push(command);
        return this.answer(command);
      },
    };
  }

  emit(n: number, size = 0): void {
    const event: ApiEvent = { type: 'hostConnected', protocol: 'x'.repeat(size), transportHost: String(n) };
    const json = JSON.stringify(event);
    const seq = ++this.last;
    this.log.push({ seq, json });
    for (const l of this.listeners) l({ seq, event, json });
  }

  emitLive(n: number): void {
    const event: ApiEvent = { type: 'hostConnected', protocol: 'live', transportHost: String(n) };
    for (const l of this.listeners) l({ seq: undefined, event, json: JSON.stringify(event) });
  }
}

interface Message {
  readonly corrId?: string;
  readonly seq?: number;
  readonly resp: { readonly type: string; readonly transportHost?: string };
}

class Client {
  readonly ws: WebSocket;
  readonly messages: Message[] = [];
  #waiting: (() => void) | undefined;

  constructor(url: string, headers: Record<string, string> = {}) {
    this.ws = new WebSocket(url, { headers });
    this.ws.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()) as Message);
      this.#waiting?.();
    });
  }

  open(): Promise<number> {
    return new Promise((resolve) => {
      this.ws.once('open', () => resolve(101));
      this.ws.once('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0));
      this.ws.once('error', () => {});
    });
  }

  /** The first `n` messages. */
  async take(n: number): Promise<Message[]> {
    while (this.messages.length < n) {
      await new Promise<void>((resolve) => {
        this.#waiting = resolve;
      });
    }
    return this.messages.slice(0, n);
  }

  closed(): Promise<number> {
    return new Promise((resolve) => this.ws.once('close', (code) => resolve(code)));
  }
}

const running: (ApiServer | Client)[] = [];

afterEach(async () => {
  for (const r of running.splice(0)) {
    if (r instanceof Client) r.ws.terminate();
    else await r.close(0);
  }
});

async function start(options: Partial<ApiServerOptions> = {}): Promise<{ server: ApiServer; engine: MemoryEngine }> {
  const engine = new MemoryEngine();
  const server = await startApiServer({ engine, port: 0, ...options });
  running.unshift(server);
  return { server, engine };
}

async function client(url: string, headers?: Record<string, string>): Promise<Client> {
  const c = new Client(url, headers);
  running.unshift(c);
  expect(await c.open()).toBe(101);
  return c;
}

async function status(url: string, headers?: Record<string, string>): Promise<number> {
  const c = new Client(url, headers);
  running.unshift(c);
  return c.open();
}

const hosts = (messages: readonly Message[]): (string | undefined)[] => messages.map((m) => m.resp.transportHost);

describe('requests', () => {
  it('are answered with their corrId, from text and binary frames', async () => {
    const { server, engine } = await start();
    const c = await client(`${server.url}/any/path`);
    c.ws.send('{"corrId":"a","cmd":"/users","more":1}');
    c.ws.send(Buffer.from('{"corrId":"","cmd":"/u"}'));
    expect(await c.take(2)).toEqual([
      { corrId: 'a', resp: { type: 'cmdOk' } },
      { corrId: '', resp: { type: 'cmdOk' } },
    ]);
    expect(engine.commands).toEqual(['/users', '/u']);
  });

  it('that are none get an error without corrId and leave the connection usable', async () => {
    const { server } = await start();
    const c = await client(server.url);
    const deep = `{"corrId":"1","cmd":"/u","x":${'['.repeat(10_000)}${']'.repeat(10_000)}}`;
    const bad = ['x', '[]', '{"corrId":1,"cmd":"/u"}', '{"corrId":"1"}', 'null', deep];
    for (const b of bad) c.ws.send(b);
    c.ws.send(Buffer.from([0xff, 0xfe]), { binary: false });
    c.ws.send('{"corrId":"1","cmd":"/u"}');
    const messages = await c.take(bad.length + 2);
    for (const m of messages.slice(0, -1)) {
      expect(m).toEqual({
        resp: {
          type: 'chatCmdError',
          chatError: { type: 'error', errorType: { type: 'commandError', message: 'invalid request' } },
        },
      });
    }
    expect(messages.at(-1)?.corrId).toBe('1');
  });

  it('of one client run side by side, of another client too', async () => {
    const { server, engine } = await start();
    const first = deferred<ApiResponse>();
    engine.answer = (cmd) => (cmd === 'slow' ? first.promise : Promise.resolve({ type: 'chatRunning' }));
    const [a, b] = [await client(server.url), await client(server.url)];
    a.ws.send('{"corrId":"1","cmd":"slow"}');
    a.ws.send('{"corrId":"2","cmd":"fast"}');
    b.ws.send('{"corrId":"1","cmd":"fast"}');
    expect((await a.take(1))[0]?.corrId).toBe('2');
    expect((await b.take(1))[0]?.corrId).toBe('1');
    first.resolve({ type: 'cmdOk' });
    expect((await a.take(2))[1]).toEqual({ corrId: '1', resp: { type: 'cmdOk' } });
  });

  it('in a burst of 10,000 are all answered, with few in work at once', async () => {
    const { server, engine } = await start({ maxCommands: 64 });
    let inWork = 0;
    let most = 0;
    engine.answer = async () => {
      most = Math.max(most, ++inWork);
      await new Promise((resolve) => setImmediate(resolve));
      inWork--;
      return { type: 'cmdOk' };
    };
    const c = await client(server.url);
    for (let i = 0; i < 10_000; i++) c.ws.send(JSON.stringify({ corrId: String(i), cmd: 'x'.repeat(200) }));
    const messages = await c.take(10_000);
    expect(new Set(messages.map((m) => m.corrId)).size).toBe(10_000);
    // What is read already when reading stops: one piece of the socket.
    expect(most).toBeLessThan(64 + 65_536 / 200);
  });

  it('go on when their client has gone', async () => {
    const { server, engine } = await start();
    const work = deferred<ApiResponse>();
    engine.answer = () => work.promise;
    const c = await client(server.url);
    c.ws.send('{"corrId":"1","cmd":"/x"}');
    const other = await client(server.url);
    c.ws.terminate();
    await c.closed();
    work.resolve({ type: 'cmdOk' });
    other.ws.send('{"corrId":"2","cmd":"/x"}');
    expect((await other.take(1))[0]?.corrId).toBe('2');
  });

  it('to quit are refused unless the program allows them', async () => {
    const { server, engine } = await start();
    const c = await client(server.url);
    c.ws.send('{"corrId":"1","cmd":"/quit"}');
    expect((await c.take(1))[0]?.resp.type).toBe('chatCmdError');
    expect(engine.commands).toEqual([]);
    const quit = deferred<void>();
    const { server: other } = await start({ onQuit: () => quit.resolve() });
    (await client(other.url)).ws.send('{"corrId":"1","cmd":"/q"}');
    await quit.promise;
  });

  it('get the keys of old clients beside the links', async () => {
    const { server, engine } = await start();
    const user = {} as Extract<ApiResponse, { type: 'activeUser' }>['user'];
    const connLinkContact = { connFullLink: 'full', connShortLink: 'short' };
    engine.answer = async () => ({ type: 'userContactLinkCreated', user, connLinkContact });
    const c = await client(server.url);
    c.ws.send('{"corrId":"1","cmd":"/address"}');
    expect((await c.take(1))[0]?.resp).toMatchObject({ connLinkContact, connReqContact: 'short' });
  });
});

describe('events', () => {
  it('go to every client; what nobody has received goes to the first', async () => {
    const { server, engine } = await start();
    for (let i = 1; i <= 1500; i++) engine.emit(i);
    const a = await client(server.url);
    expect(hosts(await a.take(1500))).toEqual(Array.from({ length: 1500 }, (_, i) => String(i + 1)));
    expect(a.messages[0]).toEqual({ resp: { type: 'hostConnected', protocol: '', transportHost: '1' } });
    a.ws.send('{"corrId":"1","cmd":"/u"}');
    await a.take(1501);
    const b = await client(server.url);
    b.ws.send('{"corrId":"1","cmd":"/u"}');
    await b.take(1);
    engine.emit(1501);
    engine.emitLive(1);
    expect(hosts((await a.take(1503)).slice(1501))).toEqual(['1501', '1']);
    expect(hosts((await b.take(3)).slice(1))).toEqual(['1501', '1']);
  });

  it('are replayed with numbers after ?since=, each once, also when they come meanwhile', async () => {
    const { server, engine } = await start();
    for (let i = 1; i <= 700; i++) engine.emit(i);
    const c = new Client(`${server.url}/?since=100`);
    running.unshift(c);
    let next = 701;
    const timer = setInterval(() => {
      for (let i = 0; i < 7 && next <= 1400; i++) engine.emit(next++);
    }, 1);
    const messages = await c.take(1300);
    clearInterval(timer);
    expect(messages.map((m) => m.seq)).toEqual(Array.from({ length: 1300 }, (_, i) => i + 101));
    expect(hosts(messages)).toEqual(messages.map((m) => String(m.seq)));
  });

  it('that are no longer kept are reported', async () => {
    const { server, engine } = await start();
    for (let i = 1; i <= 10; i++) engine.emit(i);
    engine.log.splice(0, 5);
    const c = await client(`${server.url}/?since=2`);
    expect((await c.take(6)).map((m) => [m.seq, m.resp.type])).toEqual([
      [5, 'eventsLost'],
      ...[6, 7, 8, 9, 10].map((n) => [n, 'hostConnected']),
    ]);
    expect(c.messages[0]).toEqual({ seq: 5, resp: { type: 'eventsLost', from: 2, to: 5 } });
    const all = await client(`${server.url}/?since=0`);
    expect((await all.take(5)).map((m) => m.seq)).toEqual([6, 7, 8, 9, 10]);
    const kept = await client(`${server.url}/?since=5`);
    expect((await kept.take(5)).map((m) => m.seq)).toEqual([6, 7, 8, 9, 10]);
    const ahead = await client(`${server.url}/?since=99`);
    expect((await ahead.take(1))[0]).toEqual({ seq: 10, resp: { type: 'eventsLost', from: 99, to: 10 } });
  });

  it('that no client has received yet come with numbers after ?since=delivered', async () => {
    const { server, engine } = await start();
    for (let i = 1; i <= 5; i++) engine.emit(i);
    engine.delivered = 3;
    const c = await client(`${server.url}/?since=delivered`);
    await c.take(2);
    engine.emit(6);
    expect((await c.take(3)).map((m) => m.seq)).toEqual([4, 5, 6]);
  });

  it('do not pile up for a client that does not read: it is disconnected, others are not', async () => {
    const { server, engine } = await start({ maxBuffered: 1024 * 1024 });
    const [slow, good] = [await client(server.url), await client(server.url)];
    slow.ws.pause();
    const before = process.memoryUsage().rss;
    let n = 0;
    while (server.clients > 1 && n < 3000) {
      for (let i = 0; i < 10; i++) engine.emit(++n, 16_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(server.clients).toBe(1);
    expect(process.memoryUsage().rss - before).toBeLessThan(200 * 1024 * 1024);
    expect(hosts(await good.take(n))).toEqual(Array.from({ length: n }, (_, i) => String(i + 1)));
  });

  it('reach a slow reader that catches up, without disconnecting it', async () => {
    const { server, engine } = await start({ maxBuffered: 256 * 1024 });
    for (let i = 1; i <= 500; i++) engine.emit(i, 16_000);
    const c = await client(`${server.url}/?since=0`);
    expect((await c.take(500)).map((m) => m.seq)).toEqual(Array.from({ length: 500 }, (_, i) => i + 1));
  });
});

describe('access', () => {
  it('needs the token when there is one', async () => {
    const { server } = await start({ apiToken: 'secret' });
    expect(await status(server.url)).toBe(401);
    expect(await status(`${server.url}/?token=wrong`)).toBe(401);
    expect(await status(`${server.url}/?token=secret`)).toBe(101);
    expect(await status(server.url, { Authorization: 'Bearer secret' })).toBe(101);
    const http = server.url.replace('ws:', 'http:');
    expect((await fetch(`${http}/metrics`)).status).toBe(401);
    expect((await fetch(`${http}/metrics?token=secret`)).status).toBe(200);
    expect((await fetch(`${http}/health`)).status).toBe(200);
  });

  it('is refused to web pages and to other host names', async () => {
    const { server } = await start({ allowedOrigins: ['https://ok.example'], allowedHosts: ['bots.example'] });
    const at = (headers: Record<string, string>): Promise<number> => status(server.url, headers);
    expect(await at({ Origin: 'https://evil.example' })).toBe(403);
    expect(await at({ Origin: 'null' })).toBe(403);
    expect(await at({ Origin: 'https://ok.example' })).toBe(101);
    expect(await at({ Origin: `http://127.0.0.1:${server.port}` })).toBe(101);
    expect(await at({ Host: 'evil.example' })).toBe(403);
    expect(await at({ Host: 'bots.example:5225' })).toBe(101);
    expect(await at({ Host: `localhost:${server.port}` })).toBe(101);
    expect(await at({ Host: '[::1]:5225' })).toBe(101);
  });

  it('is by loopback only, by IPv4 and IPv6', async () => {
    const { server } = await start();
    expect(server.url).toBe(`ws://127.0.0.1:${server.port}`);
    expect(await status(`ws://localhost:${server.port}`)).toBe(101);
  });

  it('ends at the limit of clients, and 200 are no problem', async () => {
    const { server, engine } = await start({ maxClients: 200 });
    const clients = await Promise.all(Array.from({ length: 200 }, () => client(server.url)));
    expect(await status(server.url)).toBe(503);
    engine.emit(1);
    for (const c of clients) expect(hosts(await c.take(1))).toEqual(['1']);
    expect(server.clients).toBe(200);
  });

  it('negotiates neither compression nor subprotocol', async () => {
    const { server } = await start();
    const ws = new WebSocket(server.url, ['chat'], { perMessageDeflate: true });
    ws.on('error', () => {});
    const headers = await new Promise<Record<string, unknown>>((resolve) =>
      ws.once('upgrade', (response) => resolve(response.headers)),
    );
    ws.terminate();
    expect(headers['sec-websocket-extensions']).toBeUndefined();
    expect(headers['sec-websocket-protocol']).toBeUndefined();
  });
});

describe('the server', () => {
  it('takes the chat engine', () => {
    expectTypeOf<ChatEngine>().toExtend<BotApiEngine>();
  });

  it('survives frames that are too large, bad frames and bad requests', async () => {
    const { server } = await start({ maxFrameBytes: 100_000 });
    const c = await client(server.url);
    c.ws.send('x'.repeat(200_000));
    expect(await c.closed()).toBe(1009);
    for (const bytes of [
      Buffer.from('GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\r\n'),
      Buffer.from([0, 255, 1, 2, 3]),
      Buffer.from(`GET ${'/'.repeat(100_000)} HTTP/1.1\r\n\r\n`),
      Buffer.from('GET //[ HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n'),
    ]) {
      await new Promise<void>((resolve) => {
        const socket = connect(server.port, '127.0.0.1', () => socket.end(bytes));
        socket.on('error', () => {});
        socket.on('close', () => resolve());
        socket.resume();
      });
    }
    const raw = await client(server.url);
    const socket: unknown = Reflect.get(raw.ws, '_socket');
    (socket as { write(b: Buffer): void }).write(Buffer.from([0xff, 0xff, 0xff, 0xff]));
    await raw.closed();
    const good = await client(server.url);
    good.ws.send('{"corrId":"1","cmd":"/u"}');
    expect((await good.take(1))[0]?.corrId).toBe('1');
  });

  it('says that the port is taken', async () => {
    const { server } = await start();
    await expect(startApiServer({ engine: new MemoryEngine(), port: server.port })).rejects.toMatchObject({
      code: 'SERVER_PORT_TAKEN',
    });
  });

  it('shows health and metrics', async () => {
    const { server } = await start({ health: () => ({ ok: true, started: true }) });
    await client(server.url);
    const http = server.url.replace('ws:', 'http:');
    expect(await (await fetch(`${http}/health`)).json()).toEqual({ ok: true, started: true });
    expect(await (await fetch(`${http}/metrics`)).text()).toContain('fanion_api_clients 1');
    expect((await fetch(http)).status).toBe(426);
  });

  it('closes: commands in work are answered, clients are told', async () => {
    const { server, engine } = await start();
    const work = deferred<ApiResponse>();
    engine.answer = () => work.promise;
    const c = await client(server.url);
    c.ws.send('{"corrId":"1","cmd":"/x"}');
    while (engine.commands.length === 0) await new Promise((resolve) => setImmediate(resolve));
    const closed = c.closed();
    const stopped = server.close();
    work.resolve({ type: 'cmdOk' });
    await stopped;
    expect(await closed).toBe(1001);
    expect(c.messages).toEqual([{ corrId: '1', resp: { type: 'cmdOk' } }]);
  });
});
