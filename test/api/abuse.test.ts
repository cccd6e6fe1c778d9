import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import path from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { at, Client, type Serve, sleep, Workshop } from './support.js';

const megabyte = 1024 * 1024;
/** The most that the process may take whatever clients do, in MB. */
const memoryLimit = 300;

const workshop = new Workshop();
const clients: Client[] = [];
let serve: Serve;
let good: Client;

async function client(options: Parameters<typeof Client.connect>[1] = {}): Promise<Client> {
  const c = await Client.connect(serve.url, options);
  clients.push(c);
  return c;
}

beforeAll(async () => {
  const args = [
    '-d',
    path.join(workshop.folder(), 'bot'),
    '--embedded-relay',
    '--no-quit',
    '--create-bot-display-name',
    'Bot',
  ];
  serve = await workshop.serve(args);
  good = await Client.connect(serve.url);
});
afterEach(async () => {
  for (const c of clients.splice(0)) c.close();
  // Whatever happened: it is the same process, it answers, and it has not grown.
  expect(at(await good.cmd('/u', 'activeUser'), 'user', 'localDisplayName')).toBe('Bot');
  expect(serve.program.running).toBe(true);
  expect(serve.program.err).not.toMatch(/unhandled|uncaught/i);
  expect(serve.program.peakMemory()).toBeLessThan(memoryLimit);
});
afterAll(() => workshop.clean());

/** Sends bytes to the port as they are; gives what came back when the connection has ended. */
function raw(bytes: Uint8Array, ms = 500): Promise<string> {
  return new Promise((resolve) => {
    let answer = '';
    const socket = connect(Number(new URL(serve.url).port), '127.0.0.1', () => socket.write(bytes));
    const timer = setTimeout(() => socket.destroy(), ms);
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString('latin1');
    });
    socket.on('error', () => {});
    socket.on('close', () => {
      clearTimeout(timer);
      resolve(answer);
    });
  });
}

/** The socket below a WebSocket, to send what no library sends. */
function socketOf(c: Client): { write(bytes: Uint8Array): boolean } {
  return Reflect.get(c.ws, '_socket') as { write(bytes: Uint8Array): boolean };
}

describe('the API server bears', () => {
  it('random bytes instead of HTTP, of WebSocket frames and of requests', async () => {
    await Promise.all(Array.from({ length: 50 }, (_, i) => raw(randomBytes(1 + i * 37))));
    await Promise.all(
      Array.from({ length: 50 }, async () => {
        const c = await client();
        socketOf(c).write(randomBytes(2000));
        c.ws.close();
        await Promise.race([c.closed, sleep(300)]);
      }),
    );
    const c = await client();
    for (let i = 0; i < 500; i++) c.ws.send(randomBytes(i));
    expect((await c.cmd('/u')).type).toBe('activeUser');
    expect(c.events).toHaveLength(500);
    expect(new Set(c.events.map((e) => e.resp.type))).toEqual(new Set(['chatCmdError']));
  });

  it('requests that are none: each is answered, the connection stays', async () => {
    const c = await client();
    const bad = [
      '',
      'null',
      '[]',
      '{}',
      '{"corrId":1,"cmd":"/u"}',
      '{"corrId":"1"}',
      '{"corrId":"1","cmd":null}',
      '{"corrId":"1","cmd":"/u"',
      '{"corrId":"1","cmd":"/u"}}',
      '\u0000',
      '{"__proto__":{"corrId":"1","cmd":"/u"}}',
    ];
    for (const text of bad) c.ws.send(text);
    expect((await c.cmd('/u')).type).toBe('activeUser');
    expect(c.events.map((e) => at(e.resp, 'chatError', 'errorType', 'message'))).toEqual(
      bad.map(() => 'invalid request'),
    );
  });

  it('invalid UTF-8 in text and binary frames', async () => {
    const c = await client();
    const bytes = Buffer.concat([
      Buffer.from('{"corrId":"1","cmd":"/u '),
      Buffer.from([0xff, 0xc0, 0xed, 0xa0, 0x80]),
      Buffer.from('"}'),
    ]);
    c.ws.send(bytes, { binary: false });
    c.ws.send(bytes, { binary: true });
    expect((await c.cmd('/u')).type).toBe('activeUser');
    expect(c.events).toHaveLength(2);
  });

  it('JSON that is nested deeply, in requests and in commands', async () => {
    const c = await client();
    for (const depth of [100, 10_000, 1_000_000]) {
      c.ws.send(`${'['.repeat(depth)}${']'.repeat(depth)}`);
      c.ws.send(`{"corrId":"x","cmd":"/u","a":${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}}`);
      const nested = `${'{"a":'.repeat(depth)}1${'}'.repeat(depth)}`;
      expect((await c.cmd(`/_send @1 json ${'['.repeat(depth)}`)).type).toBe('chatCmdError');
      expect((await c.cmd(`/_profile 1 {"displayName":"x","fullName":"","x":${nested}}`)).type).toBe('chatCmdError');
      expect((await c.cmd(`/_set custom @1 ${nested}`)).type).toBe('chatCmdError');
    }
    expect(c.events).toHaveLength(6);
  });

  it('commands of all shapes: each is answered', async () => {
    const c = await client();
    const heads = [
      '/',
      '/_',
      '/_send ',
      '/_send @',
      '/_get chat @1 count=',
      '/_get items count=',
      '@',
      '#',
      '//',
      '> ',
      '! ',
      '/_delete @',
      '/c ',
      '/_connect 1 ',
      '/_connect plan 1 ',
    ];
    const tails = [
      '',
      '0',
      '-1',
      '99999999999999999999',
      '1e9',
      '\u0000',
      "'",
      '"',
      "' OR 1=1 --",
      '%s%n',
      '\ud83d\ude00',
      'a'.repeat(100_000),
      '(support:1)',
      ' json [{}]',
      'simplex:/invitation#/?v=1&smp=x',
      '../../etc/passwd',
      '\n\r\t',
      '{"__proto__":1}',
    ];
    const commands = heads.flatMap((head) => tails.map((tail) => head + tail));
    const answers = await Promise.all(commands.map((command) => c.try(command)));
    expect(answers.filter((a) => a === undefined)).toEqual([]);
    const internal = answers.filter((a) => at(a, 'chatError', 'errorType', 'type') === 'internalError');
    expect(internal).toEqual([]);
  });

  it('a frame that says it is larger than the limit: closed at once with 1009, others go on', async () => {
    const c = await client();
    // Masked text frame with a 64-bit length of 1 TB.
    socketOf(c).write(Buffer.from([0x81, 0xff, 0, 0, 1, 0, 0, 0, 0, 0, 1, 2, 3, 4]));
    expect(await c.closed).toBe(1009);
    const fragments = await client();
    fragments.ws.on('error', () => {});
    const part = Buffer.alloc(megabyte, 0x20);
    void (async () => {
      for (let i = 0; i < 20 && fragments.ws.readyState === fragments.ws.OPEN; i++) {
        fragments.ws.send(part, { fin: false });
        await good.cmd('/u');
      }
    })().catch(() => {});
    expect(await fragments.closed).toBe(1009);
  });

  it('10,000 commands in a burst: all are answered, a good client meanwhile', async () => {
    const c = await client();
    const burst = Promise.all(Array.from({ length: 10_000 }, (_, i) => c.cmd(i % 2 === 0 ? '/u' : '/_show_address 1')));
    let answered = 0;
    let over = false;
    const during = (async () => {
      while (!over) {
        await good.cmd('/u', 'activeUser');
        answered++;
      }
    })();
    const answers = await burst;
    over = true;
    await during;
    expect(answers).toHaveLength(10_000);
    expect(answered).toBeGreaterThan(5);
  });

  it('a client that asks much and reads nothing: it is disconnected', async () => {
    const name = 'N'.repeat(50);
    await good.cmd(
      `/_profile 1 ${JSON.stringify({ displayName: 'Bot', fullName: name, image: `data:image/png;base64,${'A'.repeat(100_000)}` })}`,
    );
    const c = await client();
    c.ws.pause();
    let closed = false;
    void c.closed.then(() => {
      closed = true;
    });
    for (let i = 0; i < 400; i++) c.ws.send(JSON.stringify({ corrId: `${i}`, cmd: '/u' }));
    const until = Date.now() + 20_000;
    while (Date.now() < until) {
      const metrics = await (await fetch(`${serve.url.replace('ws:', 'http:')}/metrics`)).text();
      if (/^fanion_api_slow_clients(?:_total)? [1-9]/m.test(metrics)) break;
      await good.cmd('/u', 'activeUser');
    }
    c.ws.resume();
    await c.closed;
    expect(closed).toBe(true);
  });

  it('200 clients that all ask, and refuses those above the limit', async () => {
    const many = await Promise.all(Array.from({ length: 200 }, () => client()));
    const answers = await Promise.all(many.flatMap((c) => Array.from({ length: 10 }, () => c.cmd('/u'))));
    expect(answers.every((a) => a.type === 'activeUser')).toBe(true);
    await Promise.all(Array.from({ length: 55 }, () => client()));
    await expect(client()).rejects.toMatchObject({ status: 503 });
    for (const c of clients.splice(0)) c.close();
    // Their places are free again.
    for (let i = 0; ; i++) {
      const again = await client().catch(() => undefined);
      if (again !== undefined) break;
      expect(i).toBeLessThan(100);
      await sleep(20);
    }
  });

  it('200 clients that ask and read nothing', async () => {
    const many = await Promise.all(Array.from({ length: 200 }, () => client()));
    for (const c of many) c.ws.pause();
    for (const c of many) for (let i = 0; i < 60; i++) c.ws.send(JSON.stringify({ corrId: `${i}`, cmd: '/u' }));
    for (let i = 0; i < 100; i++) {
      await good.cmd('/u', 'activeUser');
      await sleep(20);
    }
  });

  it('clients that open connections and say nothing, or half of a request', async () => {
    const sockets = Array.from({ length: 200 }, (_, i) =>
      raw(Buffer.from(i % 2 === 0 ? 'GET / HTTP/1.1\r\nHost: loc' : ''), 1000),
    );
    await good.cmd('/u', 'activeUser');
    await Promise.all(sockets);
  });

  it('floods of empty frames and of pings', async () => {
    const c = await client();
    for (let i = 0; i < 5000; i++) c.ws.send('');
    expect((await c.cmd('/u')).type).toBe('activeUser');
    expect(c.events).toHaveLength(5000);
    for (let i = 0; i < 20_000; i++) c.ws.ping('x'.repeat(100));
    await good.cmd('/u', 'activeUser');
  });

  it('large messages that many clients begin and do not end', async () => {
    const many = await Promise.all(Array.from({ length: 20 }, () => client()));
    const part = Buffer.alloc(7 * megabyte, 0x20);
    for (const c of many) c.ws.send(part, { fin: false });
    await Promise.race(many.map((c) => c.closed));
    await good.cmd('/u', 'activeUser');
  });

  it('messages of many megabytes, of millions of values', async () => {
    const c = await client();
    const size = 7 * megabyte;
    const answer = (text: string): Promise<unknown> =>
      new Promise((resolve) => {
        c.ws.once('message', (data) => resolve(JSON.parse(String(data))));
        c.ws.send(text);
      });
    const values = `[${'{},'.repeat(size / 3)}1]`;
    const excessive = await answer(`{"corrId":"a","cmd":"/u","x":${values}}`);
    expect(at(excessive, 'resp', 'chatError', 'errorType', 'message')).toBe('invalid request');
    const nested = await answer(`{"corrId":"b","cmd":"/_profile 1 {\\"displayName\\":\\"x\\",\\"x\\":${values}}"}`);
    expect(at(nested, 'resp', 'type')).toBe('chatCmdError');
    const long = await answer(`{"corrId":"c","cmd":"/_send @1 text ${'a'.repeat(size)}"}`);
    expect(at(long, 'corrId')).toBe('c');
    expect(at(long, 'resp', 'type')).toBe('chatCmdError');
  });

  it('/quit of a client ends nothing', async () => {
    const c = await client();
    expect(at(await c.cmd('/quit'), 'chatError', 'errorType', 'message')).toBe('not allowed over WebSocket');
  });
});

describe('the API server refuses', () => {
  it('web pages: other origins, and names that point here', async () => {
    await expect(client({ headers: { Origin: 'https://evil.example' } })).rejects.toMatchObject({ status: 403 });
    await expect(client({ headers: { Origin: 'null' } })).rejects.toMatchObject({ status: 403 });
    await expect(client({ headers: { Host: 'evil.example:5225' } })).rejects.toMatchObject({ status: 403 });
    const own = serve.url.replace('ws:', 'http:');
    expect((await (await client({ headers: { Origin: own } })).cmd('/u')).type).toBe('activeUser');
    const page = await fetch(own, { headers: { Origin: 'https://evil.example' } });
    expect(page.status).toBe(403);
    expect(page.headers.get('access-control-allow-origin')).toBeNull();
  });

  it('a number of an event that is none', async () => {
    for (const since of ['-1', 'x', '1.5', '9'.repeat(40), '%00']) {
      await expect(client({ query: `?since=${since}` })).rejects.toMatchObject({ status: 400 });
    }
  });

  it('clients without the token or with another one, and shows them no metrics', async () => {
    const args = ['-d', path.join(workshop.folder(), 'secret'), '--api-token', 'correct horse', '-m'];
    const { url } = await workshop.serve(args);
    const http = url.replace('ws:', 'http:');
    const refused = { status: 401 };
    await expect(Client.connect(url)).rejects.toMatchObject(refused);
    await expect(Client.connect(url, { query: '?token=wrong' })).rejects.toMatchObject(refused);
    await expect(Client.connect(url, { query: '?token=' })).rejects.toMatchObject(refused);
    await expect(Client.connect(url, { headers: { Authorization: 'Bearer wrong' } })).rejects.toMatchObject(refused);
    await expect(Client.connect(url, { headers: { Authorization: 'correct' } })).rejects.toMatchObject(refused);
    expect((await fetch(`${http}/metrics`)).status).toBe(401);
    expect((await fetch(`${http}/health`)).status).toBe(200);
    const c = await Client.connect(url, { query: '?token=correct%20horse' });
    expect((await c.cmd('/users')).type).toBe('usersList');
    c.close();
  });
});
