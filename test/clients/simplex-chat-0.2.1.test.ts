import { ChatClient } from 'simplex-chat';
import command from 'simplex-chat/dist/command.js';
import type { ChatResponse } from 'simplex-chat/dist/response.js';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { TestNetwork } from '../../src/bot/testing/index.js';
import type { ApiServer } from '../../src/server/index.js';

/**
 * The client that most existing bots use, unmodified, against our server: both scenarios of 70-bot-api.md, section 9.4.
 */
const { ChatType } = command;

/** Reads the events of a client, and lets a test wait for those that it wants, in their order. */
class Events {
  readonly tags: string[] = [];
  readonly #unread: ChatResponse[] = [];
  #wake: () => void = () => {};

  constructor(client: ChatClient) {
    // The client never ends this queue.
    void (async () => {
      for await (const item of client.msgQ) {
        const event = item instanceof Promise ? await item : item;
        this.tags.push(event.type);
        this.#unread.push(event);
        this.#wake();
      }
    })();
  }

  async next<T extends ChatResponse['type']>(
    type: T,
    wants: (event: Extract<ChatResponse, { type: T }>) => boolean = () => true,
  ): Promise<Extract<ChatResponse, { type: T }>> {
    const is = (event: ChatResponse): event is Extract<ChatResponse, { type: T }> => event.type === type;
    for (;;) {
      const i = this.#unread.findIndex((e) => is(e) && wants(e));
      const found = this.#unread[i];
      if (found !== undefined && is(found)) {
        this.#unread.splice(i, 1);
        return found;
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

describe('the npm client simplex-chat 0.2.1', () => {
  let net: TestNetwork;
  let server: ApiServer;

  beforeEach(async () => {
    net = await TestNetwork.start();
    server = await net.server();
  });
  afterEach(() => net.stop());

  async function connect(): Promise<{ chat: ChatClient; events: Events }> {
    const chat = await ChatClient.create(`ws://localhost:${server.port}`);
    return { chat, events: new Events(chat) };
  }

  it('runs its squaring bot', async () => {
    const first = await connect();
    await first.chat.sendChatCmdStr('/create user bot');
    await first.chat.apiStartChat();
    const user = await first.chat.apiGetActiveUser();
    expect(user?.profile.displayName).toBe('bot');
    expect(await first.chat.apiGetUserAddress()).toBeUndefined();
    const address = await first.chat.apiCreateUserAddress();
    expect(address).toMatch(/^https?:\/\/|^simplex:/);
    expect(await first.chat.apiGetUserAddress()).toBe(address);
    await first.chat.enableAddressAutoAccept();

    const alice = await net.user('alice');
    await alice.connect(address);
    const { contact } = await first.events.next('contactConnected');
    const [accepting, connected] = ['acceptingContactRequest', 'contactConnected'].map((t) =>
      first.events.tags.indexOf(t),
    );
    expect(accepting).toBeGreaterThanOrEqual(0);
    expect(accepting).toBeLessThan(connected ?? -1);
    const sent = await first.chat.apiSendTextMessage(
      ChatType.Direct,
      contact.contactId,
      'Hello! I am a simple squaring bot - if you send me a number, I will calculate its square',
    );
    expect(sent.map((i) => i.chatItem.content.type)).toEqual(['sndMsgContent']);
    await alice.hears(/squaring bot/);

    await alice.says('12');
    await answer(first);
    await alice.hears('12 * 12 = 144');

    await first.chat.disconnect();
    expect(first.chat.connected).toBe(false);
    await alice.says('3');
    const second = await connect();
    expect(await second.chat.apiGetUserAddress()).toBe(address);
    await answer(second);
    await alice.hears('3 * 3 = 9');
    await second.chat.disconnect();
  });

  async function answer({ chat, events }: { chat: ChatClient; events: Events }): Promise<void> {
    const { chatItems } = await events.next(
      'newChatItems',
      (e) => e.chatItems[0]?.chatItem.content.type === 'rcvMsgContent',
    );
    for (const { chatInfo, chatItem } of chatItems) {
      if (chatInfo.type !== 'direct' || chatItem.content.type !== 'rcvMsgContent') continue;
      const n = Number(chatItem.content.msgContent.text);
      await chat.apiSendTextMessage(ChatType.Direct, chatInfo.contact.contactId, `${n} * ${n} = ${n * n}`);
    }
  }

  it('connects two profiles of one server, and manages chats and groups', async () => {
    const { chat, events } = await connect();
    const ann = await chat.apiCreateActiveUser({ displayName: 'ann', fullName: '' });
    await chat.apiStartChat();
    const link = await chat.apiCreateLink();
    const ben = await chat.apiCreateActiveUser({ displayName: 'ben', fullName: '' });
    expect(await chat.apiConnect(link)).toBe('invitation');
    const ofUser = (userId: number) => (e: { user: { userId: number } }) => e.user.userId === userId;
    const { contact: annOfBen } = await events.next('contactConnected', ofUser(ben.userId));
    const { contact: benOfAnn } = await events.next('contactConnected', ofUser(ann.userId));

    const [item] = await chat.apiSendTextMessage(ChatType.Direct, annOfBen.contactId, 'helo');
    const itemId = item?.chatItem.meta.itemId ?? 0;
    const updated = await chat.apiUpdateChatItem(ChatType.Direct, annOfBen.contactId, itemId, {
      type: 'text',
      text: 'hello',
    });
    expect(updated.meta.itemText).toBe('hello');
    await events.next('chatItemUpdated', ofUser(ann.userId));
    await chat.apiChatRead(ChatType.Direct, annOfBen.contactId, { fromItem: 1, toItem: itemId });
    await chat.apiChatRead(ChatType.Direct, annOfBen.contactId);
    const { chatItems } = await chat.apiGetChat(ChatType.Direct, annOfBen.contactId, { count: 2 });
    expect(chatItems).toHaveLength(2);
    expect(chatItems.at(-1)?.meta.itemText).toBe('hello');
    expect(await chat.sendChatCmdStr('/nonsense')).toMatchObject({
      type: 'chatCmdError',
      chatError: { type: 'error', errorType: { type: 'commandError' } },
    });

    const group = await chat.apiNewGroup({ displayName: 'team', fullName: '' });
    await chat.apiAddMember(group.groupId, annOfBen.contactId, command.GroupMemberRole.GRMember);
    await chat.sendChatCmdStr(`/_user ${ann.userId}`);
    const { groupInfo } = await events.next('receivedGroupInvitation', ofUser(ann.userId));
    await chat.apiJoinGroup(groupInfo.groupId);
    await events.next('userJoinedGroup', ofUser(ann.userId));
    expect(await chat.apiListMembers(groupInfo.groupId)).toHaveLength(1);
    await chat.apiLeaveGroup(groupInfo.groupId);

    await chat.apiClearChat(ChatType.Direct, benOfAnn.contactId);
    await chat.apiDeleteChat(ChatType.Direct, benOfAnn.contactId);
    await chat.disconnect();
  });
});
