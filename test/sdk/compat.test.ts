import path from 'node:path';
import { api, bot, CC, type CEvt, type CR, T, util } from 'fanion/simplex-chat';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { TestNetwork } from '../../src/bot/testing/index.js';

/** Code written for the official library of 6.5 (70-bot-api.md, section 10): only the import differs. */
let net: TestNetwork;

beforeEach(async () => {
  net = await TestNetwork.start();
  vi.stubEnv('FANION_SMP_SERVERS', net.smpServer);
  vi.stubEnv('FANION_XFTP_SERVERS', '');
  vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
});
afterEach(async () => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
  await net.stop();
});

it('a bot for the official library runs', async () => {
  const connected: string[] = [];
  const config: bot.BotConfig = {
    profile: { displayName: 'SquaringBot', fullName: '' },
    dbOpts: { type: 'sqlite', filePrefix: path.join(net.folder, 'squaring'), encryptionKey: '' },
    options: {
      addressSettings: {
        autoAccept: true,
        welcomeMessage: { type: 'text', text: 'Send a number.' },
        businessAddress: false,
      },
      commands: [{ type: 'command', keyword: 'help', label: 'Send welcome message' }],
    },
    onMessage: async (ci: T.AChatItem, content: T.MsgContent, chat: api.ChatApi) => {
      const n = Number(content.text);
      const reply = Number.isNaN(n) ? `This is not a number` : `${n} * ${n} = ${n * n}`;
      await chat.apiSendTextReply(ci, reply);
    },
    onCommands: {
      help: async (ci: T.AChatItem, _cmd: util.BotCommand, chat: api.ChatApi) => {
        await chat.apiSendTextMessage(ci.chatInfo, 'Send a number, I will square it');
      },
      '': async (ci: T.AChatItem, cmd: util.BotCommand, chat: api.ChatApi) => {
        await chat.apiSendTextReply(ci, `This command is not supported: ${cmd.keyword} ${cmd.params}`);
      },
    },
    events: {
      contactConnected: ({ contact }: CEvt.ContactConnected) => void connected.push(contact.profile.displayName),
    },
  };
  let [chat, user, address] = await bot.run(config);
  expect([chat.initialized, chat.started, user.profile.displayName]).toEqual([true, true, 'SquaringBot']);
  const link = address === undefined ? '' : util.contactAddressStr(address.connLinkContact);
  const alice = await net.user('alice');
  await alice.connect(link);
  await alice.hears('Send a number.');
  await alice.says('12');
  await alice.hears('12 * 12 = 144');
  await alice.says('twelve');
  await alice.hears('This is not a number');
  await alice.says('/help');
  await alice.hears(/I will square it/);
  await alice.says('/dance now');
  await alice.hears('This command is not supported: dance now');
  expect(connected).toEqual(['alice']);
  await chat.close();

  // Again: the same address, and what came meanwhile is answered.
  await alice.says('3');
  [chat, user, address] = await bot.run(config);
  expect(address === undefined ? '' : util.contactAddressStr(address.connLinkContact)).toBe(link);
  await alice.hears('3 * 3 = 9');
  const [contact] = await chat.apiListContacts(user.userId);
  const contactId = contact?.contactId ?? 0;
  const waiting = chat.wait('chatItemReaction', (e) => e.added, 10_000);
  const [sent] = await chat.apiSendTextMessage([T.ChatType.Direct, contactId], 'Like it?');
  const heard = await alice.hears('Like it?');
  const reaction: T.MsgReaction = { type: 'emoji', emoji: '👍' };
  await alice.api.chatItemReaction({ chatRef: heard.chat, chatItemId: heard.item.meta.itemId, add: true, reaction });
  const event: CEvt.ChatItemReaction | undefined = await waiting;
  expect(event === undefined ? '' : util.reactionText(event.reaction)).toBe('👍');
  expect(await chat.wait('contactDeletedByContact', 10)).toBeUndefined();
  const itemId = sent?.chatItem.meta.itemId ?? 0;
  const response: CR.ChatItemReaction = await chat.apiChatItemReaction(
    T.ChatType.Direct,
    contactId,
    itemId,
    true,
    reaction,
  );
  expect(response.added).toBe(true);
  await expect(chat.apiSendTextMessage([T.ChatType.Direct, 99], 'x')).rejects.toThrow(api.ChatAPIError);
  const text = await chat.sendChatCmd(CC.APIListContacts.cmdString({ userId: user.userId }));
  expect(text.type).toBe('contactsList');
  await chat.close();
});

it('the same function is not subscribed twice', async () => {
  const chat = await api.ChatApi.init({ type: 'sqlite', filePrefix: path.join(net.folder, 'x') });
  const fn = (): void => {};
  chat.on('contactConnected', fn);
  expect(() => chat.on('contactConnected', fn)).toThrow();
  chat.off('contactConnected', fn);
  chat.on({ contactConnected: fn });
  expect(await chat.apiGetActiveUser()).toBeUndefined();
  expect(await chat.recvChatEvent(1000)).toBeUndefined();
  await chat.close();
});
