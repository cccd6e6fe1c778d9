import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import path from 'node:path';
import { TestNetwork } from 'fanion/testing';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { assistantBot } from './assistant.js';
import { broadcastBot } from './broadcast.js';
import { echoBot } from './echo.js';
import { fileDropBot } from './filedrop.js';
import { squaringBot } from './squaring.js';
import { invitation, supportDesk } from './support.js';
import { webhookBridge } from './webhook.js';

describe('the example', () => {
  let net: TestNetwork;
  const running: { stop(): Promise<void> }[] = [];

  /** Starts a bot that is stopped after the test. */
  async function start<B extends { start(): Promise<unknown>; stop(): Promise<void> }>(bot: B): Promise<B> {
    running.push(bot);
    await bot.start();
    return bot;
  }

  beforeEach(async () => {
    net = await TestNetwork.start({ files: true });
  });
  afterEach(async () => {
    for (const bot of running.splice(0)) await bot.stop();
    await net.stop();
  });

  describe.each([
    ['in process', () => net.connection()],
    ['over WebSocket', () => net.webSocketConnection()],
  ])('%s', (_kind, connect) => {
    it('echo', async () => {
      const bot = await start(echoBot(await connect()));
      const alice = await net.user('alice');
      await alice.connect(bot);
      await alice.hears('Hello! I say what I hear.');
      await alice.says('Is anybody there?');
      await alice.hears('Is anybody there?');
    });

    it('squaring', async () => {
      const bot = await start(squaringBot(await connect()));
      const alice = await net.user('alice');
      await alice.connect(bot);
      await alice.says('/help');
      await alice.hears(/Send me a number, or/);
      await alice.says('12');
      await alice.hears('12 × 12 = 144');
      await alice.says('/square 1.5');
      await alice.hears('1.5 × 1.5 = 2.25');
      await alice.says('twelve');
      await alice.hears('That is not a number.');
    });

    it('broadcast', async () => {
      const bot = await start(broadcastBot('secret', await connect()));
      const [alice, dan, owner] = [await net.user('alice'), await net.user('dan'), await net.user('owner')];
      for (const user of [alice, dan, owner]) await user.connect(bot);
      await alice.says('/subscribe');
      await alice.hears(/will get the news/);
      await dan.says('/publish nonsense');
      await dan.hears('Only publishers can do that.');
      await owner.says('/own secret');
      await owner.hears(/You are a publisher/);
      await owner.says('/publish It works.');
      await owner.hears('Sent to 1 subscriber.');
      await alice.hears('It works.');
      expect(dan.messages.map((m) => m.text)).not.toContain('It works.');
    });
  });

  it('assistant', async () => {
    const asked: unknown[] = [];
    const server = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      asked.push((JSON.parse(body) as { messages: unknown[] }).messages);
      response.writeHead(200, { 'Content-Type': 'text/event-stream' });
      for (const piece of ['Forty', '-', 'two.']) {
        response.write(`data: ${JSON.stringify({ choices: [{ delta: { content: piece } }] })}\n\n`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
      response.end('data: [DONE]\n\n');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const url = `http://127.0.0.1:${port}/v1`;
    const bot = await start(assistantBot({ url, model: 'stub', connection: net.connection(), intervalMs: 5 }));
    const alice = await net.user('alice');
    await alice.connect(bot);
    await alice.says('What is the answer?');
    const answer = await alice.hears((m) => m.text === 'Forty-two.' && m.item.meta.itemLive !== true);
    expect(answer.versions[0]).toBe('Forty');
    await alice.says('Are you sure?');
    await alice.hears((m) => m.text === 'Forty-two.' && m.item.meta.itemLive !== true);
    expect(asked[1]).toEqual([
      expect.objectContaining({ role: 'system' }),
      { role: 'user', content: 'What is the answer?' },
      { role: 'assistant', content: 'Forty-two.' },
      { role: 'user', content: 'Are you sure?' },
    ]);
    await new Promise((resolve) => server.close(resolve));
    await alice.says('And now?');
    await alice.hears('Sorry, I cannot answer now.');
  });

  it('file drop', async () => {
    const folder = path.join(net.folder, 'drop');
    await mkdir(folder);
    const bot = await start(fileDropBot(folder, net.connection()));
    const alice = await net.user('alice', { filesFolder: net.folder });
    await writeFile(path.join(net.folder, 'letter.txt'), 'Dear bot');
    await alice.connect(bot);
    await alice.says('/list');
    await alice.hears('You have no files here.');
    await alice.sendsFile('letter.txt');
    await alice.hears(/^Kept letter\.txt: 8 bytes, SHA-256 [0-9a-f]{64}$/);
    expect(await readFile(path.join(folder, 'letter.txt'), 'utf8')).toBe('Dear bot');
    await alice.says('/list');
    await alice.hears('letter.txt, 8 bytes');
    await alice.says('/get ../drop/letter.txt');
    await alice.hears(/There is no such file/);
    await alice.says('/get letter.txt');
    expect((await alice.hears('letter.txt')).item.file?.fileSize).toBe(8);
  });

  it('webhook', async () => {
    const told: unknown[] = [];
    const target = createServer(async (request, response) => {
      let body = '';
      for await (const chunk of request) body += String(chunk);
      told.push(JSON.parse(body));
      response.end();
    });
    await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
    const forwardTo = `http://127.0.0.1:${(target.address() as AddressInfo).port}/`;
    const { bot, server } = webhookBridge({ token: 'secret', forwardTo, connection: net.connection() });
    await start(bot);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
    const post = (body: string, token = 'secret'): Promise<Response> =>
      fetch(url, { method: 'POST', body, headers: { Authorization: `Bearer ${token}` } });
    const alice = await net.user('alice');
    await alice.connect(bot);
    expect(await (await post('too early')).text()).toBe('sent to 0\n');
    await alice.says('/listen secret');
    await alice.hears('You will hear what comes.');
    expect((await post('x', 'wrong')).status).toBe(401);
    expect(await (await post('The build is green.')).text()).toBe('sent to 1\n');
    await alice.hears('The build is green.');
    await alice.says('Thanks!');
    await alice.waitFor('chatItemReaction', (e) => e.added);
    expect(told).toEqual([expect.objectContaining({ from: 'alice', text: 'Thanks!' })]);
    for (const s of [server, target]) await new Promise((resolve) => s.close(resolve));
  });

  it('support desk', async () => {
    const bot = await start(supportDesk('key', net.connection()));
    const [colleague, customer] = [await net.user('colleague'), await net.user('customer')];
    await colleague.connect(await invitation(bot));
    await colleague.says('/colleague key');
    await colleague.hears(/You will be called/);
    await customer.connect(bot);
    await customer.says('When are you open?');
    await customer.hears(/from 9 to 17/);
    await customer.says('My printer is on fire.');
    await customer.hears('A colleague will answer soon.');
    const { groupInfo } = await colleague.waitFor('receivedGroupInvitation');
    await colleague.api.joinGroup({ groupId: groupInfo.groupId });
    await colleague.waitFor('userJoinedGroup');
    const chat = colleague.uses({ type: 'group', groupInfo });
    await colleague.says('I am on my way.', chat);
    await customer.hears('I am on my way.');
  });
});
