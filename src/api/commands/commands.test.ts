import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cmdString, type ParsedCommand, parseCommand } from '../index.js';

interface Vector {
  readonly command: string;
  readonly accepted: boolean;
  readonly constructor: string;
}

const vectors = (
  JSON.parse(readFileSync(new URL('../../../test/vectors/commands.json', import.meta.url), 'utf8')) as {
    vectors: Vector[];
  }
).vectors;

/** Accepted although 6.4.3.1 refuses it: documented with the space (70-bot-api.md 3.3), sent by old clients (9.2). */
const documented = /^\/_groups 1|^\/_get chats$/;

function parsed(text: string): ParsedCommand {
  const result = parseCommand(text);
  if (!result.ok) throw new Error(`${text}: ${result.error.message}`);
  return result.command;
}

function message(text: string): string {
  const result = parseCommand(text);
  if (result.ok) throw new Error(`${text} parsed as ${result.command.tag}`);
  return result.error.message;
}

describe('the command grammar', () => {
  it('accepts and refuses what the official parser does, with the same constructor', () => {
    const wrong: string[] = [];
    for (const v of vectors) {
      const result = parseCommand(v.command);
      if (documented.test(v.command)) {
        if (!result.ok || !/^API(ListGroups|GetChats)$/.test(result.command.tag))
          wrong.push(`${v.command}: must be accepted`);
      } else if (result.ok !== v.accepted) {
        wrong.push(
          `${JSON.stringify(v.command)}: accepted ${result.ok}${result.ok ? ` as ${result.command.tag}` : ` (${result.error.message})`}`,
        );
      } else if (result.ok && result.command.tag !== v.constructor) {
        wrong.push(`${JSON.stringify(v.command)}: ${result.command.tag}, expected ${v.constructor}`);
      }
    }
    expect(wrong).toEqual([]);
    expect(vectors.length).toBeGreaterThan(700);
  });

  it('gives the parameters of a command', () => {
    expect(
      parsed(
        '/_send #2(_support:5) live=on ttl=60 json [{"quotedItemId":5,"msgContent":{"type":"text","text":"hi","x":1}}]',
      ),
    ).toEqual({
      tag: 'APISendMessages',
      sendRef: { chatType: 'group', chatId: 2, chatScope: { type: 'memberSupport', groupMemberId_: 5 } },
      liveMessage: true,
      ttl: 60,
      composedMessages: [{ quotedItemId: 5, msgContent: { type: 'text', text: 'hi' }, mentions: {} }],
    });
    expect(parsed("@'bob b' hello")).toEqual({
      tag: 'SendMessage',
      sendName: { type: 'direct', name: 'bob b' },
      text: 'hello',
    });
    expect(parsed('#team (support: bob) hi')).toEqual({
      tag: 'SendMessage',
      sendName: { type: 'group', name: 'team', support: { memberName: 'bob' } },
      text: 'hi',
    });
    expect(parsed('/freceive 1 approved_relays=on encrypt=off /tmp/a b')).toEqual({
      tag: 'ReceiveFile',
      fileId: 1,
      userApprovedRelays: true,
      storeEncrypted: false,
      fileInline: undefined,
      filePath: '/tmp/a b',
    });
    expect(
      parsed('/_get chats 1 pcc=on after=2023-11-14T22:13:20.5+01:00 count=5 {"type":"search","search":"abc"}'),
    ).toEqual({
      tag: 'APIGetChats',
      userId: 1,
      pendingConnections: true,
      pagination: { type: 'after', time: Date.UTC(2023, 10, 14, 21, 13, 20, 500), count: 5 },
      query: { type: 'search', search: 'abc' },
    });
  });

  it('keeps unknown message content as it is and needs every key of known content', () => {
    const json = '{"type":"poll","text":"?","options":[1,{"a":null}]}';
    const command = parsed(`/_send @1 json [{"msgContent":${json}}]`);
    expect(command).toMatchObject({ composedMessages: [{ msgContent: JSON.parse(json) }] });
    expect(message('/_send @1 json [{"msgContent":{"type":"image","text":"x"}}]')).toContain('$[0].msgContent.image');
  });

  it('reads nested menus of bot commands', () => {
    expect(
      parsed("/set bot commands 'How to use bot':/help,'Your group settings':{'Set default role':/'role <ID>'}"),
    ).toEqual({
      tag: 'SetBotCommands',
      commands: [
        { type: 'command', keyword: 'help', label: 'How to use bot' },
        {
          type: 'menu',
          label: 'Your group settings',
          commands: [{ type: 'command', keyword: 'role', label: 'Set default role', params: '<ID>' }],
        },
      ],
    });
  });

  it('accepts what clients of other versions send', () => {
    expect(parsed('/_start subscribe=off expire=off').tag).toBe('StartChat');
    expect(message('/_start snd_files=on')).toContain('/_start');
    expect(parsed('/_get chats')).toMatchObject({ tag: 'APIGetChats', userId: undefined });
    expect(parsed('/_get chats pcc=off')).toMatchObject({ tag: 'APIGetChats', userId: undefined });
    expect(parsed('/_update item @4 21 json {"type":"text","text":"x"}')).toMatchObject({
      updatedMessage: { msgContent: { type: 'text', text: 'x' }, mentions: {} },
    });
    expect(parsed('/_group {"displayName":"a","fullName":""}')).toMatchObject({
      tag: 'APINewGroup',
      userId: undefined,
    });
    expect(parsed('/_read chat @4 from=1 to=9')).toMatchObject({ range: { from: 1, to: 9 } });
    expect(parsed('/_user 2 json "pwd"')).toMatchObject({ viewPwd: 'pwd' });
    expect(parsed('/_delete user 2 del_smp=on json "pwd"')).toMatchObject({ viewPwd: 'pwd' });
    expect(parsed('/_auto_accept 1 on')).toMatchObject({ tag: 'SetAddressSettings', userId: 1 });
    expect(parsed('/_send @4 json [{"filePath":"a.txt","msgContent":{"type":"file","text":""}}]')).toMatchObject({
      composedMessages: [{ fileSource: { filePath: 'a.txt' } }],
    });
    expect(parsed('/_create user {"profile":{"displayName":"a","fullName":""},"sameServers":true}')).toMatchObject({
      newUser: { profile: { displayName: 'a', fullName: '' }, pastTimestamp: false },
    });
    expect(parsed('/_set custom @1 {"a":1}')).toMatchObject({ customData: { a: 1 } });
    expect(parsed('/_set custom #1')).toMatchObject({ customData: undefined });
  });

  it('keeps letters whose last byte is A0', () => {
    expect(parsed('@bob voilà')).toMatchObject({ text: 'voilà' });
  });

  it('says which command, where and what was expected, without its parameters', () => {
    expect(message('/_delete item @1 5 everywhere')).toBe(
      '/_delete item: expected broadcast, internalMark or internal at 20',
    );
    expect(message('/_user 1 secret')).not.toContain('secret');
    expect(message('/nonsense')).toContain('unknown command');
    expect(message('/_add #1 2 author')).toBe('/_add #: expected owner, admin, moderator, member or observer at 12');
    expect(message('/_reaction @1 5 on {"type":"emoji","emoji":"❤️"}')).toContain('a reaction');
  });

  it('refuses JSON that is nested too deep, quickly', () => {
    const deep = `/_send @1 json ${'['.repeat(500_000)}${']'.repeat(500_000)}`;
    expect(parseCommand(deep).ok).toBe(false);
    expect(parseCommand(`/set bot commands ${'a:{'.repeat(100_000)}`).ok).toBe(false);
  });

  it('answers any text without throwing', () => {
    const words = fc.constantFrom(
      '/_send ',
      '@1',
      '#2',
      ' json ',
      '{}',
      '[',
      ' ',
      '/c',
      'incognito',
      '"',
      "'",
      '(support',
      ':',
      '1',
      ',',
      'on',
    );
    fc.assert(
      fc.property(
        fc.array(fc.oneof(words, fc.string({ unit: 'binary', maxLength: 5 })), { maxLength: 12 }),
        (parts) => {
          parseCommand(parts.join(''));
        },
      ),
      { numRuns: 3000 },
    );
  });

  it('takes time proportional to the length of the text', () => {
    for (const head of [
      '/_connect plan 1 ',
      '/c ',
      '@bob ',
      '/_send @1 text ',
      "/set bot commands '",
      '/smp ',
      '/_prepare contact 1 ',
      '#team (support: ',
    ]) {
      const text = head + 'simplex:/contact#/?v=1&https://a'.repeat(60_000);
      // In quadratic time this takes hours, and the test ends by its time-out.
      expect(() => parseCommand(text), head).not.toThrow();
    }
  });
});

/** Parameters of every type that commands have, by the name of the parameter. */
const samples: Readonly<Record<string, unknown>> = {
  chatRef: { chatType: 'group', chatId: 2, chatScope: { type: 'memberSupport', groupMemberId_: 3 } },
  sendRef: { chatType: 'direct', chatId: 2 },
  fromChatRef: { chatType: 'direct', chatId: 4 },
  toChatRef: { chatType: 'group', chatId: 5 },
  settings: { businessAddress: true, showMessages: true },
  composedMessages: [{ msgContent: { type: 'text', text: 'hi' } }],
  updatedMessage: { msgContent: { type: 'text', text: 'hi' } },
  reaction: { type: 'emoji', emoji: '👍' },
  deleteMode: 'broadcast',
  chatDeleteMode: { type: 'full', notify: true },
  memberRole: 'member',
  groupProfile: { displayName: 'g', fullName: '' },
  profile: { displayName: 'p', fullName: '' },
  newUser: { profile: { displayName: 'p', fullName: '' }, pastTimestamp: false },
  preferences: {},
  chatSettings: { enableNtfs: 'all', favorite: false },
  contactShortLinkData: { profile: { displayName: 'p', fullName: '' }, business: false },
  groupShortLinkData: { groupProfile: { displayName: 'g', fullName: '' } },
  connLink: { connFullLink: 'simplex:/contact#/?v=2-7&smp=x' },
  connectionLink: 'simplex:/contact#/?v=2-7&smp=x',
  preparedLink_: { connFullLink: 'simplex:/contact#/?v=2-7&smp=x', connShortLink: 'https://a.b/a#xyz' },
  connLink_: 'https://a.b/a#xyz',
  pagination: { type: 'last', count: 3 },
  query: { type: 'search', search: 'x' },
  viewPwd: 'pwd',
  customData: { a: 1 },
  search: 'words to find',
  contentTag: 'image',
  filePath: '/tmp/a b',
  path: '/tmp/a b',
  localAlias: 'alias',
  connectionCode: '12345 67890',
  reportReason: 'spam',
  reportText: 'it is',
  msgContent_: { type: 'text', text: 'hi' },
};

describe('printed commands', () => {
  it('all parse to their own tag with their own parameters, whether options are given or not', () => {
    const { commands } = JSON.parse(readFileSync(new URL('../data/bot-api.json', import.meta.url), 'utf8')) as {
      commands: {
        name: string;
        parameters: { name: string; optional?: boolean; type: { name?: string; kind: string } }[];
      }[];
    };
    const { commands: extra } = JSON.parse(
      readFileSync(new URL('../data/extra-commands.json', import.meta.url), 'utf8'),
    ) as { commands: { name: string; parameters: string[] }[] };
    const all = [
      ...commands.map((c) => ({
        name: c.name,
        names: c.parameters.map((p) => ({
          name: p.name,
          optional: p.optional === true,
          kind: p.type.kind === 'array' ? 'list' : (p.type.name ?? ''),
        })),
      })),
      ...extra.map((c) => ({
        name: c.name,
        names: c.parameters.map((p) => ({
          name: /^\w+/.exec(p)?.[0] ?? '',
          optional: p.includes('?'),
          kind: p.endsWith('[]') ? 'list' : (p.split(':').at(-1) ?? ''),
        })),
      })),
    ];
    expect(all.length).toBe(Object.keys(cmdString).length);
    for (const withOptions of [true, false]) {
      for (const c of all) {
        const params: Record<string, unknown> = {};
        for (const p of c.names) {
          if (p.optional && !withOptions && p.name !== 'connectionLink') continue;
          params[p.name] = samples[p.name] ?? (p.kind === 'bool' ? true : p.kind === 'list' ? [7, 8] : 9);
        }
        if (c.name === 'Connect') params.connLink_ = samples.connLink_;
        if (c.name === 'APIConnect') params.preparedLink_ = samples.preparedLink_;
        const print = cmdString[c.name as keyof typeof cmdString] as (p: unknown) => string;
        const command = parsed(print(params));
        expect(command.tag, print(params)).toBe(c.name);
        for (const [name, value] of Object.entries(params)) {
          const read = (command as unknown as Record<string, unknown>)[name];
          expect(JSON.parse(JSON.stringify({ v: read })), `${print(params)}: ${name}`).toMatchObject(
            JSON.parse(JSON.stringify({ v: name === 'settings' ? {} : value })) as object,
          );
        }
      }
    }
  });

  it('are parsed to what was printed', () => {
    const msgContent = { type: 'text', text: 'a "quoted"\nline' } as const;
    const sendRef = { chatType: 'group', chatId: 7, chatScope: { type: 'memberSupport' } } as const;
    expect(parsed(cmdString.APISendMessages({ sendRef, ttl: 0, composedMessages: [{ msgContent }] }))).toEqual({
      tag: 'APISendMessages',
      sendRef,
      liveMessage: false,
      ttl: 0,
      composedMessages: [{ msgContent, mentions: {} }],
    });
    expect(
      parsed(
        cmdString.APIDeleteChat({
          chatRef: { chatType: 'direct', chatId: 1 },
          chatDeleteMode: { type: 'entity', notify: false },
        }),
      ),
    ).toMatchObject({ chatDeleteMode: { type: 'entity', notify: false } });
    expect(parsed(cmdString.APIAcceptContact({ contactReqId: 3, incognito: true }))).toEqual({
      tag: 'APIAcceptContact',
      incognito: true,
      contactReqId: 3,
    });
    expect(parsed(cmdString.APIListGroups({ userId: 1, search: 'x y' }))).toMatchObject({ userId: 1, search: 'x y' });
    const time = Date.UTC(2026, 0, 2, 3, 4, 5, 678);
    const query = { type: 'filters', favorite: true, unread: false } as const;
    const pagination = { type: 'before', time, count: 5 } as const;
    expect(parsed(cmdString.APIGetChats({ userId: 1, pendingConnections: true, pagination, query }))).toEqual({
      tag: 'APIGetChats',
      userId: 1,
      pendingConnections: true,
      pagination,
      query,
    });
    expect(parsed(cmdString.StartChat({}))).toEqual({ tag: 'StartChat', mainApp: true, enableSndFiles: true });
  });
});
