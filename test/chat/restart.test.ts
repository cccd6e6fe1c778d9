import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type LocalEngine, openLocalEngine } from '../../src/chat/index.js';
import { silentLogger } from '../../src/core/index.js';
import { type EmbeddedRelays, startEmbeddedRelays } from '../../src/relay/index.js';
import { Peer } from './pair.js';

/** Engines that are closed and opened again on their databases, with the relay staying. */
let folder: string;
let relays: EmbeddedRelays;
const open = new Map<string, { local: LocalEngine; peer: Peer }>();

async function start(name: string): Promise<Peer> {
  const local = await openLocalEngine({
    database: { kind: 'sqlite', path: path.join(folder, `${name}.db`) },
    smpServers: [relays.smp.address],
    xftpServers: [relays.xftp.address],
  });
  const peer = new Peer(local.engine);
  open.set(name, { local, peer });
  await local.engine.start();
  if (local.engine.context.users.all().length === 0) await peer.ok(`/create bot files=on ${name}`, 'activeUser');
  return peer;
}

async function stop(name: string): Promise<void> {
  const entry = open.get(name);
  open.delete(name);
  await entry?.local.close();
}

beforeAll(async () => {
  folder = await mkdtemp(path.join(tmpdir(), 'fanion-restart-'));
  relays = await startEmbeddedRelays(path.join(folder, 'relay'), silentLogger);
});

afterAll(async () => {
  for (const name of [...open.keys()]) await stop(name);
  await relays.close();
  await rm(folder, { recursive: true, force: true });
});

test('who joins while the inviter is away is connected when it comes back, and messages come once', async () => {
  let alice = await start('alice');
  let bob = await start('bob');
  const invitation = await alice.ok('/_connect 1', 'invitation');
  if (invitation.type !== 'invitation') throw new Error('no invitation');
  await stop('alice');
  await bob.ok(`/connect ${invitation.connLinkInvitation.connShortLink}`, 'sentConfirmation');
  // The inviter is back, the other side away.
  await stop('bob');
  alice = await start('alice');
  await alice.event('contactConnecting');
  // It goes away in the middle of its answer.
  await stop('alice');
  bob = await start('bob');
  alice = await start('alice');
  const connecting = await bob.event('contactConnecting');
  const { contact } = await alice.event('contactConnected');
  await bob.event('contactConnected');

  // Messages for somebody who is away, sent by somebody who goes away before they are delivered.
  await stop('bob');
  for (let i = 1; i <= 5; i++) await alice.ok(`/_send @${contact.contactId} text before ${i}`, 'newChatItems');
  await stop('alice');
  bob = await start('bob');
  alice = await start('alice');
  for (let i = 6; i <= 8; i++) await alice.ok(`/_send @${contact.contactId} text after ${i}`, 'newChatItems');
  const texts: string[] = [];
  while (texts.length < 8) texts.push(await bob.text());
  expect(texts).toEqual([...[1, 2, 3, 4, 5].map((i) => `before ${i}`), ...[6, 7, 8].map((i) => `after ${i}`)]);

  // All of them have receipts at the end, and nothing came twice.
  await alice.event('chatItemsStatusesUpdated', (e) =>
    e.chatItems.some(({ chatItem: { meta } }) => meta.itemText === 'after 8' && meta.itemStatus.type === 'sndRcvd'),
  );
  const chat = await bob.ok(`/_get chat @${connecting.contact.contactId} count=100`, 'apiChat');
  if (chat.type !== 'apiChat') throw new Error('no chat');
  const received = chat.chat.chatItems.filter((i) => i.content.type === 'rcvMsgContent');
  expect(received.map((i) => i.meta.itemText)).toEqual(texts);
});

test('the event log keeps what nobody has received, in order, over restarts', async () => {
  const entry = open.get('bob');
  if (entry === undefined) throw new Error('bob is not there');
  const { events } = entry.local.engine;
  const { last } = await events.range();
  expect(last).toBeGreaterThan(0);
  const all = await events.since(0, 10_000);
  expect(all.map((e) => e.seq)).toEqual([...all.map((e) => e.seq)].sort((a, b) => a - b));
  expect(all.at(-1)?.seq).toBe(last);
  const texts = all.filter((e) => e.json.includes('"rcvMsgContent"') && e.json.startsWith('{"type":"newChatItems"'));
  expect(texts).toHaveLength(8);
  events.markDelivered(last - 1);
  await stop('bob');
  await start('bob');
  const again = open.get('bob')?.local.engine.events;
  expect(again?.delivered).toBe(last - 1);
  expect((await again?.since(last - 1, 10))?.[0]?.seq).toBe(last);
});
