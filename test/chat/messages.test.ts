import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ChatItem, MsgContent } from '../../src/api/index.js';
import { base64url, decodeBase64url, utf8Bytes, utf8String } from '../../src/wire/index.js';
import { connectedPair, type Pair } from './two-engines.js';

let pair: Pair;

beforeAll(async () => {
  pair = await connectedPair();
});

afterAll(async () => {
  await pair.close();
});

let lastId = 0;

/** A shared message id that was not used yet. */
function newId(): string {
  return base64url(utf8Bytes(`test-message-${++lastId}`));
}

/** What Alice's program would have to be to send this: the body goes to Bob as it is. */
async function sendBody(body: string): Promise<void> {
  const { context } = pair.alice.local.engine;
  const connId = utf8String(decodeBase64url(pair.ab.activeConn?.agentConnId ?? '')) ?? '';
  await context.store.transaction(async (tx) => {
    const [sent] = await context.agent.sendMessages(tx, [
      { connId, flags: { notification: false }, body: utf8Bytes(body) },
    ]);
    expect(sent).toHaveProperty('msgId');
  });
}

function json(event: string, params: object, msgId?: string): string {
  return JSON.stringify({ v: '1-16', msgId, event, params });
}

const text = (t: string): MsgContent => ({ type: 'text', text: t });

async function receivedItem(): Promise<ChatItem> {
  const { chatItems } = await pair.bob.event('newChatItems');
  expect(chatItems).toHaveLength(1);
  return chatItems[0]?.chatItem ?? expect.fail('no item');
}

/** A message that tells that everything before it was handled. */
async function barrier(): Promise<void> {
  await sendBody(json('x.msg.new', { content: text('barrier') }, newId()));
  expect((await receivedItem()).meta.itemText).toBe('barrier');
}

describe('what a contact may send out of turn', () => {
  test('a reaction that comes before its message shows when the message arrives', async () => {
    const msgId = newId();
    const reaction = { type: 'emoji', emoji: '👍' };
    await sendBody(json('x.msg.react', { msgId, reaction, add: true }, newId()));
    await sendBody(json('x.msg.new', { content: text('late') }, msgId));
    const item = await receivedItem();
    expect(item.reactions).toEqual([{ reaction, userReacted: false, totalReacted: 1 }]);
    expect(pair.bob.pending()).toEqual([]);
  });

  test('a repeated and a fourth reaction do nothing', async () => {
    const msgId = newId();
    await sendBody(json('x.msg.new', { content: text('react') }, msgId));
    await receivedItem();
    for (const emoji of ['👍', '👍', '😀', '🚀', '✅']) {
      await sendBody(json('x.msg.react', { msgId, reaction: { type: 'emoji', emoji }, add: true }, newId()));
    }
    await barrier();
    const seen = [];
    for (let i = 0; i < 3; i++) seen.push((await pair.bob.event('chatItemReaction')).reaction.chatReaction.reaction);
    expect(seen).toEqual(['👍', '😀', '🚀'].map((emoji) => ({ type: 'emoji', emoji })));
    expect(pair.bob.pending()).toEqual([]);
  });

  test('a reaction of an unknown kind is kept as it is', async () => {
    const msgId = newId();
    await sendBody(json('x.msg.new', { content: text('sticker') }, msgId));
    await receivedItem();
    const reaction = { type: 'sticker', pack: 7, id: ['a', 'b'] };
    await sendBody(json('x.msg.react', { msgId, reaction, add: true }, newId()));
    const { reaction: shown } = await pair.bob.event('chatItemReaction');
    expect(shown.chatReaction.chatItem.reactions).toEqual([{ reaction, userReacted: false, totalReacted: 1 }]);
    // Keys in another order are the same reaction.
    const same = { id: ['a', 'b'], pack: 7, type: 'sticker' };
    await sendBody(json('x.msg.react', { msgId, reaction: same, add: false }, newId()));
    expect((await pair.bob.event('chatItemReaction')).added).toBe(false);
  });

  test('an edit of a message that is not there makes it, as an edit', async () => {
    const msgId = newId();
    await sendBody(json('x.msg.update', { msgId, content: text('edited') }, newId()));
    const { chatItem } = await pair.bob.event('chatItemUpdated');
    expect(chatItem.chatItem.meta).toMatchObject({ itemText: 'edited', itemEdited: true, itemSharedMsgId: msgId });
    await sendBody(json('x.msg.update', { msgId, content: text('edited') }, newId()));
    expect((await pair.bob.event('chatItemNotChanged')).chatItem.chatItem.meta.itemText).toBe('edited');
    expect(pair.bob.pending()).toEqual([]);
  });

  test('a deletion of an unknown message is told, a second one of the same is an error', async () => {
    const unknown = newId();
    await sendBody(json('x.msg.del', { msgId: unknown }, newId()));
    expect((await pair.bob.event('chatItemDeletedNotFound')).sharedMsgId).toBe(unknown);
    const msgId = newId();
    await sendBody(json('x.msg.new', { content: text('short') }, msgId));
    await receivedItem();
    await sendBody(json('x.msg.del', { msgId }, newId()));
    const { chatItemDeletions, byUser } = await pair.bob.event('chatItemsDeleted');
    expect(byUser).toBe(false);
    expect(chatItemDeletions[0]?.toChatItem?.chatItem.meta.itemDeleted?.type).toBe('deleted');
    await sendBody(json('x.msg.del', { msgId }, newId()));
    expect((await pair.bob.event('messageError')).errorMessage).toBe(
      'x.msg.del: contact attempted invalid message delete',
    );
  });

  test('an own message cannot be edited or deleted by the contact', async () => {
    const { chatItems } = await pair.bob.ok(`/_send @${pair.ba.contactId} text mine`, 'newChatItems');
    const msgId = chatItems[0]?.chatItem.meta.itemSharedMsgId ?? '';
    await sendBody(json('x.msg.update', { msgId, content: text('theirs') }, newId()));
    await sendBody(json('x.msg.del', { msgId }, newId()));
    const messages = [await pair.bob.event('messageError'), await pair.bob.event('messageError')];
    expect(messages.map((m) => m.errorMessage)).toEqual([
      'x.msg.update: contact attempted invalid message update',
      'x.msg.del: contact attempted invalid message delete',
    ]);
  });

  test('the same message twice is one item and an error', async () => {
    const msgId = newId();
    await sendBody(json('x.msg.new', { content: text('once') }, msgId));
    await sendBody(json('x.msg.new', { content: text('once') }, msgId));
    expect((await receivedItem()).meta.itemText).toBe('once');
    const { chatError } = await pair.bob.event('chatError');
    expect(chatError).toMatchObject({ type: 'errorStore', storeError: { type: 'dBException' } });
    await barrier();
  });

  test('a bad message in a batch leaves the others', async () => {
    const good = (t: string) => json('x.msg.new', { content: text(t) }, newId());
    await sendBody(
      `[${good('first')},${json('x.msg.new', { content: { text: 'no type' } }, newId())},${good('last')}]`,
    );
    expect((await receivedItem()).meta.itemText).toBe('first');
    expect((await pair.bob.event('chatError')).chatError.type).toBe('error');
    expect((await receivedItem()).meta.itemText).toBe('last');
  });

  test('a quote that cannot be read leaves the message', async () => {
    await sendBody(json('x.msg.new', { content: text('no quote'), quote: { msgRef: 1 } }, newId()));
    const item = await receivedItem();
    expect(item.meta.itemText).toBe('no quote');
    expect(item.quotedItem).toBeUndefined();
  });
});

describe('many messages of one client', () => {
  test('arrive in the order in which they were asked for, and are confirmed', async () => {
    const { alice, bob, ab } = pair;
    const session = alice.local.engine.session();
    const texts = Array.from({ length: 50 }, (_, i) => `message ${i}`);
    const sent = await Promise.all(texts.map((t) => session.execute(`/_send @${ab.contactId} text ${t}`)));
    expect(sent.map((r) => r.type)).toEqual(texts.map(() => 'newChatItems'));
    const received = [];
    for (const _ of texts) received.push((await receivedItem()).meta.itemText);
    expect(received).toEqual(texts);
    const confirmed = new Set<number>();
    while (confirmed.size < texts.length) {
      const { chatItems } = await alice.event('chatItemsStatusesUpdated');
      for (const { chatItem } of chatItems) {
        if (chatItem.meta.itemStatus.type === 'sndRcvd' && texts.includes(chatItem.meta.itemText)) {
          confirmed.add(chatItem.meta.itemId);
        }
      }
    }
    expect(bob.pending()).toEqual([]);
  });
});

describe('calls', () => {
  test('show as items, missed when the contact gives up', async () => {
    const callId = newId();
    const invitation = { callType: { media: 'audio', capabilities: { encryption: true } } };
    await sendBody(json('x.call.inv', { callId, invitation }, newId()));
    expect((await receivedItem()).content).toEqual({ type: 'rcvCall', status: 'pending', duration: 0 });
    await sendBody(json('x.call.extra', { callId, extra: { rtcExtraInfo: { rtcIceCandidates: '' } } }, newId()));
    await sendBody(json('x.call.end', { callId }, newId()));
    const { chatItem } = await pair.bob.event('chatItemUpdated');
    expect(chatItem.chatItem.content).toEqual({ type: 'rcvCall', status: 'missed', duration: 0 });
    expect(pair.bob.pending()).toEqual([]);
  });
});

describe('messages that disappear', () => {
  test('at the receiver some time after they were read, and at the sender', async () => {
    const { alice, bob, ab, ba } = pair;
    await alice.ok(`/_set prefs @${ab.contactId} {"timedMessages":{"allow":"yes","ttl":1}}`, 'contactPrefsUpdated');
    await bob.event('contactUpdated');
    await bob.event('newChatItems');
    const { chatItems } = await alice.ok(`/_send @${ab.contactId} text soon gone`, 'newChatItems');
    expect(chatItems[0]?.chatItem.meta.itemTimed).toMatchObject({ ttl: 1, deleteAt: expect.any(String) });
    const item = await receivedItem();
    expect(item.meta.itemTimed).toEqual({ ttl: 1 });
    const deleted = await alice.event('chatItemsDeleted');
    expect(deleted).toMatchObject({ byUser: true, timed: true });
    expect(bob.pending()).not.toContain('chatItemsDeleted');
    await bob.ok(`/_read chat @${ba.contactId}`, 'cmdOk');
    const { chatItemDeletions } = await bob.event('chatItemsDeleted');
    expect(chatItemDeletions[0]?.deletedChatItem.chatItem.meta.itemId).toBe(item.meta.itemId);
  });
});

describe('chats that keep items for some time', () => {
  test('setting the time deletes what is older, but the banner', async () => {
    const { bob, ba } = pair;
    await new Promise((resolve) => setTimeout(resolve, 1100));
    await bob.ok(`/_ttl 1 @${ba.contactId} 1`, 'cmdOk');
    const { chat } = await bob.ok(`/_get chat @${ba.contactId} count=100`, 'apiChat');
    expect(chat.chatItems.map((i) => i.content.type)).toEqual(['chatBanner']);
    expect((await bob.ok('/ttl @alice', 'chatItemTTL')).chatItemTTL).toBe(1);
    await bob.ok(`/_ttl 1 @${ba.contactId} default`, 'cmdOk');
    expect((await bob.ok('/ttl @alice', 'chatItemTTL')).chatItemTTL).toBeUndefined();
  });
});
