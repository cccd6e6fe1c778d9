import { SchemaMismatch } from '../../decode.js';
import { isJsonObject, type JsonValue } from '../../json.js';
import type { UpdatedMessage } from '../../types.generated.js';
import type { CommandInput } from '../input.js';
import {
  chatName,
  chatNameOrContact,
  chatPagination,
  chatRef,
  composedMessages,
  cryptoFile,
  decodeMsgContent,
  decoder,
  deleteMode,
  displayName,
  itemTTL,
  knownReaction,
  msgText,
  nameAfter,
  path,
  quotedText,
  reactionKey,
  sendName,
  sendRef,
  timePagination,
  typed,
} from '../parts/index.js';
import type { ChatListQuery, ChatTagData } from '../types.js';
import { command, type GrammarEntry, plain } from './entry.js';

const ref = (p: CommandInput) => ({ chatRef: chatRef(p) });
const ids = (p: CommandInput): { chatItemIds: readonly number[] } => {
  p.space();
  return { chatItemIds: p.numbers() };
};
const mode = (p: CommandInput) => {
  p.space();
  // The longer word first: `internal` is the beginning of `internalMark`.
  return p.keyword({ broadcast: 'broadcast', internalMark: 'internalMark', internal: 'internal' } as const);
};
const ttl = (p: CommandInput): { ttl: number | undefined } => ({
  ttl: p.option(' ttl=', () => ttlValue(p)),
});
const ttlValue = (p: CommandInput): number | undefined =>
  p.first<number | undefined>(
    () => p.keyword({ default: undefined }),
    () => p.number(),
  );
const live = (p: CommandInput): { liveMessage: boolean } => ({
  liveMessage: p.option(' live=', () => p.onOff()) ?? false,
});
const search = (p: CommandInput): { search: string | undefined } => ({
  search: p.option(' search=', () => p.rest()),
});
const optionalCount = (p: CommandInput): number | undefined =>
  p.optional(() => {
    p.space();
    return p.number();
  });
const optionalChat = (p: CommandInput) =>
  p.optional(() => {
    p.space();
    return chatName(p);
  });

const noFilter: ChatListQuery = { type: 'filters', favorite: false, unread: false };

function chatListQuery(value: JsonValue): ChatListQuery {
  if (!isJsonObject(value)) throw new SchemaMismatch('$', 'an object');
  const { type, favorite, unread, search: text } = value;
  if (type === 'search') {
    if (typeof text !== 'string') throw new SchemaMismatch('$.search', 'a string');
    return { type, search: text };
  }
  if (type !== 'filters') throw new SchemaMismatch('$.type', 'filters or search');
  if (typeof favorite !== 'boolean') throw new SchemaMismatch('$.favorite', 'true or false');
  if (typeof unread !== 'boolean') throw new SchemaMismatch('$.unread', 'true or false');
  return { type, favorite, unread };
}

/** `{msgContent, mentions?}`, or a bare message content of old clients. */
function updatedMessage(value: JsonValue): UpdatedMessage {
  if (isJsonObject(value) && !('msgContent' in value)) return { msgContent: decodeMsgContent(value), mentions: {} };
  const full = isJsonObject(value) ? { ...value, mentions: value.mentions ?? {} } : value;
  return decoder<UpdatedMessage>('UpdatedMessage')(full);
}

function tagData(value: JsonValue): ChatTagData {
  if (!isJsonObject(value)) throw new SchemaMismatch('$', 'an object');
  const { emoji, text } = value;
  if (typeof text !== 'string') throw new SchemaMismatch('$.text', 'a string');
  if (emoji === undefined || emoji === null) return { text };
  if (typeof emoji !== 'string') throw new SchemaMismatch('$.emoji', 'a string');
  return { emoji, text };
}

const reportReason = (p: CommandInput): string => p.until((c) => c === 0x20, 'a reason');

const quoted = (p: CommandInput): { quotedText: string; text: string } => ({
  quotedText: quotedText(p),
  text: msgText(p),
});

const textAfterSpace = (p: CommandInput): string => {
  p.space();
  return p.rest();
};

const msgTextAfterSpace = (p: CommandInput): string => {
  p.space();
  return msgText(p);
};

const fileOptions = (p: CommandInput) => ({
  fileId: p.number(),
  userApprovedRelays: p.option(' approved_relays=', () => p.onOff()) ?? false,
  storeEncrypted: p.option(' encrypt=', () => p.onOff()),
});

export const chatCommands: readonly GrammarEntry[] = [
  command('APIGetChats', '/_get chats', (p) => {
    // Old clients leave the user out.
    const userId = optionalCount(p);
    const pcc = p.option(' pcc=', () => p.onOff());
    const pagination = p.optional(() => {
      p.space();
      return timePagination(p);
    });
    const query = p.optional(() => {
      p.space();
      return p.json('a filter or search', chatListQuery);
    });
    return {
      userId,
      pendingConnections: pcc ?? false,
      pagination: pagination ?? { type: 'last', count: 5000 },
      query: query ?? noFilter,
    };
  }),
  command('APIGetChat', '/_get chat ', (p) => {
    const chat = ref(p);
    const contentTag = p.option(' content=', () => p.until((c) => c === 0x20, 'a kind of content'));
    p.space();
    return { ...chat, contentTag, pagination: chatPagination(p), ...search(p) };
  }),
  command('APIGetChatItems', '/_get items ', (p) => ({ pagination: chatPagination(p), ...search(p) })),
  command('APIGetChatItemInfo', '/_get item info ', (p) => {
    const chat = ref(p);
    p.space();
    return { ...chat, chatItemId: p.number() };
  }),
  command('LastChats', ['/chats', '/cs'], (p) => ({ count: p.has(' all') ? undefined : (optionalCount(p) ?? 20) })),
  command('LastMessages', ['/tail', '/t'], (p) => ({
    chatName: optionalChat(p),
    count: optionalCount(p) ?? 10,
    search: undefined,
  })),
  command('LastMessages', ['/search', '/?'], (p) => ({
    chatName: optionalChat(p),
    count: optionalCount(p) ?? 10,
    search: textAfterSpace(p),
  })),
  command('LastChatItemId', '/last_item_id', (p) => ({ chatName: optionalChat(p), index: optionalCount(p) ?? 0 })),
  command('ShowLiveItems', '/show', (p) => ({ onOff: p.option(' ', () => p.onOff()) ?? true })),
  command('ShowChatItem', '/show ', (p) => ({ chatItemId: p.number() })),
  command('ShowChatItemInfo', '/item info ', (p) => ({ chatName: chatName(p), text: msgTextAfterSpace(p) })),
  command('APIUserRead', '/_read user ', (p) => ({ userId: p.number() })),
  plain('UserRead', '/read user'),
  command('APIChatRead', '/_read chat ', (p) => ({
    ...ref(p),
    range: p.option(' from=', () => {
      const from = p.number();
      p.literal(' to=');
      return { from, to: p.number() };
    }),
  })),
  command('APIChatItemsRead', '/_read chat items ', (p) => ({ ...ref(p), ...ids(p) })),
  command('APIChatUnread', '/_unread chat ', (p) => {
    const chat = ref(p);
    p.space();
    return { ...chat, unreadChat: p.onOff() };
  }),
  command('APIDeleteChat', '/_delete ', (p) => ({ ...ref(p), chatDeleteMode: deleteMode(p) })),
  command('APIClearChat', '/_clear chat ', ref),
  plain('ClearNoteFolder', '/clear *'),
  command('APISetChatSettings', '/_settings ', (p) => {
    const chat = ref(p);
    p.space();
    return { ...chat, chatSettings: typed(p, 'ChatSettings') };
  }),
  command('SetShowMessages', '/unmute mentions ', (p) => ({ chatName: chatName(p), enableNtfs: 'mentions' })),
  command('SetShowMessages', '/mute ', (p) => ({ chatName: chatName(p), enableNtfs: 'none' })),
  command('SetShowMessages', '/unmute ', (p) => ({ chatName: chatName(p), enableNtfs: 'all' })),
  command('SetSendReceipts', '/receipts ', (p) => {
    const name = chatName(p);
    p.literal(' ');
    return { chatName: name, sendReceipts: p.keyword({ on: true, off: false, default: undefined }) };
  }),
  command('APISetChatItemTTL', '/_ttl ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, ttl: p.number() };
  }),
  command('APISetChatTTL', '/_ttl ', (p) => {
    const userId = p.number();
    p.space();
    const chat = ref(p);
    p.space();
    return { userId, ...chat, ttl: ttlValue(p) };
  }),
  command('APIGetChatItemTTL', '/_ttl ', (p) => ({ userId: p.number() })),
  command('SetChatItemTTL', '/ttl ', (p) => ({ ttl: itemTTL(p) })),
  plain('GetChatItemTTL', '/ttl'),
  command('SetChatTTL', '/ttl ', (p) => {
    const name = chatName(p);
    p.space();
    return {
      chatName: name,
      ttl: p.first<number | undefined>(
        () => p.keyword({ default: undefined }),
        () => itemTTL(p),
      ),
    };
  }),
  command('GetChatTTL', '/ttl ', (p) => ({ chatName: chatName(p) })),
  command('APISetChatUIThemes', '/_set theme ', (p) => ({
    ...ref(p),
    uiThemes: p.optional(() => {
      p.space();
      return typed(p, 'UIThemeEntityOverrides');
    }),
  })),
  command('APIGetChatTags', '/_get tags ', (p) => ({ userId: p.number() })),
  command('APICreateChatTag', '/_create tag ', (p) => ({ chatTag: p.json('a chat tag', tagData) })),
  command('APISetChatTags', '/_tags ', (p) => ({
    ...ref(p),
    tagIds:
      p.optional(() => {
        p.space();
        return p.numbers();
      }) ?? [],
  })),
  command('APIDeleteChatTag', '/_delete tag ', (p) => ({ tagId: p.number() })),
  command('APIUpdateChatTag', '/_update tag ', (p) => {
    const tagId = p.number();
    p.space();
    return { tagId, chatTag: p.json('a chat tag', tagData) };
  }),
  command('APIReorderChatTags', '/_reorder tags ', (p) => ({ tagIds: p.numbers() })),
];

export const messageCommands: readonly GrammarEntry[] = [
  command('APISendMessages', '/_send ', (p) => {
    const to = { sendRef: sendRef(p), ...live(p), ...ttl(p) };
    p.option(' sign=', () => p.onOff()); // of later versions
    return { ...to, composedMessages: composedMessages(p) };
  }),
  command('APICreateChatItems', '/_create *', (p) => ({
    noteFolderId: p.number(),
    composedMessages: composedMessages(p),
  })),
  command('APIUpdateChatItem', '/_update item ', (p) => {
    const chat = ref(p);
    p.space();
    const item = { ...chat, chatItemId: p.number(), ...live(p) };
    return p.first(
      () => {
        p.literal(' json');
        return { ...item, updatedMessage: p.json('UpdatedMessage', updatedMessage) };
      },
      () => {
        p.literal(' text ');
        return { ...item, updatedMessage: { msgContent: { type: 'text' as const, text: p.rest() }, mentions: {} } };
      },
    );
  }),
  command('APIDeleteChatItem', '/_delete item ', (p) => ({ ...ref(p), ...ids(p), deleteMode: mode(p) })),
  command('APIDeleteMemberChatItem', '/_delete member item #', (p) => ({ groupId: p.number(), ...ids(p) })),
  command('APIArchiveReceivedReports', '/_archive reports #', (p) => ({ groupId: p.number() })),
  command('APIDeleteReceivedReports', '/_delete reports #', (p) => ({
    groupId: p.number(),
    ...ids(p),
    deleteMode: mode(p),
  })),
  command('APIChatItemReaction', '/_reaction ', (p) => {
    const chat = ref(p);
    p.space();
    const chatItemId = p.number();
    p.space();
    const add = p.onOff();
    p.space();
    return { ...chat, chatItemId, add, reaction: knownReaction(p) };
  }),
  command('APIGetReactionMembers', '/_reaction members ', (p) => {
    const userId = p.number();
    p.literal(' #');
    const groupId = p.number();
    p.space();
    const chatItemId = p.number();
    p.space();
    return { userId, groupId, chatItemId, reaction: knownReaction(p) };
  }),
  command('APIPlanForwardChatItems', '/_forward plan ', (p) => ({ fromChatRef: chatRef(p), ...ids(p) })),
  command('APIForwardChatItems', '/_forward ', (p) => {
    const toChatRef = chatRef(p);
    p.space();
    return { toChatRef, fromChatRef: chatRef(p), ...ids(p), ...ttl(p) };
  }),
  command('APIReportMessage', '/_report #', (p) => {
    const groupId = p.number();
    p.space();
    const chatItemId = p.number();
    p.literal(' reason=');
    const reason = reportReason(p);
    return { groupId, chatItemId, reportReason: reason, reportText: p.atEnd ? '' : textAfterSpace(p) };
  }),
  command('ReportMessage', '/report #', (p) => {
    const groupName = displayName(p);
    const memberName = p.option(' @', () => displayName(p));
    p.space();
    return { groupName, memberName, reportReason: reportReason(p), text: msgTextAfterSpace(p) };
  }),

  // Forwards come before messages: `@bob <- @alice hi` is also a message to bob.
  command('ForwardMessage', ['@', '#', '*', ':'], (p) => {
    p.pos--;
    const toChatName = chatName(p);
    p.literal(' <- @');
    return { toChatName, fromContactName: displayName(p), text: msgTextAfterSpace(p) };
  }),
  command('ForwardGroupMessage', ['@', '#', '*', ':'], (p) => {
    p.pos--;
    const toChatName = chatName(p);
    p.literal(' <- #');
    const fromGroupName = displayName(p);
    const fromMemberName = p.option(' @', () => displayName(p));
    return { toChatName, fromGroupName, fromMemberName, text: msgTextAfterSpace(p) };
  }),
  command('ForwardLocalMessage', ['@', '#', '*', ':'], (p) => {
    p.pos--;
    const toChatName = chatName(p);
    p.literal(' <- * ');
    return { toChatName, text: msgText(p) };
  }),
  command('SendMessage', ['@', '#', '/*'], (p) => {
    p.pos = 0;
    return { sendName: sendName(p), text: msgTextAfterSpace(p) };
  }),
  command('SendMemberContactMessage', '@#', (p) => {
    const groupName = displayName(p);
    p.space();
    return { groupName, memberName: nameAfter(p, '@'), text: msgTextAfterSpace(p) };
  }),
  command('SendLiveMessage', '/live ', (p) => ({
    chatName: chatName(p),
    text: p.atEnd ? '' : msgTextAfterSpace(p),
  })),
  ...(['rcv', 'snd'] as const).map((msgDir) =>
    command('SendMessageQuote', msgDir === 'rcv' ? ['>@', '> @'] : ['>>@', '>> @'], (p) => {
      const contactName = displayName(p);
      p.space();
      return { contactName, msgDir, ...quoted(p) };
    }),
  ),
  command('SendGroupMessageQuote', ['>#', '> #'], (p) => {
    const groupName = displayName(p);
    p.space();
    let memberName: string | undefined;
    if (p.text[p.pos] !== '(') {
      memberName = nameAfter(p, '@');
      p.space();
    }
    return { groupName, memberName, ...quoted(p) };
  }),
  command('SendMessageBroadcast', '/feed ', (p) => ({ text: msgText(p) })),
  command('EditMessage', ['! ', '!'], (p) => {
    const name = chatName(p);
    p.space();
    return { chatName: name, editedText: p.optional(() => quotedText(p)) ?? '', text: msgText(p) };
  }),
  command('DeleteMemberMessage', ['\\\\ #', '\\\\#'], (p) => {
    const groupName = displayName(p);
    p.space();
    return { groupName, memberName: nameAfter(p, '@'), text: textAfterSpace(p) };
  }),
  command('DeleteMessage', ['\\ ', '\\'], (p) => ({ chatName: chatName(p), text: textAfterSpace(p) })),
  command('ReactToMessage', ['+', '-'], (p) => {
    const add = p.text[0] === '+';
    const reaction = reactionKey(p);
    p.space();
    return { add, reaction, chatName: chatNameOrContact(p), text: textAfterSpace(p) };
  }),

  // Files
  command('ReceiveFile', ['/freceive ', '/fr '], (p) => ({
    ...fileOptions(p),
    fileInline: p.option(' inline=', () => p.onOff()),
    filePath: p.atEnd ? undefined : textAfterSpace(p),
  })),
  command('SetFileToReceive', '/_set_file_to_receive ', fileOptions),
  command('CancelFile', ['/fcancel ', '/fc '], (p) => ({ fileId: p.number() })),
  command('FileStatus', ['/fstatus ', '/fs '], (p) => ({ fileId: p.number() })),
  command('SendFile', ['/file ', '/f '], (p) => {
    const name = chatNameOrContact(p);
    p.space();
    return { chatName: name, file: cryptoFile(p) };
  }),
  command('SendImage', ['/image ', '/img '], (p) => {
    const name = chatNameOrContact(p);
    p.space();
    return { chatName: name, file: cryptoFile(p) };
  }),
  command('ForwardFile', ['/fforward ', '/ff '], (p) => {
    const name = chatNameOrContact(p);
    p.space();
    return { chatName: name, fileId: p.number() };
  }),
  command('ForwardImage', ['/image_forward ', '/imgf '], (p) => {
    const name = chatNameOrContact(p);
    p.space();
    return { chatName: name, fileId: p.number() };
  }),
  command('SendFileDescription', ['/fdescription ', '/fd'], (p) => {
    const name = chatNameOrContact(p);
    p.space();
    return { chatName: name, path: path(p) };
  }),
  command('APIUploadStandaloneFile', '/_upload ', (p) => {
    const userId = p.number();
    p.space();
    return { userId, file: cryptoFile(p) };
  }),
  command('APIStandaloneFileInfo', '/_download info ', (p) => ({ uri: fileUri(p) })),
  command('APIDownloadStandaloneFile', '/_download ', (p) => {
    const userId = p.number();
    p.space();
    const uri = fileUri(p);
    p.space();
    return { userId, uri, file: cryptoFile(p) };
  }),
];

/** A link to a file: its description is YAML inside a query parameter; the agent parses it. */
function fileUri(p: CommandInput): string {
  const start = p.pos;
  const uri = p.word('a file link');
  if (!/^(?:simplex:|https:\/\/[^/\s]+)\/file\/?#\/?\?(?:\S*&)?desc=\w+(?:%3A|:)/i.test(uri)) {
    p.pos = start;
    p.fail('a file link');
  }
  return uri;
}
