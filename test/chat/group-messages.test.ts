import { afterAll, beforeAll, expect, test } from 'vitest';
import { connectedPair, type Pair } from './two-engines.js';

let pair: Pair;
let groupId: number;

beforeAll(async () => {
  pair = await connectedPair();
  const { alice, bob, ab } = pair;
  ({
    groupInfo: { groupId },
  } = await alice.ok('/group team', 'groupCreated'));
  await alice.ok(`/_add #${groupId} ${ab.contactId} member`, 'sentGroupInvitation');
  await bob.event('receivedGroupInvitation');
  await bob.ok('/join team', 'userAcceptedGroupSent');
  await alice.event('joinedGroupMember');
  await bob.event('userJoinedGroup');
  alice.forget();
  bob.forget();
});

afterAll(async () => {
  await pair.close();
});

test('a message is forwarded from a contact to a group, and from the group back', async () => {
  const { alice, bob } = pair;
  await alice.ok('@bob good news', 'newChatItems');
  const forwarded = await alice.ok('#team <- @bob good', 'newChatItems');
  expect(forwarded.chatItems[0]?.chatItem.meta).toMatchObject({
    itemText: 'good news',
    itemForwarded: { type: 'contact', chatName: 'bob', msgDir: 'snd' },
    editable: false,
  });
  let received = await bob.event('newChatItems');
  while (received.chatItems[0]?.chatInfo.type !== 'group') received = await bob.event('newChatItems');
  expect(received.chatItems[0]?.chatItem.meta.itemForwarded).toEqual({ type: 'unknown' });
  const back = await bob.ok('@alice <- #team good', 'newChatItems');
  expect(back.chatItems[0]?.chatItem.meta.itemForwarded).toMatchObject({ type: 'group', chatName: 'team' });
});

test('typed commands find items of a group by their text', async () => {
  const { alice } = pair;
  await alice.ok('#team a mistke', 'newChatItems');
  const { chatItem } = await alice.ok('! #team (a mistke) a mistake', 'chatItemUpdated');
  expect(chatItem.chatItem.meta).toMatchObject({ itemText: 'a mistake', itemEdited: true });
  const { added } = await alice.ok('+1 #team a mist', 'chatItemReaction');
  expect(added).toBe(true);
  const { chatItems } = await alice.ok('/search #team mistake', 'chatItems');
  expect(chatItems.map((i) => i.chatItem.reactions)).toEqual([
    [{ reaction: { type: 'emoji', emoji: '👍' }, userReacted: true, totalReacted: 1 }],
  ]);
  const itemId = chatItems[0]?.chatItem.meta.itemId;
  const info = await alice.ok(`/_get item info #${groupId} ${itemId}`, 'chatItemInfo');
  expect(info.chatItemInfo.itemVersions.map((v) => v.msgContent.text)).toEqual(['a mistake', 'a mistke']);
  expect(info.chatItemInfo.memberDeliveryStatuses).toHaveLength(1);
  const { memberReactions } = await alice.ok(
    `/_reaction members 1 #${groupId} ${itemId} {"type":"emoji","emoji":"👍"}`,
    'reactionMembers',
  );
  expect(memberReactions.map((r) => r.groupMember.localDisplayName)).toEqual(['alice']);
  const { chatItemDeletions } = await alice.ok('\\ #team a mistake', 'chatItemsDeleted');
  expect(chatItemDeletions).toHaveLength(1);
});

test('reading and clearing a group', async () => {
  const { alice, bob } = pair;
  await alice.ok('#team unread', 'newChatItems');
  let received = await bob.event('newChatItems');
  while (received.chatItems[0]?.chatItem.meta.itemText !== 'unread') received = await bob.event('newChatItems');
  const chat = received.chatItems[0]?.chatInfo;
  const id = chat?.type === 'group' ? chat.groupInfo.groupId : expect.fail('not in the group');
  const unread = async () => {
    const { chats } = await bob.ok('/_get chats 1', 'apiChats');
    return chats.find((c) => c.chatInfo.type === 'group')?.chatStats.unreadCount;
  };
  const before = (await unread()) ?? 0;
  expect(before).toBeGreaterThan(0);
  await bob.ok(`/_read chat items #${id} ${received.chatItems[0]?.chatItem.meta.itemId}`, 'itemsReadForChat');
  expect(await unread()).toBe(before - 1);
  await bob.ok(`/_read chat #${id}`, 'cmdOk');
  expect(await unread()).toBe(0);
  await bob.ok('/clear #team', 'chatCleared');
  const { chat: left } = await bob.ok(`/_get chat #${id} count=100`, 'apiChat');
  expect(left.chatItems.map((i) => i.content.type)).toEqual(['chatBanner']);
});
